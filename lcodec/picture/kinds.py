"""Names for what is not read: other formats by their first bytes, and kinds of JPEG, TIFF and BMP that Pillow refuses.

Looked at only where a file could not be opened or decoded, to tell what is not read from what is damaged.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from lcodec.picture.directories import Directory, TagReader

__all__ = ["EXTRA", "unread_kind"]

#: What `pip install 'lcodec[formats]'` makes readable.
EXTRA = "lcodec[formats]"

_RAW = "a raw photo, which is not read: develop it first"
#: First bytes, from a place on, and what they begin. The first that fits counts.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"8BPS", "Photoshop's PSD"),
    (0, b"gimp xcf", "GIMP's XCF"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"qoif", "QOI"),
    (0, b"FLIF", "FLIF"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"DDS ", "DDS"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"icns", "ICNS"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\x01\xda", "SGI"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM (floating-point samples)"),
    (0, b"Pf\n", "PFM (floating-point samples)"),
    (0, b"\x8bLCD", "lcodec's own format (lcodec decode reads it)"),
    (0, b"\x93NUMPY", "NumPy's npy"),
    (0, b"\x8aMNG", "MNG"),
    (0, b"\x8bJNG", "JNG"),
    (0, b"\x1aE\xdf\xa3", "video (Matroska, WebM)"),
    (128, b"DICM", "DICOM"),
)
_RAW_MAGIC: tuple[tuple[int, bytes], ...] = (
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),
    (0, b"FOVb"),
    (0, b"\0MRM"),
)
_RAW_MAGIC += ((8, b"CR\x02"), (6, b"HEAPCCDR"), (8, b"crx "))
_SVG = (b"<svg", b"<?xml", b"<!DOCTYPE svg")

_COMPRESSIONS = {2: "CCITT", 34661: "JBIG", 34712: "JPEG 2000", 34892: "lossy JPEG", 34887: "LERC", 50001: "WebP"}
_COMPRESSIONS |= {22610: "JPEG XR", 34934: "JPEG XR", 33003: "JPEG 2000", 33005: "JPEG 2000", 50002: "JPEG XL"}
_COLOURS = {6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab", 4: "a mask", 32844: "LogL", 32845: "LogLuv"}
_CHANNELS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
_FORMS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_CFA, _LINEAR_RAW = 32803, 34892


def unread_kind(file: BinaryIO, *, opened: bool = False) -> str | None:
    """Say, as the end of a sentence that begins with the file's name, which kind of picture it is that is not read.

    None where the file is none that is known, or of a kind that is read: then it is damaged, or no picture. What Pillow
    has `opened` is of another kind only where Pillow finds that out later.
    """
    place = file.tell()
    try:
        return _kind(file, opened=opened)
    except (ValueError, struct.error, IndexError, OSError):
        return None
    finally:
        file.seek(place)


def _kind(file: BinaryIO, *, opened: bool) -> str | None:  # noqa: PLR0911 - a case a line
    file.seek(0)
    head = file.read(512)
    if head[:2] == b"\xff\xd8" and head[2:4] != b"\xff\xf7":
        return _jpeg(file)
    if head[:3] in {b"II*", b"MM\0"}:
        return _tiff(file, opened=opened)
    if opened:
        return None
    if (size := _empty(head)) is not None:
        return f"an empty picture: {size[0]}x{size[1]} pixels"
    if any(head[at:].startswith(magic) for at, magic in _RAW_MAGIC):
        return _RAW
    for at, magic, name in _MAGIC:
        if head[at:].startswith(magic):
            return f"{name} is not read"
    if head.lstrip().startswith(_SVG) and b"<svg" in head:
        return "SVG is not read"
    if head[4:8] == b"ftyp" and head[8:12] not in {b"avif", b"avis"}:
        return "video is not read" if head[8:11] in {b"mp4", b"iso", b"qt ", b"M4V", b"avc", b"3gp"} else None
    return _bmp(head) if head[:2] == b"BM" else None


def _empty(head: bytes) -> tuple[int, int] | None:
    """Return the size of a picture without pixels; None for any other, and for TIFF."""
    if head.startswith(b"\x89PNG"):
        size = struct.unpack_from(">II", head, 16)
    elif head.startswith(b"GIF8"):
        size = struct.unpack_from("<HH", head, 6)
    elif head.startswith(b"BM"):
        size = struct.unpack_from("<ii", head, 18)
    elif ppm := re.match(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(\d{1,9})\s", head):
        size = int(ppm.group(1)), int(ppm.group(2))
    else:
        return None
    return (size[0], size[1]) if 0 in size else None


def _tiff(file: BinaryIO, *, opened: bool) -> str | None:
    """Name what of a TIFF's first page is out of the ordinary."""
    reader = TagReader.of(file)
    page = reader.directory(reader.first)
    if 256 not in page.entries or not page.entries.keys() & {273, 324}:
        return None
    width, height = (reader.integer(page, tag, 1) for tag in (256, 257))
    if 0 in {width, height}:
        return f"an empty picture: {width}x{height} pixels"
    photometric = reader.integer(page, 262)
    if photometric in {_CFA, _LINEAR_RAW} or 50706 in page.entries:
        return _RAW
    unusual = _unusual_tiff(reader, page, photometric)
    if opened:
        unusual = [what for what in unusual if "YCbCr" in what or "compressed by" in what]
    return f"such a TIFF is not read: {', '.join(unusual)}" if unusual else None


def _unusual_tiff(reader: TagReader, page: Directory, photometric: int) -> list[str]:
    bits = reader.integers(page, 258) or (1,)
    channels = reader.integer(page, 277, len(bits))
    form = reader.integer(page, 339, 1)
    compression = reader.integer(page, 259, 1)
    extra = reader.integers(page, 338)
    found = []
    if len(set(bits)) > 1:
        found.append(f"samples of {', '.join(map(str, bits[:-1]))} and {bits[-1]} bits")
    elif form != 1:
        found.append(f"{bits[0]}-bit {_FORMS.get(form, 'undefined')} samples")
    elif bits[0] not in {1, 2, 4, 8, 16} or (bits[0] < 8 and channels > 1):
        found.append(f"samples of {bits[0]} bits")
    elif bits[0] == 16 and channels > 1 and photometric in {0, 1}:
        found.append(f"16-bit grey with {'alpha' if extra in {(1,), (2,)} else 'further channels'}")
    elif channels != _CHANNELS.get(photometric):
        found.append(f"{channels} channels of {bits[0]} bits")
    if photometric == 6 and compression == 1:
        sampling = reader.integers(page, 530) or (2, 2)
        found.append("uncompressed YCbCr, " + ("subsampled" if sampling != (1, 1) else "not subsampled"))
    elif photometric in _COLOURS and photometric != 6:
        found.append(f"{_COLOURS[photometric]} colours" if photometric != 4 else "a mask")
    if compression in _COMPRESSIONS and compression != 2:
        found.append(f"compressed by {_COMPRESSIONS[compression]}")
    return found


def _jpeg(file: BinaryIO) -> str | None:
    """Name a JPEG by its start of frame (ITU-T T.81, table B.1)."""
    file.seek(2)
    while (head := file.read(4)) and len(head) == 4 and head[0] == 0xFF:
        marker, (length,) = head[1], struct.unpack(">H", head[2:])
        if marker == 0xFF:  # filling
            file.seek(-3, 1)
            continue
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            precision, _, _, components = struct.unpack(">BHHB", file.read(6))
            if precision != 8:
                return f"a JPEG of {precision} bits is not read"
            if marker in {0xC3, 0xCB}:
                return "lossless JPEG is not read"
            if marker in {0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF}:
                return "hierarchical JPEG is not read"
            return f"a JPEG of {components} channels is not read" if components not in {1, 3, 4} else None
        if marker == 0xDA or length < 2:
            return None
        file.seek(length - 2, 1)
    return None


def _bmp(head: bytes) -> str | None:
    """Name a BMP by its depth, masks and compression."""
    (size,) = struct.unpack_from("<I", head, 14)
    if size < 40:
        return f"such a BMP is not read: a header of {size} bytes" if size not in {12, 16} else None
    bits, compression = struct.unpack_from("<HI", head, 28)
    if bits not in {1, 4, 8, 16, 24, 32}:
        return f"such a BMP is not read: {bits} bits a pixel"
    if compression in {3, 6}:
        masks = struct.unpack_from("<4I" if size >= 56 or compression == 6 else "<3I", head, 54)
        widths = "-".join(str(mask.bit_count()) for mask in masks if mask)
        return f"such a BMP is not read: {bits} bits a pixel, of {widths}"
    if compression not in {0, 1, 2}:
        return (
            f"such a BMP is not read: compressed by {({4: 'JPEG', 5: 'PNG'}).get(compression, f'method {compression}')}"
        )
    return None
