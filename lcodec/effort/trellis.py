"""The best symbols for dependent quantisation (`lcodec.entropy.dependent`): the cheapest way along each lane.

What a symbol stands for depends on the parities of those before it, so each of a lane may pay for all that follow. The
algorithm of Viterbi (1967) keeps the cheapest way into each state of the machine: bits, as the coder's tables have
them, plus weighted squared errors. Part of `lcodec.effort.rdoq`, which tells of which latents.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from lcodec.entropy.dependent import GRID, LANE, NEXT, SECOND, STATES
from lcodec.entropy.section import MEAN_STEPS
from lcodec.entropy.tables import DEPENDENT, DEPENDENT_REACH, TOTAL, load_dependent
from lcodec.networks import crew

__all__ = ["cheapest_symbols"]

Floats = npt.NDArray[np.float32]
#: Lanes that are searched at a time: with more, what is noted of all states (a byte each) takes too much memory; with
#: fewer, each takes longer, so threads share no fewer out.
AT_ONCE, FEWEST = 64, 24
#: Bits of an escaped symbol besides its escape, about: few are.
ESCAPED = 3
#: Whence each state is come to, with each parity: (2, STATES). Even ones are from states of the first quantiser.
_STARTS: npt.NDArray[np.intp] = np.argsort(NEXT, axis=0).T


@cache
def _bits() -> Floats:
    """Bits of each magnitude, and of the escape, in each table: (tables of both quantisers, reach + 2)."""
    bits = -np.log2(load_dependent() / TOTAL)
    bits[:, -1] += ESCAPED
    return bits[:, DEPENDENT_REACH:].astype(np.float32)


def cheapest_symbols(wanted: Floats, weights: Floats, indexes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """The symbols of the dependent latents of a batch, (n,).

    Args:
        wanted: (n,) distances of the latents from their means, in quantisation steps.
        weights: (n,) bits that a squared error of one step is worth.
        indexes: (n,) of their tables, all in DEPENDENT.
    """
    grid = np.float32(GRID / MEAN_STEPS)
    shared = max(part.stop - part.start for part in crew.parts(-(-len(wanted) // LANE), FEWEST))
    length = min(max(shared, 1), AT_ONCE) * LANE
    parts = [slice(begin, begin + length) for begin in range(0, len(wanted), length)]

    def search(at: slice) -> npt.NDArray[np.int32]:
        return _search(wanted[at] / grid, weights[at] * grid**2, indexes[at].astype(np.intp) - DEPENDENT.start)

    return np.concatenate([np.empty(0, np.int32), *crew.each(search, parts)])


def _search(wanted: Floats, weights: Floats, tables: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """The symbols of some lanes, (n,), of distances in units of the grid."""
    count = len(wanted)
    length = min(count, LANE)
    lanes = -(-count // length)
    costs, magnitudes = _candidates(np.abs(wanted), weights, tables)
    # (subsets, n) -> (length, parities, 1, quantisers, lanes), where all is free past the end.
    padded = np.pad(costs, ((0, 0), (0, lanes * length - count)))
    branches = np.ascontiguousarray(padded.reshape(2, 2, lanes, length).transpose(3, 1, 0, 2))[:, :, None]
    least = np.full((STATES, lanes), np.inf, np.float32)
    least[0] = 0
    ways = np.empty((2, STATES // 2, 2, lanes), np.float32)  # costs of both ways into each state
    even, odd = ways.reshape(2, STATES, lanes)
    starts = _STARTS.ravel()
    cheaper = np.empty((length, STATES, lanes), np.bool_)  # whether the way of the odd symbol is
    for step, branch in enumerate(branches):
        np.take(least, starts, axis=0, out=ways.reshape(-1, lanes), mode="clip")  # "raise" would copy
        ways += branch
        np.less(odd, even, out=cheaper[step])
        np.minimum(odd, even, out=least)
    state, every, subset = least.argmin(axis=0), np.arange(lanes), np.empty((length, lanes), np.intp)
    for step in range(length - 1, -1, -1):
        parity = cheaper[step, state, every].astype(np.intp)
        state = _STARTS[parity, state]
        subset[step] = 2 * SECOND[state] + parity
    chosen = subset.T.ravel()[:count]
    return np.copysign(magnitudes[chosen, np.arange(count)], wanted).astype(np.int32)


def _candidates(wanted: Floats, weights: Floats, tables: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Of each subset of symbols the cheapest one: its cost, and its magnitude, (4, n) each.

    A subset has the symbols of one parity, of a quantiser. Those beyond the nearest to `wanted` (n,), which is not
    negative, are never cheaper, so it competes with the next one towards zero.
    """
    costs, magnitudes = np.empty((2, 4, len(wanted)), np.float32)
    for second in (0, 1):
        bits = _bits()[second * len(DEPENDENT) :][: len(DEPENDENT)]
        for parity in (0, 1):
            nearest = np.maximum(2 * np.rint((wanted + (second - 2 * parity)) / 4) + parity, parity)
            cost, magnitude = costs[2 * second + parity], magnitudes[2 * second + parity]
            cost[...] = np.inf
            for candidate in (nearest, np.maximum(nearest - 2, parity)):
                value = 2 * candidate - second * (candidate > 0)
                own = bits[tables, np.minimum(candidate, DEPENDENT_REACH + 1).astype(np.intp)]
                own += weights * np.square(wanted - value)
                better = own < cost
                np.copyto(cost, own, where=better)
                np.copyto(magnitude, candidate, where=better)
    return costs, magnitudes
