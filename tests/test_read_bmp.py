"""BMP: colours and profiles of the longer headers, and pixels of fewer than 24 bits."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.errors import PictureError
from tests.support.reading import read, save, smooth

PIXELS = np.asarray(smooth())
ROWS = PIXELS[::-1, :, ::-1].tobytes()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = (0.680, 0.320, 0.0), (0.265, 0.690, 0.045), (0.150, 0.060, 0.790)


def bmp(
    size: int, space: bytes = b"", ends: tuple[float, ...] = (), powers: tuple[float, ...] = (), icc: bytes = b""
) -> bytes:
    head = struct.pack("<IiiHHIIiiII", size, 96, 64, 1, 24, 0, len(ROWS), 0, 0, 0, 0).ljust(56, b"\0") + space[::-1]
    head += b"".join(struct.pack("<i", round(value * (1 << 30))) for value in ends)
    head = head.ljust(96, b"\0") + b"".join(struct.pack("<I", round(power * 65536)) for power in powers)
    head = head.ljust(112, b"\0") + struct.pack("<III", size + len(ROWS), len(icc), 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + size) + head[:size] + ROWS + icc


def test_embedded_and_linked_profiles() -> None:
    found, notes = read(bmp(124, b"MBED", icc=PROFILE))
    assert (found.icc, notes) == (PROFILE, [])
    assert (found.pixels == PIXELS).all()
    assert read(bmp(124, b"LINK", icc=b"C:\\p.icc"))[1] == ["ICC left out: it stands in another file"]
    assert read(bmp(124, b"MBED", icc=b"short"))[1] == ["ICC left out: not one for these samples"]


@pytest.mark.parametrize("size", [108, 124])
def test_calibrated_colours(size: int) -> None:
    ends = tuple(value for end in P3 for value in end)
    wide, notes = read(bmp(size, b"\0\0\0\0", ends, (2.2, 2.2, 2.2)))
    assert (wide.icc is not None, notes) == (True, [])
    linear, notes = read(bmp(size, b"\0\0\0\0", (), (1.0, 1.0, 1.0)))
    assert (linear.icc is not None, notes) == (True, [])
    srgb = (0.64, 0.33, 0.03, 0.3, 0.6, 0.1, 0.15, 0.06, 0.79)
    for usual in (
        bmp(size, b"sRGB"),
        bmp(size, b"Win "),
        bmp(size, b"\0\0\0\0"),
        bmp(size, b"\0\0\0\0", srgb, (2.2,) * 3),
    ):
        assert (read(usual)[0].icc, read(usual)[1]) == (None, [])
    assert "span no colours" in read(bmp(size, b"\0\0\0\0", (0.3,) * 9, (2.2,) * 3))[1][0]


def masked(bits: int, *masks: int) -> bytes:
    body = bytes(96 * 64 * bits // 8)
    head = struct.pack("<IiiHHIIiiII", 40, 96, 64, 1, bits, 3, len(body), 0, 0, 0, 0) + struct.pack("<3I", *masks)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 66) + head + body


@pytest.mark.parametrize("masks", [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)])
def test_few_bits_are_not_many(masks: tuple[int, ...]) -> None:
    found, notes = read(masked(16, *masks), strict_depth=True)
    assert (found.pixels.shape, notes) == ((64, 96, 3), [])


@pytest.mark.parametrize(
    ("bits", "masks", "what"), [(16, (0xF00, 0xF0, 0xF), "4-4-4"), (32, (0x3FF00000, 0xFFC00, 0x3FF), "10-10-10")]
)
def test_kinds_that_are_not_read_are_named(bits: int, masks: tuple[int, ...], what: str) -> None:
    with pytest.raises(PictureError, match="such a BMP is not read: .*" + what):
        read(masked(bits, *masks))


def test_resolution() -> None:
    found, notes = read(save(smooth(), "BMP", dpi=(300, 300)))
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert (dict(tags), notes) == ({282: 300, 283: 300, 296: 2}, [])
