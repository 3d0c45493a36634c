"""Range coding of integer symbols, each with the index of its Gaussian table.

Symbols come in batches; within one they are grouped by table (constriction codes arrays of one table at tens of
millions of symbols a second), in stable order. A symbol beyond its table is coded as the table's escape; the excess
of all escapes of a batch follows the batch, as bits of equal probability (Exp-Golomb, order 0). Symbols of dependent
quantisation come in small batches, each with a table of its own kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from lcodec.entropy.tables import DEPENDENT_REACH, load_dependent, load_tables
from lcodec.errors import DamagedError

__all__ = ["SYMBOL_MAX", "SymbolDecoder", "SymbolEncoder"]

#: Largest magnitude of a symbol.
SYMBOL_MAX = (1 << 15) - 1

Symbols = npt.NDArray[np.int32]
Indexes = npt.NDArray[np.uint8]

# Its submodules are attributes only, not importable by name.
Categorical = constriction.stream.model.Categorical
RangeEncoder, RangeDecoder = constriction.stream.queue.RangeEncoder, constriction.stream.queue.RangeDecoder


@cache
def _model(index: int) -> Any:
    """Constriction's model of table `index`, frequencies exactly 256 times the table's.

    With perfect=False constriction gives each of n symbols 1, then its share of the remaining 2^24 - n; weights that
    sum to 2^24 - n are therefore taken as they are (the tests' own range decoder proves it).
    With perfect=True it would optimise.
    """
    return Categorical(load_tables().frequencies[index].astype(np.float64) * 256 - 1, perfect=False)


@cache
def _dependent() -> tuple[Any, npt.NDArray[np.float64]]:
    """Constriction's model of any table of dependent quantisation, and its parameters for each, as in `_model`."""
    return Categorical(perfect=False), load_dependent().astype(np.float64) * 256 - 1


@cache
def _bit_model() -> Any:
    return Categorical(np.full(2, 2.0**23 - 1), perfect=False)


def _reach(index: int) -> int:
    """Largest magnitude in table `index`."""
    return (len(load_tables().frequencies[index]) - 2) // 2


def _groups(indexes: Indexes) -> tuple[npt.NDArray[np.intp], list[tuple[int, int, int]]]:
    """Stable order by table, and (table, begin, end) of each table used."""
    order = np.argsort(indexes, kind="stable")
    counts = np.bincount(indexes, minlength=1)
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used])
    return order, [(int(table), int(end - counts[table]), int(end)) for table, end in zip(used, ends, strict=True)]


class SymbolEncoder:
    """Codes symbols into bytes; `SymbolDecoder` reads them back with the same calls."""

    def __init__(self) -> None:
        self._coder = RangeEncoder()

    def put(self, indexes: Indexes, symbols: Symbols) -> None:
        """Code `symbols` (n,), |symbol| <= SYMBOL_MAX, with the tables `indexes` (n,), each under 128."""
        order, groups = _groups(indexes)
        grouped = symbols[order]
        excesses: list[int] = []
        for table, begin, end in groups:
            reach = _reach(table)
            part = grouped[begin:end]
            coded = part + np.int32(reach)
            outside = np.abs(part) > reach
            if outside.any():
                coded[outside] = 2 * reach + 1
                excesses += [self._excess(int(value), reach) for value in part[outside]]
            self._coder.encode(coded, _model(table))
        self._put_excesses(excesses)

    def put_dependent(self, tables: npt.NDArray[np.intp], symbols: Symbols) -> None:
        """Code `symbols` (n,) with the rows `tables` (n,) of `load_dependent`."""
        model, parameters = _dependent()
        coded = symbols + np.int32(DEPENDENT_REACH)
        outside = np.abs(symbols) > DEPENDENT_REACH
        coded[outside] = 2 * DEPENDENT_REACH + 1
        self._coder.encode(coded, model, parameters[tables])
        self._put_excesses([self._excess(int(value), DEPENDENT_REACH) for value in symbols[outside]])

    def _put_excesses(self, excesses: Iterable[int]) -> None:
        for excess in excesses:
            length = (excess + 1).bit_length()
            digits = [0] * (length - 1) + [int(digit) for digit in f"{excess + 1:b}"]
            self._coder.encode(np.array(digits, np.int32), _bit_model())

    @staticmethod
    def _excess(symbol: int, reach: int) -> int:
        """What is left of an escaped symbol: 0, 1, 2, 3, ... for reach + 1, -reach - 1, reach + 2, -reach - 2, ..."""
        return 2 * (abs(symbol) - reach - 1) + (symbol < 0)

    def finish(self) -> bytes:
        """The coded bytes, a multiple of 4."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()


class SymbolDecoder:
    """Reads symbols from the bytes of a `SymbolEncoder`.

    Bytes that no encoder wrote decode to other symbols or raise DamagedError; checksums must tell.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise DamagedError("damaged: a coded section has an impossible length")
        self._coder = RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def get(self, indexes: Indexes) -> Symbols:
        """Decode one symbol for each of `indexes` (n,): (n,) int32.

        Raises:
            DamagedError: the bytes cannot come from an encoder.
        """
        order, groups = _groups(indexes)
        grouped = np.empty(len(indexes), np.int32)
        escaped: list[tuple[int, int]] = []
        for table, begin, end in groups:
            reach = _reach(table)
            coded = self._decode(_model(table), end - begin)
            grouped[begin:end] = coded - np.int32(reach)
            escaped += [(begin + int(place), reach) for place in np.flatnonzero(coded == 2 * reach + 1)]
        for place, reach in escaped:
            grouped[place] = self._escaped(reach)
        out = np.empty_like(grouped)
        out[order] = grouped
        return out

    def get_dependent(self, tables: npt.NDArray[np.intp]) -> Symbols:
        """Decode one symbol for each of the rows `tables` (n,) of `load_dependent`: (n,) int32.

        Raises:
            DamagedError: the bytes cannot come from an encoder.
        """
        model, parameters = _dependent()
        symbols = self._decode(model, parameters[tables]) - np.int32(DEPENDENT_REACH)
        for place in np.flatnonzero(symbols > DEPENDENT_REACH):
            symbols[place] = self._escaped(DEPENDENT_REACH)
        return symbols

    def _escaped(self, reach: int) -> int:
        """A symbol beyond its table."""
        excess = self._golomb()
        magnitude = reach + 1 + excess // 2
        if magnitude > SYMBOL_MAX:
            raise DamagedError("damaged: a symbol is out of range")
        return -magnitude if excess % 2 else magnitude

    def _decode(self, model: Any, what: int | npt.NDArray[np.float64]) -> Symbols:
        """Decode so many symbols of a model, or one for each row of parameters."""
        try:
            coded: Symbols = self._coder.decode(model, what)
        except AssertionError as error:  # constriction's word for bytes that no encoder wrote
            raise DamagedError("damaged: the coded data is not decodable") from error
        return coded

    def _golomb(self) -> int:
        zeros = 0
        while not self._decode(_bit_model(), 1)[0]:
            zeros += 1
            if zeros > SYMBOL_MAX.bit_length() + 1:
                raise DamagedError("damaged: a symbol is out of range")
        value = 1
        if zeros:
            for digit in self._decode(_bit_model(), zeros):
                value = 2 * value + int(digit)
        return value - 1
