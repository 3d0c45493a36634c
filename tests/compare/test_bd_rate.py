"""The delta rate: properties, errors, and published figures from published curves."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lcodec.compare import Curve, bd_rate, names, rival
from lcodec.compare.bd_rate import pchip

# fmt: off
# CompressAI 869a9f5d, results/image/kodak/jpeg.json
COMPRESSAI_JPEG = Curve(
    "JPEG",
    bpp=(
        0.22115, 0.32661, 0.42313, 0.50839, 0.58787, 0.66013, 0.72895, 0.78603, 0.84972, 0.906,
        0.96438, 1.03721, 1.1274, 1.23985, 1.36883, 1.57181, 1.85882, 2.3502, 3.40134,
    ),
    psnr=(
        23.7799, 26.5772, 28.0422, 29.0418, 29.7847, 30.3783, 30.9032, 31.3078, 31.7048, 32.0587,
        32.3993, 32.7899, 33.2347, 33.7926, 34.3943, 35.239, 36.3289, 37.9121, 40.5567,
    ),
    ms_ssim=(
        0.803071, 0.889862, 0.923584, 0.942709, 0.953349, 0.960616, 0.966143, 0.969692, 0.97265, 0.975253,
        0.977267, 0.979276, 0.981364, 0.983707, 0.98575, 0.988191, 0.990552, 0.992981, 0.995637,
    ),
)
# fmt: on

DB = st.floats(20, 50).map(lambda value: round(value, 2))
qualities = st.lists(DB, min_size=2, max_size=9, unique=True).map(sorted)


@st.composite
def curves(draw):
    quality = draw(qualities)
    rate = draw(st.lists(st.floats(0.05, 4), min_size=len(quality), max_size=len(quality)))
    return rate, quality


@given(curves())
def test_of_a_curve_against_itself_is_zero(curve):
    result = bd_rate(*curve, *curve)
    assert result.percent == pytest.approx(0, abs=1e-9)
    assert (result.low, result.high) == (curve[1][0], curve[1][-1])


@given(curves(), st.floats(0.2, 5))
def test_of_a_constant_factor_is_that_factor(curve, factor):
    rate, quality = curve
    result = bd_rate([factor * value for value in rate], quality, rate, quality)
    assert result.percent == pytest.approx(100 * (factor - 1), abs=1e-6)


@given(curves(), curves())
def test_swapping_the_curves_inverts_the_ratio(first, second):
    assume(max(first[1][0], second[1][0]) < min(first[1][-1], second[1][-1]))
    there, back = bd_rate(*first, *second), bd_rate(*second, *first)
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1)
    assert (there.low, there.high) == (back.low, back.high)


@given(curves(), st.randoms())
def test_the_order_of_points_does_not_matter(curve, random):
    points = list(zip(*curve, strict=True))
    random.shuffle(points)
    rate, quality = zip(*points, strict=True)
    straight = [0.1, 3.0], [19.0, 51.0]
    assert bd_rate(rate, quality, *straight) == bd_rate(*curve, *straight)


@given(qualities, st.floats(-3, 3), st.floats(-2, 2))
def test_pchip_reproduces_a_line(quality, slope, offset):
    x = np.array(quality)
    at = np.linspace(x[0], x[-1], 41)
    np.testing.assert_allclose(pchip(x, offset + slope * x, at), offset + slope * at, atol=1e-9)


@given(curves())
def test_pchip_meets_the_points_and_stays_between_neighbours(curve):
    y, x = map(np.array, curve)
    np.testing.assert_allclose(pchip(x, y, x), y, atol=1e-9)
    for i in range(len(x) - 1):
        inside = pchip(x, y, np.linspace(x[i], x[i + 1], 21))
        assert inside.min() >= min(y[i], y[i + 1]) - 1e-9
        assert inside.max() <= max(y[i], y[i + 1]) + 1e-9


def test_pchip_at_values_known_from_scipy():
    x, y = np.array([0.0, 1.0, 3.0, 4.0]), np.array([0.0, 2.0, 3.0, 1.0])
    # scipy.interpolate.PchipInterpolator(x, y)([0.5, 2, 3.5]), SciPy 1.17
    np.testing.assert_allclose(
        pchip(x, y, np.array([0.5, 2.0, 3.5])), [1.2053571428571428, 2.7142857142857144, 2.354166666666667], rtol=1e-12
    )


def test_a_window_narrows_the_range_and_never_widens_it():
    anchor = [0.1, 0.4, 1.6], [30.0, 35.0, 40.0]
    tested = [0.1, 0.4, 3.2], [30.0, 35.0, 40.0]  # twice the rate, at the upper end alone
    whole, upper = bd_rate(*tested, *anchor), bd_rate(*tested, *anchor, window=(35, 60))
    assert (upper.low, upper.high) == (35, 40)
    assert 0 < whole.percent < upper.percent < 100
    assert str(upper).endswith("% (35.0..40.0)")


def test_curves_without_a_common_range():
    low, high = ([0.1, 0.2], [20.0, 25.0]), ([1.0, 2.0], [25.0, 30.0])
    with pytest.raises(ValueError, match=r"share no quality: 20.00..25.00 and 25.00..30.00"):
        bd_rate(*low, *high)
    with pytest.raises(ValueError, match=r"share no quality in 26..28"):
        bd_rate(*low, *low, window=(26, 28))


@pytest.mark.parametrize(
    ("rate", "quality", "message"),
    [
        ([0.1], [30.0], "two or more points"),
        ([0.1, 0.2], [30.0], "two or more points"),
        ([0.1, 0.0], [30.0, 31.0], "over 0"),
        ([0.1, 0.2], [30.0, math.inf], "finite"),
        ([0.1, 0.2], [30.0, 30.0], "same quality"),
    ],
)
def test_points_that_make_no_curve(rate, quality, message):
    with pytest.raises(ValueError, match=message):
        bd_rate(rate, quality, [0.1, 0.2], [29.0, 32.0])
    with pytest.raises(ValueError, match=message):
        bd_rate([0.1, 0.2], [29.0, 32.0], rate, quality)


@pytest.mark.parametrize(
    ("name", "metric", "against_bpg", "against_vtm"),
    [
        (COMPRESSAI_JPEG, "psnr", 143.05, 208.49),
        (COMPRESSAI_JPEG, "ms_ssim", 91.74, 139.84),
        ("bmshj2018-factorized", "psnr", 32.55, 68.10),
        ("bmshj2018-hyperprior", "psnr", 3.93, 30.48),
        ("bmshj2018-hyperprior", "ms_ssim", -12.58, 7.31),
        ("bmshj2018-hyperprior-ms-ssim", "ms_ssim", -47.28, -35.63),
        ("mbt2018-mean", "psnr", -3.28, 21.28),
        ("mbt2018", "ms_ssim", -20.28, -2.13),
        ("vtm", "psnr", -18.02, 0),
        ("vtm", "ms_ssim", -17.70, 0),
        ("elic2022", "psnr", -26.58, -7.03),
    ],
)
def test_figures_of_published_curves(name, metric, against_bpg, against_vtm):
    curve = rival(name) if isinstance(name, str) else name
    assert curve.bd_rate_against(rival("bpg-444"), metric).percent == pytest.approx(against_bpg, abs=0.006)
    assert curve.bd_rate_against(rival("vtm"), metric).percent == pytest.approx(against_vtm, abs=0.006)


@pytest.mark.parametrize(
    ("name", "psnr", "top", "ms_ssim"),
    [
        ("jpeg-420", 115.23, 38, 60.26),
        ("mozjpeg-420", 94.11, 37.28, 30.89),
        ("webp", 41.02, 38, 25.10),
        ("jpeg2000", 22.80, 38, 34.25),
        ("jxl", 55.39, 38, 19.97),
        ("heic-420", 8.28, 38, 9.43),
        ("avif-444", -1.80, 38, -3.93),
        ("avif-444-default", 8.08, 38, -20.86),
        ("vvc-420", -11.94, 38, -10.47),
    ],
)
def test_figures_of_measured_curves(name, psnr, top, ms_ssim):
    """Against HEIC 4:4:4 in fixed windows; the window shrinks where a curve ends earlier."""
    result = rival(name).bd_rate_against(rival("heic-444"), "psnr", window=(28, 38))
    assert result.percent == pytest.approx(psnr, abs=0.006)
    assert (result.low, result.high) == (28, pytest.approx(top, abs=0.006))
    result = rival(name).bd_rate_against(rival("heic-444"), "ms_ssim", window=(11, 20))
    assert result.percent == pytest.approx(ms_ssim, abs=0.006)


@pytest.mark.parametrize("name", names())
def test_every_rival_is_a_plausible_curve_with_its_origin(name):
    curve = rival(name)
    assert curve.title
    assert curve.source
    assert curve.settings
    order = np.argsort(curve.bpp)
    assert all(0.01 < rate < 6 for rate in curve.bpp)
    assert all(20 < value < 52 for value in curve.psnr)
    assert (np.diff(np.array(curve.psnr)[order]) > 0).all()
    if curve.ms_ssim is None:
        with pytest.raises(ValueError, match="without MS-SSIM"):
            curve.quality("ms_ssim")
    else:
        assert all(0.7 < value < 1 for value in curve.ms_ssim)
        assert (np.diff(np.array(curve.ms_ssim)[order]) > 0).all()


def test_unknown_rival():
    with pytest.raises(ValueError, match="no rival is called 'jpeg'; there are jpeg-420"):
        rival("jpeg")


def test_a_curve_needs_a_quality_for_each_rate():
    with pytest.raises(ValueError, match="2 qualities for 1 rates"):
        Curve("broken", (1.0,), (30.0, 31.0))
