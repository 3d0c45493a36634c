"""BMP: colours and resolution in the longer headers, which Pillow passes over."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import BinaryIO

from lcodec.picture.colour import SRGB, Primaries, profile_of
from lcodec.picture.picture import METADATA_MAX
from lcodec.picture.said import Said, inches

__all__ = ["said_by_bmp"]

#: Sizes of headers: the plain one, with colours, with a profile.
_PLAIN, _V4, _V5 = 40, 108, 124


def said_by_bmp(file: BinaryIO, *, grey: bool) -> Said:
    """Read what stands in the header, and the profile behind the samples."""
    said = Said()
    place = file.tell()
    file.seek(14)
    head = file.read(_V5)
    try:
        (size,) = struct.unpack_from("<I", head)
        if size >= _PLAIN:
            x, y = struct.unpack_from("<ii", head, 24)
            said.resolution = inches(x, y, Fraction(1))
        if size >= _V4:
            _colours(said, file, head, size, grey=grey)
    except struct.error:
        pass
    finally:
        file.seek(place)
    return said


def _colours(said: Said, file: BinaryIO, head: bytes, size: int, *, grey: bool) -> None:
    kind = head[56:60][::-1]
    if size >= _V5 and kind in {b"MBED", b"LINK"}:
        start, length = struct.unpack_from("<II", head, 112)
        if kind == b"LINK":
            said.colours.append("ICC left out: it stands in another file")
        elif length > METADATA_MAX:
            said.colours.append(f"ICC left out: more than {METADATA_MAX} bytes")
        else:
            file.seek(14 + start)
            said.icc = file.read(length)
    elif kind == b"\0\0\0\0":  # calibrated: ends of the primaries, of which only the directions count, and powers
        ends, powers = struct.unpack_from("<9i", head, 60), struct.unpack_from("<3I", head, 96)
        if not any(ends) and not any(powers):
            return
        primaries: Primaries = SRGB
        if all(sum(ends[first : first + 3]) > 0 for first in (0, 3, 6)):
            red, green, blue = (
                (ends[first] / sum(ends[first : first + 3]), ends[first + 1] / sum(ends[first : first + 3]))
                for first in (0, 3, 6)
            )
            primaries = (red, green, blue, SRGB[3])
        try:
            said.made_icc = profile_of(primaries, [power / 65536 or "srgb" for power in powers], grey=grey)
        except ValueError as error:
            said.colours.append(f"the colours of its header left out: {error}")
