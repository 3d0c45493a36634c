"""The training loop on small networks: it learns, resumes bit for bit, and ends in time."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lcodec.errors import LcodecError
from lcodec.training.data import Photos, load_photos
from lcodec.training.gradient import Gradient
from lcodec.training.loop import train
from lcodec.training.objective import objective
from lcodec.training.parameters import Parameters
from lcodec.training.rate_distortion import RateDistortion
from lcodec.training.run import begin
from lcodec.training.settings import BEST_FILE, STATE_FILE
from lcodec.training.state import load_state
from tests.support.pictures import picture
from tests.support.training import MSE, crops, folder, initial, photos, run, settings

__all__ = ["folder", "photos"]  # fixtures


def test_photos_of_the_next_step_are_decoded_while_this_one_computes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed, events = load_photos([folder], 100_000), []
    expect, computed = streamed.expect, Gradient.__call__
    monkeypatch.setattr(streamed, "expect", lambda cuts: (events.append("expect"), expect(cuts)))
    monkeypatch.setattr(Gradient, "__call__", lambda *given: (events.append("compute"), computed(*given))[1])
    run(tmp_path, 3, streamed, initial(streamed))
    assert events == 3 * ["expect", "compute"]


def test_loss_falls(photos: Photos, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    state = initial(photos)
    batch = torch.from_numpy(crops(photos, 4, 64, 9))
    quality = torch.tensor([0.1, 0.4, 0.6, 0.9])

    def loss(params: Parameters) -> float:
        with torch.no_grad():
            return float(objective(params, batch, quality, None).loss)

    before = loss(state.ema)
    train(settings(tmp_path, 80), MSE, photos, photos, state, lines.append)
    state = load_state(tmp_path / STATE_FILE)
    assert loss(state.ema) < 0.9 * before
    assert lines[-1]["share"] == 1
    assert lines[-1]["crop"] == 128  # the finish
    assert lines[-1]["valid_loss"] > 0


def test_resumes_bit_for_bit(photos: Photos, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for out in (whole, halves):
        out.mkdir()
    run(whole, 20, photos, initial(photos))

    def stop_at_ten(line: dict[str, Any]) -> None:
        if line["step"] == 9:  # the step that runs when the signal comes is the last
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(halves, 20, photos, initial(photos), report=stop_at_ten)
    assert load_state(halves / STATE_FILE).progress.step == 10
    run(halves, 20, photos)
    first, second = load_state(whole / STATE_FILE), load_state(halves / STATE_FILE)
    assert first.progress.step == second.progress.step == 20
    for part in ("params", "ema", "moment1", "moment2"):
        one, other = getattr(first, part), getattr(second, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_loss_that_is_not_finite_loses_nothing(photos: Photos, tmp_path: Path) -> None:
    run(tmp_path, 2, photos, initial(photos))
    kept = (tmp_path / STATE_FILE).read_bytes()
    broken = initial(photos)
    broken.params["synthesis.up.bias"][0] = float("nan")
    with pytest.raises(LcodecError, match="finite"):
        run(tmp_path, 50, photos, broken)
    assert (tmp_path / STATE_FILE).read_bytes() == kept


def test_a_run_of_so_many_seconds_ends_in_time_with_everything_written(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which a step takes a second, a validation six, and loading took ten."""
    now = 10.0

    def monotonic() -> float:
        nonlocal now
        now += 1
        return now

    measure = RateDistortion.measure

    def slow(self: RateDistortion, params: Parameters, photo: torch.Tensor) -> list[float]:
        nonlocal now
        now += 1.25  # of four photos
        return measure(self, params, photo)

    monkeypatch.setattr("lcodec.training.loop.time.monotonic", monotonic)
    monkeypatch.setattr(RateDistortion, "measure", slow)
    lines: list[dict[str, Any]] = []
    wanted = settings(tmp_path, None, seconds=300.0, begun=0.0)
    train(wanted, MSE, photos, photos, initial(photos), lines.append)
    validated = [line["seconds"] for line in lines if "valid_loss" in line]
    assert validated[0] == 30  # a tenth of the run
    assert validated[1] == 156  # and then when twenty times what one takes is over
    assert validated[-1] == lines[-1]["seconds"] == pytest.approx(300 - 7, abs=1)
    assert lines[-1]["share"] == 1
    assert lines[-1]["learning_rate"] < 1e-3 * wanted.learning_rate
    assert load_state(tmp_path / STATE_FILE).progress.seconds == pytest.approx(299, abs=1)
    best = load_state(tmp_path / BEST_FILE)
    assert best.progress.best == min(line["valid_loss"] for line in lines if "valid_loss" in line)
    resumed: list[dict[str, Any]] = []
    train(replace(wanted, seconds=400.0, begun=now), MSE, photos, None, None, resumed.append)
    assert resumed[0]["seconds"] == pytest.approx(300, abs=2)
    assert resumed[0]["share"] < 0.8


def test_photos_of_crops_only_are_never_enlarged(tmp_path: Path) -> None:
    """Where none has twice the side of a crop, a run ends with crops as it began with them."""
    Image.fromarray(picture(96, 64, seed=1)).save(tmp_path / "small.png")
    small = load_photos([tmp_path])
    lines: list[dict[str, Any]] = []
    begun = begin(small, 0, MSE, "small")
    state = initial(small)
    assert begun.params.keys() == state.params.keys()
    run(tmp_path, 4, small, state, report=lines.append)
    assert [line["crop"] for line in lines] == [64, 64, 64, 64]
