"""The differentiable rate of unit bins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lcodec.entropy.bits import SCALE_MIN, bin_bits


@pytest.mark.parametrize("scale", [0.01, 0.12, 0.3, 1.0, 40.0, 1000.0])
def test_bits_are_those_of_the_bin_with_their_gradients(scale: float) -> None:
    deviation = torch.linspace(-3.7, 4.9, 40, dtype=torch.float64) * max(scale, 1)
    edges = torch.stack((deviation - 0.5, deviation + 0.5)).abs() / max(scale, SCALE_MIN)
    tails = torch.special.log_ndtr(-edges).exp()
    probability = torch.where(deviation.abs() < 0.5, 1 - tails.sum(0), (tails[0] - tails[1]).abs())
    log_scale = torch.full_like(deviation, scale).log()
    sure = probability > 1e-30
    bits = bin_bits(deviation.float(), log_scale.float())
    assert torch.allclose(bits[sure].double(), -probability[sure].log2(), rtol=1e-4, atol=1e-3)
    assert bits.isfinite().all()
    arguments = [deviation[sure].requires_grad_(), log_scale[sure].requires_grad_()]
    assert torch.autograd.gradcheck(bin_bits, arguments, eps=1e-7, atol=1e-5)


def test_bits_grow_with_a_gradient_far_beyond_what_float32_holds() -> None:
    deviation = torch.tensor([1.0, 3.0, 10.0, 100.0, 1000.0], requires_grad=True)
    bits = bin_bits(deviation, torch.tensor(-9.0))
    bits.sum().backward()
    assert torch.allclose(bits, ((deviation - 0.5) / SCALE_MIN) ** 2 / 2 / np.log(2), rtol=0.3, atol=6)
    assert deviation.grad is not None
    assert (deviation.grad.diff() > 0).all()
