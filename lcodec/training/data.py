"""Training photos: found in folders and tar files, and cut into random crops.

Photos that fit the memory they are given are decoded once, into one flat uint8 buffer that forked processes share; a
crop is then a view. Of more photos the latest are kept and the others decoded again when they are drawn, by threads,
one step ahead of the training. Which crops a step gets does not depend on that.

Crops are drawn by importance (Katharopoulos and Fleuret, "Not all samples are created equal", 2018): busy photos have
larger gradients, so they come more often and count less. How busy a photo is, the size of its file tells. The gradient
stays the same in the mean, with less noise, which late in training is nearly all of it.
"""

from __future__ import annotations

import io
import os
import tarfile
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

__all__ = ["Cut", "InMemory", "Photos", "load_photos"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}
_UNREADABLE = (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError)

Pixels = npt.NDArray[np.uint8]
#: (M, 2), height and width of each photo.
Sizes = npt.NDArray[np.int64]
#: (M,), bytes of each photo's file.
Lengths = npt.NDArray[np.int64]
#: Bytes a pixel of a photo's file, relative to the median photo's, say how likely its pixels are drawn, within these
#: limits: where photos are stored in several ways, bytes mislead.
CHANCES = (0.5, 2.0)


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

    def __init__(self, sizes: Sizes, lengths: Lengths, skipped: Sequence[str]) -> None:
        self.sizes = sizes  #: (M, 2), height and width
        density = lengths / sizes.prod(axis=1)
        self.chances = (density / np.median(density)).clip(*CHANCES)  #: (M,) of a pixel to be drawn, relative
        self.skipped = list(skipped)  #: names of files that could not be read; grows when damage shows up late

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def pixels(self) -> int:
        """Number of pixels of all photos."""
        return int(self.sizes.prod(axis=1).sum())

    @abstractmethod
    def photo(self, index: int) -> Pixels:
        """Photo `index`, (H, W, 3).

        Raises:
            OSError: it cannot be decoded.
        """

    @abstractmethod
    def expect(self, cuts: Iterable[Cut]) -> None:
        """Get ready for `crops(cuts)`, in the background."""

    def draw(self, count: int, size: int, rng: np.random.Generator) -> list[Cut]:
        """Draw cuts at random.

        Photos are drawn by their area times their chance; those with a side under `size` are left out. The weights make
        up for the chances: a weighted mean over cuts is in the long run that over all pixels.

        Raises:
            ValueError: no photo is as large as that.
        """
        area = np.where((self.sizes >= size).all(axis=1), self.sizes.prod(axis=1), 0).astype(np.float64)
        if not area.any():
            raise ValueError(f"no photo has both sides of {size} pixels or more")
        share = area * self.chances
        weights = share.sum() / area.sum() / self.chances
        photos = rng.choice(len(self), size=count, p=share / share.sum())
        corners = rng.integers(0, self.sizes[photos] - size + 1).tolist()
        turns, mirrored = rng.integers(0, 4, count).tolist(), rng.integers(0, 2, count).astype(bool).tolist()
        drawn = zip(photos.tolist(), corners, turns, mirrored, weights[photos].tolist(), strict=True)
        return [Cut(photo, top, left, size, turn, mirror, weight) for photo, (top, left), turn, mirror, weight in drawn]

    def crops(self, cuts: Sequence[Cut]) -> Pixels:
        """The crops (N, size, size, 3) of cuts of one size; one that cannot be read is replaced by another of them.

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


@dataclass(frozen=True)
class _File:
    """A picture file, or a member of a tar file."""

    name: str
    path: Path
    offset: int = 0
    length: int = -1  #: bytes; -1: the whole file

    def stored(self) -> int:
        """Bytes that the file takes."""
        return self.length if self.length >= 0 else self.path.stat().st_size

    def open(self) -> Image.Image:
        if self.length < 0:
            return Image.open(self.path)  # reads the header only
        with self.path.open("rb") as handle:
            handle.seek(self.offset)
            return Image.open(io.BytesIO(handle.read(self.length)))

    def size(self) -> tuple[int, int] | None:
        """Height and width as the header says; None if there is none."""
        try:
            with self.open() as image:
                return image.height, image.width
        except _UNREADABLE:
            return None

    def decode(self) -> Pixels | None:
        """Pixels (H, W, 3); None if they cannot be read."""
        try:
            with self.open() as image:
                return np.asarray(image.convert("RGB"))
        except _UNREADABLE:
            return None


class InMemory(Photos):
    """Photos in one buffer (total, 3); photo i is rows `starts[i]`..."""

    kept = True

    def __init__(self, images: Sequence[Pixels], lengths: Lengths, skipped: Sequence[str]) -> None:
        super().__init__(np.array([image.shape[:2] for image in images], np.int64), lengths, skipped)
        ends = self.sizes.prod(axis=1).cumsum()
        self.starts = ends - self.sizes.prod(axis=1)
        self.buffer = np.empty((int(ends[-1]), 3), np.uint8)
        for start, image in zip(self.starts, images, strict=True):
            self.buffer[start : start + image.shape[0] * image.shape[1]] = image.reshape(-1, 3)

    def expect(self, cuts: Iterable[Cut]) -> None:
        """Do nothing: all are at hand."""

    def photo(self, index: int) -> Pixels:
        height, width = (int(side) for side in self.sizes[index])
        return self.buffer[self.starts[index] :][: height * width].reshape(height, width, 3)

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


class _Streamed(Photos):
    """Photos decoded when they are drawn; the latest stay, up to `memory` bytes."""

    kept = False

    def __init__(self, files: Sequence[_File], sizes: Sizes, skipped: Sequence[str], memory: int) -> None:
        super().__init__(sizes, np.array([file.stored() for file in files], np.int64), skipped)
        self.files, self.memory = files, memory
        self.latest: OrderedDict[int, Future[Pixels | None]] = OrderedDict()  # in the order of use
        self.used = 0  # bytes
        self.pool: ThreadPoolExecutor | None = None  # made in the process that uses it: threads do not survive a fork

    def expect(self, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
            self._future(cut.photo)

    def photo(self, index: int) -> Pixels:
        pixels = self._future(index).result()
        if pixels is None or pixels.shape[:2] != tuple(self.sizes[index]):
            if self.files[index].name not in self.skipped:
                self.skipped.append(self.files[index].name)
            raise OSError(f"{self.files[index].name} cannot be read")
        return pixels

    def _future(self, index: int) -> Future[Pixels | None]:
        if index in self.latest:
            self.latest.move_to_end(index)
            return self.latest[index]
        if self.pool is None:
            self.pool = ThreadPoolExecutor()
        future = self.latest[index] = self.pool.submit(self.files[index].decode)
        self.used += self._bytes(index)
        while self.used > self.memory and len(self.latest) > 1:
            self.used -= self._bytes(self.latest.popitem(last=False)[0])
        return future

    def _bytes(self, index: int) -> int:
        return 3 * int(self.sizes[index].prod())


def _files(sources: Iterable[Path]) -> Iterator[_File]:
    """Every picture file in folders (recursively), tar files and plain files."""
    for source in sources:
        if source.is_dir():
            paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
            yield from (_File(str(path), path) for path in paths)
        elif source.suffix == ".tar":
            with tarfile.open(source) as archive:
                for member in archive:
                    if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                        yield _File(f"{source}:{member.name}", source, member.offset_data, member.size)
        else:
            yield _File(str(source), source)


def load_photos(sources: Iterable[Path], memory: int | None = None, processes: int = 1) -> Photos:
    """Find every photo in the sources, in a stable order; decode them if they fit.

    Args:
        sources: folders, tar files and picture files.
        memory: bytes that decoded photos may take; by default half of the machine's.
        processes: that will be forked and train on these photos, each keeping its own where they do not fit.

    Raises:
        ValueError: no photo could be read.
    """
    if memory is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    files = list(_files(sources))
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_File.size, files))
        skipped = [file.name for file, size in zip(files, headers, strict=True) if size is None]
        good = [file for file, size in zip(files, headers, strict=True) if size is not None]
        sizes = np.array([size for size in headers if size is not None], np.int64).reshape(-1, 2)
        if 3 * sizes.prod(axis=1).sum() > memory:
            return _Streamed(good, sizes, skipped, memory // processes)
        images = list(pool.map(_File.decode, good))
    skipped += [file.name for file, image in zip(good, images, strict=True) if image is None]
    readable = [(image, file.stored()) for file, image in zip(good, images, strict=True) if image is not None]
    if not readable:
        raise ValueError("no photo found" + (f"; unreadable: {', '.join(skipped)}" if skipped else ""))
    decoded, lengths = zip(*readable, strict=True)
    return InMemory(decoded, np.array(lengths, np.int64), skipped)
