"""What a run begins from and ends with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lcodec.errors import LcodecError
from lcodec.training.data import Photos
from lcodec.training.run import begin
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from tests.support.training import MSE, folder, initial, photos, run

__all__ = ["folder", "photos"]  # fixtures


def test_begins_from_a_state_of_any_name(photos: Photos, tmp_path: Path) -> None:
    run(tmp_path, 2, photos, initial(photos))
    kept = (tmp_path / STATE_FILE).rename(tmp_path / "kept.safetensors")
    begun = begin(photos, 0, str(kept), MSE, "small")
    assert begun.progress.history == ["kept.safetensors"]
    assert all(torch.allclose(value, begun.params[name], atol=1e-5) for name, value in load_state(kept).ema.items())
    kept.write_bytes(b"no state, and no model")
    with pytest.raises(LcodecError, match="cannot read the model"):
        begin(photos, 0, str(kept), MSE, "small")
