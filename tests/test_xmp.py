"""XMP packets: what they announce is found by any prefix, and no packet takes longer than its length warrants."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from lcodec.picture.xmp import announces, enhanced_xmp, joined, orientation_in_xmp, upright_xmp, without_announcements

GAIN_MAP = b"http://ns.adobe.com/hdr-gain-map/1.0/"
CAMERA = b"http://ns.google.com/photos/1.0/camera/"
RDF = b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def declared(namespace: bytes, *prefixes: bytes) -> bytes:
    return b"".join(b' xmlns:%s="%s"' % (prefix, namespace) for prefix in prefixes)


def test_every_prefix_of_a_namespace_counts_and_no_other() -> None:
    names = declared(GAIN_MAP, b"hdrgm", b"again") + declared(b"http://example.org/", b"x", b"xagain")
    packet = b'<r%s hdrgm:Version="1" xagain:Version="2" again:Max="x:y=\'3\'">' % names
    packet += b"<again:Min><b/></again:Min><x:Min>4</x:Min><hdrgm:Gamma/></r>"
    kept = without_announcements(packet)
    assert kept == b'<r%s xagain:Version="2"><x:Min>4</x:Min></r>' % names
    assert announces(packet) == {"gain map"}
    camera = declared(CAMERA, b"c", b"GCamera")
    assert announces(b'<r%s GCamera:MotionPhoto="1"/>' % camera) == {"video"}
    assert announces(b'<r%s notGCamera:MotionPhoto="1" c:MotionPhoto="0"/>' % camera) == set()


def test_an_extension_is_joined_from_its_first_description_to_its_last() -> None:
    packet = b"<x><rdf:RDF %s><a/></rdf:RDF></x>" % RDF
    for extension in (b"<rdf:RDF><b/></rdf:RDF>", b"<x>\n<rdf:RDF %s >\n<b/></rdf:RDF \n></x>" % RDF):
        whole = joined(packet, extension)
        assert whole is not None
        assert whole.replace(b"\n", b"") == b"<x><rdf:RDF %s><a/><b/></rdf:RDF></x>" % RDF
    for extension in (b"", b"<rdf:RDF", b"<rdf:RDF>", b"</rdf:RDF><rdf:RDF>", b"</rdf:RDF>", b"<rdf:RDFs></rdf:RDFs>"):
        assert joined(packet, extension) is None


def test_an_extension_takes_little_more_room_than_its_text() -> None:
    text = b"<rdf:RDF>" + b"<a/>" * 100_000 + b"</rdf:RDF>"
    tracemalloc.start()
    try:
        assert joined(b"<rdf:RDF %s></rdf:RDF>" % RDF, text) is not None
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "packet",
    [
        declared(GAIN_MAP, *(b"p%d" % number for number in range(4000))),
        declared(CAMERA, *(b"p%d" % number for number in range(4000))),
        declared(GAIN_MAP, b"p") + b' p:a="' * 40_001,
        declared(GAIN_MAP, b"p") + b" p:a='\"" * 40_001,
        declared(GAIN_MAP, b"p") + b"<p:a " * 40_000,
        declared(GAIN_MAP, b"p") + b"<p:a>" * 40_000,
        declared(CAMERA, b"p") + b"p" * 200_000,
        declared(CAMERA, b"p") + b"p:MotionPhoto " * 20_000 + b" " * 200_000,
        b"<rdf:RDF " * 30_000 + b"</rdf:RDF",
        b"<rdf:RDF>" * 30_000,
        b"<rdf:RDF>" + b"</rdf:RDF " * 30_000,
        b"tiff:Orientation " * 20_000 + b" " * 200_000,
        b"DigitalSourceType " * 20_000 + b" " * 200_000,
        b"</r" * 100_000,
    ],
)
@pytest.mark.parametrize(
    "search",
    [
        announces,
        without_announcements,
        enhanced_xmp,
        orientation_in_xmp,
        lambda xmp: upright_xmp(xmp, (3, 4)),
        lambda xmp: joined(b"<rdf:RDF></rdf:RDF>", xmp),
    ],
)
def test_searches_are_linear(search: Callable[[bytes], object], packet: bytes) -> None:
    """Where one is not, some of these take many seconds."""
    before = time.thread_time()
    search(packet)
    assert time.thread_time() - before < 1
