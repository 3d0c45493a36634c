"""The delta rate: properties and errors."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lcodec.compare import bd_rate
from lcodec.compare.bd_rate import pchip

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
