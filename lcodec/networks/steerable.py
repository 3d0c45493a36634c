"""Steerable pyramid: a picture as sub-bands by scale and orientation, from which a metric begins (`networks.pim`).

Simoncelli and Freeman, "The steerable pyramid" (ICIP 1995), with the filters of Portilla and Simoncelli, "A parametric
texture model" (IJCV 2000, section 2.1): defined by their frequency response, real, the squares of all of them adding up
to 1. So the energies of the sub-bands add up to that of the picture. With two orientations the sub-bands of a scale are
smoothed derivatives, one along the rows and one along the columns. Needs torch; differentiable.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BANDS", "OCTAVES", "SCALES", "pyramid", "subbands"]

SCALES, ORIENTATIONS = 3, 2
BANDS = 2 + SCALES * ORIENTATIONS
#: How often each sub-band is halved in size: high residual, scales from fine to coarse, low residual.
OCTAVES = (0, *(scale for scale in range(SCALES) for _ in range(ORIENTATIONS)), SCALES)
#: Pixels by which pictures are mirrored beyond their edges, so that opposite edges do not meet.
MARGIN_PX = 16


class _Filters(NamedTuple):
    """Frequency responses, for spectra as `torch.fft.rfft2` gives them."""

    high_residual: Tensor  #: (H, W/2 + 1)
    low_residual: Tensor  #: likewise: all that is left
    oriented: list[Tensor]  #: for each scale (2, h, w/2 + 1), complex
    low: list[Tensor]  #: for each scale (h, w/2 + 1): what goes on to the next


def pyramid(pictures: Tensor) -> list[Tensor]:
    """Sub-bands of pictures, finest first; pictures are mirrored beyond their edges.

    Args:
        pictures: (N, C, H, W), sides over MARGIN_PX.

    Returns:
        Eight of (N, C, ceil(H / 2^o), ceil(W / 2^o)), with o from OCTAVES.
    """
    height, width = pictures.shape[2:]
    more = 1 << SCALES
    sides = (MARGIN_PX, MARGIN_PX - width % -more, MARGIN_PX, MARGIN_PX - height % -more)
    bands = subbands(F.pad(pictures.float(), sides, mode="reflect"))
    found = []
    for band, octave in zip(bands, OCTAVES, strict=True):
        first = MARGIN_PX >> octave
        rows, columns = (first - (-side >> octave) for side in (height, width))
        found.append(band[:, :, first:rows, first:columns])
    return found


def subbands(pictures: Tensor) -> list[Tensor]:
    """Sub-bands of pictures that go on periodically beyond their edges.

    Args:
        pictures: (N, C, H, W), float32, sides multiples of 8.

    Returns:
        As `pyramid`. The mean squares of a picture's sub-bands add up to that of the picture.
    """
    height, width = pictures.shape[2:]
    filters = _filters(height, width, pictures.device)
    spectrum = torch.fft.rfft2(pictures)
    bands = [torch.fft.irfft2(spectrum * filters.high_residual, s=(height, width))]
    spectrum = spectrum * filters.low_residual
    for oriented, low in zip(filters.oriented, filters.low, strict=True):
        bands += [torch.fft.irfft2(spectrum * response, s=(height, width)) for response in oriented]
        # Nothing is left above half the bandwidth, so half of the samples will do.
        kept = spectrum * low / 4
        height, width = height // 2, width // 2
        kept = torch.cat((kept[:, :, : height // 2], kept[:, :, -(height // 2) :]), dim=2)
        spectrum = kept[:, :, :, : width // 2 + 1]
    return [*bands, torch.fft.irfft2(spectrum, s=(height, width))]


@lru_cache(maxsize=8)
def _filters(height: int, width: int, device: torch.device) -> _Filters:
    radius, _ = _frequencies(height, width, device)
    low_residual, high_residual = _crossover(radius, math.pi)
    oriented, lows = [], []
    for scale in range(SCALES):
        radius, direction = _frequencies(height >> scale, width >> scale, device)
        low, high = _crossover(radius, math.pi / 2)
        oriented.append(-1j * high * direction)
        lows.append(low)
    return _Filters(high_residual, low_residual, oriented, lows)


def _frequencies(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Distance from frequency 0 in radians a sample (h, w/2 + 1), and cosine and sine of the direction (2, ...)."""
    down = 2 * math.pi * torch.fft.fftfreq(height, device=device)[:, None]
    along = 2 * math.pi * torch.fft.rfftfreq(width, device=device)
    radius = torch.hypot(down, along).clamp(min=1e-6)
    return radius, torch.stack((along / radius, down / radius))


def _crossover(radius: Tensor, end: float) -> tuple[Tensor, Tensor]:
    """Low-pass and high-pass, crossing over within the octave that ends at `end`; the squares add up to 1."""
    phase = math.pi / 2 * torch.log2(2 * radius / end).clamp(0, 1)
    return phase.cos(), phase.sin()
