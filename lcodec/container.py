"""Container of one coded picture, version 1: the bytes of an .lcdc file. `FORMAT.md` is its specification.

Packs and unpacks; knows neither networks nor pixels. Every field is checked before anything is allocated for it,
and both the file and the decoded symbols have a CRC-32.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO

from lcodec.defaults import CHUNK_MAX
from lcodec.errors import DamagedError, LimitError

__all__ = [
    "CHUNKS",
    "MAGIC",
    "REGION_UNIT",
    "SIDE_MAX",
    "VERSION",
    "Container",
    "Header",
    "Part",
    "check_size",
    "pack",
    "read_header",
    "read_metadata",
    "unpack",
]

MAGIC = b"\x8bLCD"
VERSION = 1
#: Largest width and height.
SIDE_MAX = (1 << 24) - 1
#: The side of a region is a multiple of this many pixels: those of a hyper-latent.
REGION_UNIT = 64
#: Types of optional chunks: name -> type.
CHUNKS = {"icc": 1, "exif": 2, "xmp": 3, "alpha": 4}
#: Sections of a picture, the last one only with its flag; with regions, each of these has a part in every one.
_PARTS = ("hyper", "latents", "exact")
#: Chunks that come compressed by means of their own (`lcodec.picture.alpha`): all others are deflated here.
_PACKED = {"alpha"}
#: Most optional chunks in a file.
CHUNK_COUNT_MAX = 16

_GREY, _HAS_CHUNKS, _HAS_REGIONS, _HAS_EXACT, _HYPER_CONTEXT, _DEPENDENT = 1, 2, 4, 8, 16, 32
_IDS = struct.Struct("<H8s4sI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Header:
    """All that stands before the coded sections."""

    width: int  #: pixels
    height: int  #: pixels
    grey: bool  #: decodes to one channel
    quality_step: int  #: 0..10,000: hundredths of a quality
    entropy_id: bytes  #: 8 bytes: which entropy model reads the sections
    synthesis_id: bytes  #: 4 bytes: which synthesis was meant for its latents
    check: int  #: CRC-32 of the symbols
    sections: dict[str, int]  #: name -> bytes, in the order of the file: regions, hyper, latents, exact, then chunks
    size: int = 0  #: bytes of the header itself
    region: int = 0  #: side of a region in pixels; 0: the picture is not cut
    hyper_context: bool = False  #: hyper-latents are predicted by their context
    dependent: bool = False  #: latents are quantised dependently

    @property
    def regions(self) -> tuple[int, int]:
        """Rows and columns of regions."""
        if not self.region:
            return 1, 1
        return -(-self.height // self.region), -(-self.width // self.region)

    @property
    def total(self) -> int:
        """Bytes of the whole file."""
        return self.size + sum(self.sections.values()) + _CRC.size

    @property
    def overhead(self) -> int:
        """Bytes of no section."""
        return self.size + _CRC.size

    def check_length(self, size: int) -> None:
        """Raise DamagedError for a file that is not of `total` bytes."""
        if size < self.total:
            raise DamagedError(f"truncated: {size} of {self.total} bytes")
        if size > self.total:
            raise DamagedError(f"damaged: too many bytes ({self.total} by its header)")


@dataclass(frozen=True)
class Part:
    """What is coded of one region, or of a picture that is not cut."""

    hyper: bytes
    latents: bytes
    exact: bytes = b""  #: pixels that are kept as they are (`lcodec.exact`)

    @property
    def bare(self) -> bool:
        """Whether the networks have no part in it: all of its pixels are exact."""
        return bool(self.exact) and not (self.hyper or self.latents)


@dataclass(frozen=True)
class Container:
    """A whole file, its checksum verified."""

    header: Header
    parts: list[Part]  #: of the regions, row by row
    chunks: dict[str, bytes]  #: name -> content, decompressed but for alpha; unknown types are left out


def check_size(width: int, height: int) -> None:
    """Raise LimitError for a picture that no file can hold."""
    if max(width, height) > SIDE_MAX:
        raise LimitError(f"{width}x{height}: a side of more than {SIDE_MAX} pixels cannot be coded")


def _varint(value: int) -> bytes:
    """Unsigned LEB128: seven bits a byte, lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """Reads fields in turn; running out of bytes is an error, never an IndexError."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise DamagedError("truncated: the header is incomplete")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise DamagedError("damaged: a number in the header is padded")
                return value
        raise DamagedError("damaged: a number in the header is too long")


def pack(header: Header, parts: Sequence[Part], chunks: dict[str, bytes]) -> bytes:
    """Bytes of a file; the lengths in `header.sections` and `header.size` are not looked at."""
    compressed = {
        CHUNKS[name]: content if name in _PACKED else zlib.compress(content, 9) for name, content in chunks.items()
    }
    flags = _GREY * header.grey | _HAS_CHUNKS * bool(compressed) | _HAS_REGIONS * bool(header.region)
    flags |= _HYPER_CONTEXT * header.hyper_context | _DEPENDENT * header.dependent
    kinds = [[part.hyper for part in parts], [part.latents for part in parts]]
    if any(part.exact for part in parts):
        flags |= _HAS_EXACT
        kinds.append([part.exact for part in parts])
    sizes = [_varint(len(body)) for bodies in zip(*kinds, strict=True) for body in bodies]
    table = b"".join(sizes) if header.region else b""
    fields = [
        MAGIC,
        bytes((VERSION, flags)),
        _varint(header.width),
        _varint(header.height),
        _IDS.pack(header.quality_step, header.entropy_id, header.synthesis_id, header.check),
    ]
    if header.region:
        fields += [_varint(header.region // REGION_UNIT), _varint(len(table))]
    fields += [_varint(sum(map(len, bodies))) for bodies in kinds]
    if compressed:
        fields.append(_varint(len(compressed)))
        fields += [bytes((kind,)) + _varint(len(body)) for kind, body in compressed.items()]
    fields += [table, *chain.from_iterable(kinds), *compressed.values()]
    check = 0
    for field in fields:
        check = zlib.crc32(field, check)
    return b"".join([*fields, _CRC.pack(check)])


def read_header(data: bytes) -> Header:
    """Header of a file, from its first bytes (HEADER_MAX of them suffice).

    Raises:
        DamagedError: not an lcodec file, one of a later version, or the header is damaged or incomplete.
    """
    reader = _Reader(data)
    if data[: len(MAGIC)] != MAGIC:
        if MAGIC.startswith(data):
            raise DamagedError("truncated: the header is incomplete" if data else "not an lcodec file: it is empty")
        raise DamagedError("not an lcodec file")
    reader.take(len(MAGIC))
    version, flags = reader.byte(), reader.byte()
    if version != VERSION:
        raise DamagedError(f"made by a later lcodec (container version {version}), or damaged")
    if flags & ~(_GREY | _HAS_CHUNKS | _HAS_REGIONS | _HAS_EXACT | _HYPER_CONTEXT | _DEPENDENT):
        raise DamagedError("made by a later lcodec (unknown flags), or damaged")
    width, height = reader.varint(), reader.varint()
    quality_step, entropy_id, synthesis_id, check = _IDS.unpack(reader.take(_IDS.size))
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and quality_step <= 10_000):
        raise DamagedError("damaged: a field of the header is out of range")
    sections, region = {}, 0
    if flags & _HAS_REGIONS:
        region = reader.varint() * REGION_UNIT
        if not 0 < region < max(width, height):
            raise DamagedError("damaged: a field of the header is out of range")
        sections["regions"] = reader.varint()
    sections |= {name: reader.varint() for name in _PARTS[: 3 if flags & _HAS_EXACT else 2]}
    if flags & _HAS_CHUNKS:
        count = reader.varint()
        if not 0 < count <= CHUNK_COUNT_MAX:
            raise DamagedError("damaged: a field of the header is out of range")
        names = {kind: name for name, kind in CHUNKS.items()}
        for _ in range(count):
            kind = reader.byte()
            name = names.get(kind, f"chunk{kind}")
            if name in sections:
                raise DamagedError("damaged: a chunk comes twice")
            sections[name] = reader.varint()
    ids = entropy_id, synthesis_id
    grey, *methods = (bool(flags & flag) for flag in (_GREY, _HYPER_CONTEXT, _DEPENDENT))
    return Header(width, height, grey, quality_step, *ids, check, sections, reader.at, region, *methods)


def read_metadata(header: Header, file: IO[bytes], start: int = 0) -> dict[str, bytes]:
    """ICC, EXIF and XMP of a file that begins at `start`, by name: nothing else is read, and no checksum verified.

    Raises:
        DamagedError: one of them is truncated or not decodable.
    """
    at, found = start + header.size, {}
    end = file.seek(0, os.SEEK_END)
    for name, size in header.sections.items():
        if name in CHUNKS and name not in _PACKED:
            if size > end - at:  # a file would make room for what it is asked for, before it reads
                raise DamagedError("truncated: a chunk is incomplete")
            file.seek(at)
            found[name] = _decompress(file.read(size))
        at += size
    return found


def unpack(data: bytes) -> Container:
    """Take a whole file apart.

    Raises:
        DamagedError: not an lcodec file, or damaged, truncated, or followed by other bytes.
    """
    header = read_header(data)
    header.check_length(len(data))
    view = memoryview(data)
    if zlib.crc32(view[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise DamagedError("damaged: the checksum differs")
    at, bodies = header.size, {}
    for name, size in header.sections.items():
        bodies[name] = view[at : at + size]
        at += size
    chunks = {
        name: bytes(bodies[name]) if name in _PACKED else _decompress(bodies[name]) for name in CHUNKS if name in bodies
    }
    sections = [bodies[name] for name in _PARTS if name in bodies]
    if not header.region:
        return Container(header, [Part(*map(bytes, sections))], chunks)
    return Container(header, _cut(header, bytes(bodies["regions"]), sections), chunks)


def _cut(header: Header, table: bytes, sections: Sequence[memoryview]) -> list[Part]:
    """Cut the sections into those of the regions, as the table of their sizes says."""
    rows, columns = header.regions
    if len(sections) * rows * columns > len(table):  # before anything is made for each of them
        raise DamagedError(f"damaged: {len(table)} bytes cannot be the table of {rows * columns} regions")
    reader, parts, at = _Reader(table), [], [0] * len(sections)
    for _ in range(rows * columns):
        begin, at = at, [place + reader.varint() for place in at]
        parts.append(Part(*(bytes(body[slice(*ends)]) for body, *ends in zip(sections, begin, at, strict=True))))
    if [reader.at, *at] != [len(table), *map(len, sections)]:
        raise DamagedError("damaged: the table of regions does not add up")
    return parts


def _decompress(body: bytes | memoryview) -> bytes:
    """Content of a chunk, at most CHUNK_MAX bytes."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body, CHUNK_MAX)
    except zlib.error as error:
        raise DamagedError("damaged: a chunk is not decodable") from error
    if not stream.eof:
        raise DamagedError("damaged: a chunk is too large or incomplete")
    return content
