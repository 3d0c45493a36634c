"""Marks: XMP of what a generative model shows, and what is said of C2PA, which no other file can carry on."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from lcodec.codec import decode, encode
from lcodec.picture import Picture, read_picture, write_picture
from lcodec.picture.picture import METADATA_MAX
from lcodec.picture.xmp import enhanced_xmp
from lcodec.zoo import Zoo
from tests.support.generative import GOLDEN, NAME, add_generative
from tests.support.pictures import picture

RDF, IPTC = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}", "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
TITLE = '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="caf\xe9"'
SPACE = ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
NAMED = "Iptc4xmpExt:DigitalSourceType"
END = "</rdf:RDF></x:xmpmeta>"
PACKET = f"{HEAD}{TITLE}/>{END}".encode()


def sources(xmp: bytes) -> list[str]:
    """Every DigitalSourceType of a packet, by a real parser."""
    root = ET.fromstring(xmp[xmp.index(b"<x:xmpmeta") :].partition(b"<?xpacket end")[0])
    assert len(list(root.iter(f"{RDF}RDF"))) == 1
    name, found = f"{IPTC}DigitalSourceType", []
    for described in root.iter(f"{RDF}Description"):
        found += [described.attrib[name]] if name in described.attrib else []
        found += [each.text or each.attrib[f"{RDF}resource"] for each in described.iter(name)]
    return found


def titles(xmp: bytes) -> list[str]:
    root = ET.fromstring(xmp)
    name = "{http://purl.org/dc/elements/1.1/}title"
    return [each.attrib[name] for each in root.iter(f"{RDF}Description") if name in each.attrib]


# ------------------------------------------------------------------------------------------------------------ the mark


def stated(how: str, value: str) -> bytes:
    """A packet that says its source: as an attribute, an element, or an element with a resource."""
    forms = {
        "attribute": f'{TITLE}{SPACE} Iptc4xmpExt:DigitalSourceType="{value}"/>',
        "element": f"{TITLE}{SPACE}><{NAMED}>{value}</{NAMED}></rdf:Description>",
        "resource": f'{TITLE}{SPACE}><{NAMED} rdf:resource="{value}"/></rdf:Description>',
    }
    return f"{HEAD}{forms[how]}{END}".encode()


@pytest.mark.parametrize("xmp", [None, b"", b"no packet", b"<x:xmpmeta/>", b"</rdf:RDF" * 1000])
def test_without_a_packet_there_is_a_new_one(xmp: bytes | None) -> None:
    assert sources(enhanced_xmp(xmp)) == [f"{SOURCE}algorithmicallyEnhanced"]


def test_a_packet_keeps_what_it_says() -> None:
    marked = enhanced_xmp(PACKET)
    assert sources(marked) == [f"{SOURCE}algorithmicallyEnhanced"]
    assert titles(marked) == ["caf\xe9"]
    assert enhanced_xmp(marked) == marked
    full = PACKET.replace(b"caf", b"x" * (METADATA_MAX - len(PACKET)))
    assert len(enhanced_xmp(full)) < 1000  # a packet of the greatest size has no room for it


@pytest.mark.parametrize("how", ["attribute", "element", "resource"])
def test_a_source_is_replaced_by_the_stronger_statement(how: str) -> None:
    for before, after in (
        ("digitalCapture", "algorithmicallyEnhanced"),
        ("algorithmicallyEnhanced", "algorithmicallyEnhanced"),
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
    ):
        marked = enhanced_xmp(stated(how, SOURCE + before))
        assert sources(marked) == [SOURCE + after]
        assert titles(marked) == ["caf\xe9"]


def test_only_what_a_generative_model_shows_is_marked(tmp_path: Path) -> None:
    zoo = Zoo([GOLDEN, add_generative(tmp_path)])
    original = Picture(picture(30, 40), xmp=PACKET)
    plain, real = (encode(original, zoo.load(name), 50) for name in ("golden", NAME))
    assert decode(plain, zoo).xmp == decode(real, zoo, realism=0).xmp == PACKET
    for data, realism in ((real, None), (plain, 0.01), (real, 1.0)):
        marked = decode(data, zoo, realism=realism).xmp
        assert marked is not None
        assert sources(marked) == [f"{SOURCE}algorithmicallyEnhanced"]
        assert titles(marked) == ["caf\xe9"]
    assert decode(real, zoo, metadata=()).xmp is None
    alone = decode(real, zoo, metadata=("exif",)).xmp
    assert alone is not None
    assert sources(alone) == [f"{SOURCE}algorithmicallyEnhanced"]
    assert b"dc:title" not in alone


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tiff"])
def test_formats_hold_the_mark(form: str) -> None:
    out = io.BytesIO()
    write_picture(Picture(picture(20, 30), xmp=enhanced_xmp(PACKET)), out, form)
    found = read_picture(io.BytesIO(out.getvalue()), max_pixels=1000).xmp
    assert found is not None
    assert sources(found) == [f"{SOURCE}algorithmicallyEnhanced"]


# ---------------------------------------------------------------------------------------------------------------- C2PA


JUMBF = struct.pack(">I4s", 50, b"jumb") + struct.pack(">I4s", 25, b"jumd") + b"c2pa" + bytes(30)
UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def saved(form: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture(32, 32)).save(out, form)
    return out.getvalue()


def with_c2pa(form: str) -> bytes:
    """A picture file that carries C2PA as its format does; what is signed is not looked at."""
    data = saved(form)
    if form == "JPEG":
        body = b"JP" + struct.pack(">HI", 1, 1) + JUMBF
        return data[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if form == "PNG":
        chunk = b"caBX" + JUMBF
        whole = struct.pack(">I", len(JUMBF)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:33] + whole + data[33:]
    if form == "WEBP":
        data += b"C2PA" + struct.pack("<I", len(JUMBF)) + JUMBF
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    if form == "AVIF":
        return data + struct.pack(">I4s", 24 + len(JUMBF), b"uuid") + UUID + JUMBF
    out = io.BytesIO()
    Image.fromarray(picture(32, 32)).save(out, form, tiffinfo={0xCD41: JUMBF})
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_c2pa_is_said_not_to_survive(form: str) -> None:
    for data, carries in ((with_c2pa(form), True), (saved(form), False)):
        notes: list[str] = []
        found = read_picture(io.BytesIO(data), max_pixels=2000, note=notes.append)
        assert found.pixels.shape == (32, 32, 3)
        assert any(note.startswith("C2PA (content credentials) left out") for note in notes) == carries
    notes = []
    read_picture(io.BytesIO(with_c2pa(form)), max_pixels=2000, note=notes.append, metadata=())
    assert notes == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_damage_in_it_does_not_cost_the_picture(form: str) -> None:
    data = with_c2pa(form)
    for broken in (data + bytes(range(64)), data + struct.pack(">I4s", 1, b"uuid"), data + b"\0\0\0\7uuid"):
        assert read_picture(io.BytesIO(broken), max_pixels=2000).pixels.shape == (32, 32, 3)
