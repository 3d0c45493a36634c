"""A `Picture` to a picture file: PNG, JPEG, WebP, TIFF, PPM, BMP, or NumPy's npy."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Protocol

import numpy as np

from lcodec.errors import PictureError
from lcodec.picture.metadata import DIRECTORIES, EXIF_PREFIX, descriptive
from lcodec.picture.picture import METADATA, WHITE, Picture
from lcodec.picture.pillow import to_image
from lcodec.picture.read import Note, ignore

__all__ = ["WRITES", "write_picture"]

#: The formats written: Pillow's name and options. Measured on 768x512 photos, one core: PNG level 3 takes 47 ms for
#: 675 kB (level 6: 133 ms, 678 kB), lossless WebP with method 1 47 ms for 617 kB (its defaults: 186 ms, 592 kB).
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {"compress_level": 3}),
    "jpg": ("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}),
    "webp": ("WEBP", {"lossless": True, "method": 1, "quality": 20, "exact": True}),
    "tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "ppm": ("", {}),
    "bmp": ("BMP", {}),
    "npy": ("", {}),  # an array of samples (height, width, channels), alpha last; neither goes through Pillow
}
_KEEPS_METADATA = {"png", "jpg", "webp", "tiff"}
_KEEPS_ALPHA = {"png", "webp", "tiff", "npy"}

_PREDICTOR, _XMP = 317, 700  # TIFF tags
#: Bytes of EXIF or XMP in a JPEG file: one marker of 65,535 holds either, with its prefix.
_JPEG_METADATA_MAX = 65_500


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
    note: Note = ignore,
) -> None:
    """Write a picture to `target`, a file or the like, in one of the formats of `WRITES`.

    What the format cannot hold is noted: transparency is flattened on the background, metadata are left out. Raises
    PictureError where it cannot hold a picture of this size.
    """
    if format not in WRITES:
        raise PictureError(f"cannot write the format {format!r} (one of {', '.join(WRITES)})")
    if picture.alpha is not None and format not in _KEEPS_ALPHA:
        red, green, blue = background
        note(f"{format} keeps no transparency: flattened on rgb({red},{green},{blue})")
        picture = picture.flattened(background)
    found = {name: content for name in METADATA if (content := getattr(picture, name))}
    if format not in _KEEPS_METADATA:
        kept: dict[str, bytes] = {}
    elif format == "jpg":
        kept = {name: body for name, body in found.items() if name == "icc" or len(body) <= _JPEG_METADATA_MAX}
    else:
        kept = found
    if left_out := [name.upper() for name in found if name not in kept]:
        note(f"{format} cannot hold it, left out: {', '.join(left_out)}")
    if format == "ppm":  # without a copy of the picture
        kind = b"P5" if picture.grey else b"P6"
        target.write(b"%s\n%d %d\n255\n" % (kind, picture.width, picture.height))
        target.write(np.ascontiguousarray(picture.pixels).data)
        return
    data = BytesIO()
    if format == "npy":
        np.save(data, picture.samples, allow_pickle=False)
    else:
        name, options = WRITES[format]
        try:
            to_image(picture).save(data, name, **options | _metadata_options(format, kept))
        except (OSError, ValueError, RuntimeError) as error:  # JPEG ends at 65,500 and WebP at 16,383 pixels a side
            size = f"{picture.width}x{picture.height}"
            raise PictureError(f"a picture of {size} cannot be written as {format}: {error}") from error
    target.write(data.getbuffer())


def _metadata_options(format: str, kept: dict[str, bytes]) -> dict[str, Any]:  # noqa: A002
    """Options of Pillow's encoders: each takes metadata in its own way."""
    options: dict[str, Any] = {"icc_profile": kept["icc"]} if "icc" in kept else {}
    exif, xmp = kept.get("exif"), kept.get("xmp")
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
    if xmp is not None and format == "png":
        from PIL import PngImagePlugin

        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    elif xmp is not None:
        options["xmp"] = xmp
    return options
