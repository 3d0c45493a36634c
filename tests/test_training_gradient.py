"""Gradients as one vector: those of plain autograd, with weights cast one by one or all at once."""

from __future__ import annotations

import pytest
import torch

from lcodec.training.data import Photos
from lcodec.training.gradient import Gradient
from lcodec.training.objective import objective
from lcodec.training.parameters import FIXED
from lcodec.training.protocol import Batch
from tests.support.training import MSE, crops, folder, gradient_of, initial, photos

__all__ = ["folder", "photos"]  # fixtures


def batch(photos: Photos) -> Batch:
    quality = torch.tensor([0.1, 0.4, 0.6, 0.9])
    return Batch(torch.from_numpy(crops(photos, 4, 64, 1)), quality, 0.5 + quality, torch.tensor(0.0))


def of(gradient: Gradient, photos: Photos) -> torch.Tensor:
    gradient.noise.manual_seed(5)
    return gradient(batch(photos)).flat


def test_in_float32_it_is_exactly_that_of_each_parameter(photos: Photos) -> None:
    params = initial(photos).params
    trained = {name: value.requires_grad_() for name, value in sorted(params.items()) if not name.startswith(FIXED)}
    given, noise = batch(photos), torch.Generator().manual_seed(5)
    plain = objective(params, given.crops, given.quality, noise, MSE.goal, given.weight)
    expected = torch.autograd.grad(plain.loss, list(trained.values()))
    got = of(gradient_of(initial(photos)), photos)
    assert torch.equal(got, torch.cat([part.reshape(-1) for part in expected]))


def test_weights_cast_at_once_have_the_gradient_of_weights_cast_by_autocast(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But where a kernel is used in several steps, whose gradients are then added in bfloat16."""
    monkeypatch.setattr("lcodec.training.gradient.fast_type", lambda _: torch.bfloat16)
    at_once, one_by_one = (gradient_of(initial(photos), bfloat16=True) for _ in range(2))
    assert len(at_once.cast) > 0.8 * len(at_once.groups[0].shapes)
    one_by_one.cast = frozenset()
    plain, got = of(one_by_one, photos), of(at_once, photos)
    assert (got - plain).norm() < 1e-5 * plain.norm()
    exact = of(gradient_of(initial(photos)), photos)
    assert (got - exact).norm() < 0.2 * exact.norm()


def test_folded_weights_and_gains_stay_in_float32(photos: Photos) -> None:
    params = initial(photos).params
    cast = set(MSE.cast(params))
    assert not {"analysis.in.weight", "synthesis.out.weight", "gain.latents", "fixed.latent_std"} & cast
    assert {"analysis.down.weight", "context.block.spatial.weight", "base.out.0.bias"} <= cast
