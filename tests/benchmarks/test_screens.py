"""The parts of `benchmarks.screens`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import screens
from benchmarks.common import ROOT, read_rows, shipped
from lcodec.compare.codecs import open_codec
from lcodec.metrics import psnr
from lcodec.picture import Picture
from tests.support.pictures import picture


def test_the_results_are_of_the_shipped_model() -> None:
    rows = read_rows(screens.CSV)
    for row, exact_parts in zip(rows[-4:], ("no", "no", "yes", "yes"), strict=True):
        assert row["model"] == shipped()["mse"], "run `python -m benchmarks.screens`"
        assert row["exact_parts"] == exact_parts


def test_the_docs_show_the_results() -> None:
    """Bytes at both qualities, plain and with exact parts, beside AVIF and WebP, and what is saved."""
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    rows = read_rows(screens.CSV)[-4:]
    for row in rows:
        assert f"{int(row['bytes']):,}" in text
    for row in rows[:2]:
        assert f"{int(row['webp_bytes']):,}" in text
        assert not row["avif_bytes"] or f"{int(row['avif_bytes']):,}" in text
    assert f"{-float(rows[-1]['same_psnr']):.0f} % fewer bytes" in text


def test_the_smallest_file_that_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "RIVAL", "jpeg-444")
    original, codec = Picture(picture(64, 64)), open_codec("jpeg-444")
    files = [codec.encode(original, setting) for setting in (59, 60)]
    reached = [psnr(original.pixels, codec.decode(file).pixels) for file in files]
    assert screens._as_good(original, float(np.mean(reached))) == len(files[1])
    assert screens._as_good(original, 200.0) is None


def test_rows_are_means_and_bytes_are_beside_the_rows_before() -> None:
    def found(scale: float, other: int | None, exact_from: int = 1000) -> screens.Found:
        return {
            quality: (
                round(scale * 10 * min(quality, exact_from)),
                quality / 2 if quality < exact_from else math.inf,
                other,
                500,
            )
            for quality in screens.QUALITIES
        }

    ways = [("mse-fast", False), ("mse", False), ("mse", True)]
    by_way = [
        [found(1, 100), found(3, 300)],
        [found(0.5, 100), found(1.5, None)],
        [found(0.5, 100, exact_from=60), found(1.5, None, exact_from=100)],
    ]
    rows = list(screens._rows(ways, by_way))
    assert [row["bytes"] for row in rows] == ["1200", "2000", "600", "1000", "600", "900"]
    assert [row["avif_bytes"] for row in rows] == ["200", "200", "", "", "", ""]
    assert [row["psnr"] for row in rows] == ["30.00", "50.00", "30.00", "50.00", "30.00", ""]
    assert [row["exact"] for row in rows] == ["0", "0", "0", "0", "1", "2"]
    assert [row["exact_parts"] for row in rows] == ["no", "no", "no", "no", "yes", "yes"]
    percents = [float(row["same_psnr"]) for row in rows]
    assert percents[:4] == pytest.approx([0, 0, -50, -50], abs=0.1)
    ratios = [60 / quality if quality > 60 else 1 for quality in screens.QUALITIES] + [1] * len(screens.QUALITIES)
    assert percents[4] == pytest.approx(100 * math.expm1(np.mean(np.log(ratios))), abs=0.1)


def test_bytes_between_two_qualities() -> None:
    curve = [(100, 30.0), (400, 40.0), (300, math.inf)]
    assert min(screens._enough(curve, 30.0)) == 100
    assert min(screens._enough(curve, 35.0)) == pytest.approx(200)
    assert min(screens._enough(curve, 39.9)) == 300
    assert min(screens._enough(curve, math.inf)) == 300
    assert not list(screens._enough(curve[:2], 41.0))
