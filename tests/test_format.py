"""FORMAT.md, followed word for word in integers by code of its own, reads the golden streams."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

from lcodec.networks.hyperprior import context, correction, hyper_context, hyper_correction, hyper_synthesis
from tests.support.golden import GOLDEN
from tests.support.specified import Int64Ops, SpecifiedDecoder

EXPECTED = {
    path.parent / name: expected
    for path in sorted(GOLDEN.glob("v1*/expected.json"))
    for name, expected in json.loads(path.read_text()).items()
}
CHUNKS = json.loads((GOLDEN / "chunks" / "expected.json").read_text())
TYPES = {1: "icc", 2: "exif", 3: "xmp", 4: "alpha"}
TABLES = np.load(Path(__file__).parents[1] / "lcodec" / "entropy" / "tables.npy").astype(np.int64)
#: P[t][k] of FORMAT.md, written out again.
P = ("00110110", "11001001", "01100011", "10011100")
LIMIT = (1 << 23) - 1

Integers = npt.NDArray[np.int64]


def power(x: Integers, exponent: Integers, bits: int) -> Integers:
    shift = 15 - exponent // 1024 - bits
    product = x * TABLES[128 + exponent % 1024]
    rounded = (product + (1 << np.maximum(shift - 1, 0))) >> np.maximum(shift, 0)
    return np.where(shift > 0, rounded, product << np.maximum(-shift, 0)).clip(-LIMIT, LIMIT)


def level(table: npt.NDArray[np.int32], quality: int) -> Integers:
    anchors = len(table)
    position = quality * (anchors - 1)
    low = min(position // 10_000, anchors - 2)
    part = position - 10_000 * low
    return (table[low].astype(np.int64) * (10_000 - part) + table[low + 1].astype(np.int64) * part) // 10_000


def index_of(scale: Integers) -> list[int]:
    return ((scale + 2048) >> 12).clip(0, 127).ravel().tolist()


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] >= 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def chunks(data: bytes) -> dict[int, bytes]:
    """Content of the chunks by type; of alpha, the rows."""
    width, at = varint(data, 6)
    height, at = varint(data, at)
    size_z, at = varint(data, at + 18)
    size_y, at = varint(data, at)
    count, at = varint(data, at) if data[5] & 2 else (0, at)
    table = []
    for _ in range(count):
        kind = data[at]
        size, at = varint(data, at + 1)
        table.append((kind, size))
    at += size_z + size_y
    found = {}
    for kind, size in table:
        body = data[at : at + size]
        at += size
        found[kind] = zlib.decompress(body) if kind < 4 else rows_of(body, height, width)
    assert at == len(data) - 4
    return found


def rows_of(body: bytes, height: int, width: int) -> bytes:
    values = bytearray(zlib.decompress(body[1:]))
    assert len(values) == height * width
    if body[0] & 1:
        for place in range(len(values)):
            if place % width:
                values[place] = (values[place] + values[place - 1]) % 256
    if body[0] & 2:
        for place in range(width, len(values)):
            values[place] = (values[place] + values[place - width]) % 256
    return bytes(values)


def decode(
    data: bytes, arrays: dict[str, npt.NDArray[Any]], exact: npt.NDArray[np.uint8] | None = None
) -> tuple[Integers, bool]:
    """Latents in 1/16 of a step, and whether both checks hold; exact pixels are put into `exact` (H, W, 4)."""
    assert data[:5] == b"\x8bLCD\x01"
    side = table = 0
    width, at = varint(data, 6)
    height, at = varint(data, at)
    quality, check = struct.unpack_from("<H12xI", data, at)
    at += 18
    if data[5] & 4:
        side, at = varint(data, at)
        assert 0 < 64 * side < max(width, height)
        table, at = varint(data, at)
    size_z, at = varint(data, at)
    size_y, at = varint(data, at)
    size_exact, at = varint(data, at) if data[5] & 8 else (0, at)
    if data[5] & 2:
        count, at = varint(data, at)
        for _ in range(count):
            _, at = varint(data, at + 1)
    right = zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    rows, columns = -(-height // 16), -(-width // 16)
    if not side:
        y_at = at + size_z
        if exact is not None:
            exact[...] = exact_of(data[y_at + size_y :][:size_exact], height, width)
        if size_exact and not size_z + size_y:
            return np.zeros((rows, columns, arrays["quality.gain"].shape[1]), np.int64), right and check == 0
        v, own = decode_region(data[at:y_at], data[y_at:][:size_y], rows, columns, quality, arrays, data[5])
        return v, right and own == check

    z_at = at + table
    y_at, z_end = z_at + size_z, z_at + size_z
    exact_at, y_end = y_at + size_y, y_at + size_y
    exact_end = exact_at + size_exact
    values: list[list[Integers]] = []
    checks = []
    for top in range(0, rows, 4 * side):
        values.append([])
        for left in range(0, columns, 4 * side):
            z_size, at = varint(data, at)
            y_size, at = varint(data, at)
            exact_size, at = varint(data, at) if data[5] & 8 else (0, at)
            size = min(4 * side, rows - top), min(4 * side, columns - left)
            if exact is not None:
                window = exact[16 * top : 16 * (top + size[0]), 16 * left : 16 * (left + size[1])]
                window[...] = exact_of(data[exact_at:][:exact_size], *window.shape[:2])
            if exact_size and not z_size + y_size:
                v, own = np.zeros((*size, arrays["quality.gain"].shape[1]), np.int64), 0
            else:
                v, own = decode_region(data[z_at:][:z_size], data[y_at:][:y_size], *size, quality, arrays, data[5])
            z_at, y_at, exact_at = z_at + z_size, y_at + y_size, exact_at + exact_size
            values[-1].append(v)
            checks.append(own)
    assert (z_at, y_at, exact_at) == (z_end, y_end, exact_end)
    joint = zlib.crc32(np.array(checks, "<u4").tobytes())
    return np.concatenate([np.concatenate(row, 1) for row in values]), right and joint == check


def exact_of(webp: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """The exact pixels (height, width, 4) of a region, alpha 0 where there are none; WebP by another reader of it."""
    if not webp:
        return np.zeros((height, width, 4), np.uint8)
    assert webp[:4] + webp[8:16] == b"RIFFWEBPVP8L"
    samples = imagecodecs.webp_decode(webp, hasalpha=True)
    assert samples.shape == (height, width, 4)
    assert set(np.unique(samples[:, :, 3])) <= {0, 255}
    return samples


def decode_region(
    z_bytes: bytes,
    y_bytes: bytes,
    rows: int,
    columns: int,
    quality: int,
    arrays: dict[str, npt.NDArray[Any]],
    flags: int,
) -> tuple[Integers, int]:
    """Latents of one region in 1/16 of a step, and the CRC-32 of its symbols."""
    names = ("gain", "scale", "hyper_gain", "hyper_scale")
    gain, scale, hyper_gain, hyper_scale = (level(arrays[f"quality.{name}"], quality) for name in names)
    hyper_rows, hyper_columns = -(-rows // 4), -(-columns // 4)
    ops: Any = Int64Ops({name: value for name, value in arrays.items() if value.dtype.kind in "iu"})
    decoder = SpecifiedDecoder(z_bytes)
    if flags & 16:
        z, symbols = decode_hyper(decoder, ops, hyper_rows, hyper_columns, hyper_gain, hyper_scale)
    else:
        symbols = decoder.batch([index for index in index_of(hyper_scale) for _ in range(hyper_rows * hyper_columns)])
        z = 16 * np.array(symbols, np.int64).reshape(-1, hyper_rows, hyper_columns).transpose(1, 2, 0)
    features = hyper_synthesis(ops, power(z, -hyper_gain, 8)[None])[:, :rows, :columns]
    v = np.zeros((rows, columns, len(gain)), np.int64)
    group = len(gain) // 4
    band = max(2, 2 * (4096 // columns))
    decoder = SpecifiedDecoder(y_bytes)
    for t in range(4):
        hidden = context(ops, t, power(v, -gain, 8)[None], features) if t else None
        for top in range(0, rows, band):
            places, indexes, means = [], [], []
            for k in range(4):
                row, column = int(P[t][2 * k]), int(P[t][2 * k + 1])
                place = (slice(top + row, min(top + band, rows), 2), slice(column, None, 2))
                parameters = correction(ops, k, features[:, place[0], place[1]], base=True)
                if hidden is not None:
                    added = correction(ops, k, hidden[:, place[0], place[1]], base=False)
                    parameters = (parameters + added).clip(-LIMIT, LIMIT)
                channels = slice(k * group, (k + 1) * group)
                places.append((*place, channels))
                indexes += index_of(parameters[0, ..., :group] + scale[channels])
                means.append(power(parameters[0, ..., group:], gain[channels], -8))
            if flags & 32:
                coded, distances = decoder.dependent_batch(indexes)
            else:
                coded = decoder.batch(indexes)
                distances = [16 * symbol for symbol in coded]
            symbols += coded
            for place, mean in zip(places, means, strict=True):
                own, distances = np.array(distances[: mean.size], np.int64).reshape(mean.shape), distances[mean.size :]
                v[place] = (own + mean).clip(-LIMIT, LIMIT)
    return v, zlib.crc32(np.array(symbols, "<i2").tobytes())


def decode_hyper(
    decoder: SpecifiedDecoder, ops: Any, rows: int, columns: int, gain: Integers, scale: Integers
) -> tuple[Integers, list[int]]:
    """Hyper-latents in 1/16 of a step, by their context, and their symbols."""
    z, symbols, group = np.zeros((rows, columns, len(gain)), np.int64), [], len(gain) // 4
    for t in range(4):
        hidden = hyper_context(ops, t, power(z, -gain, 8)[None]) if t else None
        places, indexes, means = [], [], []
        for k in range(4):
            channels = slice(k * group, (k + 1) * group)
            place = (slice(int(P[t][2 * k]), None, 2), slice(int(P[t][2 * k + 1]), None, 2), channels)
            parameters = np.zeros((*z[place].shape[:2], 2 * group), np.int64)
            if hidden is not None:
                parameters = hyper_correction(ops, k, hidden[:, place[0], place[1]])[0]
            places.append(place)
            indexes += index_of(parameters[..., :group] + scale[channels])
            means.append(power(parameters[..., group:], gain[channels], -8))
        coded = decoder.batch(indexes)
        symbols += coded
        for place, mean in zip(places, means, strict=True):
            own, coded = np.array(coded[: mean.size], np.int64).reshape(mean.shape), coded[mean.size :]
            z[place] = (16 * own + mean).clip(-LIMIT, LIMIT)
    return z, symbols


@pytest.mark.parametrize("path", [path for path in EXPECTED if path.stat().st_size < 3000], ids=lambda path: path.stem)
def test_the_page_suffices(path: Path) -> None:
    expected = EXPECTED[path]
    data, exact = path.read_bytes(), None
    if "exact" in expected:
        width, at = varint(data, 6)
        exact = np.empty((varint(data, at)[0], width, 4), np.uint8)
    model = path.with_name("golden.safetensors")
    values, right = decode(data, load_file(model if model.exists() else GOLDEN / "v1" / model.name), exact)
    assert right
    assert hashlib.sha256(values.astype("<i4").tobytes()).hexdigest() == expected["symbols"]
    if exact is not None:
        page = exact[:, : expected["exact_columns"]]
        assert page[:, :, 3].all()
        samples = np.ascontiguousarray(page[:, :, 1:2] if data[5] & 1 else page[:, :, :3])
        assert hashlib.sha256(samples.tobytes()).hexdigest() == expected["exact"]


@pytest.mark.parametrize("name", CHUNKS)
def test_the_page_suffices_for_chunks(name: str) -> None:
    data = (GOLDEN / "chunks" / name).read_bytes()
    values, right = decode(data, load_file(GOLDEN / "v1" / "golden.safetensors"))
    assert right
    digests = {TYPES[kind]: hashlib.sha256(content).hexdigest() for kind, content in chunks(data).items()}
    digests["symbols"] = hashlib.sha256(values.astype("<i4").tobytes()).hexdigest()
    assert digests == CHUNKS[name]
