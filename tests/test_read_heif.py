"""AVIF, HEIC and JPEG XL: orientation, profile, depth, codes of colours, clean apertures, and missing plug-ins."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from lcodec.errors import LimitError, PictureError
from lcodec.picture import read_picture
from lcodec.picture.boxes import jxl_header, primary_picture
from tests.support.files import DISPLAY_P3
from tests.support.reading import read, save, smooth

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def avif(*, clap: tuple[int, ...] = (), nclx: tuple[int, int] | None = None, orientation: int = 1) -> bytes:
    """An AVIF with more properties of its picture: those that Pillow writes stay, and places are moved."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(smooth(), "AVIF", quality=90, **({"exif": exif} if orientation > 1 else {}))
    more = b""
    if clap:
        more += box(b"clap", struct.pack(">8i", *clap))
    old = data.index(b"colrnclx")
    if nclx:
        data = data[: old + 8] + struct.pack(">HH", *nclx) + data[old + 12 :]
    if not more:
        return data
    ipco = data.index(b"ipco") - 4
    size = struct.unpack_from(">I", data, ipco)[0]
    ipma = data.index(b"ipma") - 4
    count = data[ipma + 4 + 4 + 4 + 4 + 2]  # associations of the first item
    places, at = 0, ipco + 8
    while at < ipco + size:
        at += struct.unpack_from(">I", data, at)[0]
        places += 1
    out = bytearray(data[: ipco + size] + more + data[ipco + size :])
    grown = len(more)
    struct.pack_into(">I", out, ipco, size + grown)
    at = ipma + grown
    assert out[at + 4 : at + 8] == b"ipma"
    end = at + 8 + 4 + 4 + 2 + 1 + count
    out[end:end] = bytes((0x80 | places + 1,))
    out[at + 18] += 1
    struct.pack_into(">I", out, at, struct.unpack_from(">I", out, at)[0] + 1)
    for name in (b"iprp", b"meta"):
        place = out.index(name) - 4
        struct.pack_into(">I", out, place, struct.unpack_from(">I", out, place)[0] + grown + 1)
    return _moved(bytes(out), grown + 1)


def _moved(data: bytes, by: int) -> bytes:
    """Move the places of the samples in iloc (version 0, offsets and lengths of 4 bytes)."""
    out = bytearray(data)
    at = out.index(b"iloc") + 4
    version, sizes, base = out[at], out[at + 4], out[at + 5] >> 4
    assert (version, sizes, base) == (0, 0x44, 0)
    (items,) = struct.unpack_from(">H", out, at + 6)
    place = at + 8
    for _ in range(items):
        (extents,) = struct.unpack_from(">H", out, place + 4)
        place += 6
        for _ in range(extents):
            struct.pack_into(">I", out, place, struct.unpack_from(">I", out, place)[0] + by)
            place += 8
    return bytes(out)


# ---------------------------------------------------------------------------------------------------------------- AVIF


@needs_avif
@pytest.mark.parametrize(
    ("clap", "edges"),
    [
        ((80, 1, 48, 1, 0, 1, 0, 1), (8, 8, 88, 56)),
        ((96, 1, 64, 1, 0, 1, 0, 1), (0, 0, 96, 64)),
        ((80, 1, 48, 1, -8, 1, -8, 1), (0, 0, 80, 48)),
        ((80, 1, 48, 1, 8, 1, 4, 1), (16, 12, 96, 60)),
        ((81, 1, 47, 1, 1, 2, 1, 2), (8, 9, 89, 56)),
        ((160, 2, 144, 3, 0, 1, 0, 1), (8, 8, 88, 56)),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6, 8, 4])
def test_clean_aperture(clap: tuple[int, ...], edges: tuple[int, ...], orientation: int) -> None:
    whole, _ = read(avif())
    found, notes = read(avif(clap=clap, orientation=orientation))
    left, top, right, bottom = edges
    expected = whole.pixels[top:bottom, left:right]
    expected = {1: expected, 6: np.rot90(expected, -1), 8: np.rot90(expected), 4: expected[::-1]}[orientation]
    assert notes == []
    assert found.pixels.shape == expected.shape
    assert (found.pixels == expected).all()


@needs_avif
@pytest.mark.parametrize(
    "clap",
    [(97, 1, 64, 1, 0, 1, 0, 1), (80, 1, 48, 1, 9, 1, 0, 1), (81, 1, 48, 1, 0, 1, 0, 1), (80, 0, 48, 1, 0, 1, 0, 1)],
)
def test_clean_aperture_that_is_none(clap: tuple[int, ...]) -> None:
    found, notes = read(avif(clap=clap))
    assert found.pixels.shape == (64, 96, 3)
    assert len(notes) == 1
    assert notes[0].startswith("a clean aperture that is not of whole samples")


@needs_avif
@pytest.mark.parametrize(
    ("nclx", "profile", "note"),
    [
        ((1, 13), False, ""),
        ((2, 2), False, ""),
        ((1, 1), False, ""),
        ((12, 13), True, ""),
        ((9, 1), True, ""),
        ((9, 16), False, "the PQ curve with BT.2020"),
        ((9, 18), False, "the HLG curve"),
    ],
)
def test_colours_by_codes(nclx: tuple[int, int], profile: bool, note: str) -> None:
    found, notes = read(avif(nclx=nclx))
    assert (found.icc is not None) == profile
    assert len(notes) == bool(note)
    assert not note or note in notes[0]


def test_a_box_that_reaches_where_no_file_does_ends_the_search() -> None:
    far = box(b"ftyp", b"jxl ") + struct.pack(">I4sQ", 1, b"free", 1 << 63)
    assert primary_picture(io.BytesIO(far), crops=False, grey=False).bits is None
    head = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"jxlc", b"\xff\x0a\x13\x07" + bytes(80))
    assert jxl_header(io.BytesIO(head + far)) == jxl_header(io.BytesIO(head))


@needs_avif
def test_damaged_boxes_do_not_cost_the_picture_or_are_refused() -> None:
    good = avif(clap=(80, 1, 48, 1, 0, 1, 0, 1))
    random = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(good)
        for place in random.integers(0, 400, 2):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(PictureError, LimitError):
            assert read(bytes(data))[0].pixels.size


# ---------------------------------------------------------------------------------------------------- HEIC and JPEG XL


def heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    try:
        return save(image, "HEIF", quality=90, **options)
    except (OSError, RuntimeError, KeyError):
        pytest.skip("no HEVC encoder")


def jxl(image: Image.Image, **options: Any) -> bytes:
    pytest.importorskip("pillow_jxl")
    return save(image, "JXL", **{"lossless": True} | options)


@pytest.mark.parametrize("make", [heic, jxl])
def test_formats_of_plugins(make: Callable[..., bytes]) -> None:
    image = smooth()
    found, notes = read(make(image))
    assert (found.icc, found.exif, notes) == (None, None, [])
    assert np.abs(found.pixels.astype(int) - np.asarray(image)).mean() < 3
    grey, _ = read(make(image.convert("L")))
    assert grey.grey
    alpha = image.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    transparent, _ = read(make(alpha))
    assert transparent.alpha is not None
    assert np.abs(transparent.alpha.astype(int) - np.asarray(alpha)[:, :, 3]).mean() < 3
    with pytest.raises(LimitError):
        read_picture(io.BytesIO(make(image)), max_pixels=6143)
    for part in (0.1, 0.5, 0.9):
        data = make(image)
        with pytest.raises(PictureError):
            read(data[: int(len(data) * part)])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_heic(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "abc"
    found, notes = read(heic(smooth(), exif=exif.tobytes()))
    upright = smooth()
    upright.getexif()[0x0112] = orientation
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    assert found.pixels.shape == expected.shape
    assert np.abs(found.pixels - expected).mean() < 3
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert (tags[0x010F], tags.get(0x0112, 1), notes) == ("abc", 1, [])


@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_a_jxl_that_is_cut_short_is_called_so_and_no_more(part: float) -> None:
    """Its plug-in tells users to build libjxl."""
    data = jxl(smooth())
    with pytest.raises(PictureError, match=r"^the picture is damaged or truncated$"):
        read(data[: max(40, int(len(data) * part))])


def test_orientation_of_jxl_is_its_own() -> None:
    """EXIF's does not count there (ISO/IEC 18181-2)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    found, _ = read(jxl(smooth(), exif=exif.tobytes()))
    assert found.pixels.shape == (64, 96, 3)
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert tags[0x0112] == 1


def test_profile_and_depth_of_heic() -> None:
    assert read(heic(smooth(), icc_profile=DISPLAY_P3))[0].icc == DISPLAY_P3
    pillow_heif = pytest.importorskip("pillow_heif")
    deep = np.asarray(smooth()).astype(np.uint16) * 257
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (96, 64), deep.tobytes()).save(out, quality=90)
    found, notes = read(out.getvalue())
    assert notes == ["more than 8 bits a sample, rounded to 8"]
    assert np.abs(found.pixels.astype(int) - np.asarray(smooth())).mean() < 3
    with pytest.raises(PictureError, match="more than 8 bits"):
        read(out.getvalue(), strict_depth=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("size", [(8, 8), (256, 16), (300, 200), (1030, 4), (5000, 3), (192, 108), (64, 32)])
def test_header_of_jxl(dtype: str, size: tuple[int, int]) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    if not imagecodecs.JPEGXL.available:
        pytest.skip("imagecodecs without JPEG XL")
    header = jxl_header(io.BytesIO(imagecodecs.jpegxl_encode(np.zeros((size[1], size[0], 3), dtype))))
    assert (header.width, header.height) == size
    assert (header.bits, header.floating) == {"uint8": (8, False), "uint16": (16, False), "float32": (32, True)}[dtype]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a\x13\x07" + bytes(80), "JPEG XL"),
        (
            b"\0\0\0\x0cJXL \r\n\x87\n"
            + box(b"ftyp", b"jxl \0\0\0\0jxl ")
            + box(b"jxlc", b"\xff\x0a\x13\x07" + bytes(80)),
            "JPEG XL",
        ),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(80), "HEIC"),
        (box(b"ftyp", b"mif1\0\0\0\0mif1heic") + bytes(80), "HEIC"),
    ],
)
def test_missing_plugins_are_named(data: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    Image.init()
    for plugin, module in (("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")):
        monkeypatch.delitem(Image.OPEN, plugin, raising=False)
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PictureError, match=rf"{name} is read only where .*lcodec\[formats\]"):
        read(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the file is empty"),
        (b"P6 0 5 255\n", "empty picture: 0x5"),
        (b"P5 # words\n 7 0 255\n", "empty picture: 7x0"),
        (b"GIF89a" + bytes(40), "empty picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "JPEG 2000 is not read"),
        (b"8BPS\0\1" + bytes(50), "PSD is not read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is not read"),
        (b"%PDF-1.7\n", "PDF is not read"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(50), "video is not read"),
        (bytes(128) + b"DICM" + bytes(50), "DICOM is not read"),
        (b"\x8bLCD" + bytes(50), "lcodec decode"),
        (b"\xff\xd8\xff\xc3\0\x11\x08\0\x10\0\x10\3" + bytes(20), "lossless JPEG is not read"),
        (b"\xff\xd8\xff\xc0\0\x11\x0c\0\x10\0\x10\3" + bytes(20), "JPEG of 12 bits is not read"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10\2" + bytes(20), "JPEG of 2 channels is not read"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, what: str) -> None:
    with pytest.raises(PictureError, match=what):
        read(data)
