"""The residual block on NumPy arrays, a few rows at a time, so that what it works in stays in the processor's cache.

As whole arrays, the widened features of a block would be written to memory and read again at every operation, and new
memory has to be mapped for each. In bands all operations of a block run over the same few buffers. Only the depthwise
convolution looks beyond a band, one row up and down: rows mixed for one band are kept for the next.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["InPlace", "block_in_bands", "depthwise_rows"]

#: Positions in a band. Matrix products of fewer rows take longer for each; more fall out of the second-level cache.
BAND_POSITIONS = 256

Values = npt.NDArray[Any]


class InPlace(Protocol):
    """Operations of `lcodec.networks.ops.Ops` that write into given arrays, without the batch axis: (h, w, C)."""

    def linear_into(self, name: str, x: Values, out: Values) -> None:
        """1x1 convolution of contiguous arrays."""

    def depthwise_into(self, name: str, x: Values, out: Values) -> None:
        """3x3 convolution of each channel: (h + 2, w + 2, C) -> (h, w, C)."""

    def leaky_into(self, x: Values, out: Values) -> None:
        """Leaky ReLU; `out` may be `x`."""

    def add_into(self, x: Values, out: Values) -> None:
        """Add `x` to `out`."""


def block_in_bands(ops: InPlace, name: str, x: Values) -> Values:
    """What `lcodec.networks.ops.Ops.block` computes, (N, h, w, C) -> (N, h, w, C)."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    _, height, width, channels = x.shape
    rows = min(height, max(1, BAND_POSITIONS // width))
    # Features as the depthwise convolution sees them, from a row above the band to one below it, zeros around.
    seen = np.zeros((rows + 2, width + 2, channels), x.dtype)
    inner = np.empty((rows + 1, width, channels), x.dtype)
    wide = np.empty((rows, width, 2 * channels), x.dtype)
    for picture, target in zip(x, out, strict=True):
        known = 0  # rows of the picture that are mixed already
        seen[0] = 0
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            if top:
                seen[:2] = seen[rows : rows + 2]
            last = min(bottom + 1, height)
            mixed = inner[: last - known]
            ops.linear_into(f"{name}.mix", picture[known:last], mixed)
            ops.leaky_into(mixed, seen[1 + known - top : 1 + last - top, 1:-1])
            if bottom == height:
                seen[1 + height - top] = 0
            known = last
            band, spatial, widened = target[top:bottom], inner[: bottom - top], wide[: bottom - top]
            ops.depthwise_into(f"{name}.spatial", seen[: bottom - top + 2], spatial)
            ops.linear_into(f"{name}.merge", spatial, band)
            ops.add_into(picture[top:bottom], band)
            ops.linear_into(f"{name}.expand", band, widened)
            ops.leaky_into(widened, widened)
            ops.linear_into(f"{name}.reduce", widened, spatial)
            ops.add_into(spatial, band)
    return out


def depthwise_rows(x: Values, weight: Values, out: Values) -> None:
    """3x3 convolution of each channel, (h + 2, w + 2, C) with (3, 3, C) -> (h, w, C)."""
    height, width, channels = out.shape
    row, column, channel = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x, (height, width, 3, 3, channels), (row, column, row, column, channel), writeable=False
    )
    np.einsum("hwijc,ijc->hwc", windows, weight, out=out)
