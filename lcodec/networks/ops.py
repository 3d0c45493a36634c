"""The operations that every network is made of, in NumPy.

An `Ops` object is a backend together with a flat dict of named arrays: `ops.linear("analysis.in", x)`
looks up "analysis.in.weight" (C_out, C_in) and "analysis.in.bias" (C_out,); a depthwise weight is (3, 3, C).
Arrays are channels-last, (N, H, W, C), so that a 1x1 convolution is one matrix product and a depthwise one nine
shifted multiply-adds over contiguous memory.

Nothing here imports torch: `ops_torch.TorchOps` has the same methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lcodec.networks.bands import block_in_bands, depthwise_rows, linear_in_parts

__all__ = ["SLOPE", "Array", "Edges", "NumpyOps", "Ops", "add_shifted", "shuffle", "unshuffle"]

#: Negative slope of the leaky ReLU. A power of two, so that fixed point has it exactly.
SLOPE = 0.125

T = TypeVar("T")
Array = npt.NDArray[np.float32]
#: Rows at the top and the bottom, columns on the left and the right.
Edges = tuple[int, int, int, int]


class Ops(Protocol[T]):
    """What a backend provides. T is its array type; all shapes are (N, H, W, C)."""

    def has(self, name: str) -> bool:
        """Whether there is a layer of this name: so the arrays of a model say how many blocks its networks have."""

    def linear(self, name: str, x: T) -> T:
        """1x1 convolution: (N, H, W, C_in) -> (N, H, W, C_out)."""

    def depthwise(self, name: str, x: T) -> T:
        """3x3 convolution of each channel with its own kernel, zero padding: same shape."""

    def leaky(self, x: T) -> T:
        """Leaky ReLU with slope `SLOPE`."""

    def add(self, x: T, y: T) -> T:
        """Sum of two arrays of the same shape."""

    def unshuffle(self, x: T, n: int) -> T:
        """Space to depth: (N, H, W, C) -> (N, H/n, W/n, n*n*C), channels ordered (row, column, c)."""

    def shuffle(self, x: T, n: int) -> T:
        """Depth to space, the inverse of `unshuffle`."""

    def concat(self, x: T, y: T) -> T:
        """Concatenation along the channels."""

    def crop(self, x: T, edges: Edges) -> T:
        """Cut off edges."""
        return crop(x, edges)  # type: ignore[no-any-return]

    def block(self, name: str, x: T) -> T:
        """Residual block: x += 1x1(depthwise3x3(act(1x1(x)))), then x += 1x1(act(1x1(x))), twice as wide inside.

        No normalisation (rates need absolute magnitudes) and no attention (a bounded receptive field allows tiles).
        """
        t = self.leaky(self.linear(f"{name}.mix", x))
        x = self.add(x, self.linear(f"{name}.merge", self.depthwise(f"{name}.spatial", t)))
        t = self.leaky(self.linear(f"{name}.expand", x))
        return self.add(x, self.linear(f"{name}.reduce", t))


def unshuffle(x: Any, n: int) -> Any:
    """Space to depth on a NumPy array or a tensor: (N, H, W, C) -> (N, H/n, W/n, n*n*C)."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // n, n, width // n, n, channels)
    return x.swapaxes(2, 3).reshape(batch, height // n, width // n, n * n * channels)


def shuffle(x: Any, n: int) -> Any:
    """Depth to space on a NumPy array or a tensor: (N, H, W, n*n*C) -> (N, H*n, W*n, C)."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, n, n, channels // (n * n))
    return x.swapaxes(2, 3).reshape(batch, height * n, width * n, channels // (n * n))


def crop(x: Any, edges: Edges) -> Any:
    """Cut edges off a NumPy array or a tensor (N, H, W, C)."""
    top, bottom, left, right = edges
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def add_shifted(x: Any, weight: Any, out: Any) -> Any:
    """Add the 3x3 depthwise convolution of `x` (N, H, W, C) with `weight` (3, 3, C), zero padding, to `out`, in place.

    Nine shifted multiply-adds over NumPy arrays or tensors, never a convolution routine: those may pick Winograd
    or FFT, which are not exact, and the exact entropy part runs through here too.
    """
    height, width = x.shape[1:3]
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            source = x[:, max(row, 0) : height + min(row, 0), max(column, 0) : width + min(column, 0)]
            out[:, max(-row, 0) : height + min(-row, 0), max(-column, 0) : width + min(-column, 0)] += (
                source * weight[row + 1, column + 1]
            )
    return out


class NumpyOps(Ops[Array]):
    """Float32 on a CPU through BLAS. Results depend on the BLAS in the last bits: not for the entropy part."""

    def __init__(self, params: Mapping[str, Array]) -> None:
        self.params = params

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self.params

    def linear(self, name: str, x: Array) -> Array:
        return linear_in_parts(self, name, x, len(self.params[f"{name}.weight"]))

    def depthwise(self, name: str, x: Array) -> Array:
        out = np.empty_like(x)
        out[...] = self.params[f"{name}.bias"]
        return add_shifted(x, self.params[f"{name}.weight"], out)  # type: ignore[no-any-return]

    def leaky(self, x: Array) -> Array:
        out: Array = x * np.float32(SLOPE)
        return np.maximum(x, out, out=out)

    def add(self, x: Array, y: Array) -> Array:
        return x + y

    def block(self, name: str, x: Array) -> Array:
        return block_in_bands(self, name, x)

    def unshuffle(self, x: Array, n: int) -> Array:
        return unshuffle(x, n)  # type: ignore[no-any-return]

    def shuffle(self, x: Array, n: int) -> Array:
        return shuffle(x, n)  # type: ignore[no-any-return]

    def concat(self, x: Array, y: Array) -> Array:
        return np.concatenate((x, y), axis=-1)

    # ------------------------------------------------------------------------------- `lcodec.networks.bands.InPlace`

    def linear_into(self, name: str, x: Array, out: Array) -> None:
        weight = self.params[f"{name}.weight"]
        np.matmul(x.reshape(-1, weight.shape[1]), weight.T, out=out.reshape(-1, len(weight)))
        out += self.params[f"{name}.bias"]

    def depthwise_into(self, name: str, x: Array, out: Array) -> None:
        depthwise_rows(x, self.params[f"{name}.weight"], out)
        out += self.params[f"{name}.bias"]

    def leaky_into(self, x: Array, spare: Array, out: Array) -> None:
        np.maximum(x, np.multiply(x, np.float32(SLOPE), out=spare), out=out)

    def add_into(self, x: Array, out: Array) -> None:
        out += x
