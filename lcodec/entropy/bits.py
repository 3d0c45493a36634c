"""Rate of symbols, differentiable: bits of unit bins under Gaussians, for training and for refining latents.

One fused function with its gradient written out: automatic differentiation of the same formula through
`torch.special.log_ndtr` gives the same numbers and took five to six times as long on a CPU.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["SCALE_MIN", "SCALE_STEP_LN", "bin_bits"]

#: Smallest standard deviation of a symbol, in quantisation steps: that of the coder's first table.
SCALE_MIN = 0.11
#: Logarithm of the ratio of the standard deviations of two tables that follow each other.
SCALE_STEP_LN = 0.073 * math.log(2)
#: Beyond so many standard deviations float32 has no probability left: there the logarithm goes on as a parabola.
FAR = 12.0
_LN2 = math.log(2)
_SMALLEST = math.log(SCALE_MIN)


class _BinBits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, deviation: Tensor, log_scale: Tensor) -> Tensor:
        inverse = log_scale.clamp(min=_SMALLEST).neg_().exp_()
        upper = (0.5 - deviation.abs()).mul_(inverse)
        near = upper.clamp(min=-FAR)
        lower = near - inverse
        # Both edges lie mostly in the lower tail, where erfc keeps its relative precision.
        twice = torch.special.erfc(near * -math.sqrt(0.5)).sub_(torch.special.erfc(lower * -math.sqrt(0.5)))
        bits: Tensor = twice.log().mul_(-1 / _LN2).add_(1)
        beyond = near - upper
        bits.addcmul_(beyond, near + upper, value=-0.5 / _LN2)
        if any(ctx.needs_input_grad):
            # Density over probability at each edge, in bits.
            factor = twice.reciprocal_().mul_(math.sqrt(2 / math.pi) / _LN2)
            at_upper = near.square_().mul_(-0.5).exp_().mul_(factor).add_(beyond, alpha=1 / _LN2)
            at_lower = lower.square().mul_(-0.5).exp_().mul_(factor)
            by_scale = (at_upper * upper).addcmul_(at_lower, lower, value=-1).mul_(log_scale >= _SMALLEST)
            by_deviation = at_upper.sub_(at_lower).mul_(inverse).mul_(deviation.sign())
            ctx.save_for_backward(by_deviation, by_scale)
        return bits

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        by_deviation, by_scale = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * by_deviation, gradient * by_scale


def bin_bits(deviation: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of unit bins under Gaussians, elementwise: -log2 of the probability of [deviation - 1/2, deviation + 1/2].

    Args:
        deviation: of the bins' middles from the means, in quantisation steps; float32.
        log_scale: natural logarithm of the standard deviations in steps, which count as at least SCALE_MIN.

    Returns:
        Bits, of the shape that both broadcast to. Far out, where a float32 cannot hold the probability, to 2 bits.
    """
    both = torch.broadcast_tensors(deviation, log_scale)  # type: ignore[no-untyped-call]
    bits: Tensor = _BinBits.apply(*both)  # type: ignore[no-untyped-call]
    return bits
