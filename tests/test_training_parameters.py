"""Trained parameters and the network arrays that they stand for."""

from __future__ import annotations

import pytest
import torch

from lcodec.goal import Goal
from lcodec.training.data import Photos
from lcodec.training.parameters import ANCHORS, at_quality, effective, respaced, unfold
from tests.support.training import folder, initial, photos

__all__ = ["folder", "photos"]  # fixtures


def test_folding_is_inverted(photos: Photos) -> None:
    params = initial(photos).params
    again = unfold(effective(params))
    for name, value in params.items():
        torch.testing.assert_close(again[name], value, rtol=2e-3, atol=2e-3)


def test_gains_are_linear_between_anchors() -> None:
    table = torch.arange(8.0)[:, None]
    got = at_quality(table, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(got[:, 0, 0, 0], torch.tensor([0.0, 3.5, 7.0]))


def test_gains_follow_lambda_into_another_range() -> None:
    old, new = Goal("mse", (0.01, 1.0)), Goal("mse", (0.001, 10.0))
    table = torch.linspace(1, 3, 5)[:, None] + torch.tensor([[0.0, 10.0]])
    other = torch.rand(3, 3)
    params = respaced({"gain.scale": table, "analysis.in.bias": other}, old.lambdas, new.lambdas)
    assert params["analysis.in.bias"] is other
    assert params["gain.scale"].shape == (ANCHORS, 2)
    before = at_quality(table, torch.tensor([0.0, 0.25, 1.0]))
    after = at_quality(params["gain.scale"], torch.tensor([0.25, 0.375, 0.75]))
    assert old.multiplier(0.25) == pytest.approx(new.multiplier(0.375))
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(params["gain.scale"][0], torch.tensor([0.0, 10.0]))  # as at the end, further on
