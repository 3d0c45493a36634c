"""What a run begins from and ends with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.numpy import save_file

from lcodec.errors import LcodecError, ModelError
from lcodec.training.data import Photos
from lcodec.training.run import begin_from, finish
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import Zoo
from tests.support.generative import GOLDEN, NAME, add_generative
from tests.support.training import MSE, folder, initial, photos, run, settings

__all__ = ["folder", "photos"]  # fixtures


def test_begins_from_a_state_of_any_name(photos: Photos, tmp_path: Path) -> None:
    run(tmp_path, 2, photos, initial(photos))
    kept = (tmp_path / STATE_FILE).rename(tmp_path / "kept.safetensors")
    begun = begin_from(str(kept), MSE)
    assert begun.progress.history == ["kept.safetensors"]
    assert all(torch.allclose(value, begun.params[name], atol=1e-5) for name, value in load_state(kept).ema.items())
    kept.write_bytes(b"no state, and no model")
    with pytest.raises(LcodecError, match="cannot read the model"):
        begin_from(str(kept), MSE)


def test_a_generative_synthesis_is_no_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a whole model with noise: training would go on without it, and decoding would not."""
    monkeypatch.setenv("LCODEC_MODELS", os.pathsep.join(map(str, (GOLDEN, add_generative(tmp_path)))))
    whole = tmp_path / "whole.safetensors"
    save_file(dict(Zoo().load(NAME).arrays), whole)
    for init in (NAME, str(whole)):
        with pytest.raises(ModelError, match="is a generative synthesis"):
            begin_from(init, MSE)


def test_a_card_takes_names_of_any_bytes(photos: Photos, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    state = initial(photos)
    state.progress.history = ["caf\udce9.safetensors"]
    run(out, 1, photos, state)
    finish(settings(out, 1), MSE, "lcodec train caf\udce9 a\nb", photos, None, "")
    card = (out / "mine.md").read_text(encoding="utf-8")
    assert r"| `lcodec train caf\xe9 a\nb` |" in card
    assert r"| caf\xe9.safetensors |" in card
    assert Zoo([out]).entries()[0].name == "mine"
