"""Changes to a decoded picture before it is written: cut out, resized, converted to sRGB; its metadata stay true."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np

from lcodec.errors import LimitError, UsageError
from lcodec.picture.exif import srgb_exif, upright_exif
from lcodec.picture.picture import Picture
from lcodec.picture.pillow import from_image, to_image
from lcodec.picture.read import Note, ignore
from lcodec.picture.xmp import upright_xmp

__all__ = ["check_crop", "cropped", "resized", "size_after", "to_srgb"]

_DATE = slice(24, 36)  # of the header of a profile


def check_crop(size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    """Raise UsageError where a part is not inside a picture of this width and height."""
    width, height, left, top = box
    if left + width > size[0] or top + height > size[1]:
        said = f"{size[0]}x{size[1]}"
        raise UsageError(f"the part {width}x{height}+{left}+{top} is not inside the picture, which is {said}")


def cropped(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    """Return a part of a picture.

    Args:
        picture: of any size.
        box: its width, its height, and how far its corner is from the left and from the top, in pixels.

    Raises:
        UsageError: the part is not inside the picture.
    """
    check_crop((picture.width, picture.height), box)
    width, height, left, top = box
    rows, columns = slice(top, top + height), slice(left, left + width)
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    return _with_size(replace(picture, pixels=picture.pixels[rows, columns], alpha=alpha))


def size_after(size: tuple[int, int], wanted: tuple[int, int] | float, max_pixels: int) -> tuple[int, int]:
    """Return the width and height that resizing gives: those asked for, 0 being what keeps the shape, or percent.

    Raises LimitError where these are more than `max_pixels`.
    """
    width, height = size
    if isinstance(wanted, tuple):
        new_width = wanted[0] or max(1, round(width * wanted[1] / height))
        new_height = wanted[1] or max(1, round(height * wanted[0] / width))
    else:
        new_width, new_height = max(1, round(width * wanted / 100)), max(1, round(height * wanted / 100))
    if new_width * new_height > max_pixels:
        raise LimitError(f"{new_width}x{new_height} is over the limit of {max_pixels} pixels")
    return new_width, new_height


def resized(picture: Picture, wanted: tuple[int, int] | float, max_pixels: int) -> Picture:
    """Return a picture in another size, by Pillow's Lanczos filter; colours count by their opacity.

    Args:
        picture: of any size.
        wanted: as in `size_after`.
        max_pixels: more are refused.

    Raises:
        LimitError: more than `max_pixels`.
    """
    from PIL import Image

    size = size_after((picture.width, picture.height), wanted, max_pixels)
    image = to_image(picture)
    multiplied = {"RGBA": "RGBa", "LA": "La"}.get(image.mode, image.mode)
    image = image.convert(multiplied).resize(size, Image.Resampling.LANCZOS).convert(image.mode)
    made = from_image(image, {})
    return _with_size(replace(picture, pixels=made.pixels, alpha=made.alpha))


def to_srgb(picture: Picture, note: Note = ignore) -> Picture:
    """Return a picture with its colours in sRGB: those that its profile describes; without one they count as sRGB.

    A grey picture stays grey, without a profile. What cannot be converted is noted, and stays as it is.
    """
    if picture.icc is None:
        return picture
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(picture.icc))
        image = ImageCms.profileToProfile(to_image(replace(picture, alpha=None)), profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        note(f"not converted to sRGB: {error}")
        return picture
    pixels = np.asarray(image)
    icc = bytearray(srgb.tobytes())
    icc[_DATE] = bytes.fromhex("07ea 0001 0001 0000 0000 0000")  # the same bytes for the same picture, whenever
    exif = None if picture.exif is None else srgb_exif(picture.exif)
    if picture.grey:
        return replace(picture, pixels=pixels[:, :, :1], icc=None, exif=exif)
    return replace(picture, pixels=pixels, icc=bytes(icc), exif=exif)


def _with_size(picture: Picture) -> Picture:
    """Let the metadata say the size that the samples have; a thumbnail of the old ones is dropped."""
    size = picture.width, picture.height
    exif = None if picture.exif is None else upright_exif(picture.exif, size, changed=True)
    return replace(picture, exif=exif, xmp=None if picture.xmp is None else upright_xmp(picture.xmp, size))
