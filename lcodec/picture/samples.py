"""Loaded images of every mode to samples: grey or RGB, and alpha."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import PictureError
from lcodec.picture.deep import tiff_tag, to_8_bits

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Samples", "is_plain", "opacity", "plain_samples", "samples_of", "turned"]

Samples = NDArray[np.uint8]

#: Largest sample of a PNG's grey of few bits: Pillow spreads the samples over 0..255, but not the transparent one.
_LARGEST = {"1": 1, "L;2": 3, "L;4": 15}


def is_plain(image: Image.Image) -> bool:
    """Whether the samples of an opened image stand in its file as in a `Picture`: in a PPM or an uncompressed TIFF.

    That is so if its parts are whole rows that follow each other from the first row to the last.
    """
    if image.format not in {"PPM", "TIFF"} or image.mode not in {"L", "RGB"} or image.has_transparency_data:
        return False
    row = 0
    for codec, (left, top, right, bottom), _, arguments in getattr(image, "tile", None) or []:
        plain = codec == "raw" and arguments in {image.mode, (image.mode, 0, 1)}
        if not plain or (left, right, top) != (0, image.width, row):
            return False
        row = bottom
    return row == image.height  # a damaged TIFF has samples of fewer rows, and Pillow knows what it shows for the rest


def plain_samples(image: Image.Image, source: BinaryIO) -> Samples:
    """Read the samples of an image that `is_plain` straight into their place, (H, W, C).

    Pillow would hold them twice, in four bytes a pixel. Raises PictureError where they end too early.
    """
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for _, (_, top, _, bottom), offset, _ in image.tile:  # type: ignore[attr-defined]
        source.seek(offset)
        rows = pixels[top:bottom].data.cast("B")
        if source.readinto(rows) != len(rows):  # type: ignore[attr-defined]
            raise PictureError("the picture is damaged or truncated: its samples end too early")
    return pixels


def samples_of(image: Image.Image, rawmode: str, *, few_bits: bool = False) -> tuple[Samples, Samples | None]:
    """Convert a loaded image of any mode but the deep colour ones (`deep_samples`).

    Returns colour (H, W, 1 or 3) and alpha (H, W), or None for an image without. Raises PictureError for modes that
    have no place in 8 bits.
    """
    mode, key = image.mode, image.info.get("transparency")
    if mode.startswith("I;16") or (mode == "I" and image.format in {"PNG", "PPM"}):
        deep = np.asarray(image).astype(np.uint32)
        if image.format == "TIFF" and tiff_tag(image, 262) == 0:  # PhotometricInterpretation: white is 0
            deep = 65535 - deep  # which Pillow does for 8 bits only
        eight = to_8_bits(deep, 4095 if rawmode == "I;12" else 65535, few_bits=few_bits)
        return eight[:, :, None], opacity(deep[:, :, None], key)
    if mode in {"I", "F", "LAB", "HSV"}:
        what = {"I": "32-bit integer samples", "F": "floating-point samples"}.get(mode, f"{mode} colours")
        raise PictureError(f"{what} are not supported")
    if mode == "CMYK":
        return np.asarray(_cmyk_to_srgb(image, image.info.get("icc_profile"))), None
    grey = mode in {"1", "L", "LA", "La"}
    if mode in {"LA", "La", "PA", "RGBA", "RGBa"} or (mode == "P" and key is not None):
        planes = np.asarray(image.convert("LA" if grey else "RGBA"))
        return planes[:, :, :-1], planes[:, :, -1]
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    if not grey:
        return pixels, opacity(pixels, key)
    if isinstance(key, int):
        key = min(key * (255 // _LARGEST.get(rawmode, 255)), 255)  # of 1 bit, newer versions spread it
    return pixels[:, :, None], opacity(pixels[:, :, None], key)


def opacity(samples: NDArray[Any], key: object) -> Samples | None:
    """Alpha (H, W) of samples (H, W, C) of which one colour, `key`, is transparent; None if there is no such colour."""
    if not isinstance(key, int | tuple):
        return None
    return np.where((samples == np.asarray(key)).all(axis=2), np.uint8(0), np.uint8(255))


def turned(samples: Samples, orientation: int) -> Samples:
    """Apply an EXIF orientation to (H, W) or (H, W, C)."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        samples = samples[::-1]
    if orientation in {2, 3, 6, 7}:
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def _cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Go through the picture's own profile where it has a usable one; without, by Pillow's rough formula."""
    if icc is not None and icc[16:20] == b"CMYK":
        from PIL import ImageCms

        try:
            profile, srgb = ImageCms.ImageCmsProfile(BytesIO(icc)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
