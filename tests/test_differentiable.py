"""Distortions that train are those that are measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lcodec import metrics
from lcodec.metrics.differentiable import ms_ssim
from tests.support.pictures import picture


@pytest.mark.parametrize("size", [(176, 176), (192, 161), (233, 201)])
def test_ms_ssim_is_that_of_the_metrics(size: tuple[int, int]) -> None:
    first = picture(*size, seed=1)
    noise = np.random.default_rng(0).normal(0, 25, first.shape)
    second = (first + noise).clip(0, 255).astype(np.uint8)
    got = ms_ssim(*(torch.from_numpy(np.stack([image, first])).float() for image in (first, second)))
    assert float(got[0]) == pytest.approx(metrics.ms_ssim(first, second), abs=1e-4)
    assert float(got[1]) == pytest.approx(1, abs=1e-5)
