"""Bjontegaard delta rate: how many more bits one codec needs than another for the same quality, in percent.

Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001: interpolate the
logarithm of the rate as a function of the quality, and average the difference of both curves over the qualities they
share. VCEG-M33 fits a cubic, which may swing between the points; as in JVET's common test conditions, the interpolation
here is a monotone piecewise cubic: that of Fritsch and Carlson (SIAM J. Numer. Anal. 17, 1980) with the slopes of
Fritsch and Butland (SIAM J. Sci. Stat. Comput. 5, 1984), known as PCHIP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["BdRate", "bd_rate", "pchip"]

Vector = NDArray[np.float64]
GAUSS_POINT = 1 / math.sqrt(3)  # the two-point Gauss-Legendre rule on -1..1, exact for cubics


@dataclass(frozen=True)
class BdRate:
    """A delta rate, and the qualities that it is the mean over: without its range the figure means little."""

    percent: float  #: extra rate at equal quality; negative where the tested codec saves bits, never below -100
    low: float  #: lowest quality of the range, in the unit of the curves (dB)
    high: float  #: highest

    def __str__(self) -> str:
        """Return for example `-18.0 % (26.1..40.6)`."""
        return f"{self.percent:+.1f} % ({self.low:.1f}..{self.high:.1f})"


def bd_rate(
    rate: Sequence[float],
    quality: Sequence[float],
    anchor_rate: Sequence[float],
    anchor_quality: Sequence[float],
    *,
    window: tuple[float, float] | None = None,
) -> BdRate:
    """Return the delta rate of a tested curve against an anchor, both given as points in any order.

    Args:
        rate: bits per pixel (or any unit, the same for both curves), over 0, two points or more.
        quality: one per rate, each different, in a unit where equal steps matter equally: dB, so not linear MS-SSIM.
        anchor_rate: the rates of the codec that 0 % stands for.
        anchor_quality: its qualities.
        window: lowest and highest quality to average over. Without one, all that both curves cover; with one, what
            lies in it of that. Nothing is ever extrapolated.

    Raises:
        ValueError: the curves (and the window) share no range of qualities, or the points make no curve.
    """
    tested, anchor = _curve(rate, quality), _curve(anchor_rate, anchor_quality)
    low = max(tested[0][0], anchor[0][0])
    high = min(tested[0][-1], anchor[0][-1])
    if low >= high:
        raise ValueError(f"the curves share no quality: {_span(tested[0])} and {_span(anchor[0])}")
    if window is not None:
        low, high = max(low, window[0]), min(high, window[1])
        if low >= high:
            raise ValueError(f"the curves share no quality in {window[0]:g}..{window[1]:g}")
    difference = (_integral(*tested, low, high) - _integral(*anchor, low, high)) / (high - low)
    return BdRate(100 * math.expm1(difference), float(low), float(high))


def pchip(x: Vector, y: Vector, at: Vector) -> Vector:
    """Interpolate through the points (x, y): a cubic per interval, smooth, and nowhere beyond its neighbouring points.

    Args:
        x: strictly increasing, shape (N,), N at least 2.
        y: shape (N,).
        at: shape (M,), within x[0]..x[-1].

    Returns:
        Shape (M,).
    """
    slope = _slopes(x, y)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)  # (M,): the interval of each
    width = x[left + 1] - x[left]
    t = (at - x[left]) / width  # 0..1
    # The cubic Hermite basis, as values and slopes at both ends.
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * y[left]
        + t * (1 - t) ** 2 * width * slope[left]
        + t**2 * (3 - 2 * t) * y[left + 1]
        + t**2 * (t - 1) * width * slope[left + 1]
    )


def _slopes(x: Vector, y: Vector) -> Vector:
    """Return the slope at each point, shape (N,): 0 at an extremum, else a weighted harmonic mean of both secants."""
    width = np.diff(x)  # (N - 1,)
    secant = np.diff(y) / width
    if len(x) == 2:
        return np.repeat(secant, 2)
    slopes = np.zeros_like(x)
    for i, (before, after) in enumerate(pairwise(secant), start=1):
        if before * after > 0:
            near, far = 2 * width[i] + width[i - 1], width[i] + 2 * width[i - 1]
            slopes[i] = (near + far) / (near / before + far / after)
    slopes[0] = _end_slope(width[0], width[1], secant[0], secant[1])
    slopes[-1] = _end_slope(width[-1], width[-2], secant[-1], secant[-2])
    return slopes


def _end_slope(width: float, next_width: float, secant: float, next_secant: float) -> float:
    """Return the slope at an end: that of the parabola through three points, limited so that nothing overshoots."""
    slope = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant <= 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope


def _curve(rate: Sequence[float], quality: Sequence[float]) -> tuple[Vector, Vector]:
    """Return (quality, ln rate), sorted by quality, each of shape (N,)."""
    if len(rate) != len(quality) or len(rate) < 2:
        raise ValueError(f"a curve needs two or more points, not {len(rate)} rates and {len(quality)} qualities")
    x, y = np.asarray(quality, np.float64), np.asarray(rate, np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all() and y.min() > 0):
        raise ValueError("rates must be over 0, and rates and qualities finite")
    order = np.argsort(x)
    x, y = x[order], np.log(y[order])
    if np.diff(x).min() <= 0:
        raise ValueError("two points of a curve have the same quality")
    return x, y


def _integral(x: Vector, y: Vector, low: float, high: float) -> float:
    """Return the integral of the interpolated curve over low..high, exact but for rounding."""
    edges = np.concatenate(([low], x[(x > low) & (x < high)], [high]))  # (K + 1,): one cubic between each two
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    ends = pchip(x, y, middle - half * GAUSS_POINT) + pchip(x, y, middle + half * GAUSS_POINT)  # (K,)
    return float(half @ ends)


def _span(quality: Vector) -> str:
    return f"{quality[0]:.2f}..{quality[-1]:.2f}"
