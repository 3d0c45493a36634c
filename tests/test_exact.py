"""Exact parts: drawn pixels come back as they were, photos are left alone, and no bytes do harm."""

from __future__ import annotations

import dataclasses
import io
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from lcodec.codec import decode, encode
from lcodec.container import Container, Part, pack, read_header, unpack
from lcodec.errors import DamagedError, LcodecError
from lcodec.exact import FILL_BYTES, drawn_pixels, exact_share, look, stream, unpack_exact
from lcodec.exact.stream import pack_exact
from lcodec.execution import regions
from lcodec.execution.memory import workers_to_encode
from lcodec.execution.regions import Layout
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.golden import MODEL, ZOO
from tests.support.pictures import page, picture

Samples = npt.NDArray[np.uint8]
PHOTO = np.asarray(Image.open(Path(__file__).parent / "data" / "photo.jpg").convert("RGB"))
SHIPPED = Zoo()
PAGE = page(96, 128)


def sections(data: bytes) -> dict[str, int]:
    return read_header(data).sections


# --------------------------------------------------------------------------------------------------------------- look


@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[:, :, :1], PHOTO[:90, :90], picture(200, 300), picture(90, 70, 1)])
def test_nothing_of_a_photo_is_drawn(pixels: Samples) -> None:
    assert drawn_pixels(np.ascontiguousarray(pixels)) is None


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3]), st.integers(0, 99))
def test_all_of_a_page_is_drawn(height: int, width: int, channels: int, seed: int) -> None:
    pixels = page(height, width, channels, seed)
    drawn = drawn_pixels(pixels)
    if min(height, width) >= 24:
        assert drawn is not None
    if drawn is not None:
        assert drawn.shape == (height, width)
        assert drawn.mean() > 0.9


@settings(max_examples=40)
@given(st.integers(1, 150), st.integers(1, 90), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(0, 99))
def test_the_look_goes_by_whole_blocks_and_not_by_strips(
    height: int, width: int, channels: int, strip: int, seed: int
) -> None:
    pixels = page(height, width, channels, seed, photo=0.3)
    with pytest.MonkeyPatch.context() as patch:
        whole = drawn_pixels(pixels)
        patch.setattr(look, "_BLOCKS_AT_A_TIME", strip)
        cut = drawn_pixels(pixels)
    assert (whole is None) == (cut is None)
    if whole is not None:
        assert (whole == cut).all()
        corners = whole[:: look.BLOCK, :: look.BLOCK]
        blocks = corners.repeat(look.BLOCK, axis=0).repeat(look.BLOCK, axis=1)[:height, :width]
        assert (blocks == whole).all()


def test_a_photo_on_a_page_is_none_of_it() -> None:
    pixels = page(160, 240)
    pixels[40:120, 80:200] = PHOTO[200:280, 300:420]
    drawn = drawn_pixels(pixels)
    assert drawn is not None
    assert drawn[:, :72].all()
    assert drawn[48:112, 88:192].mean() < 0.05


def test_a_hole_of_two_blocks_is_closed() -> None:
    pixels = page(128, 128)
    pixels[64:80, 64:80] = picture(16, 16)
    drawn = drawn_pixels(pixels)
    assert drawn is not None
    assert drawn.all()


@pytest.mark.parametrize("channels", [1, 3])
def test_dither_is_drawn_be_it_of_each_channel_by_itself(channels: int) -> None:
    shades = np.ascontiguousarray(PHOTO[100:196, 200:328, :channels])
    noise = np.random.default_rng(0).integers(0, 51, shades.shape)
    drawn = drawn_pixels(((shades + noise) // 51 * 51).clip(0, 255).astype(np.uint8))
    assert drawn is not None
    assert drawn.mean() > 0.9


def test_one_colour_is_drawn_and_what_nobody_sees_is_not() -> None:
    assert drawn_pixels(np.full((30, 40, 3), 7, np.uint8)).all()  # type: ignore[union-attr]
    hidden = np.ones((64, 64), np.bool_)
    hidden[:16, :16] = False
    drawn = drawn_pixels(picture(64, 64), hidden)
    assert drawn is None


# ------------------------------------------------------------------------------------------------------------- stream


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.floats(0, 1), st.booleans(), st.integers(0, 99)
)
def test_round_trip(height: int, width: int, channels: int, share: float, slowly: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels, exact = picture(height, width, channels, seed), rng.random((height, width)) < share
    body = pack_exact(pixels, exact, slowly=slowly)
    assert bool(body) == exact.any()
    under = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
    result = under.copy()
    unpack_exact(body, result)
    assert (result == np.where(exact[:, :, None], pixels, under)).all()
    if body and not exact.all():
        with pytest.raises(DamagedError, match="whole pixels"):
            unpack_exact(body, result, whole=True)


def webp(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    return file.getvalue()


EXACT = pack_exact(PAGE, np.ones(PAGE.shape[:2], np.bool_))
SMALL = Image.fromarray(PAGE)
HALF = Image.fromarray(np.dstack([PAGE, np.full(PAGE.shape[:2], 128, np.uint8)]))
GREEN = bytes(EXACT[:21]) + (((1 << 14) - 1) << 14 | (1 << 14) - 1).to_bytes(4, "little") + EXACT[25:]
HOSTILE = {
    "no WebP": b"RIFF" + bytes(40),
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "lossy": webp(SMALL),
    "lossy with alpha": webp(HALF, quality=50),
    "animated": webp(SMALL, lossless=True, save_all=True, append_images=[HALF]),
    "with metadata": webp(SMALL, lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "of another size": pack_exact(PAGE[:, 1:], np.ones((96, 127), np.bool_)),
    "turned": pack_exact(PAGE.swapaxes(0, 1), np.ones((128, 96), np.bool_)),
    "truncated": EXACT[:-20],
    "of the length of a truncated one": EXACT[:4] + (len(EXACT) - 28).to_bytes(4, "little") + EXACT[8:-20],
    "followed by more": EXACT + b"\0\0",
    "half transparent": webp(HALF, lossless=True),
    "of the largest size": GREEN,
    "of one byte": b"R",
    "zeros behind a good head": EXACT[:25] + bytes(len(EXACT) - 25),
}


def carrying(body: bytes, grey: bool = False) -> bytes:
    """A file with these exact parts and right checks."""
    container = unpack(encode(Picture(PAGE), MODEL, 50))
    assert container.parts[0].bare
    return pack(dataclasses.replace(container.header, grey=grey), [Part(b"", b"", body)], {})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_parts_are_damage(name: str) -> None:
    data = carrying(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="exact parts") as error:
            decode(data, ZOO)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)


@given(st.data())
def test_any_change_of_the_bytes_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(EXACT)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    pixels = np.zeros_like(PAGE)
    try:
        unpack_exact(bytes(body), pixels)
    except DamagedError:
        assert not pixels.any()


def test_a_declared_size_costs_nothing() -> None:
    container = unpack(encode(Picture(PAGE), MODEL, 50))
    header = dataclasses.replace(container.header, width=1 << 13, height=1 << 13)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError, match="exact parts are of another size"):
            decode(pack(header, container.parts, {}), ZOO)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_region_without_symbols_must_be_exact() -> None:
    with pytest.raises(DamagedError, match="whole pixels"):
        decode(carrying(pack_exact(PAGE, np.arange(96)[:, None] + np.arange(128) > 3)), ZOO)
    container = unpack(encode(Picture(PAGE), MODEL, 50))
    for part in (Part(b"", b"\0\0\0\0", EXACT), Part(b"", b"")):
        with pytest.raises(DamagedError):
            decode(pack(container.header, [part], {}), ZOO)
    with pytest.raises(DamagedError, match="symbols"):
        decode(pack(dataclasses.replace(container.header, check=1), container.parts, {}), ZOO)


def test_a_pillow_without_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Picture(PAGE), MODEL, 50)
    known = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "webp" and known(name))
    with pytest.raises(LcodecError, match="WebP, which this Pillow was built without"):
        decode(data, ZOO)
    assert "exact" not in sections(encode(Picture(PAGE), MODEL, 50))


# ------------------------------------------------------------------------------------------------------------- choice


@settings(max_examples=20)
@given(st.integers(24, 90), st.integers(24, 90), st.sampled_from([1, 3]), st.floats(0, 100), st.integers(0, 99))
def test_a_page_comes_back_as_it_was(height: int, width: int, channels: int, quality: float, seed: int) -> None:
    pixels = page(height, width, channels, seed)
    data = encode(Picture(pixels), MODEL, quality)
    assert sections(data)["hyper"] == sections(data)["latents"] == 0
    assert len(data) < 45 + len(pack_exact(pixels, np.ones((height, width), np.bool_)))
    assert exact_share(unpack(data)) == 1
    for backend in ("numpy", "torch"):
        assert (decode(data, ZOO, device="cpu", backend=backend).pixels == pixels).all()  # type: ignore[arg-type]


def test_quality_decides() -> None:
    """A drawing of many colours: lossy where few bits are wanted, exact where little loss is."""
    pixels = page(160, 256)
    shade = np.linspace(0, 60, 256).astype(np.uint8)[None, :, None]
    pixels = pixels - np.minimum(pixels, shade + picture(160, 256) // 40)
    model = SHIPPED.load("mse")
    sizes, exact = [], []
    for quality in (0, 30, 60, 100):
        data = encode(Picture(pixels), model, quality)
        sizes.append(len(data))
        exact.append("exact" in sections(data))
        plain = encode(Picture(pixels), model, quality, exact=False)
        assert exact[-1] or data == plain
    assert sizes == sorted(sizes)
    assert exact == sorted(exact)
    assert (exact[0], exact[-1]) == (False, True)


def test_photos_keep_the_bytes_they_had() -> None:
    model = SHIPPED.load("mse-fast")
    for pixels in (PHOTO[:200, :300], PHOTO[:200, :300, :1]):
        original = Picture(np.ascontiguousarray(pixels))
        assert encode(original, model, 70) == encode(original, model, 70, exact=False)


def page_with_a_photo(channels: int = 3) -> Samples:
    pixels = page(256, 336, channels)
    pixels[32:224, 168:328] = PHOTO[200:392, 300:460, :channels]
    return pixels


@pytest.mark.parametrize("name", ["mse-fast", "ms-ssim-fast"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_page_with_a_photo(name: str, channels: int) -> None:
    """The page is exact, in far fewer bytes, and the photo as good as it was."""
    pixels, model = page_with_a_photo(channels), SHIPPED.load(name)
    data, plain = (encode(Picture(pixels), model, 90, exact=exact) for exact in (True, False))
    assert len(data) < 0.8 * len(plain)
    assert sections(data)["latents"] > 0
    seen, before = (decode(each, SHIPPED).pixels.astype(int) for each in (data, plain))
    assert (seen[:, :160] == pixels[:, :160]).all()
    photo = slice(40, 216), slice(176, 320)
    assert ((seen - pixels)[photo] ** 2).mean() < 1.1 * ((before - pixels)[photo] ** 2).mean()
    assert 0.5 < exact_share(unpack(data)) < 0.75


def test_levels_of_effort_choose_alike() -> None:
    """Where quantisation steps are coarser too: judged with those that were asked for, all of the page was exact."""
    files = [encode(Picture(page_with_a_photo()), SHIPPED.load("mse-fast"), 100, effort=effort) for effort in (0, 1, 2)]
    assert len({exact_share(unpack(data)) for data in files}) == 1
    assert len(files[0]) > len(files[1]) > len(files[2])
    small = Picture(page(64, 96, photo=0.5))
    assert len({exact_share(unpack(encode(small, MODEL, 30, effort=effort))) for effort in (0, 1, 2, 5)}) == 1


def test_progress_of_a_choice_is_told_in_order() -> None:
    pixels = page(64, 96, photo=0.5)
    told: list[float] = []
    encode(Picture(pixels), MODEL, 30, effort=2, progress=told.append)
    assert told == sorted(told)
    assert told.count(1) == 1


@pytest.mark.parametrize("colour", [0, 255])
def test_hidden_colours_cost_nothing_and_visible_ones_are_exact(colour: int) -> None:
    rows, columns = np.mgrid[:96, :128]
    alpha = np.where(np.hypot(rows - 48, columns - 64) < 40, 255, 0).astype(np.uint8)
    clean = np.where(alpha[:, :, None] == 0, np.uint8(colour), PAGE)
    decoded = decode(encode(Picture(clean, alpha=alpha), MODEL, 80), ZOO)
    assert (decoded.pixels == clean).all()
    assert (decoded.alpha == alpha).all()
    noise = np.random.default_rng(0).integers(0, 256, PAGE.shape, dtype=np.uint8)
    data = encode(Picture(np.where(alpha[:, :, None] == 0, noise, PAGE), alpha=alpha), MODEL, 80)
    assert (decode(data, ZOO).pixels == PAGE)[alpha != 0].all()
    assert sections(data)["exact"] <= len(EXACT)


# ------------------------------------------------------------------------------------------------------------ regions


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions of 64x64 pixels."""
    monkeypatch.setattr(regions, "WHOLE", 0)
    monkeypatch.setattr(regions, "REGION", 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_regions(cut: None, channels: int) -> None:
    pixels = page(200, 340, channels, photo=0.3)
    data = encode(Picture(pixels), MODEL, 20)
    container: Container = unpack(data)
    kinds = {(bool(part.exact), part.bare) for part in container.parts}
    assert kinds == {(True, True), (True, False), (False, False)}
    seen = decode(data, ZOO).pixels
    assert (seen[:, :232] == pixels[:, :232]).all()
    # What borders on the networks' part has one as well: the synthesis sees across.
    bare = np.array([part.bare for part in container.parts]).reshape(container.header.regions)
    filled = np.array([not part.exact for part in container.parts]).reshape(container.header.regions)
    assert not (look.grown(filled) & bare).any()


@pytest.mark.parametrize("effort", [0, 2])
@pytest.mark.parametrize("photo", [0.0, 0.3])
def test_the_bar_ends_full(cut: None, effort: int, photo: float) -> None:
    """Also where regions have no networks' part."""
    told: list[float] = []
    encode(Picture(page(200, 340, photo=photo)), MODEL, 20, effort=effort, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_whole_page_in_regions_has_no_networks_part(cut: None) -> None:
    data = encode(Picture(page(150, 200)), MODEL, 60)
    assert all(part.bare for part in unpack(data).parts)
    assert exact_share(unpack(data)) == 1


# ------------------------------------------------------------------------------------------------------------- limits


def test_a_side_that_no_webp_has_is_coded_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    long = np.zeros((1, stream.SIDE_MAX + 1, 1), np.uint8)
    assert "exact" not in sections(encode(Picture(long), MODEL, 0))
    assert "exact" in sections(encode(Picture(np.ascontiguousarray(long[:, : 1 << 13])), MODEL, 0))


def test_without_the_memory_to_compare_a_page_is_coded_plain() -> None:
    original = Picture(page(400, 400))
    with pytest.raises(LcodecError) as error:
        encode(original, MODEL, 50, memory=1)
    least = int(str(error.value).split("at least ")[1].split(" MiB")[0]) << 20
    assert encode(original, MODEL, 50, memory=least) == encode(original, MODEL, 50, exact=False)
    assert "exact" in sections(encode(original, MODEL, 50, memory=least + (4 << 20)))


def test_comparing_takes_no_more_memory_than_is_planned(cut: None) -> None:
    alpha = np.where(np.arange(640) < 200, 0, 255).astype(np.uint8)[None].repeat(512, 0)
    original, peaks = Picture(page(512, 640, photo=0.3), alpha=alpha), []
    for exact in (False, True):
        encode(original, MODEL, 20, exact=exact)  # what is made once and kept
        tracemalloc.start()
        data = encode(original, MODEL, 20, exact=exact)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert "exact" in sections(data)
    assert 0.5 * FILL_BYTES < (peaks[1] - peaks[0]) / alpha.size < FILL_BYTES


@pytest.mark.parametrize("name", ["mse", "mse-fast"])
@pytest.mark.parametrize("size", [(512, 512), (1024, 1024), (2048, 2048), (16_383, 256)])
def test_a_stream_takes_no_more_memory_than_the_networks(name: str, size: tuple[int, int]) -> None:
    """libwebp takes 35 bytes a pixel, and its samples are held besides."""
    sizes = SHIPPED.load(name).architecture
    with pytest.raises(LcodecError) as error:
        workers_to_encode(sizes, 0, Layout.of(*size), 1)
    held = int(str(error.value).split("at least ")[1].split(" MiB")[0]) << 20
    assert held > sizes.model_bytes + 44 * size[0] * size[1]
