"""Distortions that train are those that are measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lcodec import metrics
from lcodec.metrics.differentiable import LOSSES, ms_ssim
from tests.support.pictures import picture


@pytest.mark.parametrize("size", [(176, 176), (192, 161), (233, 201)])
def test_ms_ssim_is_that_of_the_metrics(size: tuple[int, int]) -> None:
    first = picture(*size, seed=1)
    noise = np.random.default_rng(0).normal(0, 25, first.shape)
    second = (first + noise).clip(0, 255).astype(np.uint8)
    got = ms_ssim(*(torch.from_numpy(np.stack([image, first])).float() for image in (first, second)))
    assert float(got[0]) == pytest.approx(metrics.ms_ssim(first, second), abs=1e-4)
    assert float(got[1]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_least_where_pictures_are_equal_and_tells_them_apart(name: str) -> None:
    torch.manual_seed(0)
    original = torch.rand(2, 192, 176, 3)
    near, far = (original + step * torch.randn_like(original) for step in (0.02, 0.2))
    equal, close, distant = (LOSSES[name](each, original) for each in (original, near, far))
    assert equal.shape == (2,)
    assert equal.abs().max() < 2e-5
    assert (equal < close).all()
    assert (close < distant).all()
    assert LOSSES[name](near[1:], original[1:])[0] == pytest.approx(float(close[1]), rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_and_those_of_differences(name: str) -> None:
    torch.manual_seed(0)
    original = torch.rand(2, 176, 192, 3)
    for start in (original.clone(), torch.full_like(original, 0.5)):
        start.requires_grad_()
        (gradient,) = torch.autograd.grad(LOSSES[name](start, original).sum(), start)
        assert gradient.isfinite().all()
    decoded = (original + 0.1 * torch.rand_like(original)).requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name](decoded, original).sum(), decoded)
    direction = gradient / gradient.abs().max()
    step = 2e-3
    ahead, behind = (LOSSES[name](decoded.detach() + sign * step * direction, original).sum() for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / (2 * step), rel=0.01)
