"""Container: round trips, and the refusal of everything that `pack` did not write."""

from __future__ import annotations

import dataclasses
import io
import zlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.container import MAGIC, REGION_UNIT, SIDE_MAX, Header, Part, pack, read_header, read_metadata, unpack
from lcodec.defaults import HEADER_MAX
from lcodec.errors import DamagedError

headers = st.builds(
    Header,
    width=st.integers(1, SIDE_MAX),
    height=st.integers(1, SIDE_MAX),
    grey=st.booleans(),
    quality_step=st.integers(0, 10_000),
    entropy_id=st.binary(min_size=8, max_size=8),
    synthesis_id=st.binary(min_size=4, max_size=4),
    check=st.integers(0, 2**32 - 1),
    sections=st.just({}),
    hyper_context=st.booleans(),
    dependent=st.booleans(),
)
bodies = st.binary(max_size=300)
EXAMPLE = pack(
    Header(768, 512, False, 5000, b"entropy!", b"synt", 7, {}),
    [Part(b"hyper" * 8, b"latents" * 3000)],
    {"icc": b"profile" * 20},
)


def sealed(body: bytes) -> bytes:
    """A body with its checksum made right."""
    return body + zlib.crc32(body).to_bytes(4, "little")


@given(headers, bodies, bodies, bodies, st.none() | bodies)
def test_round_trip(header: Header, hyper: bytes, latents: bytes, exact: bytes, icc: bytes | None) -> None:
    chunks = {} if icc is None else {"icc": icc}
    data = pack(header, [Part(hyper, latents, exact)], chunks)
    container = unpack(data)
    assert (container.parts, container.chunks) == ([Part(hyper, latents, exact)], chunks)
    assert ("exact" in container.header.sections) == bool(exact) == bool(data[5] & 8)
    fields = (
        "width",
        "height",
        "grey",
        "quality_step",
        "entropy_id",
        "synthesis_id",
        "check",
        "hyper_context",
        "dependent",
    )
    assert all(getattr(container.header, name) == getattr(header, name) for name in fields)
    assert container.header.total == len(data)
    assert container.header.overhead == len(data) - sum(container.header.sections.values())
    assert read_header(data[:HEADER_MAX]) == container.header


@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 4), st.binary(max_size=60), st.randoms())
def test_regions_round_trip(width: int, height: int, units: int, body: bytes, random: Random) -> None:
    side = units * REGION_UNIT
    if side >= max(width, height):
        return
    header = Header(width, height, False, 0, b"entropy!", b"synt", 7, {}, region=side)
    rows, columns = header.regions
    most = random.choice((1, 60))  # of exact parts: mostly, there are none
    parts = [
        Part(body[: random.randrange(60)], body[random.randrange(60) :], body[: random.randrange(most)])
        for _ in range(rows * columns)
    ]
    data = pack(header, parts, {"icc": body})
    container = unpack(data)
    assert container.parts == parts
    assert container.header.regions == (rows, columns)
    assert container.header.total == len(data)
    assert read_header(data[:HEADER_MAX]) == container.header


def test_regions_are_checked() -> None:
    header = Header(200, 100, False, 0, b"entropy!", b"synt", 7, {}, region=64)
    parts = [Part(b"hype", b"latents!")] * 8
    assert unpack(pack(header, parts, {})).parts == parts
    for wrong in (parts[:-1], [*parts, parts[0]]):
        with pytest.raises(DamagedError, match="regions"):
            unpack(pack(header, wrong, {}))
    for side in (256, 1 << 20):  # one region is no cut
        with pytest.raises(DamagedError, match="range"):
            unpack(pack(dataclasses.replace(header, region=side), parts, {}))
    body = pack(header, parts, {})[:-4]
    start = read_header(body).size
    with pytest.raises(DamagedError, match="add up"):
        unpack(sealed(body[:start] + bytes((body[start] - 1,)) + body[start + 1 :]))


def test_a_declared_number_of_regions_costs_nothing() -> None:
    header = Header(SIDE_MAX, SIDE_MAX, False, 0, b"entropy!", b"synt", 7, {}, region=64)
    with pytest.raises(DamagedError, match="regions"):
        unpack(pack(header, [Part(b"", b"")] * 10, {}))


def test_overhead_of_a_photo_is_small() -> None:
    data = pack(Header(768, 512, False, 5000, b"entropy!", b"synt", 7, {}), [Part(bytes(800), bytes(40_000))], {})
    assert read_header(data).overhead <= 40


def test_every_bit_flip_is_found() -> None:
    for bit in range(8 * 200):  # the header, the side information and the beginning of the latents
        damaged = bytearray(EXAMPLE)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError):
            unpack(bytes(damaged))


def test_every_truncation_is_found() -> None:
    for size in [*range(200), *range(200, len(EXAMPLE), 501), len(EXAMPLE) - 1]:
        with pytest.raises(DamagedError, match=r"truncated|not an lcodec file"):
            unpack(EXAMPLE[:size])


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(DamagedError, match="too many"):
        unpack(EXAMPLE + b"\0")


@settings(max_examples=500)
@given(st.binary(max_size=120))
def test_any_header_is_read_or_refused(tail: bytes) -> None:
    data = sealed(MAGIC + b"\1" + tail)
    try:
        container = unpack(data)
    except DamagedError:
        return
    assert container.header.total == len(data)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [(0, 0, "not an lcodec"), (4, 2, "later"), (5, 64, "flags"), (11, 0xFF, "range")],
)
def test_fields_are_checked_behind_a_right_checksum(at: int, value: int, message: str) -> None:
    body = bytearray(EXAMPLE[:-4])
    body[at] = value
    with pytest.raises(DamagedError, match=message):
        unpack(sealed(bytes(body)))


def test_a_chunk_cannot_bomb() -> None:
    header = Header(1, 1, False, 0, b"entropy!", b"synt", 0, {})
    with pytest.raises(DamagedError, match="too large"):
        unpack(pack(header, [Part(b"", b"")], {"icc": bytes((1 << 24) + 1)}))


def test_a_declared_chunk_costs_nothing() -> None:
    """Metadata are read alone, from files whose checksum nobody has verified."""
    asked = []

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size)
            return super().read(size)

    container = unpack(EXAMPLE)
    assert read_metadata(container.header, File(b"before" + EXAMPLE), 6) == container.chunks
    promised = dataclasses.replace(container.header, sections=container.header.sections | {"icc": (1 << 35) - 1})
    with pytest.raises(DamagedError, match="truncated: a chunk is incomplete"):
        read_metadata(promised, File(EXAMPLE))
    assert asked == [container.header.sections["icc"]]


def test_a_declared_size_costs_nothing() -> None:
    head = EXAMPLE[:6] + b"\x01\x01" + EXAMPLE[10:28]
    with pytest.raises(DamagedError):
        unpack(sealed(head + b"\xff\xff\xff\xff\x0f" * 2))
