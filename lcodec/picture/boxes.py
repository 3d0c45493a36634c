"""AVIF, HEIC and JPEG XL: what their boxes say that Pillow and its plugins leave out.

AVIF and HEIC (ISO/IEC 23008-12): depth, nclx, the clean aperture, and a gain map of the picture that is to be shown.
JPEG XL (ISO/IEC 18181): size and depth before anything is decoded, and XMP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from lcodec.errors import PictureError
from lcodec.picture.colour import from_h273
from lcodec.picture.said import Said

__all__ = ["JXL_SIGNATURES", "JxlHeader", "jxl_header", "primary_picture"]

JXL_SIGNATURES = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

#: Bytes of the box that describes everything; it holds no samples.
_META_MAX = 1 << 24
#: Boxes at the top of a file that are looked at.
_MOST = 1 << 12


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the boxes in a box; ends where they are damaged."""
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1 and place + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, place + 8), 16
        if size == 0:
            size = len(data) - place
        if size < head or place + size > len(data):
            return
        yield name, data[place + head : place + size]
        place += size


def _top(file: BinaryIO, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield those boxes at the top of a file; the others are not read, and the place in the file is kept."""
    place = file.tell()
    end = file.seek(0, 2)
    start = 0
    try:
        for _ in range(_MOST):
            if start >= end:  # by a size of 64 bits perhaps where nothing can be sought
                return
            file.seek(start)
            head = file.read(16)
            if len(head) < 8:
                return
            size, name = struct.unpack_from(">I4s", head)
            skipped = 8
            if size == 1 and len(head) == 16:
                (size,), skipped = struct.unpack_from(">Q", head, 8), 16
            size = end - start if size == 0 else size
            if size < skipped:
                return
            if name in wanted:
                file.seek(start + skipped)
                yield name, file.read(min(size - skipped, _META_MAX))
            start += size
    finally:
        file.seek(place)


# ------------------------------------------------------------------------------------------------------ AVIF and HEIC


@dataclass
class _Meta:
    """The box that describes the pictures of a file."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)  #: of items
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    associated: dict[int, list[int]] = field(default_factory=dict)  #: items to places in `properties`, from 1
    derived: dict[int, list[int]] = field(default_factory=dict)  #: items to those that they are made of


def primary_picture(file: BinaryIO, *, crops: bool, grey: bool) -> Said:
    """Return what is said of the picture that is to be shown.

    `crops` is for decoders that apply a clean aperture themselves. A description that is damaged says nothing.
    """
    said = Said()
    content = next((content for _, content in _top(file, {b"meta"})), b"")
    try:
        meta = _meta(content)
    except (struct.error, IndexError):
        return said
    found: dict[bytes, bytes] = {}
    parts = meta.derived.get(meta.primary, [])
    for item in [meta.primary, *parts[:1]]:
        for place in meta.associated.get(item, []):
            if not 0 < place <= len(meta.properties):
                continue
            name, body = meta.properties[place - 1]
            key = body[:4] if name == b"colr" else name
            if item == meta.primary or name not in {b"clap"}:
                found.setdefault(key, body)
    try:
        said.bits = _bits(found)
        if (clap := found.get(b"clap")) and (size := found.get(b"ispe")) and not crops:
            said.crop = _aperture(clap, *struct.unpack_from(">II", size, 4))
            if said.crop is None:
                said.content.append("a clean aperture that is not of whole samples, or reaches outside, left out")
        if nclx := found.get(b"nclx"):
            primaries, transfer = struct.unpack_from(">HH", nclx, 4)
            said.made_icc, note = from_h273(primaries, transfer, grey=grey)
            said.colours += [note] if note else []
    except (struct.error, IndexError):
        pass
    if b"tmap" in meta.kinds.values() or any(
        b"hdrgainmap" in body for name, body in meta.properties if name == b"auxC"
    ):
        said.content.append("gain map left out: shown without its HDR")
    return said


def _meta(content: bytes) -> _Meta:
    meta = _Meta()
    for name, body in _boxes(content[4:]):
        wide = bool(body[0])  # the version
        if name == b"pitm":
            (meta.primary,) = struct.unpack_from(">I" if wide else ">H", body, 4)
        elif name == b"iinf":
            for kind, entry in _boxes(body[8 if wide else 6 :]):
                if kind == b"infe" and entry[0] >= 2:
                    (item,) = struct.unpack_from(">I" if entry[0] > 2 else ">H", entry, 4)
                    start = 4 + (4 if entry[0] > 2 else 2) + 2
                    meta.kinds[item] = entry[start : start + 4]
        elif name == b"iprp":
            for kind, part in _boxes(body):
                if kind == b"ipco":
                    meta.properties = list(_boxes(part))
                elif kind == b"ipma":
                    _associations(part, meta)
        elif name == b"iref":
            form = ">I" if wide else ">H"
            step = struct.calcsize(form)
            for kind, part in _boxes(body[4:]):
                if kind == b"dimg":
                    (item,), (count,) = struct.unpack_from(form, part), struct.unpack_from(">H", part, step)
                    meta.derived[item] = list(struct.unpack_from(f">{count}{form[1]}", part, step + 2))
    return meta


def _associations(body: bytes, meta: _Meta) -> None:
    version, wide = body[0], body[3] & 1
    (count,) = struct.unpack_from(">I", body, 4)
    place = 8
    for _ in range(count):
        form = ">IB" if version else ">HB"
        item, number = struct.unpack_from(form, body, place)
        place += struct.calcsize(form)
        places = struct.unpack_from(f">{number}{'H' if wide else 'B'}", body, place)
        place += number * (2 if wide else 1)
        meta.associated[item] = [value & (0x7FFF if wide else 0x7F) for value in places]


def _bits(found: dict[bytes, bytes]) -> int | None:
    if len(pixi := found.get(b"pixi", b"")) > 5:
        return max(pixi[5 : 5 + pixi[4]])
    if len(av1 := found.get(b"av1C", b"")) > 2:
        return (12 if av1[2] & 0x20 else 10) if av1[2] & 0x40 else 8
    if len(hevc := found.get(b"hvcC", b"")) > 17:
        return 8 + (hevc[17] & 7)
    return None


def _aperture(clap: bytes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of a clean aperture (ISO/IEC 14496-12, 12.1.4); None where it is no crop."""
    values = struct.unpack_from(">8i", clap)
    if any(below <= 0 for below in values[1::2]):
        return None
    edges = []
    for side, (above, below), (shift, unit) in ((width, values[0:2], values[4:6]), (height, values[2:4], values[6:8])):
        if above % below:
            return None
        kept = above // below
        twice = (side - kept) * unit + 2 * shift  # the edge, times 2 units
        if twice % (2 * unit) or kept <= 0:
            return None
        start = twice // (2 * unit)
        if start < 0 or start + kept > side:
            return None
        edges.append((start, start + kept))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


# ---------------------------------------------------------------------------------------------------------- JPEG XL


@dataclass
class JxlHeader:
    """What the codestream of a JPEG XL begins with."""

    width: int
    height: int
    bits: int = 8
    floating: bool = False
    animated: bool = False
    xmp: bytes | None = None
    packed_xmp: bool = False  #: compressed by Brotli, which is not read


class _Bits:
    """Bits of a codestream, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def __call__(self, count: int) -> int:
        if count > self._left:
            raise PictureError("the picture is damaged or truncated: its header ends too early")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choose(self, *choices: int | tuple[int, int]) -> int:
        """Read one of four: a number, or so many bits and what is added to them."""
        choice = choices[self(2)]
        return choice if isinstance(choice, int) else self(choice[0]) + choice[1]


def jxl_header(file: BinaryIO) -> JxlHeader:
    """Read size and depth (ISO/IEC 18181-1, annex D), and XMP. Raises PictureError where the header is cut off."""
    place = file.tell()
    stream = file.read(64)
    file.seek(place)
    xmp, packed = None, False
    if not stream.startswith(JXL_SIGNATURES[0]):
        stream = b""
        for name, body in _top(file, {b"jxlc", b"jxlp", b"xml ", b"brob"}):
            if name == b"xml ":
                xmp = body
            elif name == b"brob":
                packed |= body[:4] == b"xml "
            elif not stream:
                stream = body[4:68] if name == b"jxlp" else body[:64]
    bits = _Bits(stream[2:])
    width, height = _jxl_size(bits)
    header = JxlHeader(width, height, xmp=xmp, packed_xmp=packed)
    if bits(1):  # everything else is usual
        return header
    if bits(1):
        bits(3)  # orientation, which the decoder applies
        if bits(1):
            _jxl_size(bits)
        if bits(1):  # a preview, whose size is written otherwise; what follows is not worth that
            return header
        if bits(1):
            header.animated = True
            bits.choose(100, 1000, (10, 1), (30, 1))
            bits.choose(1, 1001, (8, 1), (10, 1))
            bits.choose(0, (3, 0), (16, 0), (32, 0))
            bits(1)
    header.floating = bool(bits(1))
    header.bits = bits.choose(32, 16, 24, (6, 1)) if header.floating else bits.choose(8, 10, 12, (6, 1))
    return header


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Read a SizeHeader: height, and width by itself or by a ratio."""
    small = bits(1)

    def side() -> int:
        return 8 * (bits(5) + 1) if small else bits.choose((9, 1), (13, 1), (18, 1), (30, 1))

    height = side()
    ratio = bits(3)
    if ratio == 0:
        return side(), height
    above, below = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * above // below, height
