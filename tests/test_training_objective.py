"""The loss of rate and distortion."""

from __future__ import annotations

import pytest
import torch

from lcodec.goal import Goal
from lcodec.training.data import Photos
from lcodec.training.objective import objective
from tests.support.training import crops, folder, initial, photos

__all__ = ["folder", "photos"]  # fixtures


def test_the_loss_counts_pictures_by_their_weights(photos: Photos) -> None:
    params, batch = initial(photos).params, torch.from_numpy(crops(photos, 2, 64, 0))
    quality = torch.tensor([0.2, 0.8])
    first, second = (float(objective(params, batch[i : i + 1], quality[i : i + 1], None).loss) for i in range(2))
    both = objective(params, batch, quality, None, weight=torch.tensor([0.5, 2.0]))
    assert float(both.loss) == pytest.approx((0.5 * first + 2 * second) / 2, rel=1e-5)


def test_ms_ssim_can_be_trained_for(photos: Photos) -> None:
    params = {name: value.requires_grad_() for name, value in initial(photos).params.items()}
    batch = torch.from_numpy(crops(photos, 1, 128, 9)).repeat(1, 2, 2, 1)
    with torch.autocast("cpu", torch.bfloat16):
        result = objective(params, batch, torch.tensor([0.5]), torch.Generator(), Goal("ms-ssim"))
    result.loss.backward()  # type: ignore[no-untyped-call]
    gradient = params["synthesis.up.weight"].grad
    assert gradient is not None
    assert 0 < float(gradient.norm()) < 1e3
