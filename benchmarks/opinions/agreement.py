"""Agreement of a metric with people: rank correlations, shares of votes, average precision, and their intervals.

Scores of a metric are on a scale where higher is better, and may be infinite: a picture that equals its original.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["average_precision", "bootstrap", "kendall", "one_voter", "shares", "spearman"]

RESAMPLES = 2000
COVERAGE = 0.95

Floats = NDArray[np.float64]


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank.

    Args:
        first: (N,), not all equal.
        second: (N,), likewise.

    Returns:
        -1..1; NaN where all values of one are equal.
    """
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (first, second)]
    one, two = (each - each.mean() for each in ranks)
    norm = np.sqrt((one @ one) * (two @ two))
    return float(one @ two / norm) if norm else float("nan")


def kendall(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b: pairs in the same order less pairs in the other, over the pairs that are not ties.

    Args:
        first: (N,), not all equal.
        second: (N,), likewise.

    Returns:
        -1..1; NaN where all values of one are equal.
    """
    one, two = (_orders(np.asarray(values, np.float64)) for values in (first, second))
    norm = np.sqrt(np.sum(one != 0, dtype=np.float64) * np.sum(two != 0))
    return float(np.sum(one * two) / norm) if norm else float("nan")


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _orders(values: Floats) -> NDArray[np.int8]:
    """Whether each value is over (1), equal to (0) or under (-1) each other: (N,) -> (N, N)."""
    return (values[:, None] > values).astype(np.int8) - (values[:, None] < values)


def shares(first: ArrayLike, second: ArrayLike, for_second: ArrayLike) -> Floats:
    """Share of the votes that a metric's choice gets, of each pair: the 2AFC score is their mean.

    As in Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (CVPR 2018), section 4;
    where the metric sees no difference, half.

    Args:
        first: (N,) scores of the first of each pair.
        second: (N,) scores of the second.
        for_second: (N,) shares of the votes for the second, 0..1.

    Returns:
        (N,), 0..1.
    """
    one, two, votes = (np.asarray(values, np.float64) for values in (first, second, for_second))
    chosen: Floats = np.where(one == two, 0.5, np.where(two > one, votes, 1 - votes))
    return chosen


def one_voter(for_second: ArrayLike, voters: ArrayLike) -> Floats:
    """Chance that two different voters, drawn at random, agree on a pair.

    Args:
        for_second: (N,) numbers of votes for the second.
        voters: (N,) numbers of votes, at least 2.

    Returns:
        (N,), about 0.5..1.
    """
    second, count = (np.asarray(values, np.float64) for values in (for_second, voters))
    first = count - second
    agreement: Floats = (second * (second - 1) + first * (first - 1)) / (count * (count - 1))
    return agreement


def average_precision(scores: ArrayLike, same: ArrayLike) -> float:
    """How well a metric tells pairs that people take for the same from others: the JND score of Zhang et al. 2018.

    Pairs are taken from the best score down. The area under the curve of precision over recall is that of Pascal VOC
    (precision made monotonic first), with shares of people in place of labels.

    Args:
        scores: (N,) of each pair.
        same: (N,) share of people who took the pair for the same, 0..1, not all 0.

    Returns:
        0..1.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    taken = np.cumsum(np.asarray(same, np.float64)[order])
    precision = taken / np.arange(1, len(taken) + 1)
    recall = taken / taken[-1]
    monotonic = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * monotonic))


def bootstrap(statistic: Callable[..., float], groups: Sequence[object], *values: ArrayLike) -> tuple[float, float]:
    """Interval of 95 % for a statistic, by drawing whole groups with replacement: contents, not pictures.

    Pictures of one content are alike in what a metric gets wrong of them, so they are not independent draws.

    Args:
        statistic: a figure of the values.
        groups: (N,) the group of each item.
        values: (N,) each, what the statistic takes; of some items several times, of others not at all.

    Returns:
        Its 2.5th and 97.5th percentile over 2,000 drawings of a fixed seed.
    """
    arrays = [np.asarray(each) for each in values]
    places = [np.flatnonzero([group == each for each in groups]) for group in dict.fromkeys(groups)]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        at = np.concatenate([places[each] for each in rng.integers(0, len(places), len(places))])
        found.append(float(statistic(*(array[at] for array in arrays))))
    low, high = np.quantile(found, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
