"""Training a generative synthesis: its losses, its two stages, what stays as it is, and the model that comes out."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lcodec.arrays import ANALYSIS, ENTROPY
from lcodec.codec import decode, encode
from lcodec.errors import ModelError
from lcodec.goal import Goal
from lcodec.metrics.differentiable import top_octave
from lcodec.networks.critic import critic, start_critic
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.transforms import NOISE, synthesis
from lcodec.picture import Picture
from lcodec.training import adversarial
from lcodec.training.adversarial import Realism, locked_energy, uneven_energy
from lcodec.training.data import Photos
from lcodec.training.export import model_arrays, write_model
from lcodec.training.flat import Flat
from lcodec.training.generative import BALANCES, PLAIN, grown, own_effective, plain_ops, trained
from lcodec.training.gradient import Gradient, Pass
from lcodec.training.loop import train
from lcodec.training.parameters import Parameters, at_quality
from lcodec.training.protocol import Batch
from lcodec.training.run import begin_generative, finish
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import State, load_state
from lcodec.zoo import Model, Zoo
from tests.support.pictures import picture
from tests.support.training import crops, folder, ignore, initial, photos, settings

__all__ = ["folder", "photos"]  # fixtures


@pytest.fixture(scope="module")
def models(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model that has learned nothing, but the linear transform."""
    path = tmp_path_factory.mktemp("models")
    write_model(path, "plain", Goal(), "", model_arrays(initial(photos).params), "")
    return path


@pytest.fixture
def model(models: Path) -> Model:
    return Zoo([models]).load("plain")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both stages within twenty steps."""
    for name, value in (("DISTORTION_STEPS", 6), ("RAMP_STEPS", 8), ("PENALTY_EVERY", 4)):
        monkeypatch.setattr(adversarial, name, value)


def passed(objective: Realism, params: Parameters, photos: Photos, step: int, count: int = 4) -> Pass:
    groups = [Flat({name: params[name] for name in group.parameters}) for group in objective.groups(params)]
    gradient = Gradient(objective, params, groups, bfloat16=False)
    gradient.noise.manual_seed(1)
    given = torch.from_numpy(crops(photos, count, 64, 1))
    batch = Batch(given, torch.linspace(0.1, 0.9, count), torch.ones(count), torch.tensor(float(step)))
    return gradient(batch, objective.kind(step))


def figures(objective: Realism, found: Pass) -> dict[str, float]:
    return dict(zip(objective.figures, found.figures.tolist(), strict=True))


# ----------------------------------------------------------------------------------------------------------- the parts


def test_it_begins_as_the_plain_synthesis_but_for_the_noise(model: Model) -> None:
    params = grown(model, 0)
    latents = torch.randn(2, 4, 4, model.architecture.latents)
    quality = torch.tensor([0.2, 0.7])
    gain = at_quality(params["gain.synthesis"], quality).exp()
    plain = synthesis(plain_ops(params), latents, at_quality(params[f"{PLAIN}gain.synthesis"], quality).exp())
    grain = torch.randn(2, 8, 8, 48)
    made = synthesis(TorchOps(own_effective(params)), latents, gain, grain)
    assert 0 < (made - plain).abs().mean() < 0.1
    params[f"{NOISE}.weight"].zero_()
    made = synthesis(TorchOps(own_effective(params)), latents, gain, grain)
    assert (made - plain).abs().max() < 1e-4


def test_a_generative_synthesis_is_not_grown_from_another(model: Model) -> None:
    with pytest.raises(ModelError, match="one is trained for the model plain"):
        Realism(replace(model, name="real", base=model), "real")


@pytest.mark.parametrize("period", [8, 16])
def test_locked_energy_tells_a_grid_from_grain(period: int) -> None:
    """Also a grid whose blocks of 8x8 cancel out, and one that the picture's parts have in different forms."""
    generator = torch.Generator().manual_seed(0)
    grain = torch.randn(2, 128, 192, 3, generator=generator)
    block = torch.randn(2, period, period, 3, generator=generator)
    grid = block.repeat(1, 128 // period, 192 // period, 1)
    grid[:, :, 64:128] *= -1
    assert locked_energy(grain).tolist() == pytest.approx([0, 0], abs=0.005)
    assert locked_energy(grid + 5).tolist() == pytest.approx([1, 1], rel=0.01)  # a shift of colour is no grid
    assert locked_energy(grain + 0.5 * grid).tolist() == pytest.approx([0.2, 0.2], abs=0.05)


@pytest.mark.parametrize("period", [8, 16])
def test_uneven_energy_is_the_variance_of_strength_over_places(period: int) -> None:
    """Of grain whose strength depends on its place, which no lattice shows; whatever it is multiplied by."""
    generator = torch.Generator().manual_seed(0)
    grain = torch.randn(8, 256, 256, 3, generator=generator)
    grain[:, 100:] *= 3  # what is shown differs from place to place
    assert float(uneven_energy(grain).mean()) == pytest.approx(0, abs=0.003)
    columns = torch.tensor([0.0, 2.0]).repeat_interleave(4).repeat(256 // 8)
    strengths = columns if period == 8 else (torch.arange(256) % 16 < 8) * 2.0
    striped = grain * strengths.sqrt()[:, None]
    assert locked_energy(striped).abs().max() < 0.01
    assert uneven_energy(striped).tolist() == pytest.approx(uneven_energy(7 * striped).tolist(), rel=1e-4)
    assert (uneven_energy(striped) > 0.5).all()  # 1, but for what the Laplacian mixes
    assert not uneven_energy(torch.zeros(1, 64, 64, 3)).any()


def test_energy_of_the_top_octave() -> None:
    original = torch.rand(2, 40, 30, 3)
    blurred = (original + original.roll(1, 1) + original.roll(1, 2)) / 3
    assert top_octave(original, original).tolist() == pytest.approx([1, 1], abs=1e-3)
    assert (top_octave(blurred, original) < 0.6).all()


def test_the_critic_sees_pictures_latents_and_any_offset() -> None:
    generator = torch.Generator().manual_seed(0)
    arrays = start_critic(20, generator)
    shown, latents = torch.rand(2, 128, 144, 3) - 0.5, torch.randn(2, 8, 9, 20)
    logits = critic(arrays, shown, latents, torch.tensor([0, 0]))
    assert logits.shape == (2, 13, 15)
    assert not torch.equal(logits, critic(arrays, shown, latents + 1, torch.tensor([0, 0])))
    elsewhere = critic(arrays, shown, latents, torch.tensor([8, 0]))
    assert torch.allclose(logits[:, 4:9, 3:-3], elsewhere[:, 3:8, 3:-3], atol=1e-5)  # patches are 8 pixels apart


def test_the_critic_learns_to_tell_pairs_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    arrays = {name: value.requires_grad_() for name, value in start_critic(8, generator).items()}
    adam = torch.optim.Adam(arrays.values(), 1e-3, betas=(0.0, 0.99))
    margins = []
    for step in range(17):
        original = torch.rand(2, 64, 64, 3, generator=generator) - 0.5
        judged = adversarial._judge(
            arrays, original, original.roll(1, 1) / 2, torch.zeros(2, 4, 4, 8), generator, penalise=step % 8 == 0
        )
        adam.zero_grad()
        judged.of_critic.backward()
        adam.step()
        margins.append(float(judged.margin))
    assert abs(margins[0]) < 0.3
    assert margins[-1] > 0.6


# ----------------------------------------------------------------------------------------------------------- one step


def test_gradients_of_each_stage(model: Model, photos: Photos, soon: None) -> None:
    objective, params = Realism(model, "plain"), grown(model, 0)
    count = sum(params[name].numel() for name in trained(params))
    for step, kind in ((0, "distortion"), (9, "critic"), (8, "penalty")):
        assert objective.kind(step) == kind
        found = passed(objective, params, photos, step)
        assert found.flat.isfinite().all()
        of_synthesis, of_critic = found.flat[:count], found.flat[count:-2]
        assert of_synthesis.norm() > 0
        assert (of_critic.norm() > 0) == (kind != "distortion")
        said = figures(objective, found)
        assert (said["penalty"] > 0) == (kind == "penalty")
        assert (said["gradient_critic"] > 0) == (kind != "distortion")
    ramped = [passed(objective, params, photos, step).flat[:count] for step in (6, 7, 13, 22)]
    start, *others = (each - ramped[0] for each in ramped)
    assert start.norm() == 0  # the critic begins without weight
    sizes = [float(each.norm()) for each in others]
    assert sizes[1] == pytest.approx(7 * sizes[0], rel=0.01)
    assert sizes[2] == pytest.approx(8 * sizes[0], rel=0.01)  # and has all of it after the ramp


def test_gradients_are_balanced(model: Model, photos: Photos, soon: None) -> None:
    objective, params = Realism(model, "plain"), grown(model, 0)
    found = passed(objective, params, photos, 9)
    said, balances = figures(objective, found), dict(zip(objective.kept, found.flat[-2:].tolist(), strict=True))
    for name in BALANCES:
        term = name.partition(".")[2]
        assert balances[name] * said[f"gradient_{term}"] == pytest.approx(said["gradient_mse"], rel=1e-3)
    params |= {name: torch.tensor(value) for name, value in balances.items()}
    params["balance.critic"] = torch.tensor(2 * balances["balance.critic"])
    followed = passed(objective, params, photos, 9).flat[-2:].tolist()
    assert followed[0] == pytest.approx(balances["balance.wasserstein"], rel=1e-3)
    assert followed[1] == pytest.approx(1.99 * balances["balance.critic"], rel=1e-3)


def test_the_gradient_is_that_of_the_loss(model: Model, photos: Photos) -> None:
    """By differences along one direction, with the balance held: the picture's gradient goes through the synthesis."""
    objective, params = Realism(model, "plain"), grown(model, 0)
    params["balance.wasserstein"] = torch.tensor(0.1)
    name = "synthesis.out.weight"
    names = trained(params)
    found = passed(objective, params, photos, 0)
    place = sum(params[other].numel() for other in names[: names.index(name)])
    gradient = found.flat[place : place + params[name].numel()]
    direction = gradient / gradient.norm()
    step, losses = 0.005, []
    for sign in (1, -1):
        moved = params | {name: params[name] + sign * step * direction.view_as(params[name])}
        followed = passed(objective, moved, photos, 0)
        weight = float(followed.flat[-2])
        said = figures(objective, followed)
        losses.append(said["loss"] - (weight - 0.1) * said["wasserstein"])
    assert float(gradient.norm()) == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=0.05)


def test_low_qualities_are_drawn_more_often(model: Model) -> None:
    drawn = Realism(model, "plain").qualities(np.linspace(0, 1, 1001, dtype=np.float32))
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert np.median(drawn) < 0.4


# --------------------------------------------------------------------------------------------------------- whole runs


def run(out: Path, steps: int, model: Model, photos: Photos, begin: State | None) -> None:
    train(settings(out, steps), Realism(model, "plain"), photos, None, begin, ignore)


def test_twenty_steps_of_both_stages(model: Model, models: Path, photos: Photos, soon: None, tmp_path: Path) -> None:
    objective = Realism(model, "plain")
    begin = begin_generative(0, objective)
    before = {name: value.clone() for name, value in begin.params.items()}
    lines: list[dict[str, float]] = []
    out = tmp_path / "real"
    out.mkdir()
    train(settings(out, 20), objective, photos, photos, begin, lines.append)
    state = load_state(out / STATE_FILE)
    moving = {name for group in objective.groups(before) for name in group.parameters} | set(BALANCES)
    for name, value in before.items():
        assert torch.equal(state.params[name], value) == (name not in moving), name
        assert name in moving or torch.equal(state.ema[name], value)
    assert {"critic.0.weight", "synthesis.noise.weight"} <= state.moment1.keys()
    assert lines[2]["norm_critic"] == 0 < lines[10]["norm_critic"]
    assert lines[-1]["valid"][0].keys() >= {"psnr_lost", "top_octave", "locked"}  # type: ignore[index]

    said = finish(settings(out, 20), objective, "lcodec train", photos, None, "The end.\n")
    assert "real.safetensors: " in said[-1]
    card = (out / "real.md").read_text()
    assert "at quality 20 | " in card
    assert "not for | evidence" in card
    zoo = Zoo([models, out])
    real = zoo.load("real")
    assert real.base is not None
    assert json.loads((out / "index.json").read_text())["models"][0]["aim"] == "realism"
    zoo.check(next(entry for entry in zoo.entries() if entry.name == "real"))
    for name, value in model.arrays.items():
        if name.startswith((*ANALYSIS, *ENTROPY, "gain.inverse")):
            assert value.tobytes() == real.arrays[name].tobytes()
    original = Picture(picture(80, 90))
    data = encode(original, real, 60)
    exact, textured = decode(data, zoo, realism=0).pixels, decode(data, zoo).pixels
    assert np.array_equal(exact, decode(encode(original, model, 60), zoo).pixels)
    assert (exact != textured).any()


def test_a_resumed_run_ends_where_it_would_have(model: Model, photos: Photos, soon: None, tmp_path: Path) -> None:
    objective = Realism(model, "plain")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder_of_run in (whole, parts):
        folder_of_run.mkdir()
    run(whole, 12, model, photos, begin_generative(0, objective))

    def interrupted(line: dict[str, float]) -> None:
        if line["step"] == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(settings(parts, 12), objective, photos, None, begin_generative(0, objective), interrupted)
    assert load_state(parts / STATE_FILE).progress.step < 12
    run(parts, 12, model, photos, None)
    first, second = load_state(whole / STATE_FILE), load_state(parts / STATE_FILE)
    for part in ("params", "ema", "moment1", "moment2"):
        ours, theirs = getattr(first, part), getattr(second, part)
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
