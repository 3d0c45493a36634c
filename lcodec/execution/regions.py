"""Regions: a large picture is coded in squares, each with its own sections, so that memory is bounded at any size.

No context crosses the border of a region, so that regions are coded and decoded independently, on all cores. The
transforms do see across it, so there are no seams: the synthesis of a region needs latents of those around it.
Rows, columns and sides are counted in latents here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from lcodec.entropy.model import band_rows
from lcodec.errors import LimitError
from lcodec.networks.hyperprior import CONTEXT_HALO
from lcodec.networks.transforms import SYNTHESIS_HALO

__all__ = ["MEMORY", "Kept", "Region", "cut", "strips", "workers_to_decode", "workers_to_encode"]


#: Bytes that the process may hold besides the picture and its file, unless the caller says otherwise.
MEMORY = 1 << 30
#: Bytes that it holds anyway: Python, NumPy and a model.
_BASE = 128 << 20
#: Bytes that a worker takes in any case.
_WORKER = 28 << 20
#: Bytes of the networks' working arrays for each latent position of a band.
_NETWORKS = 20 << 10
#: Bytes for each latent position of a region that is worked on: latents, their values and features.
_POSITION = 4 * (320 + 320 + 192)
#: Bytes of a position's decoded latents.
_DECODED = 4 * 320


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


def strips(rows: list[list[Region]], workers: int) -> list[list[Region]]:
    """The regions of some rows of them at a time: at least as high as the halo, and one for each worker."""
    count = _rows_of_a_strip(rows, workers)
    return [list(chain.from_iterable(rows[first : first + count])) for first in range(0, len(rows), count)]


def workers_to_encode(memory: int, rows: list[list[Region]], cores: int, effort: int = 0) -> int:
    """How many regions may be coded at a time, where `effort` bytes each are taken besides.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """
    return _affordable(memory, rows, cores, lambda workers: _BASE + workers * (_work(rows) + effort))


def workers_to_decode(memory: int, rows: list[list[Region]], cores: int) -> int:
    """How many regions may be decoded at a time.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """

    def need(workers: int) -> int:
        kept = min(rows[-1][-1].bottom, 2 * _rows_of_a_strip(rows, workers) * rows[0][0].size[0] + SYNTHESIS_HALO)
        return _BASE + workers * _work(rows) + kept * rows[0][-1].right * _DECODED

    return _affordable(memory, rows, cores, need)


def _work(rows: list[list[Region]]) -> int:
    """Bytes that a worker takes."""
    height, width = rows[0][0].size
    band = min(height, band_rows(width) + 2 * CONTEXT_HALO) * width
    return _WORKER + band * _NETWORKS + height * width * _POSITION


def _affordable(memory: int, rows: list[list[Region]], cores: int, need: Callable[[int], int]) -> int:
    if need(1) > memory:
        raise LimitError(f"a picture of this size takes at least {-(-need(1) >> 20)} MiB of memory (see --memory)")
    most = min(cores, sum(len(row) for row in rows))
    return max(workers for workers in range(1, most + 1) if need(workers) <= memory)


def _rows_of_a_strip(rows: list[list[Region]], workers: int) -> int:
    """Rows of regions that are decoded together."""
    return max(-(-SYNTHESIS_HALO // rows[0][0].size[0]), workers // len(rows[0]))


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
