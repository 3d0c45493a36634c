"""A figure of a set with its noise: the interval that leaving out one photo at a time tells.

Patches of one photo are alike, so it is photos that count as independent, and not patches: the jackknife over photos
(Efron, Stein, "The jackknife estimate of variance", 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "pair_mean", "with_interval"]

#: Standard deviations on each side of a value: 95 % of a Gaussian.
_DEVIATIONS = 1.96


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def with_interval(statistic: Callable[[NDArray[np.float64]], float], photos: int) -> Estimate:
    """Return a statistic of a set and its interval.

    Args:
        statistic: from weights of the photos, (photos,), each 0 or 1, to its value over those of weight 1.
        photos: at least 2.
    """
    everyone = np.ones(photos)
    value = statistic(everyone)
    without = np.array([statistic(everyone - one) for one in np.eye(photos)])
    variance = (photos - 1) / photos * ((without - without.mean()) ** 2).sum()
    reach = _DEVIATIONS * float(np.sqrt(variance))
    return Estimate(value, value - reach, value + reach)


def pair_mean(sums: NDArray[np.float64], counts: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the mean over pairs of patches from photos of weight 1.

    Args:
        sums: over the pairs of patches of each two photos, (photos, photos).
        counts: of those pairs; 0 where a pair of photos does not count.
        weights: (photos,), 0 or 1.
    """
    return float(weights @ sums @ weights / (weights @ counts @ weights))
