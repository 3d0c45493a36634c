"""PNG: ancillary chunks are kept or noted and never cost the picture; critical ones still count."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.errors import PictureError
from lcodec.picture.colour import SRGB, from_h273, profile_of
from tests.support import files
from tests.support.reading import chunk, read, save, smooth, with_chunks

PNG = save(smooth())
PIXELS = np.asarray(smooth())
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="caf\xc3\xa9"/></x:xmpmeta>'
EXIF = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB_CHUNK = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def broken(kind: bytes, body: bytes) -> bytes:
    """A chunk with a wrong checksum."""
    return chunk(kind, body)[:-4] + b"\0\0\0\0"


def raw_profile(name: str, content: bytes) -> bytes:
    """As ImageMagick stores profiles in text."""
    digits = content.hex().encode()
    lines = b"\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    body = b"\n%s\n%8d\n%s\n" % (name.encode(), len(content), lines)
    return chunk(b"zTXt", b"Raw profile type %s\0\0" % name.encode() + zlib.compress(body))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(bytes(range(256)) * 8000)),
        chunk(b"zTXt", b"log\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"tEXt", b"parameters\0" + b"a prompt " * 200_000),
        chunk(b"zTXt", b"many\0\0" + zlib.compress(bytes(1_000_000))) * 70,
    ],
)
def test_large_text_is_passed_over_with_a_note(body: bytes, last: bool) -> None:
    at = len(PNG) - 12
    found, notes = read(PNG[:at] + body + PNG[at:] if last else with_chunks(PNG, body))
    assert (found.pixels == PIXELS).all()
    assert [line.partition(":")[0] for line in notes] == ["text left out"]


def test_large_profiles_are_kept() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 1_400_000, dtype=np.uint8).tobytes()
    large = PROFILE + noise
    found, notes = read(with_chunks(PNG, chunk(b"iCCP", b"x\0\0" + zlib.compress(large))))
    assert (found.icc, notes) == (large, [])
    found, notes = read(with_chunks(PNG, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 25)))))
    assert (found.icc, notes) == (None, ["ICC left out: more than 16777216 bytes"])


@pytest.mark.parametrize(
    "kind", [b"tEXt", b"iTXt", b"zTXt", b"iCCP", b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"cICP", b"sBIT"]
)
@pytest.mark.parametrize("body", [b"", b"x", b"no sense at all"])
def test_damaged_ancillary_chunks_do_not_cost_the_picture(kind: bytes, body: bytes) -> None:
    for damaged in (broken(kind, body), chunk(kind, body)):
        found, notes = read(with_chunks(PNG, damaged))
        assert (found.pixels == PIXELS).all()
        assert len(notes) <= 1
    assert read(with_chunks(PNG, broken(kind, body)))[1] == [f"left out, damaged: {kind.decode()}"]


def test_transparency_of_the_wrong_length_or_checksum_is_left_out() -> None:
    for damaged in (chunk(b"tRNS", b"\0\0"), broken(b"tRNS", bytes(6))):
        found, notes = read(with_chunks(PNG, damaged))
        assert found.alpha is None
        assert notes == ["left out, damaged: tRNS"]


def test_damage_of_critical_chunks_is_refused() -> None:
    at = PNG.index(b"IDAT")
    flipped = bytearray(PNG)
    flipped[at + 200] ^= 4
    header = bytearray(PNG)
    header[30] ^= 1  # its checksum
    for data in (flipped, header, PNG[: at + 300]):
        with pytest.raises(PictureError):
            read(bytes(data))


@pytest.mark.parametrize("count", [1, 3])
def test_animation_without_its_further_frames_is_the_first_of_many(count: int) -> None:
    control = chunk(b"acTL", struct.pack(">II", count, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 96, 64, 0, 0, 1, 10, 0, 0))
    wrong = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 9, 960, 640, 5, 5, 1, 10, 0, 0))  # Pillow refuses the file for it
    assert read(with_chunks(PNG, control, frame))[1] == ([f"the first of {count} frames"] if count > 1 else [])
    assert read(with_chunks(PNG, control))[1] == [f"the first of {count + 1} frames"]
    assert (read(with_chunks(PNG, control, wrong))[0].pixels == PIXELS).all()


# ------------------------------------------------------------------------------------------------------------ metadata


def test_names_of_text_are_noted_but_for_those_of_programs() -> None:
    texts = [b"Software", b"Creation Time", b"date:create", b"exif:Make", b"Title", b"prompt", b"prompt", b"a\tb"]
    _, notes = read(with_chunks(PNG, *(chunk(b"tEXt", text + b"\0content") for text in texts)))
    assert notes == ["text left out: Title, prompt, a?b"]
    assert read(with_chunks(PNG, chunk(b"tEXt", b"prompt\0x")), metadata=())[1] == []
    many = [chunk(b"tEXt", b"key %d\0x" % number) for number in range(9)]
    assert read(with_chunks(PNG, *many))[1] == ["text left out: key 0, key 1, key 2, key 3, key 4 and 4 more"]


@pytest.mark.parametrize(
    ("body", "name", "kept"),
    [
        (raw_profile("exif", b"Exif\0\0" + EXIF), "exif", EXIF),
        (raw_profile("APP1", b"Exif\0\0" + EXIF), "exif", EXIF),
        (raw_profile("exif", EXIF), "exif", EXIF),
        (chunk(b"eXIf", b"Exif\0\0Exif\0\0" + EXIF), "exif", EXIF),
        (raw_profile("xmp", XMP), "xmp", XMP),
        (raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP), "xmp", XMP),
        (chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)), "xmp", XMP),
        (raw_profile("icc", PROFILE), "icc", PROFILE),
        (raw_profile("icm", PROFILE), "icc", PROFILE),
    ],
)
def test_metadata_in_every_place(body: bytes, name: str, kept: bytes) -> None:
    found, notes = read(with_chunks(PNG, body))
    expected = kept.replace(b"\x01\0\0\0\x06", b"\x01\0\0\0\x01")
    assert (getattr(found, name), notes) == (expected, [])
    assert (found.width, found.height) == ((64, 96) if name == "exif" else (96, 64))


def test_iptc_in_a_raw_profile_is_noted() -> None:
    assert read(with_chunks(PNG, raw_profile("iptc", b"\x1c\x02\x78\0\3abc")))[1] == ["IPTC left out"]
    assert read(with_chunks(PNG, raw_profile("8bim", b"8BIM\x03\xed\0\0")))[1] == []


@pytest.mark.parametrize(("depth", "noted"), [(None, True), (8, False), (5, False), (9, True), (16, True)])
@pytest.mark.parametrize("colour", [0, 2, 6])
def test_depth_is_that_of_the_bits_that_count(depth: int | None, noted: bool, colour: int) -> None:
    channels = {0: 1, 2: 3, 6: 4}[colour]
    eight = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint16)
    chunks = [] if depth is None else [(b"sBIT", bytes([depth] * channels))]
    samples = eight << 8 if depth in {5, 8} else eight * 257  # filled with zeros, or the bits once more
    found, notes = read(files.png(samples, 16, colour, *chunks))
    assert notes == (["more than 8 bits a sample, rounded to 8"] if noted else [])
    assert (found.pixels == eight[:, :, : found.pixels.shape[2]]).all()
    if not noted:
        assert read(files.png(samples, 16, colour, *chunks), strict_depth=True)[1] == []


# ------------------------------------------------------------------------------------------------------------- colours


@pytest.mark.parametrize(
    "chunks",
    [
        (chunk(b"gAMA", struct.pack(">I", 45455)),),
        (chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", SRGB_CHUNK)),
        (chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"cHRM", P3)),
        (chunk(b"cICP", bytes((1, 13, 0, 1))), chunk(b"cHRM", P3)),
        (chunk(b"cICP", bytes((2, 2, 0, 1))),),
        (chunk(b"gAMA", bytes(4)),),
    ],
)
def test_what_comes_to_srgb_needs_nothing(chunks: tuple[bytes, ...]) -> None:
    found, notes = read(with_chunks(PNG, *chunks))
    assert (found.icc, found.exif, notes) == (None, None, [])


def to_srgb(pixels: tuple[int, int, int], profile: bytes) -> tuple[int, ...]:
    image = Image.new("RGB", (1, 1), pixels)
    converted = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert converted is not None
    return tuple(int(value) for value in np.asarray(converted)[0, 0])


def srgb(linear: float) -> float:
    return 255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("gamma", [100_000, 55_556, 62_500, 38_462])
@pytest.mark.parametrize("grey", [False, True])
def test_gamma_becomes_a_profile_that_shows_the_same(gamma: int, grey: bool) -> None:
    png = save(smooth().convert("L")) if grey else PNG
    found, notes = read(with_chunks(png, chunk(b"gAMA", struct.pack(">I", gamma))))
    assert found.icc is not None
    assert notes == ["colours described by gAMA and cHRM, kept as an ICC profile"]
    for value in (10, 60, 128, 200, 255):
        expected = srgb((value / 255) ** (100_000 / gamma))
        if not grey:
            assert to_srgb((value, value, value), found.icc) == pytest.approx((expected,) * 3, abs=1.5)
    assert read(with_chunks(png, chunk(b"gAMA", struct.pack(">I", gamma))), metadata=("exif",))[0].icc is None


def test_grey_profiles_map_grey() -> None:
    profile = profile_of(SRGB, 1.0, grey=True)
    assert profile is not None
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    shown = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert shown is not None
    expected = [srgb(value / 255) for value in range(256)]
    assert np.abs(np.asarray(shown)[0, :, 1] - expected)[32:].max() < 1.5  # LittleCMS is coarse in the dark


@pytest.mark.parametrize("how", ["cHRM", "gAMA and cHRM", "cICP"])
def test_primaries_become_a_profile_that_shows_the_same(how: str) -> None:
    chunks = {
        "cHRM": (chunk(b"cHRM", P3),),
        "gAMA and cHRM": (chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", P3)),
        "cICP": (chunk(b"cICP", bytes((12, 13, 0, 1))),),
    }[how]
    found, _ = read(with_chunks(PNG, *chunks))
    assert found.icc is not None
    for colour in ((255, 255, 255), (128, 128, 128), (120, 140, 100), (200, 180, 190)):
        own = to_srgb(colour, found.icc)
        independent = to_srgb(colour, files.DISPLAY_P3)  # of gamma 2.2, made without the code under test
        assert own == pytest.approx(independent, abs=3)
    assert to_srgb((255, 255, 255), found.icc) == (255, 255, 255)


def test_bt2020_is_kept_and_hdr_noted() -> None:
    found, notes = read(with_chunks(PNG, chunk(b"cICP", bytes((9, 1, 0, 1)))))
    assert found.icc is not None
    assert notes == []
    assert to_srgb((128, 128, 128), found.icc) == pytest.approx((128, 128, 128), abs=1)
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        found, notes = read(with_chunks(PNG, chunk(b"cICP", bytes((9, transfer, 0, 1)))))
        assert found.icc is None
        assert len(notes) == 1
        assert f"the {name} curve with BT.2020" in notes[0]
    assert read(with_chunks(PNG, chunk(b"cICP", bytes((1, 13, 0, 0)))))[1] == [
        "samples of narrow range, taken for full range"
    ]


def test_a_profile_comes_before_other_descriptions() -> None:
    own = chunk(b"iCCP", b"x\0\0" + zlib.compress(PROFILE))
    found, notes = read(
        with_chunks(PNG, own, chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"cICP", bytes((9, 16, 0, 1))))
    )
    assert (found.icc, notes) == (PROFILE, [])


@pytest.mark.parametrize(
    "values", [(0,) * 8, (31270, 32900) * 4, (31270, 0, *struct.unpack(">6I", P3[8:])), (1 << 31,) * 8]
)
def test_chromaticities_that_make_no_sense_are_noted(values: tuple[int, ...]) -> None:
    found, notes = read(with_chunks(PNG, chunk(b"cHRM", struct.pack(">8I", *values))))
    assert found.icc is None
    assert len(notes) == 1
    assert notes[0].startswith("gAMA and cHRM left out: ")


@pytest.mark.parametrize("primaries", [1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 2, 4, 5, 6, 8, 13, 14, 15])
def test_every_profile_that_is_made_keeps_white(primaries: int, transfer: int) -> None:
    profile, note = from_h273(primaries, transfer, grey=False)
    assert note == ""
    if profile is not None:
        assert len(profile) == struct.unpack_from(">I", profile)[0] < 600
        assert to_srgb((255, 255, 255), profile) == pytest.approx((255, 255, 255), abs=1)


def test_codes_without_a_profile_are_noted() -> None:
    for codes in ((9, 99), (99, 13), (10, 13)):
        profile, note = from_h273(*codes, grey=False)
        assert profile is None
        assert note.startswith("colours left out")


# ---------------------------------------------------------------------------------------------------------- resolution


@pytest.mark.parametrize(("dots", "dpi"), [(11811, 300), (2835, 72), (23622, 600), (3780, 96)])
def test_resolution_becomes_exif(dots: int, dpi: int) -> None:
    found, notes = read(with_chunks(PNG, chunk(b"pHYs", struct.pack(">IIB", dots, dots, 1))))
    tags = Image.Exif()
    tags.load(found.exif or b"")
    assert (dict(tags), notes) == ({282: dpi, 283: dpi, 296: 2}, [])


def test_samples_that_are_not_square_are_noted() -> None:
    assert read(with_chunks(PNG, chunk(b"pHYs", struct.pack(">IIB", 1, 1, 0))))[1] == []
    assert "not square (1:2)" in read(with_chunks(PNG, chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))))[1][0]
    assert read(with_chunks(PNG, chunk(b"pHYs", bytes(8) + b"\1")))[0].exif is None
