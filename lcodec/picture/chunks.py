"""PNG: its ancillary chunks are read here, and only what makes up the samples is handed on to Pillow.

Pillow refuses a whole picture for one text of more than a megabyte, one profile of that size, or one checksum of a
comment. Here ancillary chunks (PNG specification, 3rd edition, 5.4 and 11.3) cannot cost the picture: what is damaged
is left out with a note. Damage to critical chunks is still Pillow's to find.
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from typing import BinaryIO

from lcodec.picture.colour import SRGB, Curve, from_h273, profile_of
from lcodec.picture.exif import EXIF_PREFIX
from lcodec.picture.picture import METADATA_MAX
from lcodec.picture.said import Said, inches, names_of

__all__ = ["SIGNATURE", "split"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Text of no interest to people: what programs say of themselves, times, and copies of what stands elsewhere.
_PASSED_OVER = re.compile(
    r"software$|creation ?time$|create-date|modify-date|raw profile type|xml:com\.adobe\.xmp$"
    r"|(date|exif|icc|png|tiff|xap|xmp|jpeg|thumb|pdf|photoshop|signature|filename|size|mime|disclaimer)(:|$)",
    re.IGNORECASE,
)
#: Channels that a transparent colour has, by the picture's colour type; of palettes any number has an opacity.
_TRANSPARENT = {0: 1, 2: 3}
_GREY = {0, 4}
_SPACE = b" \t\n\r\v\f"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass
class _Png:
    """What was found in a file so far."""

    colour_type: int
    said: Said = field(default_factory=Said)
    names: list[str] = field(default_factory=list)  #: of texts that are left out
    damaged: list[str] = field(default_factory=list)  #: chunks that are left out
    frames: int = 0  #: of the animation
    samples_seen: bool = False
    first_is_frame: bool = False  #: the picture that is read is the animation's first
    gamma: int | None = None
    chromaticities: tuple[int, ...] = ()
    srgb: bool = False
    h273: tuple[int, ...] = ()
    room: int = 4 * METADATA_MAX  #: bytes that may still be unfolded; a small file may have thousands of large chunks


def split(file: BinaryIO) -> tuple[BinaryIO, Said]:
    """Return what Pillow shall read, and what the file says besides.

    From where there are no more chunks, all bytes are handed on as they are.
    """
    data = file.read()
    view = memoryview(data)  # whose parts are not copied
    place = len(SIGNATURE)
    kept, png = [view[:place]], _Png(colour_type=data[25] if len(data) > 25 else 0)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, end = data[place + 4 : place + 8], place + 12 + length
        if end > len(data) or not kind.isalpha():
            break
        if not kind[0] & 0x20 or (kind == b"tRNS" and _tells(png, kind, data[place + 4 : end])):
            kept.append(view[place:end])
            png.samples_seen |= kind == b"IDAT"
        elif kind in _READERS and _tells(png, kind, data[place + 4 : end]):
            try:
                _READERS[kind](png, data[place + 8 : end - 4])
            except (ValueError, struct.error, IndexError, zlib.error):
                png.damaged.append(kind.decode("ascii"))
        elif kind == b"fcTL":
            png.first_is_frame |= not png.samples_seen
        place = end
        if kind == b"IEND":
            place = len(data)
    kept.append(view[place:])
    return BytesIO(b"".join(kept)), _finished(png)


def _tells(png: _Png, kind: bytes, chunk: bytes) -> bool:
    """Say whether a chunk, from its name to its checksum, is as it was written."""
    good = zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big")
    if kind == b"tRNS":
        channels = _TRANSPARENT.get(png.colour_type)
        good = good and (png.colour_type == 3 if channels is None else len(chunk) - 8 == 2 * channels)
    if not good:
        png.damaged.append(kind.decode("ascii"))
    return good


def _finished(png: _Png) -> Said:
    """Settle what depends on several chunks."""
    said = png.said
    if png.frames:
        said.frames = png.frames + (not png.first_is_frame)
    if png.names:
        said.texts.append(f"text left out: {names_of(png.names)}")
    if png.damaged:
        said.content.append(f"left out, damaged: {names_of(png.damaged)}")
    try:
        said.made_icc = _profile(png)
    except ValueError as error:
        said.colours.append(f"gAMA and cHRM left out: {error}")
    return said


def _profile(png: _Png) -> bytes | None:
    """Make a profile of what the file says of its colours without one; cICP comes first, gAMA and cHRM last."""
    grey = png.colour_type in _GREY
    if png.h273:
        codes, transfer, _, full_range = png.h273
        profile, note = from_h273(codes, transfer, grey=grey)
        png.said.colours += [note] if note else []
        if not full_range:
            png.said.colours.append("samples of narrow range, taken for full range")
        return profile
    if png.srgb or (png.gamma is None and not png.chromaticities):
        return None
    curve: Curve = "srgb" if png.gamma is None else 100_000 / png.gamma
    primaries = SRGB
    if png.chromaticities:
        x, y = ([value / 100_000 for value in png.chromaticities[first::2]] for first in (0, 1))
        white, red, green, blue = zip(x, y, strict=True)
        primaries = (red, green, blue, white)
    profile = profile_of(primaries, curve, grey=grey)
    if profile is not None:  # worth a word, for many programs do not look at these chunks
        png.said.colours.append("colours described by gAMA and cHRM, kept as an ICC profile")
    return profile


# ----------------------------------------------------------------------------------------------- readers of chunks


def _unfolded(png: _Png, stream: bytes) -> bytes:
    """Inflate; a stream that is too large, and may be a bomb, gives a byte more than a metadatum may have."""
    if png.room <= 0:
        raise ValueError("too much in all")
    content = zlib.decompressobj().decompress(stream, METADATA_MAX + 1)
    png.room -= len(content)
    return content


def _icc(png: _Png, body: bytes) -> None:
    _, _, stream = body.partition(b"\0")
    if stream[0]:
        raise ValueError("a compression that is not defined")
    png.said.icc = _unfolded(png, stream[1:])


def _exif(png: _Png, body: bytes) -> None:
    png.said.exif = body


def _gamma(png: _Png, body: bytes) -> None:
    (gamma,) = struct.unpack(">I", body)
    png.gamma = gamma or None  # 0 is no power, and means nothing


def _chromaticities(png: _Png, body: bytes) -> None:
    png.chromaticities = struct.unpack(">8I", body)


def _srgb(png: _Png, _: bytes) -> None:
    png.srgb = True


def _h273(png: _Png, body: bytes) -> None:
    png.h273 = struct.unpack("4B", body)


def _resolution(png: _Png, body: bytes) -> None:
    x, y, unit = struct.unpack(">IIB", body)
    if unit == 1:
        png.said.resolution = inches(x, y, Fraction(1))
    elif x != y:
        png.said.content.append(f"samples that are not square ({y}:{x}), taken for square ones")


def _significant_bits(png: _Png, body: bytes) -> None:
    png.said.significant_bits = max(body)


def _frames(png: _Png, body: bytes) -> None:
    png.frames = struct.unpack_from(">I", body)[0]


def _text(png: _Png, body: bytes) -> None:
    key, _, text = body.partition(b"\0")
    _textual(png, key, lambda: text)


def _compressed_text(png: _Png, body: bytes) -> None:
    key, _, stream = body.partition(b"\0")
    _textual(png, key, lambda: _unfolded(png, stream[1:]))


def _international_text(png: _Png, body: bytes) -> None:
    key, _, rest = body.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[2]
    _textual(png, key, lambda: _unfolded(png, text) if rest[0] else text)


def _textual(png: _Png, key: bytes, text: Callable[[], bytes]) -> None:
    """Take metadata from text, where ImageMagick and Adobe put them; of other text take the name."""
    name = key.decode("latin-1")
    if name == "XML:com.adobe.xmp":
        png.said.xmp = text()
    elif name.startswith("Raw profile type "):
        _raw_profile(png, name.rpartition(" ")[2].lower(), text())
    elif _PASSED_OVER.match(name) is None:
        png.names.append(name)


def _raw_profile(png: _Png, kind: str, text: bytes) -> None:
    """Read a profile as ImageMagick writes it: its name and length, each in a line, and hexadecimal digits."""
    digits = b"".join(text.split(None, 2)[2:]).translate(None, _SPACE)  # without an object for each line
    content = binascii.unhexlify(digits)
    said = png.said
    if kind in {"exif", "app1"} and content.startswith(EXIF_PREFIX):
        said.exif = said.exif or content
    elif kind in {"xmp", "app1"}:
        said.xmp = said.xmp or content.removeprefix(_XMP_PREFIX)
    elif kind in {"icc", "icm"}:
        said.icc = said.icc or content
    elif kind == "exif":
        said.exif = said.exif or content
    elif kind == "iptc" or (kind == "8bim" and b"8BIM\x04\x04" in content):
        said.texts.append("IPTC left out")


_READERS: dict[bytes, Callable[[_Png, bytes], None]] = {
    b"acTL": _frames,
    b"cHRM": _chromaticities,
    b"cICP": _h273,
    b"eXIf": _exif,
    b"gAMA": _gamma,
    b"iCCP": _icc,
    b"iTXt": _international_text,
    b"pHYs": _resolution,
    b"sBIT": _significant_bits,
    b"sRGB": _srgb,
    b"tEXt": _text,
    b"zTXt": _compressed_text,
}
