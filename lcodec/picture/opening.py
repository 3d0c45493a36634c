"""Files to opened images of Pillow, and what they say besides; everything that is global or private in Pillow is here.

The first bytes decide who reads what: PNG goes through `chunks`, TIFF through `tiff`, AVIF, HEIC and JPEG XL through
`boxes`. What cannot be opened is named by `kinds`.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from lcodec.errors import LimitError, PictureError
from lcodec.picture.bmp import said_by_bmp
from lcodec.picture.boxes import JXL_SIGNATURES, jxl_header, primary_picture
from lcodec.picture.chunks import SIGNATURE, split
from lcodec.picture.jpeg import said_by_jpeg
from lcodec.picture.kinds import EXTRA, unread_kind
from lcodec.picture.said import Said, noteworthy_comment
from lcodec.picture.tiff import choose_page

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "READS",
    "Opened",
    "damage_reported",
    "decode_quietly",
    "limit_of_pixels",
    "one_at_a_time",
    "open_picture",
    "reopen",
    "standard_error_into",
]

#: The formats read, by Pillow's names; Pillow has dozens more, some of them hazardous.
READS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")

#: Held while something is changed that is global: Pillow's limit of pixels, Python's filters of warnings, and where
#: standard error goes.
one_at_a_time = threading.Lock()

_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEAD = 64  # bytes
#: A profile's element of codes of H.273, saying that it is sRGB.
_SRGB_BY_CODES = b"cicp\0\0\0\0\x01\x0d\0\x01"
#: What libtiff says of tags that it does not know or finds written oddly, which does not touch the samples.
_ABOUT_TAGS = re.compile(r"\btags?\b|field|director|ascii value|nonstandard|incorrect count", re.IGNORECASE)
#: A line of libtiff: the function or the file that it calls by that name, and a sentence.
_LIBRARY_LINE = re.compile(r"[\w./-]+: .*\.$")


@dataclass(frozen=True)
class Opened:
    """An image that is open but not loaded."""

    image: Image.Image
    file: BinaryIO  #: what it is read from, at any place
    said: Said


def open_picture(file: BinaryIO, max_pixels: int) -> Opened:
    """Open a file, and gather what it says besides its samples.

    Raises LimitError, PictureError, and what Pillow raises on damage.
    """
    head = file.read(_HEAD)
    file.seek(-len(head), 1)
    if not head:
        raise PictureError("the file is empty")
    if head.startswith(SIGNATURE):
        file, said = split(file)
        image = _open(file)
    elif head.startswith(JXL_SIGNATURES):
        image, said = _open_jxl(file, max_pixels)
    elif head[4:8] == b"ftyp" and (head[8:12] in _HEIC or (head[8:12] in {b"mif1", b"msf1"} and b"heic" in head)):
        image = _open(file, "HEIF")
        said = primary_picture(file, crops=True, grey=image.mode in {"L", "LA"})
        said.bits = image.info.get("bit_depth", said.bits)
        said.icc, said.xmp = image.info.get("icc_profile"), image.info.get("xmp")
        if image.info.get("depth_images"):
            said.content.append("depth map left out")
    else:
        image = _open(file)
        said = _said_by(image, file)
    width, height = image.size
    if 0 in image.size:
        raise PictureError(f"an empty picture: {width}x{height} pixels")
    if width * height > max_pixels:
        raise LimitError(f"{width}x{height} pixels are more than the limit of {max_pixels} (see --max-pixels)")
    return Opened(image, file, said)


def reopen(file: BinaryIO) -> Image.Image:
    """Open once more what was opened before."""
    return _open(file)


def _said_by(image: Image.Image, file: BinaryIO) -> Said:
    """Gather what a file of a format that Pillow reads whole says."""
    if image.format in {"JPEG", "MPO"}:
        return said_by_jpeg(image, file)
    if image.format == "TIFF":
        return choose_page(image, file)
    if image.format == "BMP":
        return said_by_bmp(file, grey=image.mode in {"1", "L"})
    said = Said()
    if image.format == "AVIF":
        said = primary_picture(file, crops=False, grey=image.mode in {"L", "LA"})
    said.icc, said.xmp = image.info.get("icc_profile"), image.info.get("xmp")
    comment = image.info.get("comment")
    if isinstance(comment, bytes) and noteworthy_comment(comment):
        said.texts.append("comment left out")
    return said


def _open_jxl(file: BinaryIO, max_pixels: int) -> tuple[Image.Image, Said]:
    """Open JPEG XL, whose plug-in decodes everything at once: so its header is looked at before."""
    header = jxl_header(file)
    if header.width * header.height > max_pixels:
        size = f"{header.width}x{header.height}"
        raise LimitError(f"{size} pixels are more than the limit of {max_pixels} (see --max-pixels)")
    if header.floating:
        raise PictureError("floating-point samples are not supported")
    try:
        image = _open(file, "JXL")
    except RuntimeError as error:  # which says of any damage no more than how to build libjxl
        raise PictureError("the picture is damaged or truncated") from error
    said = Said(image.info.get("icc_profile"), xmp=header.xmp, bits=header.bits)
    if header.packed_xmp:
        said.texts.append("XMP left out: compressed by Brotli")
    if header.animated:
        said.content.append("the first frame of an animation")
    if said.icc is not None and _SRGB_BY_CODES in said.icc:  # libjxl makes a profile of what needs none
        said.icc = None
    return image, said


def _open(file: BinaryIO, plugin: str = "") -> Image.Image:
    """Open a file by the formats of READS, or by a plug-in that may not be installed."""
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

    if plugin and not _registered(plugin):
        name = {"HEIF": "HEIC", "JXL": "JPEG XL"}[plugin]
        raise PictureError(f"{name} is read only where its plug-in is installed: pip install '{EXTRA}'")
    try:
        return Image.open(file, formats=[plugin] if plugin else READS)
    except UnidentifiedImageError:
        pass
    except (OSError, KeyError):  # as Pillow has it for depths and compressions that it does not know
        if kind := unread_kind(file):
            raise PictureError(kind) from None
        raise
    if kind := unread_kind(file):
        raise PictureError(kind)
    names = ", ".join([*READS, "HEIC", "JPEG XL"])
    raise PictureError(f"not a picture, a damaged one, or in a format that is not read ({names} are)")


def _registered(plugin: str) -> bool:
    """Make a plug-in known to Pillow; False where it is not installed."""
    from PIL import Image

    if plugin not in Image.OPEN:
        try:
            if plugin == "HEIF":
                import pillow_heif

                pillow_heif.register_heif_opener(thumbnails=False)
            else:
                import pillow_jxl  # noqa: F401
        except (ImportError, OSError):
            return False
    return plugin in Image.OPEN


# ---------------------------------------------------------------------------------------------------------- decoding


@contextmanager
def limit_of_pixels(max_pixels: int) -> Iterator[None]:
    """Put `max_pixels` in the place of Pillow's own limit, which warns at 89 and fails at 179 megapixels."""
    from PIL import Image

    old = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    except Image.DecompressionBombError:
        raise LimitError(f"the picture has more pixels than the limit of {max_pixels} (see --max-pixels)") from None
    finally:
        Image.MAX_IMAGE_PIXELS = old


@contextmanager
def damage_reported() -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into a PictureError of one line, and drop its warnings."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, LimitError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:  # its decoders raise OSError, SyntaxError, ValueError, struct.error, KeyError and more
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"the picture is damaged or truncated: {reason}") from error


def decode_quietly(opened: Opened) -> str:
    """Load an image whose decoder may write to standard error itself, as libtiff does.

    Returns:
        What it said of damage that it went on after, in a line; empty for nothing.

    Raises:
        PictureError: damage; the reason is what the decoder said.
    """
    lines: list[str] = []
    try:
        if opened.image.format == "TIFF" and getattr(opened.image, "use_load_libtiff", False):
            with standard_error_into(lines):
                opened.image.load()
        else:
            opened.image.load()
    except Exception as error:
        if kind := unread_kind(opened.file, opened=True):
            raise PictureError(kind) from error
        if lines:
            raise PictureError(f"the picture is damaged or truncated: {lines[0]}") from error
        raise
    return next((line for line in lines if not _ABOUT_TAGS.search(line)), "")


@contextmanager
def standard_error_into(lines: list[str]) -> Iterator[None]:
    """Collect what the process writes to file descriptor 2 in the meantime: a library's lines go to `lines`.

    The descriptor is the whole process's, so lines of other threads come along: those that do not look like libtiff's
    are written where they belong, a moment later. Where there is no standard error, there is nothing to collect.
    """
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            text = caught.read().decode("utf-8", "replace")
            others = []
            for line in text.splitlines(keepends=True):
                if _LIBRARY_LINE.match(line.rstrip()):
                    lines.append(line.partition(": ")[2].strip().removeprefix("Warning, ").rstrip("."))
                else:
                    others.append(line)
            if others:
                os.write(2, "".join(others).encode())
