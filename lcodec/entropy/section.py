"""A coded section: what writes its symbols, or reads them back, and their checksum. `model` tells which and when.

Batch after batch, symbols become decoded latents' distances from their means, in 1/16 of a quantisation step: plain
ones 16 times the symbol, dependent ones as `dependent` has it.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from lcodec.entropy.coder import SymbolDecoder, SymbolEncoder
from lcodec.entropy.dependent import Lanes

__all__ = ["MEAN_STEPS", "Check", "Reader", "Writer"]

#: A mean is a multiple of 1/MEAN_STEPS of a quantisation step.
MEAN_STEPS = 16

Indexes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]


class Check:
    """CRC-32 of symbols as int16, little-endian, in the order of coding."""

    crc = 0

    def add(self, symbols: Integers) -> Integers:
        """Take in a batch, and hand it on."""
        self.crc = zlib.crc32(symbols.astype("<i2").tobytes(), self.crc)
        return symbols


class Writer:
    """Writes a section."""

    def __init__(self, check: Check, *, dependent: bool) -> None:
        """Begin; `dependent`: of tables for that, symbols are those of dependent quantisation."""
        self._coder, self._check, self._dependent = SymbolEncoder(), check, dependent

    def __call__(self, indexes: Indexes, symbols: Integers) -> Integers:
        """Write a batch, (n,) each: the distances of what is decoded from the means, (n,)."""
        if not self._dependent:
            self._coder.put(indexes, self._check.add(symbols))
            return symbols * MEAN_STEPS
        lanes = Lanes(indexes)
        plain, dependent = symbols[~lanes.chosen], symbols[lanes.chosen]
        self._coder.put(indexes[~lanes.chosen], self._check.add(plain))

        def put(tables: npt.NDArray[np.intp], at: slice) -> Integers:
            self._coder.put_dependent(tables, dependent[at])
            return self._check.add(dependent[at])

        return _joined(lanes, plain, lanes.walk(put))

    def finish(self) -> bytes:
        """The section's bytes."""
        return self._coder.finish()


class Reader:
    """Reads a section, the mirror of `Writer`."""

    def __init__(self, data: bytes, check: Check, *, dependent: bool) -> None:
        """Begin; `dependent` as it was written.

        Raises:
            DamagedError: no section has this length.
        """
        self._coder, self._check, self._dependent = SymbolDecoder(data), check, dependent

    def __call__(self, indexes: Indexes) -> Integers:
        """Read a batch: the distances of what is decoded from the means, (n,).

        Raises:
            DamagedError: the bytes cannot come from an encoder.
        """
        if not self._dependent:
            return self._check.add(self._coder.get(indexes)) * MEAN_STEPS
        lanes = Lanes(indexes)
        plain = self._check.add(self._coder.get(indexes[~lanes.chosen]))
        return _joined(lanes, plain, lanes.walk(lambda tables, _: self._check.add(self._coder.get_dependent(tables))))


def _joined(lanes: Lanes, plain: Integers, dependent: Integers) -> Integers:
    """Distances of a batch, of its plain symbols and of what the lanes made of the others."""
    out = np.empty(len(lanes.chosen), np.int32)
    out[~lanes.chosen] = plain * MEAN_STEPS
    out[lanes.chosen] = dependent
    return out
