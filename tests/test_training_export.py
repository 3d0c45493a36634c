"""Export: rate and parameters are kept, and the cost of fixed point is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lcodec.codec import decode, encode
from lcodec.container import read_header
from lcodec.goal import UNSAID, Goal
from lcodec.picture import Picture
from lcodec.training.data import Photos
from lcodec.training.export import model_arrays, parameters_of, write_model
from lcodec.training.objective import objective
from lcodec.training.rounding import LOSS_MAX, rounding_loss
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import Zoo, as_model
from tests.support.pictures import picture
from tests.support.training import folder, initial, photos, run

__all__ = ["folder", "photos"]  # fixtures


def test_export_keeps_rate_and_parameters(photos: Photos, tmp_path: Path) -> None:
    run(tmp_path, 60, photos, initial(photos))
    params = load_state(tmp_path / STATE_FILE).ema
    arrays = model_arrays(params)
    again = parameters_of(arrays)
    assert again.keys() == params.keys()
    write_model(tmp_path, "small", Goal(), "for a test", arrays, "# small\n")
    zoo = Zoo([tmp_path])
    model = zoo.load("small")
    assert model.entropy_id == as_model(arrays, "small").entropy_id
    original = picture(128, 192, seed=7)
    for quality in (0.1, 0.5, 1.0):
        with torch.no_grad():
            estimate = objective(params, torch.from_numpy(original[None]), torch.tensor([quality]), None)
            same = objective(again, torch.from_numpy(original[None]), torch.tensor([quality]), None)
        data = encode(Picture(original), model, 100 * quality)
        coded = 8 * (len(data) - read_header(data).overhead) / (128 * 192)
        # An escape is cheaper than a Gaussian's far tail, and this network, hardly trained, has many.
        assert 0.9 * float(estimate.bpp) < coded < 1.01 * float(estimate.bpp) + 40 * 8 / (128 * 192)
        assert float(same.bpp) == pytest.approx(float(estimate.bpp), rel=0.01)
        mse = ((decode(data, zoo).pixels.astype(float) - original) ** 2).mean()
        assert mse == pytest.approx(float(estimate.mse), rel=0.05)


def test_cost_of_fixed_point_is_small_and_would_be_seen(photos: Photos) -> None:
    params = initial(photos).params
    crop = photos.photo(0)[:128, :192]
    assert abs(rounding_loss(params, model_arrays(params), [crop])) < LOSS_MAX
    wrong = params | {name: params[name] + 2 for name in params if name.startswith("base.out") and "bias" in name}
    assert rounding_loss(params, model_arrays(wrong), [crop]) > 0.01


def test_what_is_written_is_what_was_given(photos: Photos, tmp_path: Path) -> None:
    """Also where an array is no whole block of memory, of which safetensors would write another order."""
    arrays = model_arrays(initial(photos).params)
    name = "synthesis.in.weight"
    arrays[name] = np.asfortranarray(arrays[name])
    write_model(tmp_path, "small", Goal(), "for a test", arrays, "# small\n")
    assert np.array_equal(Zoo([tmp_path]).load("small").arrays[name], arrays[name])


def test_a_model_says_what_it_was_trained_for(photos: Photos, tmp_path: Path) -> None:
    arrays = model_arrays(initial(photos).params)
    goal = Goal("ms-ssim", (0.0005, 0.3))
    write_model(tmp_path, "small", goal, "for a test", arrays, "# small\n")
    assert Zoo([tmp_path]).load("small").goal == goal
    assert Zoo().load("mse").goal.aim == "mse"
    assert Goal.of(None) == UNSAID
    with pytest.raises(ValueError, match="lambda"):
        Goal.of({"lambdas": "2 1"})
    with pytest.raises(ValueError, match="lambda"):
        Goal.of({"lambdas": "1 inf"})
