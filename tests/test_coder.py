"""Range coder and tables: round trips, an independent decoder, and the tables made again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.entropy.coder import SYMBOL_MAX, SymbolDecoder, SymbolEncoder
from lcodec.entropy.make_tables import make_tables
from lcodec.entropy.tables import SCALES, TOTAL, load_tables
from lcodec.errors import DamagedError
from tests.support.specified import SpecifiedDecoder


def code(indexes: list[int], symbols: list[int]) -> bytes:
    encoder = SymbolEncoder()
    encoder.put(np.array(indexes, np.uint8), np.array(symbols, np.int32))
    return encoder.finish()


symbol = st.integers(-3, 3) | st.integers(-300, 300) | st.integers(-SYMBOL_MAX, SYMBOL_MAX)
batches = st.lists(st.tuples(st.integers(0, SCALES - 1), symbol), max_size=60)


@given(batches)
def test_specified_decoder_reads_what_the_encoder_wrote(batch: list[tuple[int, int]]) -> None:
    indexes, symbols = [index for index, _ in batch], [value for _, value in batch]
    assert SpecifiedDecoder(code(indexes, symbols)).batch(indexes) == symbols


@given(st.lists(batches, max_size=4))
def test_round_trip_of_several_batches(several: list[list[tuple[int, int]]]) -> None:
    encoder = SymbolEncoder()
    arrays = [np.array(batch, np.int64).reshape(-1, 2) for batch in several]
    for batch in arrays:
        encoder.put(batch[:, 0].astype(np.uint8), batch[:, 1].astype(np.int32))
    decoder = SymbolDecoder(encoder.finish())
    for batch in arrays:
        np.testing.assert_array_equal(decoder.get(batch[:, 0].astype(np.uint8)), batch[:, 1])


def test_cost_is_the_entropy() -> None:
    rng = np.random.default_rng(1)
    bits = 0.0
    indexes: list[int] = []
    symbols: list[int] = []
    for index in range(0, SCALES, 9):
        frequencies = load_tables().frequencies[index].astype(np.float64)
        reach = len(frequencies) // 2 - 1
        drawn = rng.choice(2 * reach + 1, size=3000, p=frequencies[:-1] / frequencies[:-1].sum())
        bits -= np.log2(frequencies[drawn] / TOTAL).sum()
        indexes += [index] * 3000
        symbols += (drawn - reach).tolist()
    assert 0 <= 8 * len(code(indexes, symbols)) - bits < 64


@settings(max_examples=300)
@given(st.binary(max_size=80), st.lists(st.integers(0, SCALES - 1), max_size=200))
def test_foreign_bytes_raise_or_decode(data: bytes, indexes: list[int]) -> None:
    try:
        got: npt.NDArray[np.int32] = SymbolDecoder(data).get(np.array(indexes, np.uint8))
    except DamagedError:
        return
    assert len(got) == len(indexes)
    assert (np.abs(got) <= SYMBOL_MAX).all()


def test_tables_are_made_again_the_same() -> None:
    made = make_tables()
    tables = load_tables()
    assert made[SCALES : SCALES + 1024].tolist() == tables.exp2.tolist()
    np.testing.assert_array_equal(made[SCALES + 1024 :], np.concatenate(tables.frequencies))


@pytest.mark.parametrize("index", range(SCALES))
def test_each_table_is_a_distribution(index: int) -> None:
    frequencies = load_tables().frequencies[index].astype(np.int64)
    assert frequencies.sum() == TOTAL
    assert frequencies.min() >= 1
    # Symmetric up to the rounding of the largest remainders.
    assert np.abs(frequencies[:-1] - frequencies[:-1][::-1]).max() <= 1
