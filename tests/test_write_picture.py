"""Pictures to files: every format gives back what it can hold, and says what it cannot."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.errors import PictureError
from lcodec.picture import WRITES, Picture, write_picture
from lcodec.picture.exif import Resolution, with_resolution
from tests.support.reading import read

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = Path(__file__).parent / "data" / "photo.jpg"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(PHOTO) as image:
        return image.crop((300, 200, 340, 230))


@pytest.mark.parametrize("form", WRITES)
@pytest.mark.parametrize("channels", [1, 3])
def test_write(photo: Image.Image, form: str, channels: int) -> None:
    pixels = np.asarray(photo)[:, :, :channels]
    out = io.BytesIO()
    write_picture(Picture(pixels), out, form)
    back = np.load(io.BytesIO(out.getvalue())) if form == "npy" else read(out.getvalue())[0].pixels
    difference = np.abs(back.astype(int) - pixels)
    assert difference.max() == 0 if form != "jpg" else difference.mean() < 3
    assert back.shape == pixels.shape or form == "webp"


@pytest.mark.parametrize(
    ("form", "kept"), [("png", True), ("jpg", True), ("webp", True), ("tiff", True), ("ppm", False)]
)
def test_write_profile(photo: Image.Image, form: str, kept: bool) -> None:
    out = io.BytesIO()
    write_picture(Picture(np.asarray(photo), SRGB), out, form)
    assert read(out.getvalue())[0].icc == (SRGB if form != "ppm" else None)


def test_write_needs_no_seek() -> None:
    class Pipe(io.RawIOBase):
        size = 0

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.size += len(data)
            return len(data)

    for form in WRITES:
        pipe = Pipe()
        write_picture(Picture(np.zeros((4, 4, 3), np.uint8)), pipe, form)
        assert pipe.size


def test_write_refuses_what_a_format_cannot_hold() -> None:
    with pytest.raises(PictureError, match="gif"):
        write_picture(Picture(np.zeros((1, 1, 3), np.uint8)), io.BytesIO(), "gif")


@pytest.mark.parametrize(("form", "name", "most"), [("jpg", "JPEG", 65_500), ("webp", "WebP", 16_383)])
def test_a_side_that_a_format_cannot_hold(form: str, name: str, most: int, capfd: pytest.CaptureFixture[str]) -> None:
    """libjpeg itself says so on standard error."""
    write_picture(Picture(np.zeros((1, most, 1), np.uint8)), io.BytesIO(), form)
    for shape, size in {(1, most + 1, 1): f"{most + 1}x1", (most + 1, 1, 1): f"1x{most + 1}"}.items():
        with pytest.raises(PictureError, match=rf"^{name} holds at most {most:,} pixels a side, .* {size}$"):
            write_picture(Picture(np.zeros(shape, np.uint8)), io.BytesIO(), form)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("shape", [(512, 512, 3), (20_000, 1, 3), (1, 20_000, 3), (400, 400, 1), (7, 9, 3)])
def test_noise_fits_into_a_jpeg(shape: tuple[int, int, int], capfd: pytest.CaptureFixture[str]) -> None:
    """Pillow's own buffer is too small for it."""
    from PIL import ImageFile

    before = ImageFile.MAXBLOCK
    pixels = np.random.default_rng(0).integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
    out = io.BytesIO()
    write_picture(Picture(pixels), out, "jpg")
    assert read(out.getvalue())[0].pixels.shape == shape
    assert before == ImageFile.MAXBLOCK
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("value", [0, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_resolution_that_no_file_holds(value: int, form: str) -> None:
    exif = with_resolution(None, Resolution((value, 1), (300, 1), 2))
    out = io.BytesIO()
    write_picture(Picture(np.zeros((4, 4, 3), np.uint8), exif=exif), out, form)
    assert read(out.getvalue())[0].exif == exif


def exif(*tags: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    """A little-endian block of tags, types, numbers of values, and values; `tail` follows at 14 and 12 for each tag."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tail


LEFT_OUT, PARTLY = ["EXIF left out: damaged"], ["a part of EXIF left out: damaged"]
#: What a TIFF cannot take over, and what is said of it.
ODD = {
    "no EXIF": (b"garbage", LEFT_OUT),
    "no directory": (b"MM\0*", LEFT_OUT),
    "directory outside": (b"II*\0\xff\xff\xff\xff", LEFT_OUT),
    "resolution of 72/0": (exif((282, 5, 1, 26), tail=struct.pack("<II", 72, 0)), LEFT_OUT),
    "resolution of 0/0": (exif((282, 5, 1, 26), tail=bytes(8)), LEFT_OUT),
    "date that is a fraction": (exif((306, 5, 1, 26), tail=struct.pack("<II", 72, 1)), LEFT_OUT),
    "further tags outside": (exif((271, 2, 4, 0x00636261), (0x8769, 4, 1, 0xFFFFFF)), PARTLY),
    "text outside": (exif((270, 2, 400, 0xFFFFFF), (271, 2, 4, 0x00636261)), PARTLY),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tiff"])
def test_odd_exif_does_not_cost_the_picture(form: str, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    block, said = ODD[name]
    out = io.BytesIO()
    notes: list[str] = []
    original = Picture(np.full((4, 4, 3), 128, np.uint8), SRGB, block, b"<x/>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_picture(original, out, form, note=notes.append)
    assert notes == (said if form == "tiff" else [])  # the other formats hold the block as it is
    found = read(out.getvalue())[0]
    assert (found.pixels == original.pixels).all()
    assert (found.icc, found.xmp) == (SRGB, b"<x/>")
    if notes == PARTLY:
        with Image.open(io.BytesIO(out.getvalue())) as image:
            assert image.getexif()[271] == "abc"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tiff"])
def test_odd_profiles_and_xmp_do_not_cost_the_picture(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    out = io.BytesIO()
    write_picture(Picture(np.full((4, 4, 3), 128, np.uint8), b"\0\xff", xmp=b"\xff\0<"), out, form)
    assert read(out.getvalue())[0].pixels.shape == (4, 4, 3)
    assert capfd.readouterr() == ("", "")


def test_a_profile_that_a_jpeg_cannot_count_is_noted() -> None:
    """It stands in as many as 255 markers, of which Pillow numbers more from 0 again."""
    notes: list[str] = []
    large = Picture(np.zeros((4, 4, 3), np.uint8), bytes(255 * 65_519 + 1))
    write_picture(large, io.BytesIO(), "jpg", note=notes.append)
    assert notes == ["jpg cannot hold it, left out: ICC"]
