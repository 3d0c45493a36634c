"""Pillow's images to pictures and back: every mode, orientation, and what of the metadata fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from lcodec.errors import PictureError
from lcodec.picture import METADATA, Picture, from_image, to_image, to_info
from lcodec.picture.metadata import EXIF_PREFIX
from lcodec.picture.picture import METADATA_MAX
from tests.support.files import DISPLAY_P3
from tests.support.pictures import picture


@settings(max_examples=60)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4), st.integers(0, 99))
def test_there_and_back(height: int, width: int, channels: int, seed: int) -> None:
    original = Picture.of(picture(height, width, channels, seed))
    image = to_image(original)
    assert image.size == (width, height)
    assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[original.samples.shape[2]]
    back = from_image(image)
    assert (back.samples == original.samples).all()
    assert back.pixels.flags.c_contiguous


def test_metadata_there_and_back() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    block = exif.tobytes().removeprefix(EXIF_PREFIX)
    original = Picture(picture(4, 5), DISPLAY_P3, block, b"<x/>")
    image = to_image(original)
    assert not image.info
    image.info.update(**to_info({name: getattr(original, name) for name in METADATA}))
    assert image.getexif()[0x010F] == "a maker"
    back = from_image(image)
    assert (back.icc, back.exif, back.xmp) == (DISPLAY_P3, block, b"<x/>")
    assert to_info({"icc": None, "xmp": b""}) == {}


def alpha_of(mode: str) -> Image.Image:
    """An image of a mode with transparency: the left half is clear."""
    image = Image.fromarray(picture(6, 8)).convert("L" if mode in {"LA", "La"} else "RGB")
    mask = Image.new("L", (8, 6), 255)
    mask.paste(0, (0, 0, 4, 6))
    if mode == "PA":
        image = image.convert("P").convert("PA")
    image.putalpha(mask)
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_modes_with_alpha(mode: str) -> None:
    found = from_image(alpha_of(mode))
    assert found.grey == (mode in {"LA", "La"})
    assert found.alpha is not None
    assert (found.alpha == [[0] * 4 + [255] * 4] * 6).all()


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBX", 3)])
def test_modes_without(mode: str, channels: int) -> None:
    image = Image.fromarray(picture(6, 8)).convert(mode)
    found = from_image(image)
    assert found.alpha is None
    expected = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    assert (found.pixels == expected.reshape(6, 8, channels)).all()


def test_transparent_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 1
    found = from_image(image)
    assert (found.samples == [[[10, 20, 30, 255], [40, 50, 60, 0]]]).all()
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 7] * 2, "RGBA")
    assert (from_image(image).samples == [10, 20, 30, 7]).all()
    for mode, key in (("L", 9), ("RGB", (9, 9, 9)), ("1", 255)):
        image = Image.new(mode, (2, 1))
        image.putpixel((1, 0), key)
        image.info["transparency"] = key
        assert from_image(image).alpha == pytest.approx(np.array([[255, 0]]))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"])
def test_modes_that_have_no_place(mode: str) -> None:
    with pytest.raises(PictureError, match=f"cannot write mode {mode} "):
        from_image(Image.new(mode, (2, 2)))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_empty_images(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match=rf"empty \({size[0]}x{size[1]}\)"):
        from_image(Image.new("RGB", size))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    image = Image.fromarray(picture(6, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    found = from_image(image)
    assert (found.samples == np.asarray(ImageOps.exif_transpose(image))).all()
    again = Image.Exif()
    again.load(EXIF_PREFIX + (found.exif or b""))
    assert again[0x0112] == 1


@pytest.mark.parametrize("key", ["xmp", "XML:com.adobe.xmp"])
def test_orientation_of_xmp(key: str) -> None:
    packet = "<tiff:Orientation>8</tiff:Orientation>"
    image = Image.fromarray(picture(6, 8))
    image.info[key] = packet if key.startswith("XML") else packet.encode()
    found = from_image(image)
    assert found.pixels.shape == (8, 6, 3)
    assert found.xmp == packet.replace("8", "1").encode()


@pytest.mark.parametrize(
    "info",
    [
        {"icc_profile": DISPLAY_P3[:16] + b"GRAY" + DISPLAY_P3[20:]},
        {"icc_profile": DISPLAY_P3[:100]},
        {"icc_profile": "sRGB"},
        {"exif": b"Exif\0\0no TIFF structure"},
        {"exif": b"MM\0*\0\0\0\x08\xff\xff"},
        {"exif": "II*"},
        {"xmp": 7},
        {"xmp": bytes(METADATA_MAX + 1)},
        {"Raw profile type exif": "\n\n\nzz"},
    ],
)
def test_metadata_that_do_not_fit_are_left_out(info: dict[str, Any]) -> None:
    image = Image.fromarray(picture(4, 5))
    image.info |= info
    found = from_image(image)
    assert (found.icc, found.exif, found.xmp) == (None, None, None)


def test_metadata_in_place_of_the_images_own() -> None:
    image = Image.fromarray(picture(4, 5))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info |= {"icc_profile": DISPLAY_P3, "xmp": b"<x/>", "exif": exif.tobytes()}
    found = from_image(image, {})
    assert (found.icc, found.exif, found.xmp, found.width) == (None, None, None, 5)
    found = from_image(image, {"icc_profile": bytearray(DISPLAY_P3), "exif": exif, "xmp": "<y/>"})
    assert (found.icc, found.xmp, found.width) == (DISPLAY_P3, b"<y/>", 4)
    for name in ("icc_profile", "exif", "xmp"):
        with pytest.raises(TypeError, match=f"{name} must be bytes, not int"):
            from_image(image, {name: 7})
