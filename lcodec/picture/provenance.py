"""C2PA in picture files: signed statements of where a picture comes from, which no other file can carry on.

The signature covers the bytes of the file, so it does not survive any encoding; what reads pictures says so. Where a
format keeps it is said by the C2PA specification, version 2.1, section A.3 ("Embedding manifests into assets").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["has_c2pa"]

_JUMBF = b"jumb"  # type of the box that holds it in JPEG XL, as it holds others
_C2PA = b"c2pa"  # begins the type of its content
_PNG_CHUNK, _RIFF_CHUNK, _TIFF_TAG = b"caBX", b"C2PA", 0xCD41
#: The type of a `uuid` box of AVIF, HEIC and the like.
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
#: Boxes or chunks of a file that are looked at.
_MOST = 1000


def has_c2pa(image: Image.Image, file: BinaryIO) -> bool:
    """Whether a loaded image carries C2PA; False where its file is too damaged to tell.

    Args:
        image: as Pillow has opened and loaded it.
        file: that it came from; its position does not change.
    """
    place = file.tell()
    try:
        found = _carries(image, file)
    except Exception:  # damage beside the picture must not cost it
        found = False
    file.seek(place)
    return found


def _carries(image: Any, file: BinaryIO) -> bool:
    match image.format:
        case "JPEG" | "MPO":
            return any(name == "APP11" and _C2PA in body[:64] for name, body in image.applist)
        case "TIFF":
            return _TIFF_TAG in image.getexif()
        case "PNG":
            return _PNG_CHUNK in _chunks(file, 8, ">I4s", after=4)
        case "WEBP":
            return _RIFF_CHUNK in _chunks(file, 12, "<4sI", after=0)
        case "AVIF" | "HEIF" | "JXL":
            return any(
                (kind == b"uuid" and found == _UUID) or (kind == _JUMBF and _C2PA in found)
                for kind, found in _boxes(file)
            )
    return False


def _chunks(file: BinaryIO, start: int, head: str, after: int) -> Iterator[bytes]:
    """Names of chunks: their size and name (or name and size), their content, padded to even in RIFF, and `after`."""
    file.seek(start)
    for _ in range(_MOST):
        found = file.read(8)
        if len(found) < 8:
            return
        first, second = struct.unpack(head, found)
        name, size = (first, second) if isinstance(first, bytes) else (second, first)
        yield name
        file.seek(size + after + (0 if after else size % 2), 1)


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Types of the outer boxes of a file, and the first 16 bytes of their content."""
    file.seek(0)
    for _ in range(_MOST):
        start, head = file.tell(), file.read(32)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head[:8])
        at = 8
        if size == 1:
            (size,) = struct.unpack(">Q", head[8:16])
            at = 16
        yield kind, head[at : at + 16]
        if size < at:  # 0: to the end of the file
            return
        file.seek(start + size)
