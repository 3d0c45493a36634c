"""Golden streams decode for ever; damaged ones never give a picture."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import zlib

import numpy as np
import pytest

from lcodec.codec import decode
from lcodec.container import Part, pack, unpack
from lcodec.errors import DamagedError, ModelError
from tests.support.golden import GOLDEN, ZOO, symbols, zoo_of

FOLDER = GOLDEN / "v1"
#: Name of a stream, with its folder -> what it must decode to.
EXPECTED = {
    f"{path.parent.name}/{name}": expected
    for path in sorted(GOLDEN.glob("v1*/expected.json"))
    for name, expected in json.loads(path.read_text()).items()
}


def test_there_are_enough() -> None:
    assert len(EXPECTED) >= 20
    assert sorted(EXPECTED) == sorted(f"{path.parent.name}/{path.name}" for path in GOLDEN.glob("v1*/*.lcdc"))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("name", EXPECTED)
def test_decodes_as_ever(name: str, backend: str) -> None:
    zoo = zoo_of((GOLDEN / name).parent)
    data = (GOLDEN / name).read_bytes()
    container = unpack(data)
    header = container.header
    assert symbols(container, zoo.load("golden").entropy) == EXPECTED[name]["symbols"]
    picture = decode(data, zoo, device="cpu", backend=backend)  # type: ignore[arg-type]
    assert picture.pixels.shape == (header.height, header.width, 1 if header.grey else 3)
    corner = picture.pixels[:2, :2].ravel().astype(int)
    assert np.abs(corner - np.array(EXPECTED[name]["corner"])).max() <= 1
    assert abs(picture.pixels.mean() - EXPECTED[name]["mean"]) < 0.1
    if "exact" in EXPECTED[name]:
        exact = picture.pixels[:, : EXPECTED[name]["exact_columns"]].tobytes()
        assert hashlib.sha256(exact).hexdigest() == EXPECTED[name]["exact"]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_bit_flip_and_truncation_is_refused(name: str) -> None:
    zoo = zoo_of((GOLDEN / name).parent)
    data = (GOLDEN / name).read_bytes()
    # All of them where the file is small; a dense sample, every position's turn coming by its bit, where it is large.
    bits = range(8 * len(data)) if len(data) < 1000 else range(0, 8 * len(data), 8 * len(data) // 8000 | 1)
    for bit in bits:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedError, ModelError)):
            decode(bytes(damaged), zoo)
    for size in range(0, len(data), max(1, len(data) // 1000)):
        with pytest.raises(DamagedError):
            decode(data[:size], zoo)


def test_symbols_are_checked_behind_a_right_checksum() -> None:
    data = (FOLDER / "22-255x257-rgb-q95.lcdc").read_bytes()
    for at in range(300, 12_000, 1000):
        body = bytearray(data[:-4])
        body[at] ^= 0x10
        with pytest.raises(DamagedError):
            decode(bytes(body) + zlib.crc32(body).to_bytes(4, "little"), ZOO)


def test_a_declared_size_that_the_bytes_cannot_hold_costs_nothing() -> None:
    container = unpack((FOLDER / "22-255x257-rgb-q95.lcdc").read_bytes())
    header = dataclasses.replace(container.header, width=1 << 14, height=1 << 14)
    data = pack(header, container.parts, {})
    begun = time.process_time()
    with pytest.raises(DamagedError, match="cannot be"):
        decode(data, ZOO)
    assert time.process_time() - begun < 0.5


def test_a_declared_size_of_regions_that_the_bytes_cannot_hold_costs_nothing() -> None:
    header = unpack((FOLDER / "22-255x257-rgb-q95.lcdc").read_bytes()).header
    header = dataclasses.replace(header, width=1 << 14, height=1 << 14, region=512)
    data = pack(header, [Part(bytes(8), bytes(8))] * 1024, {})
    begun = time.process_time()
    with pytest.raises(DamagedError, match="cannot be"):
        decode(data, ZOO)
    assert time.process_time() - begun < 0.5
