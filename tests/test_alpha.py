"""Transparency: without loss, at any size; hostile chunks are refused; hidden colours are cheap and never seen."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lcodec
from lcodec.codec import decode, encode
from lcodec.container import pack, read_header, unpack
from lcodec.errors import DamagedError, PictureError
from lcodec.picture import METADATA, Picture
from lcodec.picture.alpha import fill_hidden, pack_alpha, unpack_alpha
from lcodec.zoo import Zoo
from tests.support.golden import GOLDEN
from tests.support.pictures import picture

ZOO = Zoo([GOLDEN / "v1"])
MODEL = ZOO.load("golden")
EXPECTED = json.loads((GOLDEN / "chunks" / "expected.json").read_text())

alphas = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@given(alphas)
def test_round_trip(alpha: np.ndarray) -> None:
    assert (unpack_alpha(pack_alpha(alpha), *alpha.shape) == alpha).all()


@settings(max_examples=25)
@given(alphas, st.sampled_from([1, 3]), st.none() | st.binary(min_size=1), st.none() | st.binary(min_size=1))
def test_round_trip_through_the_codec(alpha: np.ndarray, channels: int, exif: bytes | None, xmp: bytes | None) -> None:
    original = Picture(picture(*alpha.shape, channels), exif=exif, xmp=xmp, alpha=alpha)
    decoded = decode(encode(original, MODEL, 50), ZOO)
    assert (decoded.exif, decoded.xmp, decoded.icc) == (exif, xmp, None)
    if alpha.min() == 255:
        assert decoded.alpha is None
    else:
        assert decoded.alpha is not None
        assert (decoded.alpha == alpha).all()


def test_an_opaque_alpha_costs_nothing() -> None:
    pixels = picture(40, 30)
    opaque = Picture(pixels, alpha=np.full((40, 30), 255, np.uint8))
    assert encode(opaque, MODEL, 50) == encode(Picture(pixels), MODEL, 50)


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_streams(name: str) -> None:
    data = (GOLDEN / "chunks" / name).read_bytes()
    decoded = decode(data, ZOO)
    found = {key: content for key in METADATA if (content := getattr(decoded, key))}
    if decoded.alpha is not None:
        assert decoded.alpha.shape == decoded.pixels.shape[:2]
        found["alpha"] = decoded.alpha.tobytes()
    digests = {key: hashlib.sha256(content).hexdigest() for key, content in found.items()}
    assert digests == {key: value for key, value in EXPECTED[name].items() if key != "symbols"}
    for bit in range(0, 8 * len(data), 1 + len(data) // 150):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError):
            unpack(bytes(damaged))


# ------------------------------------------------------------------------------------------------------------- damage


@given(st.binary(max_size=60), st.integers(1, 9), st.integers(1, 9))
def test_any_bytes_are_read_or_refused(body: bytes, height: int, width: int) -> None:
    for candidate in (body, body[:1] + zlib.compress(body[1:])):
        try:
            alpha = unpack_alpha(candidate, height, width)
        except DamagedError:
            continue
        assert alpha.shape == (height, width)


@pytest.mark.parametrize("count", [0, 1, 19, 21, 4096])
def test_another_size_is_damage(count: int) -> None:
    with pytest.raises(DamagedError, match="size"):
        unpack_alpha(b"\0" + zlib.compress(bytes(count)), 4, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\4" + zlib.compress(bytes(20)),
        b"\0" + zlib.compress(bytes(20))[:-1],
        b"\0" + zlib.compress(bytes(20)) + b"x",
    ],
)
def test_chunks_that_are_none(body: bytes) -> None:
    with pytest.raises(DamagedError):
        unpack_alpha(body, 4, 5)


def test_a_bomb_does_not_go_off() -> None:
    body = b"\3" + zlib.compress(bytes(1 << 26), 9)
    assert len(body) < 70_000
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="size"):
            unpack_alpha(body, 100, 100)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_wrong_alpha_behind_right_checksums() -> None:
    container = unpack(encode(Picture(picture(8, 9)), MODEL, 50))
    for alpha in (np.zeros((8, 8), np.uint8), np.zeros((9, 9), np.uint8)):
        data = pack(container.header, container.parts, {"alpha": pack_alpha(alpha)})
        with pytest.raises(DamagedError, match="alpha"):
            decode(data, ZOO)


def test_metadata_of_more_than_16_mib_are_refused_before_they_are_written() -> None:
    for name in METADATA:
        with pytest.raises(PictureError, match=name):
            Picture(picture(2, 2), **{name: bytes((1 << 24) + 1)})


@pytest.mark.parametrize("alpha", [np.zeros((2, 3), np.uint8), np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), float)])
def test_alpha_fits_its_picture(alpha: np.ndarray) -> None:
    with pytest.raises(PictureError, match="alpha"):
        Picture(picture(2, 2), alpha=alpha)


# ------------------------------------------------------------------------------------------------------ hidden colours


@settings(max_examples=60)
@given(alphas, st.sampled_from([1, 3]))
def test_visible_pixels_are_not_touched(alpha: np.ndarray, channels: int) -> None:
    alpha = np.where(alpha < 128, 0, alpha)
    pixels = picture(*alpha.shape, channels)
    filled = fill_hidden(pixels, alpha)
    assert filled.shape == pixels.shape
    assert filled.dtype == np.uint8
    assert (filled[alpha != 0] == pixels[alpha != 0]).all()
    if alpha.any():
        visible = pixels[alpha != 0]
        assert (filled >= visible.min(axis=0)).all()
        assert (filled <= visible.max(axis=0)).all()


def test_without_hidden_pixels_nothing_changes() -> None:
    pixels = picture(5, 5)
    assert fill_hidden(pixels, None) is pixels
    assert fill_hidden(pixels, np.ones((5, 5), np.uint8)) is pixels
    assert (fill_hidden(pixels, np.zeros((5, 5), np.uint8)) == 128).all()


def test_hidden_noise_costs_little() -> None:
    rows, columns = np.mgrid[:128, :192]
    alpha = np.where(np.hypot(rows - 64, columns - 96) < 50, 255, 0).astype(np.uint8)
    clean = picture(128, 192)
    noisy = np.where(alpha[:, :, None] == 0, np.random.default_rng(0).integers(0, 256, clean.shape), clean)
    model = Zoo().load("mse")
    sizes = [
        read_header(encode(Picture(pixels.astype(np.uint8), alpha=shown), model, 50)).sections["latents"]
        for pixels, shown in ((noisy, None), (clean, None), (noisy, alpha))
    ]
    assert sizes[2] < sizes[1] < sizes[0]


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (200, 30, 90)])
def test_the_visible_result_is_right_on_any_background(background: tuple[int, int, int]) -> None:
    """Composited, a decoded cut-out with garbage under it errs no more than the same picture coded opaquely."""
    rows, columns = np.mgrid[:128, :128]
    alpha = (255 * np.clip(5 - np.hypot(rows - 64, columns - 64) / 10, 0, 1)).astype(np.uint8)
    clean = picture(128, 128)
    noisy = np.where(alpha[:, :, None] == 0, np.random.default_rng(0).integers(0, 256, clean.shape), clean)
    zoo = Zoo()
    model = zoo.load("mse")
    decoded = decode(encode(Picture(noisy.astype(np.uint8), alpha=alpha), model, 90), zoo)
    plain = decode(encode(Picture(clean), model, 90), zoo)
    wanted = Picture(clean, alpha=alpha).flattened(background).pixels.astype(int)
    error = np.abs(decoded.flattened(background).pixels - wanted)
    plain_error = np.abs(Picture(plain.pixels, alpha=alpha).flattened(background).pixels - wanted)
    assert error[alpha == 0].max() == 0
    assert error.mean() < 1.1 * plain_error.mean()


def test_a_wrong_background_is_an_error_be_it_needed_or_not() -> None:
    for alpha in ("keep", "drop", "flatten"):
        with pytest.raises(lcodec.UsageError, match="'x'"):
            lcodec.encode(picture(8, 8), alpha=alpha, background="x")
