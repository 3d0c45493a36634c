"""Dependent quantisation: sections come back, another decoder reads them, and the search finds the cheapest symbols."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.codec import decode, encode
from lcodec.container import read_header
from lcodec.effort.rdoq import Rdoq
from lcodec.effort.trellis import cheapest_symbols
from lcodec.entropy.coder import SYMBOL_MAX
from lcodec.entropy.dependent import GRID, LANE, NEXT, SECOND, STATES, Lanes
from lcodec.entropy.section import Check, Reader, Writer
from lcodec.entropy.tables import DEPENDENT, DEPENDENT_REACH, TOTAL, load_dependent
from lcodec.errors import DamagedError
from lcodec.picture import Picture
from tests.support.golden import GOLDEN, zoo_of
from tests.support.pictures import picture
from tests.support.specified import SpecifiedDecoder

ZOO = zoo_of(GOLDEN / "v1-dependent")
MODEL = ZOO.load("golden")

symbol = st.integers(-3, 3) | st.integers(-90, 90) | st.integers(-SYMBOL_MAX, SYMBOL_MAX)
batches = st.lists(st.tuples(st.integers(0, 127), symbol), max_size=60)


def arrays(batch: list[tuple[int, int]]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    pairs = np.array(batch, np.int64).reshape(-1, 2)
    return pairs[:, 0].astype(np.uint8), pairs[:, 1].astype(np.int32)


def many(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Symbols in several lanes, of which the last is not full."""
    rng = np.random.default_rng(seed)
    return rng.integers(25, 100, count).astype(np.uint8), np.rint(rng.normal(0, 3, count)).astype(np.int32)


@given(st.lists(batches, max_size=3))
def test_round_trip(several: list[list[tuple[int, int]]]) -> None:
    checks = Check(), Check()
    writer = Writer(checks[0], dependent=True)
    written = [writer(*arrays(batch)) for batch in several]
    reader = Reader(writer.finish(), checks[1], dependent=True)
    for batch, distances in zip(several, written, strict=True):
        np.testing.assert_array_equal(reader(arrays(batch)[0]), distances)
    assert checks[0].crc == checks[1].crc


@settings(max_examples=30)
@given(
    batches
    | st.integers(1000, 1500).map(lambda count: list(zip(*(a.tolist() for a in many(count, count)), strict=True)))
)
def test_another_decoder_reads_what_is_written(batch: list[tuple[int, int]]) -> None:
    indexes, symbols = arrays(batch)
    check = Check()
    writer = Writer(check, dependent=True)
    distances = writer(indexes, symbols)
    coded, found = SpecifiedDecoder(writer.finish()).dependent_batch(indexes.tolist())
    assert found == distances.tolist()
    again = Check()
    again.add(np.array(coded, np.int32))
    assert again.crc == check.crc


@settings(max_examples=100)
@given(st.binary(max_size=80), st.lists(st.integers(0, 127), max_size=100))
def test_foreign_bytes_raise_or_decode(data: bytes, indexes: list[int]) -> None:
    try:
        found = Reader(data, Check(), dependent=True)(np.array(indexes, np.uint8))
    except DamagedError:
        return
    assert (np.abs(found) <= 2 * GRID * SYMBOL_MAX).all()


def test_every_state_is_reached_from_two_that_use_one_quantiser() -> None:
    for state in range(STATES):
        starts = np.argwhere(state == NEXT)[:, 0]
        assert len(set(starts)) == 2
        assert len(set(SECOND[starts])) == 1


@pytest.mark.parametrize("row", range(2 * len(DEPENDENT)))
def test_each_table_is_a_distribution(row: int) -> None:
    frequencies = load_dependent()[row].astype(np.int64)
    assert len(frequencies) == 2 * DEPENDENT_REACH + 2
    assert (frequencies.sum(), frequencies.min() >= 1) == (TOTAL, True)
    np.testing.assert_array_equal(frequencies[:DEPENDENT_REACH], frequencies[DEPENDENT_REACH + 1 : -1][::-1])


def cost(
    wanted: npt.NDArray[np.float32], weight: float, indexes: npt.NDArray[np.uint8], symbols: npt.NDArray[np.int32]
) -> float:
    """Bits and weighted squared errors of the symbols of a batch, all dependent."""
    bits = 0.0

    def code(tables: npt.NDArray[np.intp], at: slice) -> npt.NDArray[np.int32]:
        nonlocal bits
        bits -= float(np.log2(load_dependent()[tables, symbols[at] + DEPENDENT_REACH] / TOTAL).sum())
        return symbols[at]

    decoded = Lanes(indexes).walk(code) / 16
    return bits + weight * float(np.square(wanted - decoded).sum())


@pytest.mark.parametrize("weight", [0.5, 8, 100])
def test_no_other_symbols_are_cheaper(weight: float) -> None:
    rng = np.random.default_rng(3)
    indexes = np.array([32, 60, 45, 38, 52], np.uint8)
    for _ in range(4):
        wanted = rng.normal(0, 1.5, 5).astype(np.float32)
        found = cheapest_symbols(wanted, np.full(5, weight, np.float32), indexes)
        nearest = np.rint(wanted / (2 * GRID / 16)).astype(int)
        around = [range(middle - 2, middle + 3) for middle in nearest]
        least = min(cost(wanted, weight, indexes, np.array(symbols, np.int32)) for symbols in product(*around))
        assert cost(wanted, weight, indexes, found) == pytest.approx(least, rel=1e-4)


def test_lanes_are_searched_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 2 * LANE + 100
    indexes, _ = many(count, 1)
    indexes = indexes.clip(DEPENDENT.start, DEPENDENT.stop - 1)
    wanted = np.random.default_rng(2).normal(0, 2, count).astype(np.float32)
    weights = np.full(count, 5, np.float32)
    parts = [slice(begin, begin + LANE) for begin in range(0, count, LANE)]
    alone = np.concatenate([cheapest_symbols(wanted[at], weights[at], indexes[at]) for at in parts])
    np.testing.assert_array_equal(cheapest_symbols(wanted, weights, indexes), alone)
    monkeypatch.setattr("lcodec.effort.trellis.AT_ONCE", 1)
    np.testing.assert_array_equal(cheapest_symbols(wanted, weights, indexes), alone)
    assert len(cheapest_symbols(wanted[:0], weights[:0], indexes[:0])) == 0


def test_it_is_nearer_at_fewer_bits() -> None:
    """Of Gaussian latents, an eighth of a bit fewer for each, or a tenth of the squares less."""
    rng = np.random.default_rng(4)
    indexes = np.full(4 * LANE, 60, np.uint8)  # of a standard deviation of 2.3
    wanted = rng.normal(0, 0.11 * 2 ** (0.073 * 60), len(indexes)).astype(np.float32)
    where = [(slice(None), slice(None), slice(None))]
    results = []
    for dependent in (False, True):
        latents, weights = wanted[None, :, None], np.full(1, 20, np.float32)
        symbols = Rdoq(latents, weights, dependent=dependent)(indexes, np.zeros(len(indexes)), where)
        writer = Writer(Check(), dependent=dependent)
        decoded = writer(indexes, symbols) / 16
        results.append((8 * len(writer.finish()) / len(indexes), float(np.square(wanted - decoded).mean())))
    (plain_bits, plain_error), (bits, error) = results
    # A bit for each latent is worth a quarter of the squares.
    assert bits - plain_bits + np.log2(error / plain_error) / 2 < -0.12


def test_files_say_so() -> None:
    original: Any = Picture(picture(70, 90))
    plain, chosen = (encode(original, MODEL, 80, effort=effort) for effort in (0, 1))
    assert not read_header(plain).dependent
    assert read_header(chosen).dependent
    errors = [np.square(decode(data, ZOO).pixels.astype(int) - original.pixels).mean() for data in (plain, chosen)]
    assert errors[1] < 1.3 * errors[0]  # a random model is no finer for it, and its steps are coarser
