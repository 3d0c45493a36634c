"""What a picture file says of itself: EXIF and XMP made to fit upright samples, ICC profiles that fit the channels."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "DIRECTORIES",
    "EXIF_PREFIX",
    "descriptive",
    "exif_of",
    "orientation_of",
    "upright_exif",
    "upright_xmp",
    "usable_icc",
    "xmp_of",
]

#: What stands before EXIF in JPEG, and what Pillow puts before it everywhere.
EXIF_PREFIX = b"Exif\0\0"

_ORIENTATION = 0x0112  # EXIF tag
_ICC_HEADER = 128  # bytes
#: Tags that describe a picture. A TIFF file's own directory has them among those that say how it is stored:
#: document name, description, make, model, resolution and its unit, software, date, artist, host, copyright, rating.
_DESCRIPTIVE = (269, 270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 33432)
#: Directories of EXIF proper, and of positions.
DIRECTORIES = (0x8769, 0x8825)


def orientation_of(image: Image.Image) -> int:
    """Return the orientation, 1..8, that is still to be applied (Pillow applies a TIFF's while it loads).

    Pillow takes it from XMP where EXIF has none.
    """
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif_of(image: Image.Image) -> bytes | None:
    """Return the EXIF of a loaded image: a TIFF structure as it stands in the file; None where there is none.

    Raises what Pillow raises on damage.
    """
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # ImageMagick's, in PNG
        raw = image.getexif().tobytes()
    if raw is None and image.format == "TIFF":
        kept = descriptive(image.getexif())
        raw = kept.tobytes() if len(kept) else None
    return raw.removeprefix(EXIF_PREFIX) if isinstance(raw, bytes) and raw else None


def xmp_of(image: Image.Image) -> bytes | None:
    """Return the XMP packet of an image; None where there is none."""
    raw = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(raw, str):
        raw = raw.encode()
    return raw if isinstance(raw, bytes) and raw else None


def descriptive(exif: Image.Exif) -> Image.Exif:
    """Return what of a directory describes the picture, without what says how a file stores it."""
    from PIL import Image

    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in DIRECTORIES:
        if tags := exif.get_ifd(directory):
            kept[directory] = dict(tags)
    return kept


def upright_exif(exif: bytes) -> bytes | None:
    """Set the orientation to 1, and leave every other byte: makers' notes point into the block.

    None for what is no EXIF. The thumbnail's directory keeps its own orientation: that picture is not turned.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    data = bytearray(exif)
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            (tag,) = struct.unpack_from(f"{order}H", data, entry)
            if tag == _ORIENTATION:
                struct.pack_into(f"{order}HIHH", data, entry + 2, 3, 1, 1, 0)  # one SHORT
    except struct.error:
        return None
    return bytes(data)


def upright_xmp(xmp: bytes) -> bytes:
    """Set tiff:Orientation to 1, as an attribute or an element."""
    return re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>\s*))[2-8]""", rb"\g<1>1", xmp)


def usable_icc(icc: object, channels: int) -> bytes | None:
    """Return the profile if it is one for samples of this kind."""
    space = b"GRAY" if channels == 1 else b"RGB "
    if not isinstance(icc, bytes) or len(icc) < _ICC_HEADER or icc[36:40] != b"acsp" or icc[16:20] != space:
        return None
    return icc
