"""Targets: never exceeded, near where a quality allows it, and refused where none does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lcodec import targets
from lcodec.codec import decode, encode
from lcodec.container import read_header
from lcodec.errors import LimitError
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import Picture, read_picture
from lcodec.targets import CODINGS_MAX, Target, encode_to
from lcodec.zoo import Zoo
from tests.support.command import PHOTO
from tests.support.golden import MODEL, ZOO
from tests.support.pictures import page, picture

SHIPPED = Zoo()
FAST = SHIPPED.load("mse-fast")
PICTURE = Picture(picture(170, 180), icc=bytes(range(200)))


@pytest.fixture(scope="module")
def ends() -> tuple[int, int]:
    """Sizes at quality 0 and 100."""
    return len(encode(PICTURE, MODEL, 0)), len(encode(PICTURE, MODEL, 100))


@pytest.mark.parametrize("name", ["min-psnr", "min-ms-ssim"])
@pytest.mark.parametrize("hidden", [0.02, 0.5, 1])
def test_what_nobody_sees_counts_for_no_floor(name: targets.Name, hidden: float) -> None:
    """Pixels under alpha 0 have any colour; as many bytes are taken as where they have that of their neighbours."""
    alpha = np.where(np.arange(180) < (1 - hidden) * 180, 255, 0).astype(np.uint8)
    alpha = np.broadcast_to(alpha, (170, 180)).copy()
    noise = np.random.default_rng(0).integers(0, 256, PICTURE.pixels.shape, np.uint8)
    noisy = np.where(alpha[:, :, None] > 0, PICTURE.pixels, noise)
    target = Target(name, 16 if name == "min-psnr" else 0.6)
    found, plain = (
        encode_to(Picture(pixels, alpha=alpha), MODEL, target, zoo=ZOO) for pixels in (noisy, PICTURE.pixels)
    )
    assert len(found.data) == len(plain.data)
    assert found.reached >= target.value


@pytest.mark.parametrize("part", [0.05, 0.3, 0.8])
def test_size_is_a_ceiling(ends: tuple[int, int], part: float) -> None:
    wanted = round(ends[0] + part * (ends[1] - ends[0]))
    found = encode_to(PICTURE, MODEL, Target("max-size", wanted), zoo=ZOO)
    assert 0.98 * wanted <= len(found.data) <= wanted
    assert found.reached == len(found.data)
    assert found.slack == 1 - len(found.data) / wanted
    assert found.codings <= CODINGS_MAX
    assert decode(found.data, ZOO).icc == PICTURE.icc


def test_bits_per_pixel_count_the_whole_file(ends: tuple[int, int]) -> None:
    bpp = 8 * (ends[0] + ends[1]) / 2 / (170 * 180)
    found = encode_to(PICTURE, MODEL, Target("bpp", bpp), zoo=ZOO)
    assert 0.98 * bpp <= 8 * len(found.data) / (170 * 180) <= bpp


@pytest.mark.parametrize("name", ["min-psnr", "min-ms-ssim"])
def test_floors_hold_for_what_is_decoded(name: targets.Name) -> None:
    metric = psnr if name == "min-psnr" else ms_ssim
    low, high = (metric(PICTURE.pixels, decode(encode(PICTURE, MODEL, quality), ZOO).pixels) for quality in (10, 90))
    wanted = (low + high) / 2
    found = encode_to(PICTURE, MODEL, Target(name, wanted), zoo=ZOO)
    assert found.reached == metric(PICTURE.pixels, decode(found.data, ZOO).pixels) >= wanted
    assert found.slack == found.reached - wanted
    assert found.slack < (high - low) / 10
    assert found.codings <= CODINGS_MAX


def test_out_of_reach(ends: tuple[int, int]) -> None:
    with pytest.raises(LimitError, match=rf"quality 0 gives {ends[0]} bytes"):
        encode_to(PICTURE, MODEL, Target("max-size", ends[0] - 1), zoo=ZOO)
    with pytest.raises(LimitError, match="quality 100 gives"):
        encode_to(PICTURE, MODEL, Target("min-psnr", 90), zoo=ZOO)
    with pytest.raises(LimitError, match="161 pixels"):
        encode_to(Picture(picture(170, 160)), MODEL, Target("min-ms-ssim", 0.5), zoo=ZOO)
    with pytest.raises(LimitError, match="memory"):  # to decode the trials in
        encode_to(PICTURE, MODEL, Target("min-psnr", 20), zoo=ZOO, memory=1)


@given(st.floats(0, 1))
def test_a_floor_of_ms_ssim_is_told_from_one(value: float) -> None:
    said = Target("min-ms-ssim", value).say(value)
    assert (float(said.removeprefix("MS-SSIM ")) == 1) == (value == 1)


def test_ends_of_the_scale(ends: tuple[int, int]) -> None:
    assert encode_to(PICTURE, MODEL, Target("max-size", ends[0]), zoo=ZOO).reached <= ends[0]
    assert encode_to(PICTURE, MODEL, Target("max-size", 10 * ends[1]), zoo=ZOO).data == encode(PICTURE, MODEL, 100)
    assert encode_to(PICTURE, MODEL, Target("min-psnr", 1), zoo=ZOO).data == encode(PICTURE, MODEL, 0)


@settings(max_examples=200)
@given(
    st.floats(0.2, 3),
    st.floats(0.3, 4),
    st.floats(-0.2, 1.2),
    st.floats(0, 0.003),
    st.booleans(),
    st.integers(0, 99),
)
@example(power=0.5, rise=1.0, place=0.25, waver=0.0, ceiling=True, seed=0)  # bent: a secant alone keeps to one side
@example(power=0.5, rise=4.0, place=0.25, waver=0.0, ceiling=True, seed=0)
def test_search_on_any_rising_curve(
    power: float, rise: float, place: float, waver: float, ceiling: bool, seed: int
) -> None:
    """A target on the curve is met closely in few trials; one beyond its end is not met, and the end was tried."""
    wanted = rise * place

    def attempt(level: int) -> targets._Trial:
        score = rise * (level / 10_000) ** power + waver * math.sin(seed + level)
        met = score <= wanted if ceiling else score >= wanted
        return targets._Trial(level, score, met, bytes(level), score)

    best, tried = targets._search(attempt, wanted, ceiling=ceiling, slope=2e-4)
    assert best in tried
    assert len(tried) <= CODINGS_MAX
    if 0.05 <= place <= 0.95 and 0.5 <= power <= 2:
        assert best.met
        assert abs(best.score - wanted) <= 0.025 + 2 * waver
    elif (place < 0) == ceiling and abs(place - 0.5) > 0.55 and abs(rise * (place if place < 0 else place - 1)) > waver:
        assert not best.met
        assert best.level == (0 if ceiling else 10_000)


def test_equal_pictures_have_no_finite_score() -> None:
    """PSNR is infinite where a picture is kept exactly."""

    def attempt(level: int) -> targets._Trial:
        score = math.inf if level > 7000 else 30.0
        return targets._Trial(level, score, score >= 40, bytes(level), score)

    best, tried = targets._search(attempt, 40, ceiling=False, slope=1e-3)
    assert best.met
    assert len(tried) <= CODINGS_MAX


#: A page in shades: plain at low qualities, exact at high ones.
SHADES = np.arange(176)[None, :, None] // 5 + picture(176, 176) // 40
SHADED = Picture((page(176, 176) - SHADES // 4).astype(np.uint8))


@pytest.fixture(scope="module")
def step() -> tuple[int, int]:
    """Sizes around the step: the largest plain file before it, and the exact one after it."""
    sizes = {quality: encode(SHADED, FAST, quality) for quality in range(0, 101, 10)}
    plain = [len(data) for data in sizes.values() if "exact" not in read_header(data).sections]
    assert 0 < len(plain) < len(sizes)
    return max(plain), len(sizes[100])


def test_sizes_beside_the_step_of_exact_parts(step: tuple[int, int]) -> None:
    below, above = step
    assert below < above
    most = len(encode(SHADED, FAST, 100, exact=False))
    for wanted in (below, (below + above) // 2, above - 1):
        found = encode_to(SHADED, FAST, Target("max-size", wanted), zoo=SHIPPED)
        assert 0.97 * min(wanted, most) <= len(found.data) <= wanted
        assert "exact" not in read_header(found.data).sections
    for wanted in (above, 3 * above):
        found = encode_to(SHADED, FAST, Target("max-size", wanted), zoo=SHIPPED)
        assert len(found.data) == above
        assert (decode(found.data, SHIPPED).pixels == SHADED.pixels).all()


@pytest.mark.parametrize("name", ["max-size", "bpp"])
def test_a_size_that_only_codes_without_exact_parts_have(name: targets.Name) -> None:
    """The page pays exactly at every quality; what is smaller is met all the same."""
    original = Picture(page(96, 128))
    exact, plain = (encode(original, FAST, 0, exact=exact) for exact in (True, False))
    assert len(plain) < len(exact)
    assert "exact" in read_header(exact).sections
    wanted = (len(plain) + len(exact)) / 2
    found = encode_to(original, FAST, Target(name, wanted / (1 if name == "max-size" else 96 * 128 / 8)), zoo=SHIPPED)
    assert len(found.data) <= wanted
    assert found.codings <= 2 * CODINGS_MAX
    with pytest.raises(LimitError, match=f"quality 0 gives {len(plain)} bytes"):
        encode_to(original, FAST, Target("max-size", len(plain) - 1), zoo=SHIPPED)


@pytest.mark.parametrize("name", ["min-psnr", "min-ms-ssim"])
def test_floors_beside_the_step_of_exact_parts(name: targets.Name) -> None:
    """Below it the smallest file is plain; above what any plain file reaches, it is the exact one."""
    metric = psnr if name == "min-psnr" else ms_ssim
    exact = len(encode(SHADED, FAST, 100))
    for quality in (20, 60):
        plain = encode(SHADED, FAST, quality, exact=False)
        wanted = metric(SHADED.pixels, decode(plain, SHIPPED).pixels)
        found = encode_to(SHADED, FAST, Target(name, wanted), zoo=SHIPPED)
        assert found.reached >= wanted
        assert len(found.data) <= min(1.03 * len(plain), exact)
    found = encode_to(SHADED, FAST, Target(name, 200 if name == "min-psnr" else 0.99999), zoo=SHIPPED)
    assert found.reached == (math.inf if name == "min-psnr" else 1)
    assert len(found.data) == exact


def test_each_shipped_model_wins_by_its_own_metric_at_the_same_size() -> None:
    photo = read_picture(PHOTO, max_pixels=1 << 24)
    zoo = Zoo()
    by: dict[str, np.ndarray] = {}
    for name in ("mse", "ms-ssim"):
        found = encode_to(photo, zoo.load(name), Target("bpp", 0.3), zoo=zoo)
        by[name] = decode(found.data, zoo).pixels
    assert psnr(photo.pixels, by["mse"]) > psnr(photo.pixels, by["ms-ssim"]) + 0.5
    assert ms_ssim(photo.pixels, by["ms-ssim"]) > ms_ssim(photo.pixels, by["mse"])
