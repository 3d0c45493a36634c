"""Pictures to files: every format gives back what it can hold, and says what it cannot."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.errors import PictureError
from lcodec.picture import WRITES, Picture, write_picture
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
    with pytest.raises(PictureError, match="16384x1"):
        write_picture(Picture(np.zeros((1, 16_384, 3), np.uint8)), io.BytesIO(), "webp")
    with pytest.raises(PictureError, match="gif"):
        write_picture(Picture(np.zeros((1, 1, 3), np.uint8)), io.BytesIO(), "gif")
