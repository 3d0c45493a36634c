"""The README's figures and pictures are those of the committed results, and those are the shipped model's."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import effort
from benchmarks.common import KODAK_PHOTOS, README, RESULTS, read_rows, results_of, shipped, splice
from benchmarks.figure import DRAWN, FIGURE, write_figure
from benchmarks.order import MEASURES
from benchmarks.page import PICTURE as PAGE
from benchmarks.published import Curve
from benchmarks.report import Row, curve, in_readme, read_results, table, texts
from lcodec.defaults import MODEL


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.name)
def test_texts_show_the_committed_results(path: Path):
    text = path.read_text(encoding="utf-8")
    shown = table(*(read_results(results_of(model)) for model in texts()[path]))
    assert splice(text, shown) == text, "run `python -m benchmarks.report`"


def test_readme_shows_what_effort_was_measured_to_buy():
    rows = effort.read_results(effort.CSV)
    text = README.read_text(encoding="utf-8")
    assert splice(text, effort.table(rows, shipped()[MODEL]), "effort") == text, "run `python -m benchmarks.effort`"


def curves() -> list[Curve]:
    return [curve(read_results(results_of(model))) for model in in_readme()]


def drawn(svg: Path) -> dict[str, np.ndarray]:
    """The curves of a picture by their names: the points of each, shape (N, 2), in points of 1/72 inch."""
    named = re.findall(r'<g id="((?:psnr|ms_ssim)-[^"]+)">\s*<path d="([^"]+)"', svg.read_text(encoding="utf-8"))
    return {name: np.array(re.findall(r"[ML] (\S+) (\S+)", path), float) for name, path in named}


def test_the_picture_shows_the_committed_results(tmp_path: Path):
    pytest.importorskip("matplotlib")
    write_figure(curves(), tmp_path / "new.svg")
    committed, new = drawn(FIGURE), drawn(tmp_path / "new.svg")
    assert len(new) == 2 * (len(in_readme()) + len(DRAWN))
    assert all(len(new[f"psnr-lcodec {model}"]) == 8 for model in in_readme())
    assert committed.keys() == new.keys()
    for name, line in new.items():
        same = line.shape == committed[name].shape and np.allclose(line, committed[name], atol=0.01)
        assert same, "run `python -m benchmarks.report`"


def test_the_picture_is_the_same_every_time_and_follows_the_results(tmp_path: Path):
    pytest.importorskip("matplotlib")
    rows = read_results(results_of("mse"))
    for name in ("one.svg", "two.svg"):
        write_figure([curve(rows)], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    better = [replace(row, psnr=row.psnr + 0.1) for row in rows]
    write_figure([curve(better)], tmp_path / "better.svg")
    old, new = (drawn(tmp_path / name)["psnr-lcodec mse"] for name in ("one.svg", "better.svg"))
    assert np.abs(new - old).max() > 0.1


@pytest.mark.parametrize("model", shipped())
def test_results_are_those_of_the_shipped_models(model: str):
    labels = {row.model for row in read_results(results_of(model))}
    assert labels == {shipped()[model]}, f"run `python -m benchmarks.kodak --model {model}`"


@pytest.mark.parametrize("name", ["pair", "targets", "throughput", "large", "startup"])
def test_other_results_name_shipped_models(name: str):
    rows = read_rows(RESULTS / f"{name}.csv")
    of = {label for row in rows for label in row.get("models", row.get("model", "")).split(" and ")}
    assert of - {""}, "no model is named"
    assert of <= {*shipped().values(), ""}, f"run `python -m benchmarks.{name}`"


@pytest.mark.parametrize("model", [model for model in shipped() if results_of(model, "order").exists()])
def test_quality_was_measured_to_be_in_order(model: str):
    rows = read_rows(results_of(model, "order"))
    assert len(rows) == KODAK_PHOTOS
    assert {row["model"] for row in rows} == {shipped()[model]}, f"run `python -m benchmarks.order --model {model}`"
    assert all(row[f"{measure}_falls"] == "0" for row in rows for measure in MEASURES)


def test_the_picture_of_the_page_shows_the_shipped_model():
    with Image.open(PAGE) as image:
        assert image.info["comment"].decode() == shipped()[MODEL], "run `python -m benchmarks.page`"


BEGIN, END = "<!-- kodak:begin -->", "<!-- kodak:end -->"
ROWS = [
    Row("m", "mean", 2, quality, 1000, bpp, psnr, ms_ssim, 0.5, 0.5)
    for quality, bpp, psnr, ms_ssim in [(0, 0.2, 28, 0.93), (50, 0.6, 33, 0.975), (100, 1.5, 38, 0.991)]
]


def test_the_table_has_every_quality_and_rival():
    text = table([Row("m", "kodim01.png", 2, 0, 1000, 0.2, 28, 0.93, 0.5, 0.5), *ROWS])
    assert text.startswith("Means over 1 photos")
    assert "| 50 | 0.600 | 33.00 | 0.9750 |" in text
    assert "| VTM (VVC reference) | +" in text
    assert curve(ROWS).psnr == (28, 33, 38)


def test_several_models_stand_side_by_side():
    other = [replace(row, model="other", bpp=row.bpp / 2) for row in ROWS]
    text = table(ROWS, other)
    assert "| quality | m: bits/pixel | PSNR, dB | MS-SSIM | other: bits/pixel | PSNR, dB | MS-SSIM |" in text
    assert "| 50 | 0.600 | 33.00 | 0.9750 | 0.300 | 33.00 | 0.9750 |" in text
    assert "| against | m: by PSNR | by MS-SSIM | other: by PSNR | by MS-SSIM |" in text


def test_a_rival_without_a_common_range_is_said_to_have_none():
    rows = [Row("m", "mean", 2, q, 1000, bpp, 60 + q, 0.5 + q / 1000, 0, 0) for q, bpp in [(0, 1), (1, 2)]]
    assert "| WebP | no common range | no common range |" in table(rows)


def test_splice_replaces_only_what_is_between_the_markers():
    assert splice(f"a\n{BEGIN}\nold\n{END}\nb", "new") == f"a\n{BEGIN}\nnew\n{END}\nb"


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_splice_needs_its_markers(text):
    with pytest.raises(ValueError, match="once each"):
        splice(text, "new")
