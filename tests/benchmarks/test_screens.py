"""The parts of `benchmarks.screens`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import screens
from benchmarks.common import read_rows, shipped
from lcodec.compare.codecs import open_codec
from lcodec.metrics import psnr
from lcodec.picture import Picture
from tests.support.pictures import picture


def test_the_results_are_of_the_shipped_model() -> None:
    assert read_rows(screens.CSV)[-1]["model"] == shipped()["mse"], "run `python -m benchmarks.screens`"


def test_the_smallest_file_that_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "RIVAL", "jpeg-444")
    original, codec = Picture(picture(64, 64)), open_codec("jpeg-444")
    files = [codec.encode(original, setting) for setting in (59, 60)]
    reached = [psnr(original.pixels, codec.decode(file).pixels) for file in files]
    assert screens._as_good(original, float(np.mean(reached))) == len(files[1])
    assert screens._as_good(original, 200.0) is None


def test_rows_are_means_and_rates_are_against_the_first_model() -> None:
    def found(scale: float, other: int | None) -> screens.Found:
        return {quality: (round(scale * 10 * quality), quality / 2, other, 500) for quality in screens.QUALITIES}

    rows = list(
        screens._rows(["mse-fast", "mse"], [[found(1, 100), found(3, 300)], [found(0.5, 100), found(1.5, None)]])
    )
    assert [row["bytes"] for row in rows] == ["1200", "2000", "600", "1000"]
    assert [row["avif_bytes"] for row in rows] == ["200", "200", "", ""]
    assert [float(row["bd_rate"]) for row in rows] == pytest.approx([0, 0, -50, -50], abs=0.1)
