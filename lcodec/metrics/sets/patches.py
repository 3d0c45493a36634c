"""The patches that a set of photos is judged by: at the same places of a photo, whatever coded it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PATCH", "PATCHES_OF_A_PHOTO", "Patches", "Pixels", "patches_of", "places", "room"]

#: Side of a patch in pixels.
PATCH = 64
#: At most so many patches are taken of a photo, so that a large one does not decide alone.
PATCHES_OF_A_PHOTO = 32

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Patches:
    """Patches of photos, and what each of them has become."""

    originals: Pixels  #: (N, PATCH, PATCH, 3), photo by photo
    decoded: Pixels  #: the same shape
    photos: NDArray[np.int64]  #: (N,), the number of each patch's photo, from 0

    @property
    def count(self) -> int:
        """The number of photos."""
        return int(self.photos.max(initial=-1)) + 1

    def only(self, chosen: NDArray[np.bool_]) -> Patches:
        """Return the patches that are chosen, of shape (N,); photos are numbered anew."""
        photos = np.unique(self.photos[chosen], return_inverse=True)[1]
        return Patches(self.originals[chosen], self.decoded[chosen], photos)


def room(height: int, width: int) -> int:
    """Return how many patches are taken of a photo of a size."""
    return min(PATCHES_OF_A_PHOTO, (height // PATCH) * (width // PATCH))


def places(original: Pixels) -> NDArray[np.int64]:
    """Return where the patches of a photo (H, W, C) are: their first rows and columns, shape (n, 2).

    They do not overlap. Where more than `PATCHES_OF_A_PHOTO` have room, they are drawn by lot, from a seed that is the
    checksum of the original's samples: the same ones in every run, for every codec, beside whatever other photos.
    """
    rng = np.random.default_rng(zlib.crc32(original.tobytes()))
    height, width = original.shape[:2]
    first = rng.integers(0, (height % PATCH + 1, width % PATCH + 1))
    cells = rng.permutation((height // PATCH) * (width // PATCH))[: room(height, width)]
    rows, columns = np.divmod(np.sort(cells), max(width // PATCH, 1))
    return np.stack((rows, columns), axis=1) * PATCH + first


def patches_of(pairs: Iterable[tuple[Pixels, Pixels]]) -> Patches:
    """Cut patches out of originals and what they decode to, (H, W, 1 or 3) each; grey counts as R = G = B.

    Raises:
        ValueError: no photo has room for a patch, or a decoded picture has another size than its original.
    """
    cut: tuple[list[Pixels], list[Pixels]] = ([], [])
    photos: list[int] = []
    for original, decoded in pairs:
        if original.shape != decoded.shape:
            raise ValueError("a decoded picture has the size of its original")
        found = places(original)
        for patches, picture in zip(cut, (original, decoded), strict=True):
            for row, column in found:
                patch = picture[row : row + PATCH, column : column + PATCH]
                patches.append(np.broadcast_to(patch, (PATCH, PATCH, 3)).copy())  # no view: photos may be large
        photos += [max(photos, default=-1) + 1] * len(found)
    if not photos:
        raise ValueError(f"no photo has {PATCH} pixels a side")
    return Patches(np.stack(cut[0]), np.stack(cut[1]), np.array(photos))
