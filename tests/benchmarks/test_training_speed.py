"""How the figures of a variant of the training loop follow from what the loop reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training_speed import _figures
from lcodec.training.settings import Settings

LAST = {"step": 40, "pixels": 8_000_000, "seconds": 4.0, "share": 1.0, "crop": 256, "valid_loss": 7.5}


def test_on_a_cpu_all_counts() -> None:
    assert _figures([LAST], Settings(Path(), seconds=4)) == ["4", "2.00", "40", "7.5000"]
    assert _figures([LAST], Settings(Path(), steps=1, learning_rate=0.0)) == ["0", "", "0", "7.5000"]


def test_on_a_gpu_speed_is_that_of_recorded_steps_of_the_crops_asked_for() -> None:
    """Here 2 megapixels in the second between shares .5 and .75; recording took the first half of the time."""
    lines = [
        {"step": 1, "pixels": 1_000, "seconds": 0.1, "share": 0.02, "crop": 128},
        {"step": 20, "pixels": 1_000_000, "seconds": 2.0, "share": 0.5, "crop": 128},
        {"step": 40, "pixels": 3_000_000, "seconds": 3.0, "share": 0.75, "crop": 128},
        {key: value for key, value in LAST.items() if key != "valid_loss"},
    ]
    settings = Settings(Path(), seconds=4, device="cuda")
    assert _figures(lines, settings) == ["4", "2.00", "40", ""]
    with pytest.raises(SystemExit, match="leaves nothing to look at"):
        _figures(lines[:2], settings)
