"""JPEG: what stands in segments and behind the picture is kept or noted, and damaged samples are noticed."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lcodec.errors import PictureError
from lcodec.picture.scan import impossible
from tests.support.reading import read, save, segment, smooth, with_segments

JPEG = save(smooth(), "JPEG", quality=95)
XAP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
RDF = b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def packet(attributes: bytes = b"", inner: bytes = b"") -> bytes:
    description = b'<rdf:Description rdf:about="" %s>%s</rdf:Description>' % (attributes, inner)
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF %s>%s</rdf:RDF></x:xmpmeta>' % (RDF, description)


def exif(orientation: int, thumbnail: bytes = b"", order: str = "<", tail: bytes = b"") -> bytes:
    """An orientation and a size; EXIF proper with the size in pixels; a directory with a thumbnail."""
    size = 8 + (2 + 3 * 12 + 4) + (2 + 2 * 12 + 4)
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    short = struct.pack(f"{order}HH", orientation, 0)
    entries = [(0x0100, 4, struct.pack(f"{order}I", 96)), (0x0112, 3, short), (0x8769, 4, struct.pack(f"{order}I", 50))]
    proper = [(0xA002, 3, struct.pack(f"{order}HH", 96, 0)), (0xA003, 4, struct.pack(f"{order}I", 64))]
    at = size + 2 + 2 * 12 + 4
    second = [(0x0201, 4, struct.pack(f"{order}I", at)), (0x0202, 4, struct.pack(f"{order}I", len(thumbnail)))]
    for number, directory in enumerate((entries, proper, second if thumbnail else [])):
        if not directory:
            continue
        out += struct.pack(f"{order}H", len(directory))
        out += b"".join(struct.pack(f"{order}HHI", tag, kind, 1) + value for tag, kind, value in directory)
        out += struct.pack(f"{order}I", size if number == 0 and thumbnail else 0)
    return out + thumbnail + tail


def tags_of(block: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(block)
    return tags


# ----------------------------------------------------------------------------------------------------------------- EXIF


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("tail", [b"", b"a maker's note"])
def test_thumbnail_and_sizes_fit_the_upright_picture(orientation: int, order: str, tail: bytes) -> None:
    thumbnail = save(smooth(48, 32), "JPEG")
    found, notes = read(with_segments(JPEG, segment(0xE1, b"Exif\0\0" + exif(orientation, thumbnail, order, tail))))
    assert found.exif is not None
    tags = tags_of(found.exif)
    size = (found.width, found.height)
    assert size == ((96, 64) if orientation < 5 else (64, 96))
    proper = tags.get_ifd(0x8769)
    assert (tags[0x0100], proper[0xA002], proper[0xA003]) == (size[0], *size)
    assert (tags[0x0112], notes) == (1, [])
    assert (thumbnail in found.exif) == (orientation == 1)
    assert struct.unpack_from(f"{order}I", found.exif, 8 + 2 + 3 * 12)[0] == (80 if orientation == 1 else 0)
    assert found.exif.endswith(tail)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_a_repeated_prefix(times: int, form: str) -> None:
    found, notes = read(save(smooth(), form, exif=b"Exif\0\0" * times + exif(6)))
    assert found.exif is not None
    assert (tags_of(found.exif)[0x0112], found.width, notes) == (1, 64, [])


@pytest.mark.parametrize(
    ("unit", "density", "tags"),
    [
        (1, (300, 300), {282: 300, 283: 300, 296: 2}),
        (1, (204, 98), {282: 204, 283: 98, 296: 2}),
        (2, (118, 118), {282: 300, 283: 300, 296: 2}),
        (0, (1, 1), None),
        (1, (0, 0), None),
    ],
)
def test_density_becomes_exif(unit: int, density: tuple[int, int], tags: dict[int, int] | None) -> None:
    data = bytearray(JPEG)
    at = data.index(b"JFIF\0") + 7
    data[at : at + 5] = struct.pack(">BHH", unit, *density)
    found, notes = read(bytes(data))
    assert (None if found.exif is None else dict(tags_of(found.exif)), notes) == (tags, [])
    if tags and density[0] != density[1]:  # turned together with the picture
        turned, _ = read(with_segments(bytes(data), segment(0xE1, b"Exif\0\0" + exif(6))))
        assert (tags_of(turned.exif or b"")[282], tags_of(turned.exif or b"")[283]) == (98, 204)


def test_density_joins_exif_unless_that_has_its_own() -> None:
    data = save(smooth(), "JPEG", dpi=(300, 300), exif=b"Exif\0\0" + exif(1, b"thumbnail", tail=b"note"))
    found, _ = read(data)
    assert found.exif is not None
    tags = tags_of(found.exif)
    assert (tags[282], tags[283], tags[296], tags[0x0100]) == (300, 300, 2, 96)
    assert tags.get_ifd(0x8769)[0xA002] == 96
    assert found.exif.startswith(exif(1, b"thumbnail", tail=b"note")[8:20], 8)  # nothing has moved
    own = Image.Exif()
    own[282], own[283], own[296] = 72.0, 72.0, 2
    found, _ = read(save(smooth(), "JPEG", dpi=(300, 300), exif=own))
    assert tags_of(found.exif or b"")[282] == 72


def test_samples_that_are_not_square_are_noted() -> None:
    data = bytearray(JPEG)
    at = data.index(b"JFIF\0") + 7
    data[at : at + 5] = struct.pack(">BHH", 0, 2, 1)
    assert read(bytes(data))[1] == ["samples that are not square (1:2), taken for square ones"]


# ----------------------------------------------------------------------------------------------------- text and notes


def iptc(code: int = 0x0404) -> bytes:
    body = b"\x1c\x02\x78" + struct.pack(">H", 11) + b"the caption"
    return segment(0xED, b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", code, 0, len(body)) + body)


@pytest.mark.parametrize(
    ("part", "notes"),
    [
        (iptc(), ["IPTC left out"]),
        (iptc(0x0421), []),
        (segment(0xFE, b"the day we met"), ["comment left out"]),
        (segment(0xFE, b"Created with GIMP"), []),
        (segment(0xFE, b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90\n"), []),
        (segment(0xFE, b"Lavc58.54.100\0"), []),
        (segment(0xE5, b"nobody knows"), []),
    ],
)
def test_what_people_would_miss_is_noted(part: bytes, notes: list[str]) -> None:
    assert read(with_segments(JPEG, part))[1] == notes
    assert read(with_segments(JPEG, part), metadata=())[1] == []


def extended(rest: bytes, guid: bytes | None = None, *, lost: int = -1, order: int = 1) -> bytes:
    guid = guid or hashlib.md5(rest).hexdigest().upper().encode()
    head = XAP + packet(b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"' % guid)
    parts = [
        segment(0xE1, EXTENSION + guid + struct.pack(">II", len(rest), at) + rest[at : at + 60_000])
        for at in range(0, len(rest), 60_000)
        if at != lost
    ]
    return with_segments(JPEG, segment(0xE1, head), *parts[::order])


@pytest.mark.parametrize("order", [1, -1])
def test_extended_xmp_is_joined(order: int) -> None:
    rest = packet(
        b'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"',
        b"<GDepth:Data>%s</GDepth:Data>" % (b"depth " * 20_000),
    )
    found, notes = read(extended(rest, order=order))
    assert found.xmp is not None
    assert (b"depth depth" in found.xmp, b"HasExtendedXMP" in found.xmp, notes) == (True, False, [])
    from xml.etree import ElementTree

    root = ElementTree.fromstring(found.xmp)
    assert len(root.findall(".//{*}Description")) == 2


@pytest.mark.parametrize("how", ["checksum", "missing", "no XML", "entities"])
def test_extended_xmp_that_does_not_fit_is_noted(how: str) -> None:
    rest = packet(b"", b"<a>%s</a>" % (b"depth " * 20_000))
    if how == "no XML":
        rest = rest.replace(b"</a>", b"")
    if how == "entities":
        rest = b'<!DOCTYPE x [<!ENTITY y "z">]>' + rest.replace(b"<a>", b"<![CDATA[&y;]]><a>")
    data = extended(
        rest, b"0123456789ABCDEF" * 2 if how == "checksum" else None, lost=60_000 if how == "missing" else -1
    )
    found, notes = read(data)
    assert notes == ["the extension of the XMP left out: damaged"]
    assert b"HasExtendedXMP" not in (found.xmp or b"")
    assert (found.pixels == read(JPEG)[0].pixels).all()


# ------------------------------------------------------------------------------------- what stands behind the picture


def mpf(data: bytes, *others: tuple[int, bytes]) -> bytes:
    """Add pictures of a kind behind a JPEG, and the index of them."""
    at = 20  # behind JFIF
    body_size = 8 + 2 + 3 * 12 + 4 + 16 * (1 + len(others))
    total = len(data) + 4 + 4 + body_size
    records = struct.pack(">IIIHH", 0x030000, total, 0, 0, 0)
    place = total - at - 8
    for kind, picture in others:
        records += struct.pack(">IIIHH", kind, len(picture), place, 0, 0)
        place += len(picture)
    entries = [(0xB000, 7, 4, b"0100"), (0xB001, 4, 1, struct.pack(">I", 1 + len(others)))]
    entries.append((0xB002, 7, len(records), struct.pack(">I", 50)))
    index = b"MM\0*" + struct.pack(">IH", 8, 3) + b"".join(struct.pack(">HHI", *e[:3]) + e[3] for e in entries)
    whole = data[:at] + segment(0xE2, b"MPF\0" + index + bytes(4) + records) + data[at:]
    assert len(whole) == total
    return whole + b"".join(picture for _, picture in others)


HDRGM = packet(b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"')
SMALL = save(smooth(24, 16).convert("L"), "JPEG")
APPLE = with_segments(SMALL, segment(0xE1, XAP + packet(b'xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/"')))
GAIN = "gain map left out: shown without its HDR"


def with_xmp(xmp: bytes) -> bytes:
    at = 20
    return JPEG[:at] + segment(0xE1, XAP + xmp) + JPEG[at:]


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (mpf(with_xmp(HDRGM), (0, SMALL)), [GAIN]),
        (with_xmp(HDRGM), [GAIN]),
        (mpf(JPEG, (0, APPLE)), [GAIN]),
        (mpf(JPEG, (0, APPLE), (0, SMALL)), ["the first of 2 frames", GAIN]),
        (mpf(with_segments(JPEG), (0, SMALL)), ["the first of 2 frames"]),
        (mpf(JPEG, (0x010001, SMALL)), []),
        (mpf(JPEG, (0x010002, SMALL), (0x020002, SMALL)), ["the first of 2 frames"]),
        (JPEG[:20] + segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0") + JPEG[20:], [GAIN]),
    ],
)
def test_gain_maps_and_further_pictures(data: bytes, notes: list[str]) -> None:
    found, seen = read(data)
    assert seen == notes
    assert b"hdrgm" not in (found.xmp or b"").replace(b"xmlns:hdrgm", b"")
    assert found.pixels.shape == (64, 96, 3)


CAMERA = b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
CONTAINER = (
    b'xmlns:C="http://ns.google.com/photos/1.0/container/" xmlns:I="http://ns.google.com/photos/1.0/container/item/"'
)
ITEM = b'<rdf:li rdf:parseType="Resource"><C:Item I:Semantic="MotionPhoto"/></rdf:li>'
ITEMS = b"<C:Directory><rdf:Seq>%s</rdf:Seq></C:Directory>" % ITEM


@pytest.mark.parametrize(
    ("xmp", "noted"),
    [
        (packet(CAMERA + b' GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99"'), True),
        (packet(CAMERA + b' GCamera:MotionPhoto="1" ' + CONTAINER, ITEMS), True),
        (packet(CAMERA, b"<GCamera:MotionPhoto>1</GCamera:MotionPhoto>"), True),
        (packet(CONTAINER, ITEMS), True),
        (packet(CAMERA + b' GCamera:MicroVideo="0"'), False),
        (packet(CAMERA + b' GCamera:BurstID="1"'), False),
    ],
)
def test_motion_photos(xmp: bytes, noted: bool) -> None:
    found, notes = read(with_xmp(xmp) + b"\0\0\0\x18ftypmp42" + bytes(99))
    assert notes == (["the video of a motion photo left out"] if noted else [])
    assert found.xmp is not None
    for gone in (b"MicroVideo", b"MotionPhoto", b"Directory"):
        assert gone not in found.xmp
    assert (b"BurstID" in found.xmp) == (b"BurstID" in xmp)
    from xml.etree import ElementTree

    ElementTree.fromstring(found.xmp)


def test_samsungs_trailer() -> None:
    video = b"\0\0\x30\x0aMotionPhoto_Data" + bytes(40)
    directory = b"SEFH" + struct.pack("<II", 107, 1) + struct.pack("<HHII", 0, 0x0A30, len(video), len(video))
    trailer = video + directory + struct.pack("<I", len(directory)) + b"SEFT"
    assert read(JPEG + trailer)[1] == ["the video of a motion photo left out"]
    assert read(JPEG + trailer.replace(b"\x30\x0a", b"\x01\x0a"))[1] == []


def test_sizes_in_xmp_are_those_of_the_picture() -> None:
    xmp = packet(b'xmlns:tiff="t" xmlns:exif="e" tiff:ImageWidth="96" exif:PixelYDimension="64" tiff:Orientation="6"')
    found, _ = read(with_xmp(xmp))
    assert found.xmp == xmp.replace(b'"96"', b'"64"', 1).replace(b'Dimension="64"', b'Dimension="96"').replace(
        b'"6"', b'"1"'
    )


# -------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}]
)
def test_sound_pictures_get_no_note(mode: str, options: dict[str, Any]) -> None:
    for size in ((1, 1), (8, 8), (17, 9), (3, 200), (96, 64)):
        image = smooth(*size).convert(mode)
        data = save(image, "JPEG", **options)
        found, notes = read(data)
        assert [line for line in notes if "damaged" in line] == []
        if mode != "CMYK":
            assert (np.squeeze(found.pixels) == np.squeeze(np.asarray(Image.open(io.BytesIO(data))))).all()
        assert read(data + b"behind it")[1] == notes


def test_flat_pictures_get_no_note() -> None:
    for colour in ((255, 255, 255), (0, 0, 0), (255, 0, 254)):
        assert read(save(Image.new("RGB", (640, 480), colour), "JPEG"))[1] == []


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 90}, {"quality": 90, "subsampling": 0}])
def test_damage_in_the_middle_is_noted(options: dict[str, Any]) -> None:
    """Where codes fall out of step; damage after which they end in step cannot be told from a picture."""
    random = np.random.default_rng(0)
    noisy = np.asarray(smooth(320, 240)).astype(int) + random.integers(-20, 20, (240, 320, 3))
    good = save(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", **options)
    start, noted = good.index(b"\xff\xda") + 14, 0
    for _ in range(20):
        data = bytearray(good)
        place = int(random.integers(start, len(data) - 2000))
        data[place : place + 40] = random.integers(0, 255, 40, dtype=np.uint8).tobytes()
        try:
            found, notes = read(bytes(data))
        except PictureError:
            noted += 1
            continue
        assert found.pixels.shape == (240, 320, 3)
        noted += any(line.startswith("damaged, so part of it may look wrong: its data ") for line in notes)
    assert noted >= 12


def test_small_pictures_are_walked_through() -> None:
    """Damage that leaves the codes in step, but makes blocks darker than black."""
    data, at = bytearray(JPEG), JPEG.index(b"\xff\xda") + 300
    for k in range(6):
        data[at + 50 * k] ^= 0x5A
    assert read(bytes(data))[1] == ["damaged, so part of it may look wrong: its data have values that cannot be"]


def test_tables_of_codes_take_no_memory_unless_a_scan_names_them() -> None:
    full = bytes((255, *bytes(15))) + bytes(255)  # a code of one bit, as often as it can be written
    unused = b"".join(segment(0xC4, bytes((name,)) + full) for name in (2, 3, 0x12, 0x13))
    data = with_segments(save(smooth(8, 8), "JPEG"), unused)
    grey = [(0xC0, b"\x08\0\x08\0\x08\1\1\x11\0"), (0xDB, bytes((0, *[1] * 64))), (0xDA, b"\1\1\0\0\x3f\0")]
    used = [(0xC4, bytes((name,)) + full) for name in (0x00, 0x10)]
    tracemalloc.start()
    try:
        assert read(data)[1] == []
        assert not impossible([*used, *grey], bytes(20))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (40, 33), (120, 90)])
@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1, "optimize": True}])
def test_extremes_are_possible(size: tuple[int, int], quality: int, options: dict[str, Any]) -> None:
    random = np.random.default_rng(quality)
    for levels in (2, 256):
        noise = random.integers(0, levels, (size[1], size[0], 3)) * (255 // (levels - 1))
        for image in (Image.fromarray(noise.astype(np.uint8)), Image.fromarray(noise[:, :, 0].astype(np.uint8))):
            assert read(save(image, "JPEG", quality=quality, **options))[1] == []


@pytest.mark.parametrize("cut", [2, 40, 400])
def test_truncated(cut: int) -> None:
    with pytest.raises(PictureError, match="truncated"):
        read(JPEG[:-cut])
