"""Photos that crops are drawn from, by importance and by shares of their kinds, and cut.

Photos that fit the memory they are given are decoded once, into one flat uint8 buffer that forked processes share; a
crop is then a view. Of more photos the latest are kept and the others decoded again when they are drawn, by threads,
one step ahead of the training. Which crops a step gets does not depend on that.

Crops are drawn by importance (Katharopoulos and Fleuret, "Not all samples are created equal", 2018): busy photos have
larger gradients, so they come more often and count less. How busy a photo is, the size of its file tells. The gradient
stays the same in the mean, with less noise, which late in training is nearly all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.errors import PictureError
from lcodec.training.data.files import Pixels, Source

__all__ = ["Cut", "InMemory", "Known", "Photos", "Streamed", "cropper"]

#: Bytes a pixel of a photo's file, relative to the median photo's of its kind, say how likely its pixels are drawn,
#: within these limits: where photos are stored in several ways, bytes mislead.
CHANCES = (0.5, 2.0)
#: Photos of more than this share of a GPU's free memory stay where they are.
PHOTOS_SHARE = 0.25


class Known(NamedTuple):
    """What is known of M photos before they are decoded."""

    sizes: npt.NDArray[np.int64]  #: (M, 2), height and width
    lengths: npt.NDArray[np.int64]  #: (M,), bytes of their files
    kinds: npt.NDArray[np.int64]  #: (M,), indexes of `shares`
    shares: tuple[float, ...]  #: of the crops, for each kind; their sum is 1
    skipped: list[str]  #: names of files that could not be read

    def only(self, indexes: Sequence[int], skipped: Sequence[str]) -> Known:
        """The same of some of the photos; more were skipped."""
        of = np.array(indexes, np.int64)
        return Known(self.sizes[of], self.lengths[of], self.kinds[of], self.shares, [*self.skipped, *skipped])


class Cut(NamedTuple):
    """Where a crop comes from: pixels [top, left, +size] of a photo, turned and perhaps mirrored."""

    photo: int  #: its index
    top: int
    left: int
    size: int
    turns: int  #: by 90 degrees
    mirrored: bool
    weight: float  #: what its loss counts; 1 in the mean of what would be drawn by area


class Photos(ABC):
    """Photos to draw crops from."""

    kept: bool  #: all of them are decoded, in memory

    def __init__(self, known: Known, frames: int) -> None:
        self.sizes, self.kinds, self.shares = known.sizes, known.kinds, known.shares
        self.frames = frames  #: pictures in each of them, side by side in its channels
        density = known.lengths / self.sizes.prod(axis=1)
        self.chances = np.ones(len(density))  #: (M,) of a pixel to be drawn, relative
        for kind in range(len(self.shares)):
            of = self.kinds == kind
            self.chances[of] = (density[of] / np.median(density[of])).clip(*CHANCES)
        self.skipped = list(known.skipped)  #: grows when damage shows up late

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def pixels(self) -> int:
        """Number of pixels of all photos."""
        return int(self.sizes.prod(axis=1).sum())

    @abstractmethod
    def photo(self, index: int) -> Pixels:
        """Photo `index`, (H, W, 3 frames).

        Raises:
            OSError: it cannot be decoded.
        """

    @abstractmethod
    def expect(self, cuts: Iterable[Cut]) -> None:
        """Get ready for `crops(cuts)`, in the background."""

    def fits(self, size: int) -> bool:
        """Whether of each kind there is a photo with both sides of `size` or more."""
        large = (self.sizes >= size).all(axis=1)
        return set(self.kinds[large]) == set(range(len(self.shares)))

    def check(self, size: int) -> None:
        """Raise PictureError if crops of this size cannot be drawn: of one kind, no photo is as large as that."""
        if not self.fits(size):
            of = " of one of the sources" if len(self.shares) > 1 else ""
            raise PictureError(f"no photo{of} has both sides of {size} pixels or more")

    def draw(self, count: int, size: int, rng: np.random.Generator) -> list[Cut]:
        """Draw cuts at random.

        Each kind has its share of them. Within a kind, photos are drawn by their area times their chance; those with a
        side under `size` are left out. The weights make up for the chances: a weighted mean over the cuts of a kind is
        in the long run that over all its pixels.

        Raises:
            PictureError: of one kind, no photo is as large as that.
        """
        self.check(size)
        area = np.where((self.sizes >= size).all(axis=1), self.sizes.prod(axis=1), 0).astype(np.float64)
        likely = area * self.chances
        weights = 1 / self.chances
        for kind, share in enumerate(self.shares):
            of = self.kinds == kind
            weights[of] *= likely[of].sum() / area[of].sum()
            likely[of] *= share / likely[of].sum()
        photos = rng.choice(len(self), size=count, p=likely)
        corners = rng.integers(0, self.sizes[photos] - size + 1).tolist()
        turns, mirrored = rng.integers(0, 4, count).tolist(), rng.integers(0, 2, count).astype(bool).tolist()
        drawn = zip(photos.tolist(), corners, turns, mirrored, weights[photos].tolist(), strict=True)
        return [Cut(photo, top, left, size, turn, mirror, weight) for photo, (top, left), turn, mirror, weight in drawn]

    def crops(self, cuts: Sequence[Cut]) -> Pixels:
        """The crops (N, size, size, 3 frames) of cuts of one size; another of them replaces one that cannot be read.

        Raises:
            OSError: none of them can be read.
        """
        crops: list[Pixels | None] = []
        for cut in cuts:
            try:
                crop = self.photo(cut.photo)[cut.top : cut.top + cut.size, cut.left : cut.left + cut.size]
                crop = np.rot90(crop, cut.turns)
                crops.append(crop[:, ::-1] if cut.mirrored else crop)
            except OSError:
                crops.append(None)
        good = [crop for crop in crops if crop is not None]
        if not good:
            raise OSError("no photo of this step can be read any more")
        return np.stack([good[0] if crop is None else crop for crop in crops])


class InMemory(Photos):
    """Photos in one buffer (total, 3 frames); photo i is rows `starts[i]`..."""

    kept = True

    def __init__(self, images: Sequence[Pixels], known: Known) -> None:
        super().__init__(known, images[0].shape[2] // 3)
        ends = self.sizes.prod(axis=1).cumsum()
        self.starts = ends - self.sizes.prod(axis=1)
        self.buffer = np.empty((int(ends[-1]), 3 * self.frames), np.uint8)
        for start, image in zip(self.starts, images, strict=True):
            self.buffer[start : start + image.shape[0] * image.shape[1]] = image.reshape(-1, 3 * self.frames)

    def expect(self, cuts: Iterable[Cut]) -> None:
        """Do nothing: all are at hand."""

    def photo(self, index: int) -> Pixels:
        height, width = (int(side) for side in self.sizes[index])
        return self.buffer[self.starts[index] :][: height * width].reshape(height, width, -1)

    def places(self, cuts: Sequence[Cut]) -> npt.NDArray[np.int64]:
        """Rows of `buffer` that cuts consist of: (N, 3), of each its first one, and the steps down and to the right."""
        found = []
        for cut in cuts:
            width, last = int(self.sizes[cut.photo, 1]), cut.size - 1
            first = int(self.starts[cut.photo]) + cut.top * width + cut.left
            corner, down, right = (
                (0, width, 1),
                (last, -1, width),
                (last * width + last, -width, -1),
                (last * width, 1, -width),
            )[cut.turns]
            found.append(
                (first + corner + last * right, down, -right) if cut.mirrored else (first + corner, down, right)
            )
        return np.array(found, np.int64)


class Streamed(Photos):
    """Photos decoded when they are drawn; the latest stay, up to `memory` bytes."""

    kept = False

    def __init__(self, sources: Sequence[Source], known: Known, frames: int, memory: int) -> None:
        super().__init__(known, frames)
        self.sources, self.memory = sources, memory
        self.latest: OrderedDict[int, Future[Pixels | None]] = OrderedDict()  # in the order of use
        self.used = 0  # bytes
        self.pool: ThreadPoolExecutor | None = None  # made in the process that uses it: threads do not survive a fork

    def expect(self, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
            self._future(cut.photo)

    def photo(self, index: int) -> Pixels:
        pixels = self._future(index).result()
        if pixels is None or pixels.shape[:2] != tuple(self.sizes[index]):
            if self.sources[index].name not in self.skipped:
                self.skipped.append(self.sources[index].name)
            raise OSError(f"{self.sources[index].name} cannot be read")
        return pixels

    def _future(self, index: int) -> Future[Pixels | None]:
        if index in self.latest:
            self.latest.move_to_end(index)
            return self.latest[index]
        if self.pool is None:
            self.pool = ThreadPoolExecutor()
        future = self.latest[index] = self.pool.submit(self.sources[index].decode)
        self.used += self._bytes(index)
        while self.used > self.memory and len(self.latest) > 1:
            self.used -= self._bytes(self.latest.popitem(last=False)[0])
        return future

    def _bytes(self, index: int) -> int:
        return 3 * self.frames * int(self.sizes[index].prod())


def cropper(photos: Photos, device: torch.device) -> Callable[[Sequence[Cut]], Tensor]:
    """Make the function from cuts to crops (N, size, size, 3 frames) uint8 on `device`.

    Photos that are in memory are copied to a GPU's, if they fit, and crops are gathered there.
    """
    if (
        device.type != "cuda"
        or not isinstance(photos, InMemory)
        or photos.buffer.nbytes > PHOTOS_SHARE * torch.cuda.mem_get_info(device)[0]
    ):
        return lambda cuts: torch.from_numpy(photos.crops(cuts)).to(device)
    buffer = torch.from_numpy(photos.buffer).to(device)

    def crops(cuts: Sequence[Cut]) -> Tensor:
        first, down, right = torch.from_numpy(photos.places(cuts)).to(device, non_blocking=True).T[:, :, None, None]
        along = torch.arange(cuts[0].size, device=device)
        return buffer[first + down * along[:, None] + right * along]

    return crops
