"""Changes before a picture is written: samples, and metadata that stay true."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.errors import LimitError, UsageError
from lcodec.picture import Picture
from lcodec.picture.colour import profile_of
from lcodec.picture.edit import cropped, resized, size_after, to_srgb

P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290))


def picture(width: int = 12, height: int = 8, channels: int = 3) -> Picture:
    count = width * height * channels
    return Picture((np.arange(count) * 7 % 256).astype(np.uint8).reshape(height, width, channels))


def exif(width: int, height: int, colour_space: int = 65535) -> bytes:
    """A block with the size in pixels, a space of colours, and a thumbnail."""
    inner = [(0xA001, 3, colour_space), (0xA002, 4, width), (0xA003, 4, height)]
    out = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 68)
    out += struct.pack("<H", 3) + b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in inner)
    out += bytes(4)
    return out + struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 98, 0x0202, 4, 1, 4, 0) + b"\xff\xd8\xff\xd9"


def said(block: bytes | None) -> tuple[int, int, int]:
    assert block is not None
    found = Image.Exif()
    found.load(block)
    assert not found.get_ifd(1), "the thumbnail is of other samples"
    inner = found.get_ifd(0x8769)
    return inner[0xA001], inner[0xA002], inner[0xA003]


def test_crop() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:ImageWidth="12" tiff:ImageLength="8"/></x:xmpmeta>'
    whole = replace(picture(), alpha=picture(channels=1).pixels[:, :, 0], exif=exif(12, 8), xmp=xmp)
    part = cropped(whole, (5, 3, 2, 1))
    assert np.array_equal(part.pixels, whole.pixels[1:4, 2:7])
    assert part.alpha is not None
    assert whole.alpha is not None
    assert np.array_equal(part.alpha, whole.alpha[1:4, 2:7])
    assert said(part.exif) == (65535, 5, 3)
    assert b'tiff:ImageWidth="5"' in (part.xmp or b"")
    assert cropped(whole, (12, 8, 0, 0)).pixels.shape == (8, 12, 3)
    for box in ((13, 8, 0, 0), (12, 8, 1, 0), (1, 1, 0, 8)):
        with pytest.raises(UsageError, match="not inside the picture, which is 12x8"):
            cropped(whole, box)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [((6, 4), (6, 4)), ((6, 0), (6, 4)), ((0, 16), (24, 16)), (50.0, (6, 4)), (1.0, (1, 1)), ((1000, 1), (1000, 1))],
)
def test_resize(wanted: tuple[int, int] | float, size: tuple[int, int]) -> None:
    for channels in (1, 3):
        whole = replace(picture(channels=channels), exif=exif(12, 8))
        assert size_after((whole.width, whole.height), wanted, 10_000) == size
        made = resized(whole, wanted, 1 << 20)
        assert made.pixels.shape == (size[1], size[0], channels)
        assert said(made.exif)[1:] == size
    with pytest.raises(LimitError, match="over the limit of 10 pixels"):
        resized(picture(), (11, 1), 10)


def test_colours_count_by_their_opacity() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, 4:] = 255  # white that nobody sees beside black
    alpha = np.full((8, 8), 255, np.uint8)
    alpha[:, 4:] = 0
    made = resized(Picture(pixels, alpha=alpha), (2, 2), 100)
    assert made.alpha is not None
    assert made.pixels[made.alpha > 0].max() < 8


def test_srgb_by_the_profile() -> None:
    plain = picture(64, 64)
    assert to_srgb(plain) is plain
    wide = replace(plain, icc=profile_of(P3, 2.2, grey=False), exif=exif(64, 64))
    made = to_srgb(wide)
    assert made.icc is not None
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(made.icc))).startswith("sRGB")
    assert made.icc == to_srgb(wide).icc
    assert said(made.exif)[0] == 1
    red = Picture(np.full((1, 1, 3), (200, 40, 40), np.uint8), icc=wide.icc)
    r, g, b = to_srgb(red).pixels[0, 0]
    assert r > 205
    assert max(g, b) < 40  # a red of a wider space is a stronger one in sRGB
    grey = replace(picture(16, 16, 1), icc=profile_of(P3, 1.0, grey=True))
    lighter = to_srgb(grey)
    assert (lighter.grey, lighter.icc) == (True, None)
    assert lighter.pixels.mean() > grey.pixels.mean()


def test_profile_that_cannot_be_used_is_noted() -> None:
    notes: list[str] = []
    bad = replace(picture(), icc=b"no profile")
    assert to_srgb(bad, notes.append) is bad
    assert len(notes) == 1
    assert "not converted to sRGB" in notes[0]
