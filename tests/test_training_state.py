"""The state of a run on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lcodec.goal import Goal
from lcodec.training.settings import Settings
from lcodec.training.state import Progress, State, goal_of, load_state, save_state


def test_what_is_not_trained_is_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    frozen, weight = torch.arange(4000.0), torch.ones(3)
    params = {"frozen": frozen, "weight": weight}
    state = State(params, {"frozen": frozen, "weight": 2 * weight}, {}, {}, Progress(step=3, best=1.5), {"a": "b"})
    save_state(path, state)
    again = load_state(path)
    assert path.stat().st_size < 1.5 * frozen.nbytes
    assert again.progress == state.progress
    assert again.about == {"a": "b"}
    assert torch.equal(again.ema["frozen"], frozen)
    assert torch.equal(again.ema["weight"], 2 * weight)
    assert torch.equal(again.params["weight"], weight)


def test_states_of_older_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    progress = {"step": 7, "seconds": 2.0, "pixels": 9, "adam_steps": 7, "skipped_steps": 0, "history": ["mse"]}
    arrays = {f"{part}/weight": torch.ones(2) for part in ("params", "ema", "moment1", "moment2")}
    save_file(arrays, path, {"progress": json.dumps(progress), "aim": "ms-ssim", "lambdas": "0.001 0.2"})
    assert load_state(path).progress == Progress(7, 2.0, pixels=9, adam_steps=7, history=["mse"])
    assert goal_of(path) == Goal("ms-ssim", (0.001, 0.2))


def test_the_learning_rate_ends_at_zero_in_time_for_the_last_validation() -> None:
    settings = Settings(Path(), seconds=100.0, learning_rate=1e-3)

    def at(seconds: float, adam_steps: int = 1000) -> float:
        return settings.learning_rate_now(Progress(seconds=seconds, reserve=10.0, adam_steps=adam_steps))

    assert at(0, adam_steps=0) == pytest.approx(1e-3 / 200)
    assert at(0) == 1e-3
    assert at(45) == pytest.approx(0.5e-3)
    assert at(90) == at(95) == 0
    assert settings.share(Progress(seconds=90.0, reserve=10.0)) == 1
    assert Settings(Path(), steps=10).share(Progress(step=10, reserve=1e9)) == 1
