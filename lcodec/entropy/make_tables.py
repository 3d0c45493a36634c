"""Makes `tables.npy`, the asset of `tables`, with integers of any size: `python -m lcodec.entropy.make_tables FILE`.

Not needed to encode or decode. The result does not depend on the machine; a test makes it again and compares.
"""

from __future__ import annotations

import sys
from decimal import Decimal, localcontext
from itertools import pairwise
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lcodec.entropy.tables import EXP2_SIZE, SCALES, TOTAL

__all__ = ["make_tables"]

DIGITS = 60
#: Smallest scale, and the step between scales in octaves.
SCALE_MIN, SCALE_STEP = Decimal("0.11"), Decimal("0.073")
#: A table reaches so far that less than this is left for the escape symbol.
TAIL = Decimal(2) ** -13


def _erf(x: Decimal) -> Decimal:
    """erf(x), x >= 0, by its Taylor series (alternating, so with digits to spare for the largest term)."""
    if x > 9:  # 1 - erf(9) < 1e-36
        return Decimal(1)
    term = total = x
    n = 0
    while abs(term) > Decimal(10) ** -50:
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    return 2 * total / pi.sqrt()


def _frequencies(sigma: Decimal) -> list[int]:
    """Frequencies of the symbols -R..R and the escape, TOTAL together, each at least 1."""
    # cdf[k] = P(|x| < k + 1/2)
    root = sigma * Decimal(2).sqrt()
    inside = [_erf(Decimal("0.5") / root)]
    while 1 - inside[-1] > TAIL:
        inside.append(_erf((len(inside) + Decimal("0.5")) / root))
    side = [(far - near) / 2 for near, far in pairwise(inside)]
    shares = [*reversed(side), inside[0], *side, 1 - inside[-1]]
    free = TOTAL - len(shares)
    exact = [share * free for share in shares]
    counts = [int(value) for value in exact]
    # Largest remainders first; ties by position, so that the result is unique.
    order = sorted(range(len(exact)), key=lambda k: (counts[k] - exact[k], k))
    for k in order[: free - sum(counts)]:
        counts[k] += 1
    return [count + 1 for count in counts]


def _exp2(index: int) -> int:
    """2^(15 + index / EXP2_SIZE), rounded, by repeated integer square roots."""
    spare = 20
    value = 1 << (EXP2_SIZE * (15 + spare) + index)
    for _ in range(EXP2_SIZE.bit_length() - 1):
        value = isqrt(value)
    return (value + (1 << (spare - 1))) >> spare


def make_tables() -> npt.NDArray[np.uint16]:
    """The asset: R of each table, then the powers of two, then all frequencies. uint16, one dimension."""
    with localcontext() as context:
        context.prec = DIGITS + 40
        tables = [_frequencies(SCALE_MIN * Decimal(2) ** (SCALE_STEP * index)) for index in range(SCALES)]
    reach = [(len(table) - 2) // 2 for table in tables]
    powers = [_exp2(index) for index in range(EXP2_SIZE)]
    return np.array([*reach, *powers, *(count for table in tables for count in table)], dtype="<u2")


if __name__ == "__main__":
    np.save(Path(sys.argv[1]), make_tables())
