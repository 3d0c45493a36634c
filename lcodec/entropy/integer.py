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
from lcodec.networks.ops import add_shifted, shuffle, unshuffle

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
    largest = np.abs(weight.astype(np.int64)).sum(axis=inputs) * ACTIVATION_MAX + np.abs(bias)
    if (largest >= _ACCUMULATOR_BOUND).any() or np.abs(weight).max(initial=0) > WEIGHT_MAX:
        raise ModelError(f"the model's layer {name} is not exact in 52 bits")
    if (shift < 1).any() or (shift > 40).any():
        raise ModelError(f"the model's layer {name} has a shift out of range")


def times_exp2(xp: Any, x: Any, exponent: npt.NDArray[np.int64], bits: int) -> Any:
    """X * 2^(exponent / 1024 + bits), rounded half up and limited to ACTIVATION_MAX, exactly the same everywhere.

    Args:
        xp: numpy or torch, the module of `x`.
        x: (..., C) integers in float64, |x| <= ACTIVATION_MAX.
        exponent: (C,) in [-EXPONENT_MAX, EXPONENT_MAX].
        bits: -8 to 8.

    The power is a 16-bit mantissa from a table and a shift r: floor((x m + 2^(r-1)) 2^-r), all below 2^52.
    """
    mantissa = load_tables().exp2[exponent % EXP2_SIZE].astype(np.float64)
    right = 15 - exponent // EXP2_SIZE - bits
    half = np.where(right > 0, np.exp2(right - 1.0), 0.0)
    factor = np.exp2(-right.astype(np.float64))
    if xp is not np:
        mantissa, half, factor = (xp.as_tensor(value, device=x.device) for value in (mantissa, half, factor))
    product = x * mantissa
    product += half
    product *= factor
    xp.floor(product, out=product)
    return xp.clip(product, -ACTIVATION_MAX, ACTIVATION_MAX, out=product)


class FixedOps:
    """Fixed-point backend over NumPy or torch arrays of float64 that hold integers.

    Only matrix products and shifted multiply-adds: convolution routines may pick Winograd or FFT, which are not exact.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], xp: Any = np, device: Any = None) -> None:
        """Take the layers in `arrays`: NAME.weight int16, NAME.bias int64, NAME.shift uint8; checks the bound of each.

        Args:
            arrays: of the model file.
            xp: numpy or torch.
            device: torch's device; None for NumPy.

        Raises:
            ModelError: a layer could overflow, so this is no model that lcodec exported.
        """
        self.xp = xp

        def place(value: npt.NDArray[np.float64]) -> Any:
            return value if xp is np else xp.as_tensor(value, device=device)

        self.layers: dict[str, tuple[Any, Any, Any]] = {}
        for key in arrays:
            name, _, part = key.rpartition(".")
            if part == "shift":
                weight, bias, shift = (arrays[f"{name}.{part}"] for part in ("weight", "bias", "shift"))
                check_bound(name, weight, bias, shift)
                self.layers[name] = (
                    place(weight.astype(np.float64)),
                    place(bias.astype(np.float64)),
                    place(np.exp2(-shift.astype(np.float64))),
                )

    def _requantise(self, total: Any, factor: Any) -> Any:
        """Accumulators to activations: floor(total 2^-shift), limited; in place."""
        total *= factor
        self.xp.floor(total, out=total)
        return self.xp.clip(total, -ACTIVATION_MAX, ACTIVATION_MAX, out=total)

    @property
    def inputs(self) -> int:
        """Inputs of the widest layer: the terms of its sums."""
        return max((weight.shape[-1] for weight, _, _ in self.layers.values()), default=0)

    def has(self, name: str) -> bool:
        """Whether there is a layer of this name."""
        return name in self.layers

    def linear(self, name: str, x: Any) -> Any:
        """1x1 convolution: (N, H, W, C_in) -> (N, H, W, C_out)."""
        weight, bias, factor = self.layers[name]
        total = x.reshape(-1, x.shape[-1]) @ weight.T
        total += bias
        return self._requantise(total, factor).reshape(*x.shape[:-1], len(weight))

    def depthwise(self, name: str, x: Any) -> Any:
        """3x3 convolution of each channel, zero padding: same shape."""
        weight, bias, factor = self.layers[name]
        total = self.xp.zeros_like(x)
        total += bias
        add_shifted(x, weight, total)
        return self._requantise(total, factor)

    def leaky(self, x: Any) -> Any:
        """max(x, floor(x / 8)): the leaky ReLU of slope `lcodec.networks.ops.SLOPE`."""
        small = x * 0.125
        return self.xp.maximum(x, self.xp.floor(small, out=small))

    def add(self, x: Any, y: Any) -> Any:
        """Sum, limited to ACTIVATION_MAX."""
        total = x + y
        return self.xp.clip(total, -ACTIVATION_MAX, ACTIVATION_MAX, out=total)

    def unshuffle(self, x: Any, n: int) -> Any:
        """Space to depth, as `lcodec.networks.ops.unshuffle`."""
        return unshuffle(x, n)

    def shuffle(self, x: Any, n: int) -> Any:
        """Depth to space, as `lcodec.networks.ops.shuffle`."""
        return shuffle(x, n)

    def concat(self, x: Any, y: Any) -> Any:
        """Concatenation along the channels."""
        return self.xp.concatenate((x, y), -1)
