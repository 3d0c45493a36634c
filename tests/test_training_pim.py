"""Training the metric: its bound on Gaussians against closed forms, what counts as the same, and whole runs."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lcodec.errors import PictureError
from lcodec.networks.pim import JOINT, bands_of, distance, encode, features, join, start_pim
from lcodec.networks.steerable import BANDS
from lcodec.training import positives
from lcodec.training.data import Photos, load_pairs
from lcodec.training.loop import train
from lcodec.training.pim import PerceptualInformation, begin_pim, bound, metric_arrays
from lcodec.training.positives import views
from lcodec.training.protocol import Batch
from lcodec.training.run import finish
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import Zoo, read_metric
from tests.support.pictures import picture
from tests.support.training import folder, gradient_of, ignore, settings

__all__ = ["folder"]  # a fixture

OBJECTIVE = PerceptualInformation()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of frames, the second of which is moved by two pixels."""
    folder_of_frames = tmp_path_factory.mktemp("frames")
    for seed in range(2):
        pixels = picture(96, 130, seed=10 + seed)
        Image.fromarray(pixels[:, :128]).save(folder_of_frames / f"{seed}-a.png")
        Image.fromarray(pixels[:, 2:]).save(folder_of_frames / f"{seed}-b.png")
    return folder_of_frames


@pytest.fixture(scope="module")
def pairs(folder: Path, frames: Path) -> Photos:
    return load_pairs([frames], photos=[folder])


# ---------------------------------------------------------------------------------------------------------- the bound


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_of_one_picture_the_bound_is_a_divergence_of_gaussians() -> None:
    """Where p^ is (q(z|x) + q(z|y)) / 2 with both alike, what is left is -KL(p || q) = -|difference|^2 / 2."""
    marginal, joint = normal(1, 1, 10, seed=1), normal(1, 1, 10, seed=2)
    terms = bound(marginal, marginal, joint, normal(1, 1, 10, seed=3))
    assert float(terms.contrast) == pytest.approx(0, abs=1e-12)
    assert float(terms.agreement) == pytest.approx(-float((joint - marginal).square().sum()) / 2)


def test_terms_are_log_densities_of_samples() -> None:
    """Drawn one by one, with the densities of torch.distributions: the same, and in the mean the closed form."""
    first, second, joint = (normal(1, 3, 10, seed=seed) for seed in (1, 2, 3))
    noise = normal(20_000, 3, 10, seed=4)
    many = [tensor.expand(20_000, 3, 10) for tensor in (first, second, joint)]
    terms = bound(*many, noise)
    z = joint + noise

    def density(mean: torch.Tensor) -> torch.Tensor:
        gaussian = torch.distributions.Independent(torch.distributions.Normal(mean, 1.0), 1)
        return gaussian.log_prob(z)

    components = torch.stack([density(each[:, k : k + 1]) for each in (first, second) for k in range(3)])
    contrast = density(first) - (torch.logsumexp(components, dim=0) - math.log(6))
    torch.testing.assert_close(terms.contrast, contrast)
    drawn = density(second) - density(joint)
    torch.testing.assert_close(terms.agreement[:1], drawn.mean(dim=0, keepdim=True), rtol=0.02, atol=0)


def test_pictures_that_are_far_apart_are_told_apart_entirely() -> None:
    count = 8
    means = 100 * normal(5, count, 10)
    terms = bound(means, means, means, normal(5, count, 10, seed=1))
    torch.testing.assert_close(terms.contrast, torch.full_like(terms.contrast, math.log(count)))
    assert not terms.agreement.any()
    alike = bound(means * 0, means * 0, means * 0, normal(5, count, 10, seed=1))
    assert alike.contrast.abs().max() < 1e-12


def test_two_marginals_share_what_the_product_of_gaussians_leaves() -> None:
    """With p(z|x,y) half-way, log q(z|x) q(z|y) / p(z|x,y) loses |x - y|^2 / 8 twice."""
    first, second = normal(1, 1, 10, seed=1), normal(1, 1, 10, seed=2)
    terms = bound(first, second, (first + second) / 2, torch.zeros(1, 1, 10, dtype=torch.float64))
    apart = float((first - second).square().sum())
    assert float(terms.agreement) == pytest.approx(-apart / 8)
    assert float(terms.contrast) == pytest.approx(0)  # z is as far from both


# --------------------------------------------------------------------------------------------------- what is the same


def test_frames_stay_and_photos_are_moved(pairs: Photos) -> None:
    crops = torch.from_numpy(pairs.crops(pairs.draw(32, 64, np.random.default_rng(0))))
    first, second = views(crops, torch.Generator().manual_seed(0))
    given = crops.float() / 255
    single = (crops[..., :3] == crops[..., 3:]).flatten(1).all(dim=1)
    assert 0 < int(single.sum()) < 32
    assert torch.equal(first[~single], given[~single][..., :3])
    assert torch.equal(second[~single], given[~single][..., 3:])
    moved = (first - second)[single].flatten(1).square().mean(dim=1)
    assert (moved > 1e-5).all()
    again = views(crops, torch.Generator().manual_seed(0))
    assert torch.equal(again[0], first)
    assert torch.equal(again[1], second)


def test_places_move_by_no_more_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ramp tells where its values came from."""
    monkeypatch.setattr(positives, "NOISE", 0.0)
    monkeypatch.setattr(positives, "GAIN", 0.0)
    ramp = torch.arange(64, dtype=torch.uint8) * 4
    crops = ramp.expand(64, 6, 64).permute(0, 2, 1)[:, None].expand(64, 64, 64, 6)
    first, second = views(crops, torch.Generator().manual_seed(1))
    motion = ((first - second) * 255 / 4)[:, 8:-8, 8:-8, 0].abs()
    most = positives.MOTION_PX[1] * 1.3 + 32 * (positives.SCALE + positives.ROTATION)
    assert 1 < float(motion.max()) < most
    assert float(motion.amax(dim=(1, 2)).min()) > 0.1
    assert (motion.diff(dim=2).abs() < 0.5).all()  # smooth
    monkeypatch.setattr(positives, "MOTION_PX", (0.0, 0.0))
    first, second = views(crops, torch.Generator().manual_seed(1))
    motion = ((first - second) * 255 / 4)[:, 8:-8, 8:-8, 0].abs()
    assert 0.1 < float(motion.max()) < 32 * (positives.SCALE + positives.ROTATION)


def test_the_hardest_edges_have_views() -> None:
    """Black and white by chance: cubics between them go beyond both."""
    speckles = 255 * torch.randint(2, (8, 64, 64, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for view in views(torch.cat((speckles, speckles), dim=3), torch.Generator().manual_seed(1)):
        assert view.isfinite().all()
        assert 0 <= float(view.min()) < float(view.max()) <= 1


def test_gain_and_noise_are_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = torch.full((64, 64, 64, 6), 128, dtype=torch.uint8)
    first, second = views(grey, torch.Generator().manual_seed(1))
    for view in (first, second):
        deviation = view.std(dim=(1, 2, 3))
        assert float(deviation.max()) < positives.NOISE
        assert float(deviation.max()) > positives.NOISE / 2
    gains = second.mean(dim=(1, 2, 3)) / first.mean(dim=(1, 2, 3))
    assert 0.02 < float((gains - 1).abs().max()) < 0.031


def test_pairs_and_photos_come_in_equal_parts(pairs: Photos, folder: Path, frames: Path) -> None:
    assert (len(pairs), pairs.frames, pairs.shares) == (6, 2, (0.5, 0.5))
    kinds = pairs.kinds[[cut.photo for cut in pairs.draw(400, 64, np.random.default_rng(0))]]
    assert 160 < int(kinds.sum()) < 240
    alone = load_pairs([], photos=[folder])
    assert (len(alone), alone.shares) == (4, (1.0,))
    still = alone.photo(0)
    assert np.array_equal(still[..., :3], still[..., 3:])
    with pytest.raises(PictureError, match="no photo found in one of the sources"):
        load_pairs([folder], photos=[folder])  # no pairs there


# --------------------------------------------------------------------------------------------------------- whole runs


def test_sub_bands_begin_with_unit_variance(pairs: Photos) -> None:
    state = begin_pim(pairs, 0, "small")
    crops = torch.from_numpy(pairs.crops(pairs.draw(64, 64, np.random.default_rng(1)))[..., :3].copy()) / 255
    for gain, band in zip(state.params["pim.gain"], bands_of(crops), strict=True):
        assert 0.7 < float(gain * band.std()) < 1.4


def test_the_joint_encoder_knows_both_pictures() -> None:
    params = start_pim("small", torch.Generator().manual_seed(0))
    band = bands_of(torch.rand((2, 64, 64, 3), generator=torch.Generator().manual_seed(0)))[3]
    found = features(params, 3, band)
    x, y = found
    joint = join(params, 3, x, y)
    assert joint.shape == encode(params, 3, x).shape == (16, 16, 10)
    assert not torch.equal(joint, join(params, 3, x, x))
    assert not torch.equal(joint, join(params, 3, y, y))


def test_twenty_steps_lower_the_loss_of_the_same_batch(pairs: Photos, tmp_path: Path) -> None:
    begin = begin_pim(pairs, 0, "small")
    crops = torch.from_numpy(pairs.crops(pairs.draw(12, 64, np.random.default_rng(9))))
    given = Batch(crops, torch.ones(12), torch.ones(12), torch.tensor(0.0))

    def loss(state: object) -> float:
        gradient = gradient_of(state, OBJECTIVE)  # type: ignore[arg-type]
        gradient.noise.manual_seed(0)
        return float(gradient(given).figures[0])

    before, fixed = loss(begin), begin.params["pim.gain"].clone()
    train(settings(tmp_path, 20), OBJECTIVE, pairs, None, begin, ignore)
    state = load_state(tmp_path / STATE_FILE)
    assert loss(state) < 0.8 * before
    assert torch.equal(state.params["pim.gain"], fixed)
    assert len(state.moment1) == len(state.params) - 1


def test_crops_keep_their_size_and_number_to_the_end(pairs: Photos, tmp_path: Path) -> None:
    lines: list[dict[str, float]] = []
    train(settings(tmp_path, 2), OBJECTIVE, pairs, pairs, begin_pim(pairs, 0, "small"), lines.append)
    assert [line["crop"] for line in lines] == [64, 64]
    assert lines[-1]["valid"].keys() == {"contrast", "agreement", "distance"}  # type: ignore[attr-defined]
    assert np.isfinite(lines[-1]["valid_loss"])


def test_a_resumed_run_ends_where_it_would_have(pairs: Photos, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for out in (whole, parts):
        out.mkdir()
    train(settings(whole, 5), OBJECTIVE, pairs, None, begin_pim(pairs, 0, "small"), ignore)

    def interrupted(line: dict[str, float]) -> None:
        if line["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(settings(parts, 5), OBJECTIVE, pairs, None, begin_pim(pairs, 0, "small"), interrupted)
    assert load_state(parts / STATE_FILE).progress.step < 5
    train(settings(parts, 5), OBJECTIVE, pairs, None, None, ignore)
    first, second = load_state(whole / STATE_FILE), load_state(parts / STATE_FILE)
    for part in ("params", "ema", "moment1", "moment2"):
        ours, theirs = getattr(first, part), getattr(second, part)
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_what_is_exported_measures_as_what_was_trained(pairs: Photos, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    train(settings(out, 1), OBJECTIVE, pairs, None, begin_pim(pairs, 0, "small"), ignore)
    said = finish(settings(out, 1), OBJECTIVE, "lcodec train", pairs, None, "The end.\n")
    assert said[0].startswith("distances: ")
    card = (out / "mine.md").read_text()
    assert "| made by | `lcodec train` |" in card
    assert "| size | small |" in card
    assert card.endswith("The end.\n")
    (metric,) = [metric for metric in Zoo([out]).metrics() if metric.name == "mine"]
    assert metric.path.stat().st_size == metric.size < 4e6
    Zoo([out]).check(metric)
    arrays = read_metric(metric.path)
    assert not [name for name in arrays if name.startswith(JOINT)]
    assert len(arrays) == 1 + BANDS * 14
    written = {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
    trained = load_state(out / "best.safetensors").ema
    given = [torch.from_numpy(picture(70, 90, seed=seed)[None] / np.float32(255)) for seed in (1, 2)]
    assert float(distance(written, *given)) == pytest.approx(float(distance(trained, *given)), rel=5e-3)
    index = json.loads((out / "index.json").read_text())
    assert index["models"] == []
    assert index["metrics"][0].keys() == {"name", "size", "sha256", "identity", "summary", "file"}
    broken = trained | {"pim.0.conv.0.weight": trained["pim.0.conv.0.weight"] * 1e9}
    with np.errstate(over="ignore"), pytest.raises(Exception, match="too large for float16"):
        metric_arrays(broken)
