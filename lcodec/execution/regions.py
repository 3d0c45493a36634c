"""Regions: a large picture is coded in squares, each with its own sections, so that memory is bounded at any size.

No context crosses the border of a region, so that regions are coded and decoded independently, on all cores. The
transforms do see across it, so there are no seams: the synthesis of a region needs a halo of latents around it.
Rows, columns and sides are counted in latents here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

__all__ = ["Kept", "Region", "cut", "rows_of_a_strip", "strips"]


@dataclass(frozen=True)
class Region:
    """A rectangle of latents."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left


def cut(size: tuple[int, int], side: int) -> list[list[Region]]:
    """Rows of regions of a picture of `size` latents; those at its right and its bottom may be smaller."""
    return [
        [Region(top, left, min(top + side, size[0]), min(left + side, size[1])) for left in range(0, size[1], side)]
        for top in range(0, size[0], side)
    ]


def strips(rows: list[list[Region]], workers: int, halo: int) -> list[list[Region]]:
    """Regions that are decoded together, some rows at a time: at least as high as the halo, and one for each worker."""
    count = rows_of_a_strip(rows, workers, halo)
    return [list(chain.from_iterable(rows[first : first + count])) for first in range(0, len(rows), count)]


def rows_of_a_strip(rows: list[list[Region]], workers: int, halo: int) -> int:
    """Rows of regions that are decoded together."""
    return max(-(-halo // rows[0][0].size[0]), workers // len(rows[0]))


class Kept:
    """Decoded latents that are still needed, as strips are decoded from the top of a picture to its bottom.

    Those are the last strip and the one above it, and above that as many rows as the halo has.
    """

    def __init__(self, width: int, channels: int, halo: int) -> None:
        self._width, self._channels, self._halo = width, channels, halo
        self._strips: list[tuple[int, npt.NDArray[np.int32]]] = []  # first row, latents (h, width, channels)

    def begin(self, strip: list[Region]) -> None:
        """Make room for the next strip, whose regions these are."""
        top, bottom = strip[0].top, strip[-1].bottom
        if len(self._strips) > 1:
            first, old = self._strips[-2]
            rows = min(self._halo, len(old))
            self._strips[:-1] = [(first + len(old) - rows, old[len(old) - rows :].copy())]
        self._strips.append((top, np.empty((bottom - top, self._width, self._channels), np.int32)))

    def put(self, region: Region, values: npt.NDArray[np.int32]) -> None:
        """Keep the latents of a region of the last strip."""
        top, strip = self._strips[-1]
        strip[region.top - top : region.bottom - top, region.left : region.right] = values

    def window(self, region: Region) -> tuple[npt.NDArray[np.int32], tuple[int, int]]:
        """A region's latents with as much of the halo as the picture has, and where in them the region begins."""
        top, bottom = max(region.top - self._halo, 0), region.bottom + self._halo
        left, right = max(region.left - self._halo, 0), region.right + self._halo
        parts = [part[max(top - first, 0) : max(bottom - first, 0), left:right] for first, part in self._strips]
        return np.concatenate(parts), (region.top - top, region.left - left)
