"""Damaged files, files that are no pictures, and limits: refused in a line, and nothing else is raised."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.errors import LimitError, PictureError
from lcodec.picture import read_picture
from tests.support.reading import MANY, read, save

PHOTO = Path(__file__).parent / "data" / "photo.jpg"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(PHOTO) as image:
        return image.crop((300, 200, 340, 230))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_truncated(form: str, part: float) -> None:
    with Image.open(PHOTO) as image:
        data = save(image.crop((0, 0, 200, 150)), form)
    with pytest.raises(PictureError) as caught:
        read(data[: int(len(data) * part)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"not a picture\n" * 100,
        b"P6 0 0 255\n",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"%PDF-1.7\n",
        b"GIF89a",
    ],
)
def test_no_picture(data: bytes) -> None:
    with pytest.raises(PictureError):
        read(data)


def test_formats_off_the_list_are_not_tried(photo: Image.Image) -> None:
    for form in ("TGA", "ICO", "PCX", "SGI", "EPS", "JPEG2000"):
        try:
            data = save(photo, form)
        except (KeyError, OSError):
            continue
        with pytest.raises(PictureError, match=r"not a picture|is not read"):
            read(data)


def test_flipped_bytes_raise_nothing_else(photo: Image.Image) -> None:
    random = np.random.default_rng(1)
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"):
        good = save(photo, form)
        for _ in range(60):
            data = bytearray(good)
            for place in random.integers(0, len(data), 4):
                data[place] = random.integers(0, 256)
            with contextlib.suppress(PictureError, LimitError):
                read_picture(io.BytesIO(bytes(data)), max_pixels=1 << 20)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(PictureError, match="cannot read it"):
            read_picture(path, max_pixels=MANY)


def test_limit_is_exact(photo: Image.Image) -> None:
    data = io.BytesIO(save(photo))
    assert read_picture(data, max_pixels=1200).pixels.size == 3600
    with pytest.raises(LimitError, match="40x30"):
        read_picture(io.BytesIO(data.getvalue()), max_pixels=1199)


def bomb_png(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("side", [9_500, 14_000, 17_000, 60_000, 2_000_000_000])
def test_bombs_are_refused_before_they_go_off(side: int) -> None:
    old = Image.MAX_IMAGE_PIXELS
    for limit in (1 << 20, 80_000_000):
        with pytest.raises(LimitError):
            read_picture(io.BytesIO(bomb_png(side)), max_pixels=limit)
    assert old == Image.MAX_IMAGE_PIXELS


def test_pillows_own_limit_does_not_matter() -> None:
    """A picture of 182 megapixels, over Pillow's limit, is read where ours allows it."""
    data = save(Image.new("1", (14_000, 13_000)))
    assert read(data)[0].pixels.shape == (13_000, 14_000, 1)
