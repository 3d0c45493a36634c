"""The figure of complexity: its published points have their sources, and what is committed is what is measured."""

import re
from pathlib import Path

import pytest

from benchmarks import effort
from benchmarks.common import open_model, read_rows
from benchmarks.complexity import CSV, FIGURE, PUBLISHED, draw, ours, over_anchor, parts, published


@pytest.mark.parametrize("row", read_rows(PUBLISHED), ids=lambda row: row["codec"])
def test_every_published_point_has_its_sources(row: dict[str, str]) -> None:
    assert row["rate_source"]
    assert row["macs_source"]
    assert bool(row["curve"]) != bool(row["bd_rate_vtm"])
    assert 0.1 < float(row["decoder_kmac"]) < 3000


def test_the_committed_figures_are_those_of_the_results() -> None:
    rows = [point.row() for point in ours() + published()]
    assert read_rows(CSV) == rows, "run `python -m benchmarks.complexity`"


def test_the_parts_add_up() -> None:
    model = open_model("mse")[1]
    counts = parts(model.arrays)
    shared = sum(count for name, count in counts.items() if name not in {"analysis", "hyper_analysis", "synthesis"})
    decoder = shared + counts["synthesis"]
    assert 1000 * decoder == pytest.approx(model.architecture.multiply_adds()[1])


def test_efforts_stand_to_each_other_as_measured() -> None:
    found = [
        effort.Line(level, 6, 1.0, 1.0, delta, 0.0, delta, delta) for level, delta in ((0, 0.0), (2, -20.0), (9, -36.0))
    ]
    assert over_anchor(20, 2, found[1], found) == pytest.approx(20)
    assert over_anchor(20, 2, found[0], found) == pytest.approx(50)
    assert over_anchor(20, 2, found[2], found) == pytest.approx(-4)


def test_the_picture_is_the_committed_one(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(ours(), published(), tmp_path / "new.svg")
    committed, new = (places(path) for path in (FIGURE, tmp_path / "new.svg"))
    assert committed == new, "run `python -m benchmarks.complexity`"


def places(svg: Path) -> list[str]:
    """Where each codec's first mark is, in points of 1/72 inch."""
    text = svg.read_text(encoding="utf-8")
    begins = [text.index(f'<g id="{point.codec}">') for point in ours() + published()]
    return [re.findall(r'<use [^>]*?(x="[^"]+" y="[^"]+")', text[begin:])[0] for begin in begins]
