"""TIFF: the page that is the picture, raw photos, what tags say, and a library that writes to standard error."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lcodec.errors import PictureError
from lcodec.picture import read_picture
from lcodec.picture.tiff import choose_page
from tests.support import files
from tests.support.reading import read, save, smooth

PIXELS = np.asarray(smooth())
SMALL = np.asarray(smooth(24, 16))
REDUCED = ((254, 4, 1),)


def joined(first: bytes, second: bytes) -> bytes:
    """Two little-endian TIFFs of one page each as the pages of one."""
    out, base = bytearray(first), len(first)
    moved = bytearray(second)
    start = struct.unpack_from("<I", moved, 4)[0]
    count = struct.unpack_from("<H", moved, start)[0]
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from("<HHII", moved, entry)
        if tag in {273, 324} or number * {3: 2, 4: 4}.get(kind, 1) > 4:
            struct.pack_into("<I", moved, entry + 8, value + base)
    link = struct.unpack_from("<I", out, 4)[0]
    struct.pack_into("<I", out, link + 2 + 12 * struct.unpack_from("<H", out, link)[0], start + base)
    return bytes(out + moved)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tag", [(50706, 4, 0x01040000), (262, 3, 32803), (262, 3, 34892)])
def test_raw_photos_are_refused(order: str, tag: tuple[int, int, int]) -> None:
    with pytest.raises(PictureError, match="raw photo"):
        read(files.tiff(SMALL, order=order, tags=(*REDUCED, tag)))


def test_raw_photos_with_the_sensor_in_a_page_below() -> None:
    preview = bytearray(files.tiff(SMALL, tags=(*REDUCED, (330, 4, 0))))
    below = len(preview)
    preview += (
        struct.pack("<H", 2) + struct.pack("<HHII", 254, 4, 1, 0) + struct.pack("<HHII", 262, 3, 1, 32803) + bytes(4)
    )
    at = preview.index(struct.pack("<HHII", 330, 4, 1, 0))
    struct.pack_into("<I", preview, at + 8, below)
    with pytest.raises(PictureError, match="raw photo"):
        read(bytes(preview))
    canon = bytearray(joined(files.tiff(PIXELS), files.tiff(SMALL)))
    canon[8:10] = b"CR"
    with pytest.raises(PictureError, match="raw photo"):
        read(bytes(canon))


@pytest.mark.parametrize(
    "magic", [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"\0\0\0\x18ftypcrx ", b"FOVb"]
)
def test_raw_photos_that_are_no_tiff(magic: bytes) -> None:
    with pytest.raises(PictureError, match="raw photo"):
        read(magic + bytes(600))


@pytest.mark.parametrize("deflate", [False, True])
def test_the_first_full_page_is_the_picture(deflate: bool) -> None:
    small, mask = files.tiff(SMALL, tags=REDUCED), files.tiff(SMALL, tags=((254, 4, 4),))
    old = files.tiff(SMALL, tags=((255, 3, 2),))
    full = files.tiff(PIXELS, deflate=deflate)
    for data in (joined(small, full), joined(old, full), joined(full, small), joined(full, mask), joined(mask, full)):
        found, notes = read(data)
        assert (found.pixels == PIXELS).all()
        assert notes == []
    found, notes = read(joined(files.tiff(SMALL), full))
    assert (found.pixels == SMALL).all()
    assert notes == ["the first of 2 frames"]
    assert read(small)[1] == ["the file calls its only picture a reduced one"]


def test_damage_of_a_later_page_does_not_matter() -> None:
    data = joined(files.tiff(PIXELS), files.tiff(SMALL))
    found, notes = read(data[:-40])
    assert (found.pixels == PIXELS).all()
    assert notes == []


@pytest.mark.parametrize("height", [64, 96])
@pytest.mark.parametrize("rows", [8, 32, 48])
def test_rows_without_samples_are_black(height: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TIFF of too few strips; what stood in memory before does not become a part of the picture."""

    def full(shape: Any, kind: Any) -> Any:
        return np.full(shape, 99, kind)

    data = files.tiff(np.full((height, 16, 3), 7, np.uint8), tags=((278, 4, rows),))
    monkeypatch.setattr(np, "empty", full)
    pixels = read(data)[0].pixels
    assert (pixels[:rows] == 7).all()
    assert (pixels[rows:] == 0).all()


# ------------------------------------------------------------------------------------------- many pages, far places


def pages_of(*directories: list[tuple[int, int, int, int]]) -> bytes:
    """A little-endian TIFF of 8x8 grey samples in each of these directories of further entries."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8 + 64) + bytes(64))
    for number, further in enumerate(directories, 1):
        numbers = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
        entries = {tag: (4, 1, value) for tag, value in numbers.items()} | {tag: rest for tag, *rest in further}
        out += struct.pack("<H", len(entries))
        out += b"".join(struct.pack("<HHII", tag, *entries[tag]) for tag in sorted(entries))
        out += struct.pack("<I", len(out) + 4 if number < len(directories) else 0)
    return bytes(out)


def overlapping(count: int, tags: int) -> bytes:
    """A page of one picture, and further directories of so many tags, each of which begins an entry after the last."""
    out = bytearray(pages_of([], []))
    start = struct.unpack_from("<I", out, 8 + 64 + 2 + 12 * 9)[0]
    del out[start:]
    out += bytes(12 * (count + tags) + 16)
    for number in range(count):
        place = start + 12 * number
        struct.pack_into("<H", out, place, tags)
        struct.pack_into("<I", out, place + 2 + 12 * tags, place + 12 if number < count - 1 else 0)
    return bytes(out)


def bigtiff(following: int, photoshop: int = 0) -> bytes:
    numbers = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}
    entries = [struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in numbers.items()]
    entries += [struct.pack("<HHQQ", 34377, 7, photoshop, 16)] if photoshop else []
    directory = struct.pack("<Q", len(entries)) + b"".join(entries) + struct.pack("<Q", following)
    return b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + directory + bytes(64)


def bytes_read(data: bytes) -> int:
    """Bytes that are read of a file besides what Pillow reads."""
    file, count = io.BytesIO(data), 0
    with Image.open(file) as image:

        class Counted(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                nonlocal count
                body = super().read(size)
                count += len(body)
                return body

        choose_page(image, Counted(data))
    return count


def test_directories_that_overlap_cost_no_more_than_the_file() -> None:
    data = overlapping(200, 2000)
    assert bytes_read(data) < 2 * len(data)
    assert read(data)[0].pixels.shape == (8, 8, 1)


def test_values_of_many_pages_cost_no_more_than_the_file() -> None:
    """Each page claims that a tag, of which the first value counts, has as many values as the whole file."""
    many = [(tag, 4, 4000, 8) for tag in (254, 255, 262)]
    data = pages_of([], *[many] * 100)
    assert bytes_read(data) < 2 * len(data)


def test_the_picture_is_looked_for_behind_so_many_smaller_ones() -> None:
    small = [(254, 4, 1, 1)]
    assert read(pages_of(*[small] * 1000, []))[1] == []
    assert read(pages_of(*[small] * 1100, []))[1] == ["the file calls its only picture a reduced one"]


@pytest.mark.parametrize("far", [1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_places_that_no_file_has_do_not_cost_the_picture(far: int, tmp_path: Path) -> None:
    for number, data in enumerate((bigtiff(far), bigtiff(0, far))):
        path = tmp_path / f"{number}.tiff"
        path.write_bytes(data)
        assert read_picture(path, max_pixels=64).pixels.shape == (8, 8, 1)
        assert read(data)[0].pixels.shape == (8, 8, 1)


def test_a_depth_beyond_all_sense_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        with Image.open(io.BytesIO(pages_of([]))) as image:
            choose_page(image, io.BytesIO(pages_of([(258, 4, 1, 0x7FFFFFFF)])))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------------------------------------------------- tags


def test_captions_and_places_are_noted() -> None:
    image = smooth()
    photoshop = b"8BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x78\0\3abc"
    assert read(save(image, "TIFF", tiffinfo={33723: b"\x1c\x02\x78\0\3abc"}))[1] == ["IPTC left out"]
    assert read(save(image, "TIFF", tiffinfo={34377: photoshop}))[1] == ["IPTC left out"]
    assert read(save(image, "TIFF", tiffinfo={34377: photoshop.replace(b"\x04\x04", b"\x03\xed")}))[1] == []
    assert "GeoTIFF" in read(save(image, "TIFF", tiffinfo={34735: (1, 1, 0, 0)}))[1][0]
    found, notes = read(save(image, "TIFF", dpi=(300, 300), description="a caption"))
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert (tags[270], tags[282], notes) == ("a caption", 300, [])


def test_colours_that_tags_describe_become_a_profile() -> None:
    primaries, white = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06), (0.3127, 0.329)
    found, notes = read(save(smooth(), "TIFF", tiffinfo={319: primaries, 318: white}))
    assert notes == []
    assert found.icc is not None
    linear = tuple(round(65535 * value / 255) for value in range(256))
    found, notes = read(save(smooth().convert("L"), "TIFF", tiffinfo={301: linear}))
    assert notes == []
    assert found.icc is not None
    assert found.icc[16:20] == b"GRAY"
    srgb = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
    assert read(save(smooth(), "TIFF", tiffinfo={319: srgb, 318: white}))[0].icc is None
    assert "span no colours" in read(save(smooth(), "TIFF", tiffinfo={319: (0.3,) * 6}))[1][0]


# ------------------------------------------------------------------------------------------------ kinds that are unread


def deep(*channels: int) -> Any:
    return np.dstack([np.asarray(smooth().convert("L")).astype(np.uint16) * 257] * len(channels))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: files.tiff(deep(0, 0), photometric=1, bits=16, tags=((338, 3, 2),)), "16-bit grey with alpha"),
        (lambda: files.tiff(np.zeros((4, 4, 3), np.uint32), bits=32, tags=((339, 3, 3),)), "32-bit floating-point"),
        (lambda: files.tiff(np.zeros((4, 4, 3), np.uint32), bits=32), "samples of 32 bits"),
        (lambda: files.tiff(np.zeros((4, 4, 3), np.uint16), bits=16, tags=((339, 3, 2),)), "16-bit signed"),
        (lambda: files.tiff(np.zeros((4, 4, 7), np.uint8)), "7 channels"),
        (lambda: files.tiff(PIXELS, tags=((259, 3, 50001),)), "compressed by WebP"),
        (lambda: files.tiff(PIXELS, tags=((259, 3, 34712),)), "compressed by JPEG 2000"),
        (lambda: files.tiff(PIXELS, photometric=32845), "LogLuv"),
        (lambda: files.tiff(PIXELS, photometric=6, tags=((530, 4, 0x00020002),)), "YCbCr"),
    ],
)
def test_kinds_that_are_not_read_are_named(make: Any, what: str) -> None:
    with pytest.raises(PictureError, match="such a TIFF is not read: .*" + what):
        read(make())


def test_what_is_read_but_truncated_is_called_truncated() -> None:
    for data in (files.tiff(deep(0, 0, 0), bits=16, deflate=True), save(smooth(), "TIFF", compression="tiff_lzw")):
        with pytest.raises(PictureError, match=r"damaged|not a picture"):
            read(data[: len(data) // 2])


# ------------------------------------------------------------------------------------------- what the library writes


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"])
def test_standard_error_belongs_to_us(compression: str, capfd: pytest.CaptureFixture[str]) -> None:
    image = smooth().convert("1") if compression == "group4" else smooth()
    for place in (60, 200, 400):
        data = bytearray(save(image, "TIFF", compression=compression))
        data[place : place + 60] = b"\xff" * 60
        with contextlib.suppress(PictureError):
            assert all(line.startswith("damaged, ") for line in read(bytes(data))[1])
        os.write(2, b"own words\n")
    assert capfd.readouterr() == ("", "own words\n" * 3)


def test_the_reason_is_the_librarys(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(save(smooth(), "TIFF", compression="tiff_lzw"))
    data[200:260] = b"\xff" * 60
    with pytest.raises(PictureError, match="Using code not yet in table"):
        read(bytes(data))
    assert capfd.readouterr().err == ""


def test_words_of_others_are_passed_on(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import TiffImagePlugin

    load = TiffImagePlugin.TiffImageFile.load

    def talking(self: Any) -> Any:
        if self.tile:  # not decoded yet
            os.write(2, b"another thread says this\nTIFFReadDirectory: Warning, Unknown field with tag 4711.\n")
        return load(self)

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", talking)
    assert read(save(smooth(), "TIFF", compression="tiff_lzw"))[1] == []
    assert capfd.readouterr().err == "another thread says this\n"


def test_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError("closed")

    monkeypatch.setattr(os, "dup", closed)
    assert (read(save(smooth(), "TIFF", compression="tiff_lzw"))[0].pixels == PIXELS).all()
