"""Regions: a large picture is coded in squares, each with its own sections, so that memory is bounded at any size.

No context crosses the border of a region, so that regions are coded and decoded independently, on all cores. The
transforms do see across it, so there are no seams: the synthesis of a region needs a halo of latents around it.
Rows, columns and sides are counted in latents here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.execution.engine import Spread
from lcodec.networks.architecture import Architecture
from lcodec.networks.transforms import LATENT_STRIDE

__all__ = ["Layout", "Region", "by_strips", "window_of"]

#: Pictures of more latents than this are cut into regions.
WHOLE = 1 << 14
#: Side of a region (1024 pixels).
REGION = 64


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


def window_of(region: Region, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The pixels of a region: a view of those of a picture, (H, W, ...)."""
    top, bottom, left, right = (edge * LATENT_STRIDE for edge in (region.top, region.bottom, region.left, region.right))
    return pixels[top:bottom, left:right]


@dataclass(frozen=True)
class Layout:
    """How a picture is cut; `rows` are rows of regions, those at its right and its bottom may be smaller."""

    size: tuple[int, int]  #: rows and columns of the picture
    side: int  #: of a region

    @classmethod
    def of(cls, height: int, width: int, region_px: int | None = None) -> Layout:
        """Lay out a picture of `height` x `width` pixels: as a file says, or (None) as an encoder does.

        Args:
            height: of the picture, in pixels.
            width: likewise.
            region_px: side of a region in pixels; 0 for a picture that is not cut.
        """
        size = -(-height // LATENT_STRIDE), -(-width // LATENT_STRIDE)
        if region_px is None:
            return cls(size, REGION if size[0] * size[1] > WHOLE else max(size))
        return cls(size, region_px // LATENT_STRIDE or max(size))

    @cached_property
    def rows(self) -> list[list[Region]]:
        """The regions, row by row."""
        (height, width), side = self.size, self.side
        return [
            [Region(top, left, min(top + side, height), min(left + side, width)) for left in range(0, width, side)]
            for top in range(0, height, side)
        ]

    @cached_property
    def regions(self) -> list[Region]:
        """All regions, in the order of the file."""
        return list(chain.from_iterable(self.rows))

    @property
    def region_px(self) -> int:
        """Side of a region in pixels, as files have it: 0 where there is only one."""
        return self.side * LATENT_STRIDE if len(self.regions) > 1 else 0

    def strip_rows(self, workers: int, halo: int) -> int:
        """Rows of regions that are decoded together: at least as high as the halo, and a region for each worker."""
        return max(-(-halo // self.rows[0][0].size[0]), workers // len(self.rows[0]))


def by_strips(
    layout: Layout,
    workers: int,
    sizes: Architecture,
    decode: Callable[[Region], tuple[npt.NDArray[np.int32], int]],
    synthesise: Callable[[Region, npt.NDArray[np.int32], tuple[int, int]], None],
    spread: Spread,
) -> list[int]:
    """Decode a picture from its top to its bottom, some rows of regions at a time, holding no more latents than needed.

    Args:
        layout: of the picture.
        workers: regions that are worked on at a time.
        sizes: of the model.
        decode: latents (h, w, C) of a region, and their check.
        synthesise: takes a region, its latents with a halo around it, and where in them the region begins.
        spread: calls a function on several items at a time.

    Returns:
        The checks, in the order of the regions.
    """
    halo, rows = sizes.synthesis_halo, layout.rows
    latents = _Kept(layout.size[1], sizes.latents, halo)

    def decode_one(region: Region) -> int:
        values, check = decode(region)
        latents.put(region, values)
        return check

    def synthesise_one(region: Region) -> None:
        synthesise(region, *latents.window(region))

    checks: list[int] = []
    above: list[Region] = []
    step = layout.strip_rows(workers, halo)
    for first in range(0, len(rows), step):
        strip = list(chain.from_iterable(rows[first : first + step]))
        latents.begin(strip)
        checks += spread(decode_one, strip)
        spread(synthesise_one, above)  # of which the halo reaches into the strip
        above = strip
    spread(synthesise_one, above)
    return checks


class _Kept:
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
