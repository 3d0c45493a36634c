"""Levels of effort: what comes out is as good as without, and smaller; what they are made of has tests of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lcodec
from lcodec.codec import decode, encode
from lcodec.container import read_header, unpack
from lcodec.defaults import MEMORY
from lcodec.effort import EFFORT_MAX, encoder, levels, refine
from lcodec.effort.measure import measure_choice
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.memory import workers_to_encode
from lcodec.execution.regions import Layout
from lcodec.goal import MS_SSIM_WEIGHT, Goal
from lcodec.metrics import ms_ssim, psnr
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
    assert 0 <= round(quality * 100) - header.quality_step <= (600 if gained else 0)
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


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes all levels anneal for so many iterations at most."""

    def shorten(iterations: int) -> None:
        for number, level in levels.LEVELS.items():
            fewer = replace(level, iterations=min(level.iterations, iterations))
            monkeypatch.setitem(levels.LEVELS, number, fewer)

    return shorten


def cost(original: np.ndarray, model: Model, quality: float, effort: int) -> float:
    """Bits + lambda x distortion, as in training."""
    data = encode(Picture(original), model, quality, effort=effort)
    shown, (height, width, _) = decode(data, Zoo()).pixels, original.shape
    if model.goal.aim == "ms-ssim":
        distortion = MS_SSIM_WEIGHT * (1 - ms_ssim(original, shown))
    else:
        distortion = float(np.square(shown - original.astype(float)).mean())
    return 8 * len(data) + model.goal.multiplier(quality / 100) * height * width * distortion


@pytest.mark.parametrize("name", ["mse", "mse-fast", "ms-ssim", "ms-ssim-fast"])
def test_a_photo_costs_less_with_each_kind_of_effort(name: str, short: Callable[[int], None]) -> None:
    """Choice, descent, annealing; one model has nothing measured for descent."""
    short(20)
    model, photo = Zoo().load(name), np.asarray(Image.open(PHOTO))[100:292, 80:320]
    none, choice, descent, annealing = (cost(photo, model, 60, effort) for effort in (0, 1, 3, 6))
    assert annealing < 0.99 * choice < 0.99 * none
    assert descent == choice if name == "ms-ssim-fast" else annealing < descent < 0.99 * choice


@pytest.mark.parametrize("effort", [2, 4])
def test_steps_hold_where_ms_ssim_is_steep(effort: int) -> None:
    """Each step used to undo more than the one before had won: files became many times larger, and far worse."""
    flat, zoo = Picture(np.full((176, 176, 3), 250, np.uint8)), Zoo()
    plain, moved = (encode(flat, zoo.load("ms-ssim"), 100, effort=level, exact=False) for level in (0, effort))
    assert len(moved) <= len(plain)
    assert psnr(flat.pixels, decode(moved, zoo).pixels) > 50


def test_annealing_is_done_once(measured: Model, monkeypatch: pytest.MonkeyPatch, short: Callable[[int], None]) -> None:
    """Between two descents; the bar never goes back."""
    short(8)
    told: list[float] = []
    iterations: list[int] = []
    whole = refine.Refiner.refine

    def counted(self: Any, *arguments: Any) -> Any:
        iterations.append(arguments[3])
        return whole(self, *arguments)

    monkeypatch.setattr(refine.Refiner, "refine", counted)
    point(pictures()[0], measured, 50, 8, progress=told.append)
    assert iterations == [8]
    steps = levels.LEVELS[8].steps
    assert len(told) == 8 + steps + 2 * steps + 1
    assert told == sorted(told)
    assert told[-1] == 1


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


@pytest.mark.parametrize("size", [(70, 200, 3), (33, 15, 1)])
def test_any_picture_can_be_annealed(
    size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, short: Callable[[int], None]
) -> None:
    """In several tiles; grey and of odd sides."""
    short(3)
    monkeypatch.setattr(encoder, "tile_side", lambda _: 1)
    model = Zoo().load("mse-fast")
    for quality in (5, 80):
        assert cost(picture(*size), model, quality, 9) < 1.1 * cost(picture(*size), model, quality, 0)


@pytest.mark.parametrize("name", [entry.name for entry in Zoo().entries() if not entry.synthesis_only])
def test_every_level_fits_the_default_memory(name: str) -> None:
    """Of every shipped model, for pictures of 12 and of 900 megapixels."""
    model, engine = Zoo().load(name), Engine("cpu", "numpy", 0)
    entropy = engine.entropy(model)
    for effort in range(EFFORT_MAX + 1):
        for layout in (Layout.of(16 * side, 16 * side) for side in (217, 1875)):
            spent = levels.Effort(effort, engine, model, entropy, 5000, layout)
            assert workers_to_encode(model.architecture, MEMORY, layout, 2, spent) >= 1


def test_a_model_without_measured_arrays_codes_as_without_effort(measured: Model) -> None:
    """Without those of descent alone, as at level 1, but for annealing."""
    original = Picture(picture(48, 64))
    for effort in range(1, EFFORT_MAX + 1):
        assert encode(original, MODEL, 30, effort=effort) == encode(original, MODEL, 30)
    descent = tuple(f"effort.{name}" for name in ("curvature", "part", "lighter", "coarser"))
    older = {name: value for name, value in measured.arrays.items() if name not in descent}
    one, two = (encode(original, replace(measured, arrays=older), 30, effort=effort) for effort in (1, 2))
    assert one == two != encode(original, measured, 30, effort=2)


def test_effort_is_deterministic(measured: Model, short: Callable[[int], None]) -> None:
    short(3)
    original = Picture(picture(48, 64))
    for effort in (2, 3, 7):
        assert encode(original, measured, 30, effort=effort) == encode(original, measured, 30, effort=effort)


def test_effort_out_of_range() -> None:
    for effort in (-1, EFFORT_MAX + 1):
        with pytest.raises(UsageError, match="effort"):
            encode(Picture(picture(8, 8)), MODEL, 50, effort=effort)


@pytest.mark.parametrize("effort", [3, 8])
def test_distortion_is_that_of_the_model(effort: int, short: Callable[[int], None]) -> None:
    """Of a model trained for MS-SSIM; pictures too small for that are coded as at level 1."""
    short(3)
    model, small = Zoo().load("ms-ssim"), Picture(picture(160, 200))
    assert encode(small, model, 50, effort=effort) == encode(small, model, 50, effort=1)
    large = picture(192, 168)
    one, better = (encode(Picture(large), model, 50, effort=level) for level in (1, effort))
    assert len(better) < len(one)
    assert ms_ssim(large, decode(better, Zoo()).pixels) > ms_ssim(large, decode(one, Zoo()).pixels) - 0.001
