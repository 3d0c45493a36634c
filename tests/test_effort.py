"""Levels of effort: what comes out is as good as without, and smaller; what they are made of has tests of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lcodec
from lcodec.codec import decode, encode
from lcodec.container import read_header, unpack
from lcodec.defaults import MEMORY
from lcodec.effort import EFFORT_MAX, encoder, levels, match, refine
from lcodec.effort.measure import measure_choice
from lcodec.entropy.model import Coded
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.memory import workers_to_encode
from lcodec.execution.regions import Layout, Region
from lcodec.goal import Goal
from lcodec.metrics import ms_ssim
from lcodec.networks.gains import gain_at
from lcodec.picture import Picture
from lcodec.training.export import parameters_of, write_model
from lcodec.zoo import Model, Zoo
from tests.support.golden import MODEL, ZOO
from tests.support.pictures import picture

PHOTO = Path(__file__).parent / "data" / "photo.jpg"


def pictures() -> list[np.ndarray]:
    return [np.asarray(Image.open(PHOTO))[200:328, 100:292], picture(64, 128, seed=7)]


@pytest.fixture(scope="module")
def measured() -> Model:
    """A trained model with the arrays of effort."""
    model = Zoo().load("mse")
    arrays = measure_choice(model, pictures(), pictures())
    return replace(model, arrays=model.arrays | arrays)


def test_what_is_measured_belongs_to_no_id(measured: Model, tmp_path: Path) -> None:
    plain = Zoo().load("mse")
    write_model(tmp_path, "measured", plain.goal, "", measured.arrays, "")
    read = Zoo([tmp_path]).load("measured")
    assert (read.entropy_id, read.synthesis_id) == (plain.entropy_id, plain.synthesis_id)
    weights, stretches = read.arrays["effort.weight"], read.arrays["effort.stretch"]
    assert weights.shape == stretches.shape == (6, plain.entropy.channels)
    assert read.arrays["effort.curvature"].shape == weights.shape
    assert read.arrays["effort.part"].shape == (6, 1)
    assert read.arrays["effort.lighter"].shape == read.arrays["effort.coarser"].shape == (6, 2)
    assert np.isfinite(weights).all()
    assert (np.exp(read.arrays["effort.part"]) < 0.5).all()
    assert (read.arrays["effort.lighter"] <= 0).all()
    assert (np.abs(stretches) < 0.4).all()
    # Trained on from it, they are measured again.
    assert parameters_of(measured.arrays).keys() == parameters_of(plain.arrays).keys()


def test_nothing_is_measured_without_a_photo_that_is_large_enough() -> None:
    assert not measure_choice(MODEL, [picture(40, 200)], [picture(64, 64)])
    assert not measure_choice(replace(MODEL, goal=Goal("ms-ssim")), *2 * [[picture(160, 200)]])


@dataclass(frozen=True)
class Point:
    size: int  #: bytes of the coded sections
    squares: int  #: sum of squared errors


def point(original: np.ndarray, model: Model, quality: float, effort: int, **options: Any) -> Point:
    data = encode(Picture(original), model, quality, effort=effort, **options)
    header, parts = read_header(data), unpack(data).parts
    gained = "effort.coarser" in model.arrays and effort > 0  # and spent on coarser steps
    finest = levels.FINEST if gained and levels.LEVELS[effort].matched else 0
    assert -finest <= round(quality * 100) - header.quality_step <= (levels.COARSEST if gained else 0)
    errors = decode(data, ZOO).pixels.astype(int) - original
    return Point(sum(len(part.hyper) + len(part.latents) for part in parts), int(np.square(errors).sum()))


def test_higher_levels_are_smaller_and_no_worse_in_the_mean(measured: Model) -> None:
    """At equal quality."""
    sizes: dict[int, int] = dict.fromkeys(range(6), 0)
    gains: dict[int, list[float]] = {effort: [] for effort in sizes}
    for original, quality in product(pictures(), (20, 60, 100)):
        points = {effort: point(original, measured, quality, effort) for effort in sizes}
        for effort, one in points.items():
            sizes[effort] += one.size
            gains[effort].append(10 * np.log10(points[0].squares / one.squares))
    assert 0 < np.mean(gains[1]) < 0.1
    assert all(abs(np.mean(gain)) < 0.15 for gain in gains.values())
    assert sizes[1] < 1.005 * sizes[0]
    assert sizes[2] < 0.98 * sizes[1]
    assert sizes[5] < sizes[4] < sizes[3] < sizes[2]


def test_no_picture_is_worse_where_levels_anneal(measured: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it can be helped, and as small or smaller; else it is coded as at level 2."""
    monkeypatch.setitem(levels.LEVELS, 6, replace(levels.LEVELS[6], iterations=10))
    for original, quality in product(pictures(), (20, 60, 100)):
        plain, default, annealed = (point(original, measured, quality, effort) for effort in (0, 2, 6))
        assert (annealed.squares <= plain.squares and annealed.size <= plain.size) or annealed == default


def test_quantisation_settles_on_the_picture_at_hand(measured: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finer the less errors weigh, and never far from what was asked for; a few regions are enough."""
    monkeypatch.setitem(levels.LEVELS, 6, replace(levels.LEVELS[6], iterations=2))
    engine = Engine("cpu", "numpy", 0)
    looked_at: list[int] = []

    def spread(function: Callable[[Any], Any], items: Any) -> list[Any]:
        looked_at.append(len(items))
        return [function(item) for item in items]

    def settled(pixels: np.ndarray, side: int = 0) -> int:
        layout = Layout.of(*pixels.shape[:2], side)
        spent = levels.Effort(6, engine, measured, engine.entropy(measured), 5000, layout)
        assert spent.settles
        spent.settle(pixels, layout.regions, spread, lambda *_: None)
        return spent.quality_step

    photo = pictures()[0]
    found = []
    for factor in (6, 1.2, 0.24):
        monkeypatch.setattr(levels, "LIGHTER", factor)
        found.append(settled(photo))
    assert 5000 - levels.COARSEST <= found[0] < found[1] < found[2] <= 5000 + levels.FINEST
    assert found[0] < 5000 < found[2]
    assert 5000 - levels.COARSEST <= settled(np.full((64, 64, 3), 128, np.uint8)) <= 5000 + levels.FINEST
    looked_at.clear()
    assert settled(np.tile(photo[:64, :64], (2, 3, 1)), side=64) != 5000  # six regions
    assert set(looked_at) == {4}


@pytest.mark.parametrize("size", [(4000, 6000), (4032, 3024), (3024, 4032), (4096, 4096), (3072, 2048), (8192, 12288)])
def test_regions_that_are_probed_lie_in_several_columns_and_rows(size: tuple[int, int]) -> None:
    found = levels._spread_out(Layout.of(*size).regions)
    assert len(set(found)) == levels.PROBED
    assert len({region.left for region in found}) > 1
    assert len({region.top for region in found}) > 1


@given(st.integers(0, 200))
def test_as_many_regions_are_probed_as_there_are_up_to_a_few(count: int) -> None:
    found = levels._spread_out([Region(0, index, 1, 1) for index in range(count)])
    assert len(set(found)) == len(found) == min(count, levels.PROBED)


def test_annealing_is_done_once_and_spent(measured: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantisation settles once more after it, and the picture stays as good; the bar never goes back."""
    monkeypatch.setitem(levels.LEVELS, 8, replace(levels.LEVELS[8], iterations=8))
    told: list[float] = []
    iterations: list[int] = []
    whole = refine.Refiner.refine

    def counted(self: Any, *arguments: Any) -> Any:
        iterations.append(arguments[3])
        return whole(self, *arguments)

    monkeypatch.setattr(refine.Refiner, "refine", counted)
    without, annealed = (point(pictures()[0], measured, 50, effort, progress=told.append) for effort in (0, 8))
    assert iterations == [8]
    assert annealed.size < without.size
    assert annealed.squares <= without.squares
    assert told[1:] == sorted(told[1:])  # the first is of effort 0
    assert told[-1] == 1


def test_levels_that_settle_weigh_errors_by_curvature(measured: Model) -> None:
    """Not by weights alone, whose size is an affair of each model's rate and distortion."""
    engine = Engine("cpu", "numpy", 0)
    heavy = measured.arrays | {"effort.weight": measured.arrays["effort.weight"] + np.float32(np.log(8))}

    def weights(model: Model) -> np.ndarray:
        models = model, engine.entropy(model), lambda: engine.drafting(model)
        found = encoder.Encoder(engine, *models, 5000, dependent=True)
        return found.curvature_factor * gain_at(model.arrays["effort.weight"], 5000)

    curvature = gain_at(measured.arrays["effort.curvature"], 5000)
    np.testing.assert_allclose(weights(measured), weights(replace(measured, arrays=heavy)), rtol=1e-3)
    assert np.median(weights(measured) / curvature) == pytest.approx(1)


@pytest.mark.parametrize("name", ["mse", "mse-fast", "ms-ssim"])
def test_a_photo_is_smaller_and_no_worse_with_every_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is: what settles is no other model's, and need not give way to level 2."""
    monkeypatch.setitem(levels.LEVELS, 6, replace(levels.LEVELS[6], iterations=10))
    model, photo = Zoo().load(name), np.asarray(Image.open(PHOTO))[100:292, 80:320]
    plain, default, settled = (encode(Picture(photo), model, 60, effort=effort) for effort in (0, 2, 6))
    before, after = (match.distortion(model.goal.aim, photo, decode(file, Zoo()).pixels) for file in (plain, settled))
    assert after <= before
    assert len(settled) < 0.98 * len(plain)
    assert settled != default


def test_texts_say_from_which_level_on_torch_is_needed() -> None:
    first = min(number for number, level in levels.LEVELS.items() if level.iterations)
    manual = Path(lcodec.__file__).with_name("share") / "man" / "man1" / "lcodec.1"
    assert f"From {first} on with torch" in manual.read_text(encoding="utf-8")
    assert f"from {first} on with torch" in str(lcodec.encode.__doc__)


@pytest.mark.parametrize("effort", [1, 2])
def test_qualities_near_zero_differ(effort: int) -> None:
    """Where the steps are those of quality 0 already, for what effort gains is spent on coarser ones."""
    model, photo = Zoo().load("mse"), np.asarray(Image.open(PHOTO))[100:292, 80:320]
    sizes = [len(encode(Picture(photo), model, quality, effort=effort)) for quality in (0, 1, 2, 3, 4)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("effort", range(2, EFFORT_MAX + 1))
def test_never_worse_than_without(effort: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any model, here one that was hardly trained and has nothing measured; in several tiles; grey and odd sides."""
    level = levels.LEVELS[effort]
    short = replace(level, iterations=min(level.iterations, 3))
    monkeypatch.setitem(levels.LEVELS, effort, short)
    monkeypatch.setattr(encoder, "tile_side", lambda _: 1)
    told: list[float] = []
    for quality, size in ((5, (70, 200, 3)), (80, (33, 15, 1))):
        original = picture(*size)
        plain, better = (point(original, MODEL, quality, e, progress=told.append) for e in (0, effort))
        assert better.squares <= plain.squares
        assert better.size <= plain.size
    assert told.count(1) == 4  # each of the pictures, without effort and with it
    assert len(told) - 4 == short.iterations * (2 + 1)
    assert all(0 <= part <= 1 for part in told)


@pytest.mark.parametrize("name", [entry.name for entry in Zoo().entries() if not entry.synthesis_only])
def test_every_level_fits_the_default_memory(name: str) -> None:
    """Of every shipped model, for pictures of 12 and of 900 megapixels."""
    model, engine = Zoo().load(name), Engine("cpu", "numpy", 0)
    entropy = engine.entropy(model)
    for effort in range(EFFORT_MAX + 1):
        for layout in (Layout.of(16 * side, 16 * side) for side in (217, 1875)):
            spent = levels.Effort(effort, engine, model, entropy, 5000, layout)
            assert workers_to_encode(model.architecture, MEMORY, layout, 2, spent) >= 1


def test_without_measured_arrays_the_first_levels_are_none(measured: Model) -> None:
    original = Picture(picture(48, 64))
    for effort in (1, 2):
        assert encode(original, MODEL, 30, effort=effort) == encode(original, MODEL, 30)
    descent = tuple(f"effort.{name}" for name in ("curvature", "part", "lighter", "coarser"))
    older = {name: value for name, value in measured.arrays.items() if name not in descent}
    one, two = (encode(original, replace(measured, arrays=older), 30, effort=effort) for effort in (1, 2))
    assert one == two != encode(original, measured, 30, effort=2)


def test_distortion_is_met_closely() -> None:
    """Weights are searched on both sides; what cannot be met is given up, and left to the caller."""
    coded = Coded(b"", b"", 0, np.zeros((1, 1, 4), np.int32))

    def search(start: float, wanted: float, floor: float = 0.0) -> list[match.Tried]:
        codes = lambda factor: match.Tried(coded, floor + start / factor**0.1)  # noqa: E731
        return match.match(codes, codes(1), wanted)

    for wanted in (85, 95, 99.9, 100, 103, 112):
        tried = search(100, wanted)
        assert len(tried) <= match.CODINGS_MAX
        assert any(0.995 * wanted <= one.distortion <= wanted for one in tried)
    assert [one.distortion for one in search(100, 100)] == [100]
    assert all(one.distortion > 50 for one in search(10, 50, floor=60))
    exact = lambda factor: match.Tried(coded, 5 if factor <= 1 else 0)  # noqa: E731  # a flat picture
    for wanted in (0, 3, 7):
        assert {one.distortion for one in match.match(exact, exact(1), wanted)} <= {0, 5}
        assert {one.distortion for one in match.match(exact, exact(2), wanted)} <= {0, 5}


def test_effort_is_deterministic(measured: Model) -> None:
    original = Picture(picture(48, 64))
    for effort in (2, 3, 7):
        assert encode(original, measured, 30, effort=effort) == encode(original, measured, 30, effort=effort)


def test_effort_out_of_range() -> None:
    for effort in (-1, EFFORT_MAX + 1):
        with pytest.raises(UsageError, match="effort"):
            encode(Picture(picture(8, 8)), MODEL, 50, effort=effort)


@pytest.mark.parametrize("effort", [3, 8])
def test_distortion_is_that_of_the_model(effort: int) -> None:
    """A model trained for MS-SSIM: never worse by it, and pictures too small for it are coded as without effort."""
    model = replace(MODEL, goal=Goal("ms-ssim"))
    original = picture(192, 168)

    def similarity_and_size(data: bytes) -> tuple[float, int]:
        return ms_ssim(original, decode(data, ZOO).pixels), len(data)

    plain, better = (similarity_and_size(encode(Picture(original), model, 50, effort=level)) for level in (0, effort))
    assert better[0] >= plain[0]
    assert better[1] <= plain[1]
    small = Picture(picture(160, 200))
    assert encode(small, model, 50, effort=effort) == encode(small, model, 50)
