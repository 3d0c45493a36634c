"""ICC, EXIF and XMP survive; the orientation is applied once; wide-gamut colours look the same; notes say the rest."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from lcodec.codec import decode, encode
from lcodec.picture import WRITES, Picture, read_picture, write_picture
from lcodec.picture.metadata import upright_exif, upright_xmp
from lcodec.zoo import Zoo
from tests.support.files import DISPLAY_P3
from tests.support.pictures import picture

MANY = 1 << 28
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="caf\xc3\xa9"/></x:xmpmeta>'
MAKER_NOTE = bytes(range(256))
HOLDS = ["png", "jpg", "webp", "tiff"]


def exif(orientation: int = 6, order: str = "<") -> bytes:
    """EXIF with a make, an orientation, a directory of EXIF proper with a maker's note, and a tail."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(f"{order}H", 3)
    first += struct.pack(f"{order}HHI4s", 0x010F, 2, 4, b"abc\0")
    first += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    place = 8 + 2 + 3 * 12 + 4
    first += struct.pack(f"{order}HHII", 0x8769, 4, 1, place)
    second = struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHII", 0x927C, 7, 256, place + 2 + 12 + 4)
    return start + struct.pack(f"{order}I", 8) + first + bytes(4) + second + bytes(4) + MAKER_NOTE + b"tail"


def read(data: bytes, **options: Any) -> tuple[Picture, list[str]]:
    notes: list[str] = []
    return read_picture(io.BytesIO(data), max_pixels=MANY, note=notes.append, **options), notes


def save(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def written(original: Picture, form: str) -> tuple[bytes, list[str]]:
    out, notes = io.BytesIO(), []
    write_picture(original, out, form, note=notes.append)
    return out.getvalue(), notes


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(picture(30, 40))


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_is_kept_byte_for_byte_but_for_the_orientation(image: Image.Image, form: str, order: str) -> None:
    found, notes = read(save(image, form, exif=b"Exif\0\0" + exif(6, order)))
    assert found.exif == exif(1, order)
    assert (found.width, found.height, notes) == (30, 40, [])


def test_exif_of_avif(image: Image.Image) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    found, _ = read(save(image, "AVIF", exif=b"Exif\0\0" + exif(6)))
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert (tags[0x010F], tags.get(0x0112, 1)) == ("abc", 1)
    assert (found.width, found.height) == (30, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_and_xmp_of_tiff(image: Image.Image, orientation: int) -> None:
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + exif(orientation))
    tags[700] = XMP
    tags[282] = 72.0
    found, _ = read(save(image, "TIFF", exif=tags))
    back = Image.Exif()
    back.load(found.exif or b"")
    assert dict(back) == {0x010F: "abc", 282: 72.0, 0x8769: back[0x8769]}  # how the file is stored is not in it
    assert back.get_ifd(0x8769)[0x927C] == MAKER_NOTE
    assert found.xmp is not None
    assert b'tiff:Orientation="6"' not in found.xmp
    assert "café".encode() in found.xmp
    turned = image.copy()
    turned.getexif()[0x0112] = orientation
    assert (found.pixels == np.asarray(ImageOps.exif_transpose(turned))).all()


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "AVIF"])
def test_orientation_in_xmp_alone_is_applied_and_removed(image: Image.Image, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    found, _ = read(
        save(image, form, xmp=XMP) if form != "PNG" else written(Picture(np.asarray(image), xmp=XMP), "png")[0]
    )
    assert found.xmp == XMP.replace(b'"6"', b'"1"')
    assert (found.width, found.height) == (30, 40)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<tiff:Orientation>8</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
        (b"tiff:Orientation = '3'", b"tiff:Orientation = '1'"),
        (b'tiff:Orientation="1"', b'tiff:Orientation="1"'),
        (b'x:Orientation="6"', b'x:Orientation="6"'),
        (b"", b""),
    ],
)
def test_orientation_in_xmp(before: bytes, after: bytes) -> None:
    assert upright_xmp(before) == after


@pytest.mark.parametrize("data", [b"", b"II", b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09short"])
def test_what_is_no_exif(image: Image.Image, data: bytes) -> None:
    assert upright_exif(data) is None


def test_damaged_metadata_are_left_out_and_noted(image: Image.Image) -> None:
    found, notes = read(save(image, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", icc_profile=DISPLAY_P3[:200]))
    assert found.exif is None
    assert notes == ["EXIF left out: damaged"]
    found, notes = read(save(image.convert("L"), "PNG", icc_profile=DISPLAY_P3))
    assert found.icc is None
    assert notes == ["ICC left out: not one for these samples"]


def test_only_wanted_metadata_are_kept(image: Image.Image) -> None:
    data = save(image, "JPEG", exif=b"Exif\0\0" + exif(), xmp=XMP, icc_profile=DISPLAY_P3)
    for wanted in ((), ("icc",), ("exif", "xmp"), ("icc", "exif", "xmp")):
        found, notes = read(data, metadata=wanted)
        assert [name for name in ("icc", "exif", "xmp") if getattr(found, name)] == list(wanted)
        assert notes == []
        assert (found.width, found.height) == (30, 40)  # turned all the same


# ------------------------------------------------------------------------------------------------------------ writing


@pytest.mark.parametrize("form", HOLDS)
def test_metadata_come_back_from_every_format_that_holds_them(form: str) -> None:
    original = Picture(picture(30, 40), DISPLAY_P3, exif(1), upright_xmp(XMP))
    data, notes = written(original, form)
    found, more = read(data)
    assert (found.icc, found.xmp, notes, more) == (original.icc, original.xmp, [], [])
    if form == "tiff":  # which has EXIF's tags among its own, not as a block
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif()[0x010F] == "abc"
            assert image.getexif().get_ifd(0x8769)[0x927C] == MAKER_NOTE
    else:
        assert found.exif == original.exif


def test_a_hostile_directory_does_not_say_how_a_tiff_is_stored() -> None:
    tags = Image.Exif()
    tags[0x010F], tags[256], tags[273], tags[279], tags[262] = "abc", 7, 5, 1, 0
    original = Picture(picture(9, 8), exif=tags.tobytes().removeprefix(b"Exif\0\0"))
    found, _ = read(written(original, "tiff")[0])
    assert (found.pixels == original.pixels).all()


@pytest.mark.parametrize("form", WRITES)
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_written_or_flattened(form: str, channels: int) -> None:
    rows, columns = np.mgrid[:30, :40]
    original = Picture(picture(30, 40, channels), alpha=(5 * rows + columns).astype(np.uint8))
    data, notes = written(original, form)
    if form == "npy":
        array = np.load(io.BytesIO(data))
        assert (array.shape, array.dtype, notes) == ((30, 40, channels + 1), np.uint8, [])
        assert (array[:, :, :-1] == original.pixels).all()
        assert (array[:, :, -1] == original.alpha).all()
        return
    found, _ = read(data)
    if form in {"png", "webp", "tiff"}:
        assert notes == []
        assert (found.alpha == original.alpha).all()
        assert (found.pixels == original.pixels).all()  # colours under transparent pixels, too
    else:
        assert notes == [f"{form} keeps no transparency: flattened on rgb(255,255,255)"]
        difference = np.abs(found.pixels.astype(int) - original.flattened().pixels)
        assert difference.max() == 0 if form != "jpg" else difference.mean() < 3


@pytest.mark.parametrize("form", ["ppm", "bmp", "npy"])
def test_what_a_format_cannot_hold_is_noted(form: str) -> None:
    _, notes = written(Picture(picture(3, 3), DISPLAY_P3, exif(1), XMP), form)
    assert notes == [f"{form} cannot hold it, left out: ICC, EXIF, XMP"]


def test_jpeg_holds_64_kb_of_exif() -> None:
    for size, lost in ((65_000, []), (70_000, ["jpg cannot hold it, left out: EXIF, XMP"])):
        padding = bytes(size - len(exif(1)))
        data, notes = written(Picture(picture(3, 3), None, exif(1) + padding, b" " * size), "jpg")
        assert notes == lost
        assert (read(data)[0].exif is None) == bool(lost)


# ------------------------------------------------------------------------------------------------------------- colours


def test_display_p3_looks_the_same_after_the_round_trip() -> None:
    """Colours that sRGB does not have keep their profile, and so their look: no further off than the samples are."""
    rows, columns = np.mgrid[:64, :96]
    pixels = np.stack([255 - columns, 3 * rows, (columns + rows) // 2], -1).clip(0, 255).astype(np.uint8)
    zoo = Zoo()
    found, _ = read(save(Image.fromarray(pixels), "PNG", icc_profile=DISPLAY_P3))
    back = decode(encode(found, zoo.load("mse"), 95), zoo)
    data, _ = written(back, "png")
    with Image.open(io.BytesIO(data)) as image:
        image.load()

    def shown(samples: Image.Image, profile: bytes) -> np.ndarray:
        """As a linear-light viewer with a wider gamut sees it: XYZ through the profile itself."""
        lab = ImageCms.profileToProfile(
            samples, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert lab is not None
        return np.asarray(lab).astype(int)

    original, decoded = shown(Image.fromarray(pixels), DISPLAY_P3), shown(image, image.info["icc_profile"])
    as_srgb = shown(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())

    def srgb(samples: Image.Image, profile: bytes) -> np.ndarray:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(samples, source, target)
        assert converted is not None
        return np.asarray(converted).astype(int)

    own = np.abs(back.pixels.astype(int) - pixels)
    error = np.abs(srgb(image, image.info["icc_profile"]) - srgb(Image.fromarray(pixels), DISPLAY_P3))
    assert error.mean() < 1.5 * own.mean() + 0.5
    assert np.abs(original - decoded)[:, :, 1:].mean() < 1.5  # a* and b*
    assert np.abs(original - as_srgb)[:, :, 1:].mean() > 4  # without the profile, colours would have changed


def test_the_profile_of_the_tests_is_display_p3() -> None:
    """Its red is redder than sRGB's: out of gamut, and clipped."""
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(DISPLAY_P3)), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(red, source, target, outputMode="LAB")
    assert lab is not None
    lightness, a, b = (int(value) for value in lab.getpixel((0, 0)))  # type: ignore[union-attr]
    assert (lightness / 2.55, a - 128, b - 128) == pytest.approx((56, 94, 99), abs=2)
