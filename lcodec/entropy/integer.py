"""The operations of `lcodec.networks.ops` in exact fixed point, carried in float64.

Activations are integers of at most 24 bits, ACTIVATION_BITS of them fractional; weights integers of at most 15 bits
with a shift for each output channel; biases integers that include the rounding constant. The bound below 2^52 that
`check_bound` asserts keeps every partial sum of a matrix product an exact integer in a float64: any order of
summation, on any device with IEEE doubles, gives the same result. int64 arithmetic gives it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.entropy.tables import EXP2_SIZE, load_tables
from lcodec.errors import ModelError
from lcodec.networks.bands import block_in_bands, depthwise_rows, linear_in_parts
from lcodec.networks.ops import SLOPE, Ops, add_shifted, shuffle, unshuffle

__all__ = ["ACTIVATION_BITS", "ACTIVATION_MAX", "EXPONENT_MAX", "WEIGHT_MAX", "FixedOps", "check_bound", "times_exp2"]

#: Fractional bits of an activation.
ACTIVATION_BITS = 12
#: Largest magnitude of an activation.
ACTIVATION_MAX = (1 << 23) - 1
#: Largest magnitude of a weight.
WEIGHT_MAX = (1 << 14) - 1
#: Largest magnitude of an exponent of `times_exp2`, in 1/1024 octaves.
EXPONENT_MAX = 12 * EXP2_SIZE
#: Bound of every accumulator; float64 holds integers exactly up to 2^53.
_ACCUMULATOR_BOUND = 1 << 52

Fixed = npt.NDArray[np.float64]


def check_bound(name: str, weight: npt.NDArray[Any], bias: npt.NDArray[Any], shift: npt.NDArray[Any]) -> None:
    """Prove that a layer is exact: sum |w| ACTIVATION_MAX + |bias| < 2^52 in each output channel.

    Args:
        name: of the layer, for the message.
        weight: (C_out, C_in), or (3, 3, C) of a depthwise layer; integers.
        bias: (C_out,), integers.
        shift: (C_out,), 1 to 40: fractional bits of the channel's weights.

    Raises:
        ModelError: the bound does not hold.
    """
    inputs = 1 if weight.ndim == 2 else (0, 1)
    magnitudes = np.abs(weight.astype(np.int64))  # in more bits than the least weight has, which has no negative
    largest = magnitudes.sum(axis=inputs) * ACTIVATION_MAX + np.abs(bias)
    unbounded = (largest >= _ACCUMULATOR_BOUND) | (bias == np.iinfo(np.int64).min)
    if unbounded.any() or magnitudes.max(initial=0) > WEIGHT_MAX:
        raise ModelError(f"the model's layer {name} is not exact in 52 bits")
    if (shift < 1).any() or (shift > 40).any():
        raise ModelError(f"the model's layer {name} has a shift out of range")


def times_exp2(xp: Any, x: Any, exponent: npt.NDArray[np.int64], bits: int) -> Any:
    """X * 2^(exponent / 1024 + bits), rounded half up and limited to ACTIVATION_MAX, exactly the same everywhere.

    Args:
        xp: numpy or torch, the module of `x`.
        x: (..., C) integers in float64, |x| <= ACTIVATION_MAX; in float32 the result is nearly the same.
        exponent: (C,) in [-EXPONENT_MAX, EXPONENT_MAX].
        bits: -8 to 8.

    The power is a 16-bit mantissa from a table and a shift r: floor((x m + 2^(r-1)) 2^-r), all below 2^52.
    """
    mantissa = load_tables().exp2[exponent % EXP2_SIZE].astype(np.float64)
    right = 15 - exponent // EXP2_SIZE - bits
    half = np.where(right > 0, np.exp2(right - 1.0), 0.0)
    factor = np.exp2(-right.astype(np.float64))
    if xp is np:
        mantissa, half, factor = (value.astype(x.dtype, copy=False) for value in (mantissa, half, factor))
    else:
        mantissa, half, factor = (
            xp.as_tensor(each, dtype=x.dtype, device=x.device) for each in (mantissa, half, factor)
        )
    product = x * mantissa
    product += half
    product *= factor
    xp.floor(product, out=product)
    return xp.clip(product, -ACTIVATION_MAX, ACTIVATION_MAX, out=product)


class FixedOps(Ops[Any]):
    """Fixed-point backend over NumPy or torch arrays of float64 that hold integers, or of float32, nearly.

    Only matrix products and shifted multiply-adds: convolution routines may pick Winograd or FFT, which are not exact.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        xp: Any = np,
        device: Any = None,
        kind: type[np.floating[Any]] = np.float64,
    ) -> None:
        """Take the layers in `arrays`: NAME.weight int16, NAME.bias int64, NAME.shift uint8; checks the bound of each.

        Args:
            arrays: of the model file.
            xp: numpy or torch.
            device: torch's device; None for NumPy.
            kind: of the numbers: float64 is exact, float32 takes half the time.

        Raises:
            ModelError: a layer could overflow, so lcodec did not export this model.
        """
        self.xp = xp
        #: Weights and biases, shifted: powers of two scale every sum exactly, and only the floor is left to do.
        self.layers: dict[str, tuple[Any, Any]] = {}
        for key in arrays:
            name, _, part = key.rpartition(".")
            if part == "shift":
                weight, bias, shift = (arrays[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
                check_bound(name, weight, bias, shift)
                factor = np.exp2(-shift.astype(np.float64))
                scaled = weight * (factor[:, None] if weight.ndim == 2 else factor), bias * factor
                weight, bias = (value.astype(kind, copy=False) for value in scaled)
                self.layers[name] = (
                    (weight, bias)
                    if xp is np
                    else (xp.as_tensor(weight, device=device), xp.as_tensor(bias, device=device))
                )

    def _limit(self, x: Any) -> Any:
        """Limit to ACTIVATION_MAX, in place."""
        return self.xp.clip(x, -ACTIVATION_MAX, ACTIVATION_MAX, out=x)

    def _floor(self, x: Any) -> Any:
        """Round down, in place."""
        return self.xp.floor(x, out=x)

    def _round(self, total: Any, bias: Any) -> Any:
        """Sums to activations: floor(total + bias), limited; in place."""
        total += bias
        return self._limit(self._floor(total))

    @property
    def inputs(self) -> int:
        """Inputs of the widest layer: the terms of its sums."""
        return max((weight.shape[-1] for weight, _ in self.layers.values()), default=0)

    def has(self, name: str) -> bool:
        """Whether there is a layer of this name."""
        return name in self.layers

    def linear(self, name: str, x: Any) -> Any:
        """1x1 convolution: (N, H, W, C_in) -> (N, H, W, C_out)."""
        weight, bias = self.layers[name]
        if self.xp is np:
            return linear_in_parts(self, name, x, len(weight))
        total = x.reshape(-1, x.shape[-1]) @ weight.T
        return self._round(total, bias).reshape(*x.shape[:-1], len(weight))

    def depthwise(self, name: str, x: Any) -> Any:
        """3x3 convolution of each channel, zero padding: same shape."""
        weight, bias = self.layers[name]
        return self._round(add_shifted(x, weight, self.xp.zeros_like(x)), bias)

    def leaky(self, x: Any) -> Any:
        """max(x, floor(x / 8)): the leaky ReLU of slope `lcodec.networks.ops.SLOPE`."""
        return self.xp.maximum(x, self._floor(x * SLOPE))

    def add(self, x: Any, y: Any) -> Any:
        """Sum, limited to ACTIVATION_MAX."""
        return self._limit(x + y)

    def block(self, name: str, x: Any) -> Any:
        """Residual block: same shape."""
        return block_in_bands(self, name, x) if self.xp is np else super().block(name, x)

    def unshuffle(self, x: Any, n: int) -> Any:
        """Space to depth, as `lcodec.networks.ops.unshuffle`."""
        return unshuffle(x, n)

    def shuffle(self, x: Any, n: int) -> Any:
        """Depth to space, as `lcodec.networks.ops.shuffle`."""
        return shuffle(x, n)

    def concat(self, x: Any, y: Any) -> Any:
        """Concatenation along the channels."""
        return self.xp.concatenate((x, y), -1)

    # What follows is `lcodec.networks.bands.InPlace`, in NumPy alone.

    def linear_into(self, name: str, x: Fixed, out: Fixed) -> None:
        """1x1 convolution."""
        weight, bias = self.layers[name]
        np.matmul(x.reshape(-1, weight.shape[1]), weight.T, out=out.reshape(-1, len(weight)))
        self._round(out, bias)

    def depthwise_into(self, name: str, x: Fixed, out: Fixed) -> None:
        """3x3 convolution of each channel."""
        weight, bias = self.layers[name]
        depthwise_rows(x, weight, out)
        self._round(out, bias)

    def leaky_into(self, x: Fixed, spare: Fixed, out: Fixed) -> None:
        """Leaky ReLU."""
        np.maximum(x, self._floor(np.multiply(x, SLOPE, out=spare)), out=out)

    def add_into(self, x: Fixed, out: Fixed) -> None:
        """Add, limited to ACTIVATION_MAX."""
        out += x
        self._limit(out)
