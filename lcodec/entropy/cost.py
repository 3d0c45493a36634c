"""What symbols cost: the bits that `coder` spends, for choosing among symbols before they are coded."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from lcodec.entropy.tables import SCALES, TOTAL, load_tables

__all__ = ["symbol_bits"]

#: Costs are tabulated up to this magnitude of a symbol, beyond every table; farther out they grow with the escape's.
REACH = 1024


@cache
def _table() -> npt.NDArray[np.float32]:
    """Bits of the symbols -REACH..REACH in each table: (SCALES, 2 REACH + 1)."""
    magnitudes = np.abs(np.arange(-REACH, REACH + 1))
    bits = np.empty((SCALES, 2 * REACH + 1), np.float32)
    for row, frequencies in zip(bits, load_tables().frequencies, strict=True):
        within = -np.log2(frequencies / TOTAL)
        reach = (len(within) - 2) // 2
        excess = 2 * np.maximum(magnitudes - reach - 1, 0) + 2
        row[:] = within[-1] + 2 * np.floor(np.log2(excess)) + 1
        row[REACH - reach : REACH + reach + 1] = within[:-1]
    return bits


def symbol_bits(indexes: npt.NDArray[np.uint8], symbols: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Bits that each of `symbols` (n,) costs with the tables `indexes` (n,); within 2 bits for escaped ones."""
    bits: npt.NDArray[np.float32] = _table()[indexes, symbols.clip(-REACH, REACH) + REACH]
    return bits
