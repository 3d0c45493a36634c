"""EXIF blocks: made to fit upright samples of another size, and given a resolution, by changing single bytes.

A block is a TIFF structure into which makers' notes point by offsets of their own, so nothing in it is ever moved.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from lcodec.picture.directories import Directory, TagReader

__all__ = [
    "EXIF_PREFIX",
    "Resolution",
    "orientation_in",
    "resolution_in",
    "srgb_exif",
    "upright_exif",
    "with_resolution",
]

#: What stands before EXIF in JPEG, and what Pillow puts before it everywhere.
EXIF_PREFIX = b"Exif\0\0"

_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_EXIF, _COLOUR_SPACE, _PIXELS_X, _PIXELS_Y = 0x8769, 0xA001, 0xA002, 0xA003
#: Places and sizes of a thumbnail: of a JPEG, or of strips.
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))
_SHORT, _LONG, _RATIONAL = 3, 4, 5


class Resolution(NamedTuple):
    """Samples to the unit, each a fraction."""

    x: tuple[int, int]
    y: tuple[int, int]
    unit: int  #: 2 for inches, 3 for centimetres


def upright_exif(exif: bytes, size: tuple[int, int] | None = None, *, changed: bool = False) -> bytes | None:
    """Set the orientation to 1 and the sizes to `size`, and leave every other byte: makers' notes point into the block.

    The thumbnail is dropped where it no longer shows the picture: where the orientation was another one, or where the
    caller says that the samples have `changed`.

    Args:
        exif: with the prefix or without, once or more often.
        size: width and height of the picture; None leaves what the block says.
        changed: the samples were turned or cropped, whatever the block says.

    Returns:
        The block without a prefix; None for what is no EXIF.
    """
    while exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    try:
        reader = _reader(exif)
        first = reader.directory(reader.first)
        data = bytearray(exif)
        if _ORIENTATION in first.entries:
            changed |= reader.integers(first, _ORIENTATION)[:1] not in {(), (1,)}
            _set(data, reader, first, _ORIENTATION, _SHORT, 1)
    except ValueError:
        return None
    try:
        if size is not None:
            _set_sizes(data, reader, first, size)
        if changed:
            _drop_thumbnail(data, reader, first)
    except ValueError:  # what a block says besides may be damaged, as it was
        pass
    return bytes(data)


def orientation_in(exif: bytes) -> int | None:
    """Return the orientation, 1..8, that a block says, with its prefix or without; None where it says none."""
    while exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    try:
        reader = _reader(exif)
        value = reader.integers(reader.directory(reader.first), _ORIENTATION)[:1]
    except ValueError:
        return None
    return value[0] if value and 1 <= value[0] <= 8 else None


def srgb_exif(exif: bytes) -> bytes:
    """Let a block say that the colours are sRGB, if it says what they are."""
    data = bytearray(exif)
    try:
        reader = _reader(exif)
        place = reader.integers(reader.directory(reader.first), _EXIF)
        if place and _COLOUR_SPACE in (directory := reader.directory(place[0])).entries:
            _set(data, reader, directory, _COLOUR_SPACE, _SHORT, 1)
    except ValueError:  # what a block says may be damaged, as it was
        pass
    return bytes(data)


def with_resolution(exif: bytes | None, resolution: Resolution) -> bytes:
    """Add the resolution to a block that has none; without a block, return one that says nothing else.

    The first directory is written once more, behind everything else, for it has no room to grow.
    """
    if exif is None:
        exif = b"II*\0" + struct.pack("<IHI", 8, 0, 0)
    reader = _reader(exif)
    first = reader.directory(reader.first)
    if _X_RESOLUTION in first.entries or _Y_RESOLUTION in first.entries:
        return exif
    order = reader.order
    data = bytearray(exif + bytes(len(exif) % 2))
    entries = {tag: exif[entry.place : entry.place + 12] for tag, entry in first.entries.items()}
    start = len(data)
    values_at = start + 2 + 12 * (len(entries.keys() - {_RESOLUTION_UNIT}) + 3) + 4
    entries[_X_RESOLUTION] = struct.pack(f"{order}HHII", _X_RESOLUTION, _RATIONAL, 1, values_at)
    entries[_Y_RESOLUTION] = struct.pack(f"{order}HHII", _Y_RESOLUTION, _RATIONAL, 1, values_at + 8)
    entries[_RESOLUTION_UNIT] = struct.pack(f"{order}HHIHH", _RESOLUTION_UNIT, _SHORT, 1, resolution.unit, 0)
    data += struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    data += exif[first.link_at : first.link_at + 4]
    data += struct.pack(f"{order}4I", *resolution.x, *resolution.y)
    struct.pack_into(f"{order}I", data, 4, start)
    return bytes(data)


def resolution_in(exif: bytes) -> tuple[float, float] | None:
    """Return the samples an inch that a block says; None where it says none, or such as no file holds."""
    try:
        reader = _reader(exif)
        first = reader.directory(reader.first)
        x, y = reader.rationals(first, _X_RESOLUTION)[:1], reader.rationals(first, _Y_RESOLUTION)[:1]
        inches = {(): 1.0, (2,): 1.0, (3,): 2.54}.get(reader.integers(first, _RESOLUTION_UNIT)[:1])
    except ValueError:
        return None
    if not x or not y or inches is None:
        return None
    found = x[0] * inches, y[0] * inches
    return found if all(1 <= value < 1 << 16 for value in found) else None


def _reader(exif: bytes) -> TagReader:
    reader = TagReader(lambda place, size: exif[place : place + size])
    if reader.big:
        raise ValueError("EXIF has places of 32 bits")
    return reader


def _set(data: bytearray, reader: TagReader, directory: Directory, tag: int, kind: int, value: int) -> None:
    """Make an entry hold one integer."""
    form = f"{reader.order}HIHH" if kind == _SHORT else f"{reader.order}HII"
    struct.pack_into(form, data, directory.entries[tag].place + 2, kind, 1, value, *([0] if kind == _SHORT else []))


def _set_sizes(data: bytearray, reader: TagReader, first: Directory, size: tuple[int, int]) -> None:
    """Correct the sizes that a block says; none is added."""
    directories = [(first, (_WIDTH, _HEIGHT))]
    if place := reader.integers(first, _EXIF):
        directories.append((reader.directory(place[0]), (_PIXELS_X, _PIXELS_Y)))
    for directory, tags in directories:
        for tag, value in zip(tags, size, strict=True):
            if reader.integers(directory, tag) not in {(), (value,)}:
                _set(data, reader, directory, tag, _LONG, value)


def _drop_thumbnail(data: bytearray, reader: TagReader, first: Directory) -> None:
    """Unlink the second directory, and take away the picture that it leads to where nothing can stand behind it."""
    place = reader.following(first)
    if not place:
        return
    struct.pack_into(f"{reader.order}I", data, first.link_at, 0)
    second = reader.directory(place)
    for where, length in _THUMBNAILS:
        start, size = reader.integers(second, where)[:1], reader.integers(second, length)[:1]
        if not start or not size or start[0] < first.link_at + 4 or start[0] + size[0] > len(data):
            continue
        if len(data) - start[0] - size[0] < 4:  # at the end, but for padding
            del data[start[0] :]
        else:
            data[start[0] : start[0] + size[0]] = bytes(size[0])
