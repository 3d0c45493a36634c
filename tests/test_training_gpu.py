"""Training on a GPU: crops gathered there and recorded passes are those of plain code. Skipped where there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lcodec.goal import Aim, Goal
from lcodec.networks.ops_torch import _Depthwise, _Linear
from lcodec.training.adversarial import Realism
from lcodec.training.data import InMemory, Photos, cropper, load_pairs
from lcodec.training.data.photos import Known
from lcodec.training.export import model_arrays
from lcodec.training.loop import READ_EVERY, train
from lcodec.training.pim import PerceptualInformation, begin_pim
from lcodec.training.protocol import Batch
from lcodec.training.rate_distortion import RateDistortion
from lcodec.training.run import begin_generative
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import as_model
from tests.support.training import MSE, folder, gradient_of, ignore, initial, photos, run, settings

__all__ = ["folder", "photos"]  # fixtures

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_places_are_those_of_the_crops(photos: Photos) -> None:
    assert isinstance(photos, InMemory)
    cuts = photos.draw(64, 96, np.random.default_rng(0))
    assert {(cut.turns, cut.mirrored) for cut in cuts} == {(turns, way) for turns in range(4) for way in (False, True)}
    first, down, right = photos.places(cuts).T[:, :, None, None]
    along = np.arange(96)
    np.testing.assert_array_equal(photos.buffer[first + down * along[:, None] + right * along], photos.crops(cuts))


def test_layers_for_a_gpu_have_the_gradients_of_plain_ones() -> None:
    """Their formulas can be checked anywhere, in float64; that a GPU uses them, the tests below show."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    for layer, plain, given in (
        (_Linear, F.linear, (random(2, 3, 4, 5), random(6, 5), random(6))),
        (_Depthwise, partial(F.conv2d, padding=1, groups=5), (random(2, 5, 3, 4), random(5, 1, 3, 3), random(5))),
    ):
        torch.testing.assert_close(layer.apply(*given), plain(*given))
        assert torch.autograd.gradcheck(layer.apply, given)


@gpu
@pytest.mark.parametrize(("aim", "size"), [("mse", 64), ("ms-ssim", 192)])
def test_a_recorded_pass_is_that_of_plain_code(photos: Photos, aim: Aim, size: int) -> None:
    """On the CPU too, but for the noise: figures without it agree."""
    if size > 160:
        photos = _larger(photos)
    gradient = gradient_of(initial(photos), RateDistortion(Goal(aim)), device="cuda")
    for seed, count in ((1, 8), (2, 8), (1, 8), (3, 4)):
        cuts = photos.draw(count, size, np.random.default_rng(seed))
        crops = cropper(photos, torch.device("cuda"))(cuts)
        assert torch.equal(crops.cpu(), torch.from_numpy(photos.crops(cuts)))
        given = Batch(
            crops,
            torch.linspace(0, 1, count, device="cuda"),
            torch.linspace(0.5, 2, count, device="cuda"),
            torch.tensor(0.0, device="cuda"),
        )
        gradient.noise.manual_seed(seed)
        figures, flat = (result.clone() for result in gradient(given))
        gradient.noise.manual_seed(seed)
        plain_figures, plain = gradient._run(given, None)
        torch.testing.assert_close(figures, plain_figures, rtol=1e-4, atol=1e-4)
        assert (flat - plain).norm() < 1e-3 * plain.norm()
        other = gradient_of(initial(photos), RateDistortion(Goal(aim)))
        other_figures, other_flat = other(Batch(*(tensor.cpu() for tensor in given)))
        torch.testing.assert_close(figures.cpu(), other_figures, rtol=2e-2, atol=2e-2)
        assert (flat.cpu() - other_flat).norm() < 0.3 * other_flat.norm()
        gradient.noise.manual_seed(seed + 100)
        assert not torch.equal(gradient(given).flat, flat)


@gpu
@pytest.mark.parametrize("step", [0, 2501, 2504])
def test_recorded_passes_of_a_generative_synthesis(photos: Photos, step: int) -> None:
    """Distortion alone, with the critic, and with the penalty on it."""
    model = as_model(model_arrays(initial(photos).params), "plain")
    objective = Realism(model, "plain")
    gradient = gradient_of(begin_generative(0, objective), objective, device="cuda")
    crops = cropper(photos, torch.device("cuda"))(photos.draw(8, 64, np.random.default_rng(0)))
    quality = torch.linspace(0, 1, 8, device="cuda")
    given = Batch(crops, quality, torch.ones_like(quality), torch.tensor(float(step), device="cuda"))
    gradient.noise.manual_seed(1)
    figures, flat = (result.clone() for result in gradient(given, objective.kind(step)))
    gradient.noise.manual_seed(1)
    plain_figures, plain = gradient._run(given, objective.kind(step))
    torch.testing.assert_close(figures, plain_figures, rtol=1e-3, atol=1e-3)
    assert flat.isfinite().all()
    assert (flat - plain).norm() < 1e-2 * plain.norm()


@gpu
def test_recorded_passes_of_a_metric(folder: Path) -> None:
    """Fourier transforms, warps and windows drawn at random: no value is asked for while kernels are recorded."""
    pairs, objective = load_pairs([], photos=[folder]), PerceptualInformation()
    gradient = gradient_of(begin_pim(pairs, 0, "small"), objective, device="cuda")
    crops = cropper(pairs, torch.device("cuda"))(pairs.draw(16, 64, np.random.default_rng(0)))
    ones = torch.ones(16, device="cuda")
    for seed in (1, 2):
        results = []
        for compute in (gradient, gradient._run):
            gradient.noise.manual_seed(seed)
            results.append([result.clone() for result in compute(Batch(crops, ones, ones, ones.sum()), None)])
        torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)


def _larger(photos: Photos) -> InMemory:
    """The photos, three by three."""
    tiled = [np.tile(photos.photo(index), (3, 3, 1)) for index in range(len(photos))]
    sizes = np.array([photo.shape[:2] for photo in tiled])
    count = len(photos)
    return InMemory(tiled, Known(sizes, np.full(count, 100_000), np.zeros(count, np.int64), (1.0,), []))


@gpu
def test_a_gpu_learns_and_goes_on(photos: Photos, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    on_gpu = replace(settings(tmp_path, 8 * READ_EVERY), device="cuda")
    train(on_gpu, MSE, photos, photos, initial(photos), lines.append)
    assert [line["step"] for line in lines] == [READ_EVERY * count for count in range(1, 9)]
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"]
    assert "valid_loss" in lines[-1]
    train(replace(on_gpu, steps=8 * READ_EVERY + 3), MSE, photos, None, None, ignore)
    assert load_state(tmp_path / STATE_FILE).progress.step == 8 * READ_EVERY + 3


@gpu
def test_gradients_that_are_not_finite_are_passed_over(photos: Photos, tmp_path: Path) -> None:
    broken = initial(photos)
    broken.params["synthesis.up.bias"][0] = float("nan")
    with pytest.raises(Exception, match="no finite gradient"):
        run(tmp_path, 100, photos, broken, device="cuda")
