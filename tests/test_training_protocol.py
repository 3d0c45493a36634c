"""The loop with other objectives than rate and distortion: a generator with a critic, and one on pairs of frames."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lcodec.training.data import Photos, load_pairs
from lcodec.training.loop import train
from lcodec.training.parameters import Parameters
from lcodec.training.protocol import Batch, Finished, Group, Losses, TrainingObjective
from lcodec.training.run import finish
from lcodec.training.settings import BEST_FILE, STATE_FILE
from lcodec.training.state import Progress, State, load_state
from tests.support.pictures import picture
from tests.support.training import folder, gradient_of, ignore, photos, settings

__all__ = ["folder", "photos"]  # fixtures


class Adversarial(TrainingObjective):
    """A generator that adds a colour to noise, and a linear critic; what a frozen encoder says weighs the loss."""

    figures = ("loss", "critic", "penalised")
    kept = ("balance",)

    def groups(self, params: Parameters) -> Sequence[Group]:
        return [
            Group("generator", ["generator.colour"], betas=(0.0, 0.99)),
            Group("critic", ["critic.weight", "critic.unused"], learning_rate_factor=2.0, betas=(0.0, 0.99)),
        ]

    def kind(self, step: int) -> Hashable:
        return step % 4 == 0

    def qualities(self, uniform: Any) -> Any:
        return uniform**2

    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:
        real = batch.crops.float().mean(dim=(1, 2)) / 255
        made = params["generator.colour"] + 0.1 * torch.rand(real.shape, generator=noise, device=real.device)
        critic = params["critic.weight"]
        fooled = -(made * critic).sum(1).mean()
        ramp = (batch.step / 10).clamp(max=1)
        generator = (params["encoder.frozen"] * (made - real) ** 2).mean() + ramp * params["balance"] * fooled
        told_apart = ((made.detach() - real) * critic).sum(1).mean() + critic.square().sum()
        if kind:
            told_apart = told_apart + 0.1 * critic.abs().sum()
        figures = {"loss": generator, "critic": told_apart, "penalised": torch.tensor(float(bool(kind)))}
        kept = {"balance": 0.9 * params["balance"] + 0.1 * batch.quality.mean()}
        return Losses([generator, told_apart], figures, kept)

    def metadata(self) -> dict[str, str]:
        return {"trains": "a toy"}

    def measure(self, params: Parameters, photo: Tensor) -> Sequence[float]:
        return [float((photo.float().mean(dim=(0, 1, 2)) / 255 - params["generator.colour"]).square().sum())]

    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        return {"valid_loss": means[0]}

    def export(self, finished: Finished) -> list[str]:
        content = {"colour": finished.params["generator.colour"].tolist(), "photos": len(finished.photos)}
        (finished.folder / f"{finished.name}.json").write_text(json.dumps(content))
        (finished.folder / "card.md").write_text(finished.card({"made": finished.summary}))
        return ["exported"]


def toy() -> State:
    params = {
        "generator.colour": torch.zeros(3),
        "critic.weight": torch.full((3,), 0.1),
        "critic.unused": torch.ones(2),
        "encoder.frozen": torch.tensor(2.0),
        "balance": torch.tensor(0.5),
    }
    ema = {name: value.clone() for name, value in params.items()}
    return State(params, ema, {}, {}, Progress(), Adversarial().metadata())


def equal(first: State, second: State) -> bool:
    parts = ("params", "ema", "moment1", "moment2")
    return all(
        torch.equal(value, getattr(second, part)[name])
        for part in parts
        for name, value in getattr(first, part).items()
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_two_groups_learn_and_go_on_bit_for_bit(
    photos: Photos, tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lcodec.training.settings.PATIENCE", 0)
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    many: dict[str, Any] = {"processes": processes, "seed": 3}
    train(settings(tmp_path / "whole", 12, **many), Adversarial(), photos, None, toy(), ignore)

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 5:
            raise OSError("a full disk")

    with pytest.raises(OSError, match="full"):
        train(settings(tmp_path / "halves", 12, save_every=0.0, **many), Adversarial(), photos, None, toy(), stop)
    assert load_state(tmp_path / "halves" / STATE_FILE).progress.step == 5
    train(settings(tmp_path / "halves", 12, **many), Adversarial(), photos, None, None, ignore)
    whole, halves = (load_state(tmp_path / name / STATE_FILE) for name in ("whole", "halves"))
    assert equal(whole, halves)
    assert whole.about == {"trains": "a toy"}
    begun = toy().params
    assert (whole.params["generator.colour"] > begun["generator.colour"]).all()
    assert (whole.params["critic.weight"] != begun["critic.weight"]).all()
    assert 0.3 < float(whole.params["balance"]) < 0.45  # towards a third, the mean of squares
    for name in ("encoder.frozen", "critic.unused"):
        assert torch.equal(whole.params[name], begun[name])
    assert whole.moment1.keys() == {"generator.colour", "critic.weight", "critic.unused"}


def test_each_group_has_the_gradient_of_its_own_loss_and_its_own_learning_rate(photos: Photos, tmp_path: Path) -> None:
    crops = torch.full((2, 64, 64, 3), 255, dtype=torch.uint8)
    batch = Batch(crops, torch.tensor([0.2, 0.4]), torch.ones(2), torch.tensor(10.0))
    gradient = gradient_of(toy(), Adversarial())
    gradient.noise.manual_seed(0)
    made = 0.1 * torch.rand((2, 3), generator=torch.Generator().manual_seed(0))
    flat = gradient(batch, kind=True).flat
    torch.testing.assert_close(flat[:3], (2 * 2 * (made - 1) / 6).sum(0) - 0.5 * 0.1)
    torch.testing.assert_close(flat[3:6], (made - 1).mean(0) + 2 * 0.1 + 0.1)
    torch.testing.assert_close(flat[6:], torch.tensor([0.0, 0.0, 0.9 * 0.5 + 0.1 * 0.3]))
    lines: list[dict[str, Any]] = []
    train(settings(tmp_path, 1), Adversarial(), photos, None, toy(), lines.append)
    first, begun = load_state(tmp_path / STATE_FILE).params, toy().params
    moved = {name: float((first[name] - begun[name]).abs().max()) for name in ("generator.colour", "critic.weight")}
    assert moved["critic.weight"] == pytest.approx(2 * moved["generator.colour"], rel=1e-2)
    assert {"loss", "critic", "penalised", "norm_generator", "norm_critic"} <= lines[0].keys()


def test_steps_are_of_the_kind_that_the_objective_names(photos: Photos, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    train(settings(tmp_path, 6), Adversarial(), photos, None, toy(), lines.append)
    assert [line["penalised"] for line in lines] == [1, 0, 0, 0, 1, 0]


def test_a_step_without_a_finite_gradient_of_one_group_changes_nothing(photos: Photos, tmp_path: Path) -> None:
    class Broken(Adversarial):
        def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:
            found = super().losses(params, batch, noise, kind)
            kept = {"balance": torch.tensor(float("nan"))}
            return Losses([found.losses[0], found.losses[1] * float("inf")], found.figures, kept)

    train(settings(tmp_path, 3), Broken(), photos, None, toy(), ignore)
    state = load_state(tmp_path / STATE_FILE)
    assert state.progress.skipped_steps == 3
    assert all(torch.equal(value, state.params[name]) for name, value in toy().params.items())


def test_the_average_with_the_smallest_validation_loss_is_exported(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lcodec.training.settings.PATIENCE", 0)

    class Worsening(Adversarial):
        def measure(self, params: Parameters, photo: Tensor) -> Sequence[float]:
            return [abs(float(params["balance"]) - BALANCE)]  # known to the loop only through this

    lines: list[dict[str, Any]] = []
    every = {"validate_every": 0.0, "save_every": 0.0}
    for name in ("plain", "run"):
        (tmp_path / name).mkdir()
    train(settings(tmp_path / "plain", 6, **every), Adversarial(), photos, None, toy(), ignore)
    train(settings(tmp_path / "run", 6, **every), Worsening(), photos, photos, toy(), lines.append)
    losses = [line["valid_loss"] for line in lines]
    least = losses.index(min(losses))
    assert least < 5
    best = load_state(tmp_path / "run" / BEST_FILE)
    assert best.progress.step == least + 1
    assert load_state(tmp_path / "run" / STATE_FILE).progress.best == min(losses)
    latest = load_state(tmp_path / "plain" / BEST_FILE)
    assert latest.progress.step == 6  # without validation, the latest
    lines = finish(settings(tmp_path / "run", 6), Worsening(), "lcodec train", photos, photos, "Notes.\n")
    exported = json.loads((tmp_path / "run" / "run.json").read_text())
    assert exported == {"colour": best.ema["generator.colour"].tolist(), "photos": 4}
    assert lines == ["exported"]
    card = (tmp_path / "run" / "card.md").read_text()
    assert "| made | 0.00 gigapixels in 6 steps |" in card
    assert card.endswith("Notes.\n")


#: Where the balance of `toy` is after three steps or so.
BALANCE = 0.455


class OnPairs(TrainingObjective):
    """Learns a scale on which two frames are close."""

    frames = 2

    def groups(self, params: Parameters) -> Sequence[Group]:
        return [Group("metric", ["scale"])]

    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:
        first, second = (batch.crops.float() / 255).chunk(2, dim=-1)
        loss = (params["scale"] * (first - second)).square().mean() + (params["scale"] - 1).square()
        return Losses([loss], {"loss": loss})

    def measure(self, params: Parameters, photo: Tensor) -> Sequence[float]:
        return [photo.shape[-1]]

    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        return {"valid_loss": means[0]}

    def export(self, finished: Finished) -> list[str]:
        return []


def test_a_metric_learns_from_pairs(tmp_path: Path) -> None:
    for index in range(2):
        frame = picture(128, 160, seed=index)
        Image.fromarray(frame).save(tmp_path / f"clip-{index}-a.png")
        Image.fromarray(255 - frame).save(tmp_path / f"clip-{index}-b.png")
    pairs = load_pairs([tmp_path])
    (tmp_path / "run").mkdir()
    params = {"scale": torch.tensor(1.0)}
    lines: list[dict[str, Any]] = []
    begin = State(params, {"scale": torch.tensor(1.0)}, {}, {}, Progress(), {})
    train(settings(tmp_path / "run", 20), OnPairs(), pairs, pairs, begin, lines.append)
    assert lines[-1]["valid_loss"] == 6
    assert float(load_state(tmp_path / "run" / STATE_FILE).params["scale"]) < 1
    assert np.isfinite(lines[-1]["loss"])
