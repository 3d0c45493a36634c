"""The residual block on NumPy arrays, a few rows at a time, so that what it works in stays in the processor's cache.

As whole arrays, the widened features of a block would be written to memory and read again at every operation, and new
memory has to be mapped for each. In bands all operations of a block run over the same few buffers. Only the depthwise
convolution looks beyond a band, one row up and down: rows mixed for one band are kept for the next. The gradient goes
back through a block in the same way.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lcodec.networks import crew

__all__ = [
    "BAND_ARRAYS",
    "BAND_POSITIONS",
    "Backward",
    "InPlace",
    "Signs",
    "block_backward",
    "block_in_bands",
    "depthwise_rows",
    "linear_in_parts",
]

#: Positions in a band. Matrix products of fewer rows take longer for each; more fall out of the second-level cache.
BAND_POSITIONS = 512

#: What a band works in, in arrays of its own size; most where it is one row: three times three rows, and two.
BAND_ARRAYS = 11

Values = npt.NDArray[Any]
#: Where the inputs of a block's two leaky ReLUs are negative, (N, h, w, C) and (N, h, w, 2 C): all that the gradient of
#: the block needs.
Signs = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


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


class Backward(Protocol):
    """Operations that take cotangents from results of `InPlace` back to operands, likewise."""

    def linear_into(self, name: str, x: Values, out: Values) -> None:
        """Back through a 1x1 convolution, of contiguous arrays."""

    def depthwise_into(self, name: str, x: Values, out: Values) -> None:
        """Back through a 3x3 convolution of each channel: (h + 2, w + 2, C) -> (h, w, C)."""

    def leaky_into(self, negative: npt.NDArray[np.bool_], spare: Values, out: Values) -> None:
        """Back through a leaky ReLU, in place, where its input was `negative` and elsewhere."""


def linear_in_parts(ops: InPlace | Backward, name: str, x: Values, outputs: int) -> Values:
    """1x1 convolution, (N, h, w, C_in) -> (N, h, w, `outputs`)."""
    out = np.empty((*x.shape[:-1], outputs), x.dtype)
    rows, results = x.reshape(-1, x.shape[-1]), out.reshape(-1, outputs)
    crew.each(lambda part: ops.linear_into(name, rows[part], results[part]), crew.parts(len(rows), BAND_POSITIONS))
    return out


def block_in_bands(ops: InPlace, name: str, x: Values, signs: Signs | None = None) -> Values:
    """What `lcodec.networks.ops.Ops.block` computes, (N, h, w, C) -> (N, h, w, C); `signs`, if given, are filled."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    _, height, width, _ = x.shape
    for index, (picture, target) in enumerate(zip(x, out, strict=True)):
        each = crew.parts(height, max(1, BAND_POSITIONS // width))
        its = (signs[0][index], signs[1][index]) if signs else None
        crew.each(partial(_some_rows, ops, name, picture, target, its), each)
    return out


def _some_rows(ops: InPlace, name: str, x: Values, out: Values, signs: Signs | None, part: slice) -> None:
    """Compute some rows of a block's result `out` (h, w, C) of its input `x` (h, w, C), and of its signs."""
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
        if signs:
            np.less(mixed, 0, out=signs[0][known:last])
        ops.leaky_into(mixed, spare[: last - known], seen[1 + known - top : 1 + last - top, 1:-1])
        seen[1 + last - top : 2 + bottom - top] = 0  # below the picture
        known = last
        ops.depthwise_into(f"{name}.spatial", seen[: 2 + bottom - top], spatial)
        ops.linear_into(f"{name}.merge", spatial, out[top:bottom])
        ops.add_into(x[top:bottom], out[top:bottom])
        ops.linear_into(f"{name}.expand", out[top:bottom], widened)
        if signs:
            np.less(widened, 0, out=signs[1][top:bottom])
        ops.leaky_into(widened, wide_spare[: bottom - top], widened)
        ops.linear_into(f"{name}.reduce", widened, spatial)
        ops.add_into(spatial, out[top:bottom])


def block_backward(ops: Backward, name: str, above: Values, signs: Signs) -> Values:
    """Cotangents of a block's input, of those of its result `above`: (N, h, w, C) -> (N, h, w, C)."""
    above = np.ascontiguousarray(above)
    below = np.empty_like(above)
    _, height, width, _ = above.shape
    for index, (picture, target) in enumerate(zip(above, below, strict=True)):
        each = crew.parts(height, max(1, BAND_POSITIONS // width))
        its = signs[0][index], signs[1][index]
        crew.each(partial(_some_rows_backward, ops, name, picture, target, its), each)
    return below


def _some_rows_backward(ops: Backward, name: str, above: Values, below: Values, signs: Signs, part: slice) -> None:
    """Compute some rows of the cotangents `below` (h, w, C) of those `above` (h, w, C): `_some_rows` from its end."""
    height, width, channels = above.shape
    rows = min(part.stop - part.start, max(1, BAND_POSITIONS // width))
    # What enters the depthwise convolution backward, and what skips it, from a row above the band to one below it.
    seen = np.zeros((rows + 2, width + 2, channels), above.dtype)
    skipping = np.empty((rows + 2, width, channels), above.dtype)
    inner = np.empty((rows + 2, width, channels), above.dtype)
    wide = np.empty((rows + 2, width, 2 * channels), above.dtype)
    wide_spare = np.empty_like(wide)
    spare = wide_spare.reshape(2 * rows + 4, width, channels)
    known = max(part.start - 1, 0)  # first row whose second half is not gone through yet
    for top in range(part.start, part.stop, rows):
        bottom = min(top + rows, part.stop)
        if top > part.start:
            seen[:2], skipping[:2] = seen[rows : rows + 2], skipping[rows : rows + 2]
        last = min(bottom + 1, height)
        new = slice(1 + known - top, 1 + last - top)
        widened, merged, skipped = wide[: last - known], inner[: last - known], skipping[new]
        ops.linear_into(f"{name}.reduce", above[known:last], widened)
        ops.leaky_into(signs[1][known:last], wide_spare[: last - known], widened)
        ops.linear_into(f"{name}.expand", widened, skipped)
        skipped += above[known:last]
        ops.linear_into(f"{name}.merge", skipped, merged)
        seen[new, 1:-1] = merged
        seen[1 + last - top : 2 + bottom - top] = 0  # below the picture
        known = last
        spatial = inner[: bottom - top]
        ops.depthwise_into(f"{name}.spatial", seen[: 2 + bottom - top], spatial)
        ops.leaky_into(signs[0][top:bottom], spare[: bottom - top], spatial)
        ops.linear_into(f"{name}.mix", spatial, below[top:bottom])
        below[top:bottom] += skipping[1 : 1 + bottom - top]


def depthwise_rows(x: Values, weight: Values, out: Values) -> None:
    """3x3 convolution of each channel, (h + 2, w + 2, C) with (3, 3, C) -> (h, w, C)."""
    height, width, channels = out.shape
    row, column, channel = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x, (height, width, 3, 3, channels), (row, column, row, column, channel), writeable=False
    )
    np.einsum("hwijc,ijc->hwc", windows, weight, out=out)
