"""XMP packets: made to fit upright samples of another size, rid of what they announce and is gone, joined, and marked.

A packet is changed as text, for a parser would write all of it anew. Every search is linear in its length: a pattern
is tried once for all prefixes, of which a packet may have thousands, and none looks for an end that may not come.
"""

from __future__ import annotations

import re

from lcodec.picture.picture import METADATA_MAX

__all__ = ["announces", "enhanced_xmp", "joined", "orientation_in_xmp", "upright_xmp", "without_announcements"]

_GAIN_MAP = b"http://ns.adobe.com/hdr-gain-map/1.0/"
_APPLE_GAIN_MAP = b"http://ns.apple.com/HDRGainMap/1.0/"
_CAMERA = b"http://ns.google.com/photos/1.0/camera/"
_CONTAINER = b"http://ns.google.com/photos/1.0/container/"
_NOTE = b"http://ns.adobe.com/xmp/note/"
#: Names, by their namespaces, that announce something behind the picture, which is not kept: maps of gain, videos,
#: a list of both, and the rest of the packet.
_ANNOUNCE: dict[bytes, bytes] = {
    _GAIN_MAP: rb"[\w.-]+",
    _APPLE_GAIN_MAP: rb"[\w.-]+",
    _CAMERA: rb"(?:MicroVideo|MotionPhoto)\w*",
    _CONTAINER: rb"Directory",
    _NOTE: rb"HasExtendedXMP",
}
#: A prefix, from its first character on.
_PREFIX = rb"(?<![\w.-])([\w.-]{1,64})"
_VIDEO = re.compile(rb"""%s:(?:MicroVideo|MotionPhoto)\s*(?:=\s*["']|>\s*)1""" % _PREFIX)
_SIZES = (("tiff:ImageWidth", "exif:PixelXDimension"), ("tiff:ImageLength", "exif:PixelYDimension"))

#: What XMP says of a picture that an algorithm has added to (IPTC, "Digital Source Type NewsCodes").
_ENHANCED = b"http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
#: Sources that say as much or more.
_ALGORITHMIC = {
    *(b"algorithmicallyEnhanced", b"algorithmicMedia", b"compositeSynthetic"),
    *(b"compositeWithTrainedAlgorithmicMedia", b"trainedAlgorithmicMedia"),
}
#: The property, as an attribute, an element or an element with a resource, and its value.
_SOURCE_TYPE = re.compile(rb"""DigitalSourceType(?:\s*=\s*["']|\s*>|\s+(?:\w+:)?resource\s*=\s*["'])([^"'<]*)""")
_RDF_END = re.compile(rb"</(?:[\w.-]+:)?RDF\s*>")
_DESCRIPTION = (
    b'<rdf:Description rdf:about="" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    b"<Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType></rdf:Description>" % _ENHANCED
)
_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%s</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def upright_xmp(xmp: bytes, size: tuple[int, int] | None = None) -> bytes:
    """Set tiff:Orientation to 1 and the sizes to `size`, width and height, as attributes or elements."""
    xmp = re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>\s*))[2-8]""", rb"\g<1>1", xmp)
    if size is not None:
        for names, value in zip(_SIZES, size, strict=True):
            for name in names:
                xmp = re.sub(rb"""(%s\s*(?:=\s*["']|>\s*))\d+""" % name.encode(), rb"\g<1>%d" % value, xmp)
    return xmp


def orientation_in_xmp(xmp: bytes) -> int | None:
    """Return the orientation, 1..8, that a packet says; None where it says none."""
    found = re.search(rb"""tiff:Orientation\s*(?:=\s*["']|>\s*)([1-8])\b""", xmp)
    return int(found.group(1)) if found else None


def announces(xmp: bytes) -> set[str]:
    """Say what a packet announces behind the picture: a "gain map", a "video", both or neither."""
    found = set()
    if _prefixes(xmp, _GAIN_MAP) or _prefixes(xmp, _APPLE_GAIN_MAP) or _semantic(xmp, b"GainMap"):
        found.add("gain map")
    camera = _prefixes(xmp, _CAMERA)
    if _semantic(xmp, b"MotionPhoto") or (camera and any(found[1] in camera for found in _VIDEO.finditer(xmp))):
        found.add("video")
    return found


def without_announcements(xmp: bytes) -> bytes:
    """Take out the attributes and elements that announce what is not kept."""
    for namespace, names in _ANNOUNCE.items():
        if prefixes := _prefixes(xmp, namespace):
            attribute = rb"""\s%s:%s\s*=\s*(?:"[^"]*"|'[^']*')""" % (_PREFIX, names)
            xmp = re.sub(attribute, lambda found: b"" if found[1] in prefixes else found[0], xmp)
            xmp = _without_elements(xmp, prefixes, names)
    return xmp


def joined(xmp: bytes, extension: bytes) -> bytes | None:
    """Put the descriptions of an extension into the packet (XMP specification, part 3, 1.1.3.1).

    Returns None where either is not as it should be, or the result would be no XML.
    """
    opening = re.search(rb"<rdf:RDF\b", extension)
    start = extension.find(b">", opening.end()) + 1 if opening else 0
    stop, end = extension.rfind(b"</rdf:RDF"), xmp.rfind(b"</rdf:RDF")
    if not 0 < start <= stop or end < 0:
        return None
    whole = xmp[:end] + extension[start:stop] + xmp[end:]
    return whole if _is_xml(whole) else None


def enhanced_xmp(xmp: bytes | None) -> bytes:
    """Say in XMP that an algorithm has added to the picture what no camera saw.

    IPTC's property DigitalSourceType is set to algorithmicallyEnhanced; a source that says as much or more is left.

    Args:
        xmp: the packet to add it to; None, or what is no XMP, makes a packet of its own.
    """
    stated = _SOURCE_TYPE.search(xmp or b"")
    if xmp is not None and stated:
        begin, end = stated.span(1)
        said = stated[1].strip().rpartition(b"/")[2]
        return xmp if said in _ALGORITHMIC else xmp[:begin] + _ENHANCED + xmp[end:]
    ends = [found.start() for found in _RDF_END.finditer(xmp or b"")]
    if xmp is None or not ends or len(xmp) + len(_DESCRIPTION) > METADATA_MAX:
        return _PACKET % _DESCRIPTION
    return xmp[: ends[-1]] + _DESCRIPTION + xmp[ends[-1] :]


class _Unkept:
    """Takes what a parser finds, and keeps none of it: a tree takes dozens of times the room of its text."""

    def close(self) -> None:
        """End."""


def _is_xml(packet: bytes) -> bool:
    from xml.etree import ElementTree

    if b"<!" in packet:  # document types and entities, which may unfold without end, have no place in XMP
        return False
    parser = ElementTree.XMLParser(target=_Unkept())  # noqa: S314
    try:
        parser.feed(packet.strip(b"\0 \t\r\n"))
        parser.close()
    except (ElementTree.ParseError, ValueError):
        return False
    return True


def _prefixes(xmp: bytes, namespace: bytes) -> set[bytes]:
    """Return the prefixes that a packet has for a namespace."""
    return set(re.findall(rb"""xmlns:%s\s*=\s*["']%s["']""" % (_PREFIX, re.escape(namespace)), xmp))


def _semantic(xmp: bytes, kind: bytes) -> bool:
    return re.search(rb""":Semantic\s*(?:=\s*["']|>\s*)%s\b""" % kind, xmp) is not None


def _without_elements(xmp: bytes, prefixes: set[bytes], names: bytes) -> bytes:
    """Take out the elements of such names, with everything in them; such elements do not contain each other."""
    kept, place = [], 0
    for start in re.finditer(rb"<(%s:%s)(?=[\s/>])[^<>]*>" % (_PREFIX, names), xmp):
        if start.start() < place or start.group(2) not in prefixes:
            continue
        end = start.end()
        if not start.group().endswith(b"/>"):
            closing = b"</%s>" % start.group(1)
            found = xmp.find(closing, end)
            if found < 0:
                break
            end = found + len(closing)
        kept.append(xmp[place : start.start()])
        place = end
    return b"".join(kept) + xmp[place:] if kept else xmp
