"""Agreement of metrics with people, against what its words say, written the slow way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.opinions.agreement import average_precision, bootstrap, kendall, one_voter, shares, spearman

VALUES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12)


def slow_kendall(pairs: list[tuple[int, int]]) -> float:
    signs = [(np.sign(a[0] - b[0]), np.sign(a[1] - b[1])) for a, b in combinations(pairs, 2)]
    untied = [np.sqrt(sum(bool(each[side]) for each in signs)) for side in (0, 1)]
    return sum(one * two for one, two in signs) / (untied[0] * untied[1])


def slow_spearman(pairs: list[tuple[int, int]]) -> float:
    def rank(values: list[int], value: int) -> float:
        return np.mean([place for place, each in enumerate(sorted(values)) if each == value])

    sides = [list(side) for side in zip(*pairs, strict=True)]
    return np.corrcoef(*([rank(side, value) for value in side] for side in sides))[0, 1]


@given(VALUES)
def test_correlations_of_ranks(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert np.isnan(spearman(first, second))
        assert np.isnan(kendall(first, second))
    else:
        assert spearman(first, second) == pytest.approx(slow_spearman(pairs))
        assert kendall(first, second) == pytest.approx(slow_kendall(pairs))


def test_infinite_scores_are_the_best() -> None:
    assert spearman([3, np.inf, 1, np.inf], [3, 4, 1, 4]) == pytest.approx(1)
    assert kendall([3, np.inf, 1, np.inf], [3, 4, 1, 4]) == pytest.approx(1)


def test_votes_that_agree() -> None:
    assert shares([1, 2, 5, np.inf], [2, 1, 5, np.inf], [0.8, 0.8, 0.9, 0.1]) == pytest.approx([0.8, 0.2, 0.5, 0.5])


@given(st.integers(0, 6), st.integers(0, 6))
def test_one_voter_among_the_others(for_first: int, for_second: int) -> None:
    votes = [0] * for_first + [1] * for_second
    if len(votes) > 1:
        agree = np.mean([one == two for one, two in combinations(votes, 2)])
        assert one_voter([for_second], [len(votes)]) == pytest.approx([agree])


def test_average_precision() -> None:
    assert average_precision([9, 8, 2, 1], [1, 1, 0, 0]) == 1
    # Same, other, same: precision 1 up to half of the recall, then 2/3.
    assert average_precision([3, 2, 1], [1, 0, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 2], [1, 0]) == pytest.approx(1 / 2)
    # Precision 0.5, 0.75, 0.5; made monotonic 0.75, 0.75, 0.5; recall in steps of 1/3, 2/3, 0.
    assert average_precision([3, 2, 1], [0.5, 1, 0]) == pytest.approx(0.75)


def test_the_bootstrap_draws_whole_groups() -> None:
    values = np.array([0.0, 1.0] * 20)
    by_pair = [place // 2 for place in range(40)]  # every group has the mean of the whole
    assert bootstrap(np.mean, by_pair, values) == (0.5, 0.5)
    by_value = ["even", "odd"] * 20
    assert bootstrap(np.mean, by_value, values) == (0, 1)
    # Of 100 draws, about what the normal distribution says; and the same every time.
    spread_out = np.random.default_rng(1).normal(size=100)
    low, high = bootstrap(np.mean, range(100), spread_out)
    assert high - low == pytest.approx(2 * 1.96 * spread_out.std() / 10, rel=0.1)
    assert (low, high) == bootstrap(np.mean, range(100), spread_out)
