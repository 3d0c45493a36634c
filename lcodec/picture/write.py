"""A `Picture` to a picture file: PNG, JPEG, WebP, TIFF, PPM, BMP, or NumPy's npy."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import Any, Protocol

import numpy as np

from lcodec import defaults
from lcodec.errors import PictureError
from lcodec.picture.exif import EXIF_PREFIX, resolution_in
from lcodec.picture.metadata import DIRECTORIES, descriptive
from lcodec.picture.opening import one_at_a_time, standard_error_into
from lcodec.picture.picture import METADATA, WHITE, Picture
from lcodec.picture.pillow import to_image
from lcodec.picture.read import Note, ignore

__all__ = ["WRITES", "check_sides", "write_picture"]

#: The formats written: Pillow's name and options. Measured on 768x512 photos, one core: PNG level 3 takes 47 ms for
#: 675 kB (level 6: 133 ms, 678 kB), lossless WebP with method 1 47 ms for 617 kB (its defaults: 186 ms, 592 kB).
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {"compress_level": 3}),
    "jpg": ("JPEG", {"quality": defaults.JPEG_QUALITY, "subsampling": 0, "optimize": True}),
    "webp": ("WEBP", {"lossless": True, "method": 1, "quality": 20, "exact": True}),
    "tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "ppm": ("", {}),
    "bmp": ("BMP", {}),
    "npy": ("", {}),  # an array of samples (height, width, channels), alpha last; neither goes through Pillow
}
#: The longest side in pixels of formats with a limit that a picture may be over, by Pillow's names of them.
_SIDE_MAX = {"JPEG": ("JPEG", 65_500), "WEBP": ("WebP", 16_383)}  # libjpeg's, which writes that to standard error
_KEEPS_METADATA = {"png", "jpg", "webp", "tiff"}
_KEEPS_ALPHA = {"png", "webp", "tiff", "npy"}

_PREDICTOR, _XMP = 317, 700  # TIFF tags
#: Bytes of metadata in a JPEG file: one marker of 65,535 holds EXIF or XMP, with its prefix, and 255 hold a profile.
_JPEG_METADATA_MAX = {"icc": 255 * 65_519, "exif": 65_500, "xmp": 65_500}
#: Bytes of a block of 64 coefficients, each of a code of at most 16 bits and 10 bits of value; some may be escaped.
_BLOCK_MAX = 64 * 26 // 8 + 12
#: Pillow's size of buffers is global.
_buffers = threading.Lock()


class Sink(Protocol):
    """What a picture file is written to, a piece at a time; a piece is not changed after it was written."""

    def write(self, piece: bytes | memoryview, /) -> object:
        """Take the next piece."""


def write_picture(
    picture: Picture,
    target: Sink,
    format: str,  # noqa: A002
    *,
    background: tuple[int, int, int] = WHITE,
    jpeg_quality: int | None = None,
    note: Note = ignore,
) -> None:
    """Write a picture to `target`, a file or the like, in one of the formats of `WRITES`.

    `jpeg_quality` is 1 to 100.

    What the format cannot hold is noted: transparency is flattened on the background, metadata are left out. Raises
    PictureError where it cannot hold a picture of this size.
    """
    if format not in WRITES:
        raise PictureError(f"cannot write the format {format!r} (one of {', '.join(WRITES)})")
    check_sides(WRITES[format][0], picture.width, picture.height)
    if picture.alpha is not None and format not in _KEEPS_ALPHA:
        red, green, blue = background
        note(f"{format} keeps no transparency: flattened on rgb({red},{green},{blue})")
        picture = picture.flattened(background)
    found = {name: content for name in METADATA if (content := getattr(picture, name))}
    if format not in _KEEPS_METADATA:
        kept: dict[str, bytes] = {}
    elif format == "jpg":
        kept = {name: body for name, body in found.items() if len(body) <= _JPEG_METADATA_MAX[name]}
    else:
        kept = found
    if left_out := [name.upper() for name in found if name not in kept]:
        note(f"{format} cannot hold it, left out: {', '.join(left_out)}")
    if format == "ppm":  # without a copy of the picture
        kind = b"P5" if picture.grey else b"P6"
        target.write(b"%s\n%d %d\n255\n" % (kind, picture.width, picture.height))
        target.write(np.ascontiguousarray(picture.pixels).data)
        return
    if format == "npy":
        data = BytesIO()
        np.save(data, picture.samples, allow_pickle=False)
    elif format == "tiff" and "exif" in kept:
        data = _tiff_with_exif(picture, kept, note)
    else:
        data = _saved(picture, format, _metadata_options(format, kept), jpeg_quality)
    target.write(data.getbuffer())


def check_sides(name: str, width: int, height: int) -> None:
    """Raise PictureError where a format, by Pillow's name, cannot hold a picture of this size."""
    title, most = _SIDE_MAX.get(name, ("", max(width, height)))
    if max(width, height) > most:
        raise PictureError(f"{title} holds at most {most:,} pixels a side, and the picture is {width}x{height}")


def _saved(picture: Picture, format: str, described: dict[str, Any], jpeg_quality: int | None = None) -> BytesIO:  # noqa: A002
    """Encode with these options, which hold the metadata."""
    data = BytesIO()
    name, options = WRITES[format]
    if format == "jpg" and jpeg_quality is not None:
        options = options | {"quality": jpeg_quality}
    try:
        with _room(picture) if format == "jpg" else nullcontext():
            to_image(picture).save(data, name, **options | described)
    except (OSError, ValueError, RuntimeError) as error:
        size = f"{picture.width}x{picture.height}"
        raise PictureError(f"a picture of {size} cannot be written as {format}: {error}") from error
    return data


def _tiff_with_exif(picture: Picture, kept: dict[str, bytes], note: Note) -> BytesIO:
    """Encode as a TIFF, whose tags EXIF's become one by one; without them where they are damaged, with a note.

    Pillow warns of tags that it passes over, and libtiff writes to standard error why it takes none of them.
    """
    with one_at_a_time, standard_error_into([]), warnings.catch_warnings(record=True) as passed_over:
        warnings.simplefilter("always")
        try:
            described = _metadata_options("tiff", kept)
            damaged = any(issubclass(warning.category, UserWarning) for warning in passed_over)
            found = described["tiffinfo"].keys() - {_PREDICTOR, _XMP}
            data = _saved(picture, "tiff", described)
        except MemoryError:
            raise
        except Exception:  # SyntaxError, struct.error, TypeError and more; or a tag that libtiff does not take
            damaged, found = True, set()
            data = _saved(picture, "tiff", _metadata_options("tiff", kept | {"exif": None}))
    if damaged:
        note("a part of EXIF left out: damaged" if found else "EXIF left out: damaged")
    return data


@contextmanager
def _room(picture: Picture) -> Iterator[None]:
    """Let Pillow allot room for any JPEG of this size: with codes of its own, libjpeg writes all of it at one go.

    Pillow's guess of two bytes a pixel is too little for noise, and for a picture narrower than a block. Pages that are
    not written to take no memory.
    """
    from PIL import ImageFile

    blocks = (-(-picture.width // 8)) * (-(-picture.height // 8)) * picture.pixels.shape[2]
    with _buffers:
        old = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = min(max(old, blocks * _BLOCK_MAX), (1 << 31) - 1)
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = old


def _metadata_options(format: str, kept: Mapping[str, bytes | None]) -> dict[str, Any]:  # noqa: A002
    """Options of Pillow's encoders: each takes metadata in its own way."""
    icc, exif, xmp = kept.get("icc"), kept.get("exif"), kept.get("xmp")
    options: dict[str, Any] = {} if icc is None else {"icc_profile": icc}
    if format == "tiff":
        from PIL import Image

        tags: dict[int, Any] = {}
        if exif is not None:
            directory_of_exif = Image.Exif()
            directory_of_exif.load(EXIF_PREFIX + exif)
            tags |= descriptive(directory_of_exif)
        if any(directory in tags for directory in DIRECTORIES):  # Pillow writes these into uncompressed files only
            options["compression"] = None
        else:
            tags[_PREDICTOR] = 2  # horizontal differences
        if xmp is not None:
            tags[_XMP] = xmp
        return options | {"tiffinfo": tags}
    if exif is not None:
        options["exif"] = EXIF_PREFIX + exif
        if format != "webp" and (resolution := resolution_in(exif)):  # where programs look that do not read EXIF
            options["dpi"] = resolution
    if xmp is not None and format == "png":
        from PIL import PngImagePlugin

        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    elif xmp is not None:
        options["xmp"] = xmp
    return options
