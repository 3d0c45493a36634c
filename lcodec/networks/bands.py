"""The residual block on NumPy arrays, a few rows at a time, so that what it works in stays in the processor's cache.

As whole arrays, the widened features of a block would be written to memory and read again at every operation, and new
memory has to be mapped for each. In bands all operations of a block run over the same few buffers. Only the depthwise
convolution looks beyond a band, one row up and down: rows mixed for one band are kept for the next.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lcodec.networks import crew

__all__ = ["BAND_ARRAYS", "BAND_POSITIONS", "InPlace", "block_in_bands", "depthwise_rows", "linear_in_parts"]

#: Positions in a band. Matrix products of fewer rows take longer for each; more fall out of the second-level cache.
BAND_POSITIONS = 512

#: What a band works in, in arrays of its own size; most where it is one row: three times three rows, and two.
BAND_ARRAYS = 11

Values = npt.NDArray[Any]


class InPlace(Protocol):
    """Operations of `lcodec.networks.ops.Ops` that write into given arrays, without the batch axis: (h, w, C)."""

    def linear_into(self, name: str, x: Values, out: Values) -> None:
        """1x1 convolution of contiguous arrays."""

    def depthwise_into(self, name: str, x: Values, out: Values) -> None:
        """3x3 convolution of each channel: (h + 2, w + 2, C) -> (h, w, C)."""

    def leaky_into(self, x: Values, spare: Values, out: Values) -> None:
        """Leaky ReLU; `out` may be `x`, `spare` is of the same shape and overwritten."""

    def add_into(self, x: Values, out: Values) -> None:
        """Add `x` to `out`."""


def linear_in_parts(ops: InPlace, name: str, x: Values, outputs: int) -> Values:
    """1x1 convolution, (N, h, w, C_in) -> (N, h, w, `outputs`)."""
    out = np.empty((*x.shape[:-1], outputs), x.dtype)
    rows, results = x.reshape(-1, x.shape[-1]), out.reshape(-1, outputs)
    crew.each(lambda part: ops.linear_into(name, rows[part], results[part]), crew.parts(len(rows), BAND_POSITIONS))
    return out


def block_in_bands(ops: InPlace, name: str, x: Values) -> Values:
    """What `lcodec.networks.ops.Ops.block` computes, (N, h, w, C) -> (N, h, w, C)."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    _, height, width, _ = x.shape
    for picture, target in zip(x, out, strict=True):
        each = crew.parts(height, max(1, BAND_POSITIONS // width))
        crew.each(partial(_some_rows, ops, name, picture, target), each)
    return out


def _some_rows(ops: InPlace, name: str, x: Values, out: Values, part: slice) -> None:
    """Compute some rows of a block's result `out` (h, w, C) of its input `x` (h, w, C)."""
    height, width, channels = x.shape
    rows = min(part.stop - part.start, max(1, BAND_POSITIONS // width))
    # Features as the depthwise convolution sees them, from a row above the band to one below it, zeros around.
    seen = np.zeros((rows + 2, width + 2, channels), x.dtype)
    inner = np.empty((rows + 2, width, channels), x.dtype)
    wide = np.empty((rows, width, 2 * channels), x.dtype)
    spare = np.empty((max(rows + 2, 2 * rows), width, channels), x.dtype)
    wide_spare = spare[: 2 * rows].reshape(wide.shape)
    known = max(part.start - 1, 0)  # first row that is not mixed yet
    for top in range(part.start, part.stop, rows):
        bottom = min(top + rows, part.stop)
        if top > part.start:
            seen[:2] = seen[rows : rows + 2]
        last = min(bottom + 1, height)
        mixed, spatial, widened = inner[: last - known], inner[: bottom - top], wide[: bottom - top]
        ops.linear_into(f"{name}.mix", x[known:last], mixed)
        ops.leaky_into(mixed, spare[: last - known], seen[1 + known - top : 1 + last - top, 1:-1])
        seen[1 + last - top : 2 + bottom - top] = 0  # below the picture
        known = last
        ops.depthwise_into(f"{name}.spatial", seen[: 2 + bottom - top], spatial)
        ops.linear_into(f"{name}.merge", spatial, out[top:bottom])
        ops.add_into(x[top:bottom], out[top:bottom])
        ops.linear_into(f"{name}.expand", out[top:bottom], widened)
        ops.leaky_into(widened, wide_spare[: bottom - top], widened)
        ops.linear_into(f"{name}.reduce", widened, spatial)
        ops.add_into(spatial, out[top:bottom])


def depthwise_rows(x: Values, weight: Values, out: Values) -> None:
    """3x3 convolution of each channel, (h + 2, w + 2, C) with (3, 3, C) -> (h, w, C)."""
    height, width, channels = out.shape
    row, column, channel = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x, (height, width, 3, 3, channels), (row, column, row, column, channel), writeable=False
    )
    np.einsum("hwijc,ijc->hwc", windows, weight, out=out)
