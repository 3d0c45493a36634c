"""Known-answer test of the exact arithmetic, run once before a device is first used.

A processor, library or compiler option that breaks IEEE doubles (flushing, reduced-precision products) would make
garbage of a stream; here it is found first.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from lcodec.entropy.integer import ACTIVATION_MAX, WEIGHT_MAX, FixedOps, times_exp2
from lcodec.errors import SelfTestError

__all__ = ["self_test"]


@cache
def self_test(xp: Any, device: Any = None, inputs: int = 1024) -> None:
    """Compare products and shifts on `device` with int64 arithmetic, on extreme inputs.

    Args:
        xp: numpy or torch.
        device: torch's device; None for NumPy.
        inputs: of the widest layer that will run there.

    Raises:
        SelfTestError: they differ.
    """
    # A multiplicative generator of our own: NumPy's streams may change between its versions, extremes must not.
    values = (np.arange(1, 24 * inputs + 1, dtype=np.int64) * 6364136223846793005) >> 20
    x = (values[: 8 * inputs] % (2 * ACTIVATION_MAX + 1) - ACTIVATION_MAX).reshape(1, 2, 4, inputs)
    x[0, 0, 0], x[0, 1, 3] = ACTIVATION_MAX, -ACTIVATION_MAX
    weight = (values[8 * inputs :] % (WEIGHT_MAX // 4) - WEIGHT_MAX // 8).reshape(16, inputs)
    bias, shift = np.arange(16, dtype=np.int64) * 99_999_999_977, np.full(16, 20)
    wanted = ((x @ weight.T + bias) >> shift).clip(-ACTIVATION_MAX, ACTIVATION_MAX)
    ops = FixedOps({"t.weight": weight, "t.bias": bias, "t.shift": shift}, xp, device)
    placed = x.astype(np.float64) if xp is np else xp.as_tensor(x.astype(np.float64), device=device)
    got = ops.linear("t", placed)
    exponent = np.arange(16, dtype=np.int64) * 611 - 4000
    scaled = times_exp2(xp, got, exponent, -2)
    if xp is not np:
        got, scaled = got.cpu().numpy(), scaled.cpu().numpy()
    from lcodec.entropy.tables import load_tables

    mantissa, right = load_tables().exp2[exponent % 1024], 17 - exponent // 1024
    wanted_scaled = ((wanted * mantissa + (1 << (right - 1))) >> right).clip(-ACTIVATION_MAX, ACTIVATION_MAX)
    if not (np.array_equal(got, wanted) and np.array_equal(scaled, wanted_scaled)):
        raise SelfTestError(
            f"this machine's double precision arithmetic is not exact ({device or 'cpu'}): "
            "lcodec would not read its own files"
        )
