"""JPEG: what stands in its segments and behind it, and whether its samples are damaged.

Nothing is decoded twice: segments are those that Pillow has read, and damage shows in how the decoder takes the data.
"""

from __future__ import annotations

import hashlib
import re
import struct
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from lcodec.picture.directories import TagReader
from lcodec.picture.said import Said, inches, noteworthy_comment
from lcodec.picture.scan import SCAN_MAX, impossible
from lcodec.picture.xmp import announces, joined

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Watch", "said_by_jpeg"]

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_IPTC = re.compile(rb"8BIM\x04\x04")
_PHOTOSHOP = b"Photoshop 3.0\0"
_INDEX_OF_PICTURES = 0xB002  # of MPF, in which a record has 16 bytes
#: Kinds of pictures in MPF that are smaller copies of the first (CIPA DC-007, 5.2.3.3.1).
_PREVIEWS = {0x010001, 0x010002}
#: Bytes of a further picture in which its XMP is looked for.
_HEAD = 1 << 16


def said_by_jpeg(image: Image.Image, file: BinaryIO) -> Said:
    """Gather what the segments of an opened JPEG say."""
    info: dict[Any, Any] = image.info
    segments: list[tuple[str, bytes]] = image.applist  # type: ignore[attr-defined]
    said = Said(icc=info.get("icc_profile"), exif=info.get("exif"), xmp=info.get("xmp"))
    unit, density = info.get("jfif_unit"), info.get("jfif_density")
    if isinstance(density, tuple):
        if unit in {1, 2}:
            said.resolution = inches(density[0], density[1], Fraction(254 if unit == 1 else 100, 10_000))
        elif unit == 0 and density[0] != density[1] and min(density) > 0:
            x, y = density
            said.content.append(f"samples that are not square ({y}:{x}), taken for square ones")
    if any(name == "APP13" and body.startswith(_PHOTOSHOP) and _IPTC.search(body) for name, body in segments):
        said.texts.append("IPTC left out")
    if any(name == "COM" and noteworthy_comment(body) for name, body in segments):
        said.texts.append("comment left out")
    _join(said, [body for name, body in segments if name == "APP1" and body.startswith(_EXTENSION)])
    _further_pictures(said, segments, info, file)
    return said


def _join(said: Said, parts: list[bytes]) -> None:
    """Put an extension of the XMP packet into it, or say that it is lost."""
    xmp = said.xmp or b""
    named = re.search(rb"""HasExtendedXMP\s*(?:=\s*["']|>\s*)([0-9A-Fa-f]{32})""", xmp)
    if named is None and not parts:
        return
    whole = None
    start = len(_EXTENSION)
    if named is not None:
        mine = [part[start + 32 :] for part in parts if part[start : start + 32].upper() == named.group(1).upper()]
        pieces = {int.from_bytes(part[4:8], "big"): part[8:] for part in mine}
        extension = b"".join(pieces[place] for place in sorted(pieces))
        if hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode() == named.group(1).upper():
            whole = joined(xmp, extension)
    if whole is None:
        said.texts.append("the extension of the XMP left out: damaged")
    else:
        said.xmp = whole


def _further_pictures(said: Said, segments: list[tuple[str, bytes]], info: dict[Any, Any], file: BinaryIO) -> None:
    """Count the pictures behind the first, and find gain maps and videos."""
    announced = announces(said.xmp or b"")
    pictures = []
    if isinstance(index := info.get("mp"), bytes):
        with suppress(ValueError, struct.error):
            reader = TagReader(lambda place, size: index[place : place + size])
            records = reader.body(reader.directory(reader.first), _INDEX_OF_PICTURES)
            pictures = list(struct.iter_unpack(f"{reader.order}III4x", records[: len(records) // 16 * 16]))
    gain_maps = 0
    others = [(size, place) for kind, size, place in pictures[1:] if kind & 0xFFFFFF not in _PREVIEWS]
    for size, place in others:
        head = _bytes_at(file, info.get("mpoffset", 0) + place, min(size, _HEAD))
        gain_maps += b"HDRGainMap" in head or b"hdr-gain-map" in head or _ISO_GAIN_MAP in head
    if not gain_maps and others and "gain map" in announced:
        gain_maps = 1
    if (
        gain_maps
        or "gain map" in announced
        or any(_ISO_GAIN_MAP in body[:64] for name, body in segments if name == "APP2")
    ):
        said.content.append("gain map left out: shown without its HDR")
    said.frames = 1 + len(others) - gain_maps
    if "video" in announced or _samsung_video(file):
        said.content.append("the video of a motion photo left out")


def _samsung_video(file: BinaryIO) -> bool:
    """Whether Samsung's trailer lists a video (type 0x0A30) behind the picture."""
    end = file.seek(0, 2)
    tail = _bytes_at(file, max(end - 8, 0), 8)
    if len(tail) < 8 or tail[4:] != b"SEFT":
        return False
    (size,) = struct.unpack("<I", tail[:4])
    directory = _bytes_at(file, max(end - 8 - size, 0), min(size, _HEAD))
    return directory[:4] == b"SEFH" and any(
        struct.unpack_from("<H", directory, place)[0] == 0x0A30 for place in range(14, len(directory) - 9, 12)
    )


def _bytes_at(file: BinaryIO, place: int, size: int) -> bytes:
    before = file.tell()
    file.seek(place)
    body = file.read(size)
    file.seek(before)
    return body


class Watch:
    """Hands a JPEG's data to Pillow's decoder in three parts, and sees from when it is done whether they fit.

    libjpeg goes on after damage, with warnings that Pillow keeps to itself. In data whose bits were changed, codes fall
    out of step, so that the last row is complete before the data end, or not yet where they end. That is seen in files
    of one sequential scan, as cameras write them; behind restart markers only in the last interval, and not in
    progressive files, which are decoded as a whole. Damage after which the count of blocks comes out right is seen in
    small files only (`scan`); libjpeg has no warning of it.
    """

    #: Data that are held back, and filling in place of the end mark, which the decoder may read ahead: bytes.
    _BACK, _FILLING = 2, b"\xff\0" * 8

    def __init__(self, image: Image.Image, file: BinaryIO) -> None:
        self._asked = 0
        self._segments: list[tuple[int, bytes]] = []
        self._body = b""  #: data of a scan that is small enough to be walked through
        self._parts = self._cut(file, len(image.layer))  # type: ignore[attr-defined]
        if self._parts is not None:
            image.load_read = self._read  # type: ignore[attr-defined]

    @property
    def damage(self) -> str:
        """What was seen once the picture is loaded: the end of a sentence about its data; empty for nothing."""
        if self._asked == 2 and self._body and not _MARK.search(self._body):
            with suppress(KeyError, IndexError, ZeroDivisionError):  # of tables that libjpeg has done without
                return "have values that cannot be" if impossible(self._segments, self._body) else ""
        return {1: "are not all used", 3: "end too early"}.get(self._asked, "")

    def _read(self, _: int) -> bytes:
        self._asked += 1
        return self._parts[self._asked - 1] if self._parts and self._asked <= len(self._parts) else b""

    def _cut(self, file: BinaryIO, components: int) -> list[bytes] | None:
        """Cut a file of one sequential scan into the parts; None for any other."""
        place = file.tell()
        file.seek(0)
        data = file.read()
        file.seek(place)
        at = length = 2
        while at + 4 <= len(data) and data[at] == 0xFF:
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == 0xFF:  # filling
                at += 1
                continue
            self._segments.append((marker, data[at + 4 : at + 2 + length]))
            at += 2 + length
            if marker == 0xDA:
                break
        kinds = {marker for marker, _ in self._segments}
        if 0xDA not in kinds or not kinds & {0xC0, 0xC1} or self._segments[-1][1][:1] != bytes((components,)):
            return None
        found = _END.search(data, at)
        if found is None or data[found.start() + 1] != 0xD9 or found.start() - at <= self._BACK:
            return None
        end = found.start()
        if end - at <= SCAN_MAX:
            self._body = data[at:end]
        return [data[: end - self._BACK], data[end - self._BACK : end] + self._FILLING, data[end : end + 2]]


#: A mark among the data of a scan.
_MARK = re.compile(rb"\xff[^\x00]")
#: The first mark in the data of a scan that neither belongs to them nor restarts them.
_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
