"""Pillow's images to a `Picture` and back: the one conversion each way, for the face, the plug-in and the comparisons.

Picture files go through `read` instead, which knows what Pillow makes of each format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lcodec.errors import PictureError
from lcodec.picture.metadata import (
    EXIF_PREFIX,
    exif_of,
    orientation_of,
    upright_exif,
    upright_xmp,
    usable_icc,
    xmp_of,
)
from lcodec.picture.picture import METADATA_MAX, Picture
from lcodec.picture.samples import samples_of, turned

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["from_image", "to_image", "to_info"]

#: Modes that lose nothing on their way to 8 bits of grey or RGB, and alpha.
_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa"}
#: Our names of metadata, and Pillow's.
_INFO = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}


def from_image(image: Image.Image, described: Mapping[str, object] | None = None) -> Picture:
    """Return the samples of an image, upright, and its metadata.

    The orientation that EXIF says, or else XMP, is applied and set to 1. Metadata that do not fit are left out: a
    profile for another kind of samples, damaged EXIF, more than `METADATA_MAX` bytes. Of several frames, the current
    one is taken.

    Args:
        image: of mode 1, L, LA, La, P, PA, RGB, RGBA, RGBX or RGBa.
        described: metadata by Pillow's names (icc_profile, exif, xmp), in place of the image's own.

    Raises:
        PictureError: the image is empty, damaged, or of another mode.
        TypeError: metadata of `described` are of a wrong type.
    """
    if 0 in image.size:
        raise PictureError(f"the picture is empty ({image.width}x{image.height})")
    if image.mode not in _MODES:
        raise PictureError(f"cannot write mode {image.mode} (convert the image to L, LA, RGB or RGBA)")
    source = image if described is None else _carrier(described)
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise PictureError(f"the image cannot be loaded: {error}") from error
    if image.mode in {"P", "PA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    pixels, alpha = samples_of(image, "")
    if alpha is not None and alpha.min() == 255:
        alpha = None
    icc, exif, xmp = usable_icc(source.info.get("icc_profile"), pixels.shape[2]), _exif(source), xmp_of(source)
    found = {"icc": icc, "exif": exif and upright_exif(exif), "xmp": xmp and upright_xmp(xmp)}
    orientation = orientation_of(source, exif, xmp)
    return Picture(
        turned(pixels, orientation),
        alpha=None if alpha is None else turned(alpha, orientation),
        **{name: content for name, content in found.items() if content and len(content) <= METADATA_MAX},
    )


def to_image(picture: Picture) -> Image.Image:
    """Return Pillow's image of the samples: mode L, LA, RGB or RGBA. `to_info` has the metadata."""
    from PIL import Image

    image = Image.fromarray(picture.pixels[:, :, 0] if picture.grey else picture.pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image


def to_info(metadata: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Return metadata, by our names, as they stand in the `info` of Pillow's images."""
    info = {_INFO[name]: content for name, content in metadata.items() if content}
    if "exif" in info:
        info["exif"] = EXIF_PREFIX + info["exif"]
    return info


def _carrier(described: Mapping[str, object]) -> Image.Image:
    """Return an image that has these metadata, checked, and nothing else."""
    from PIL import Image

    carrier = Image.new("1", (1, 1))
    for name in _INFO.values():
        content = described.get(name)
        if isinstance(content, Image.Exif):
            content = content.tobytes()
        elif isinstance(content, str) and name == "xmp":
            content = content.encode()
        if not isinstance(content, bytes | bytearray | memoryview | None):
            raise TypeError(f"{name} must be bytes, not {type(content).__name__}")
        if content:
            carrier.info[name] = bytes(content)
    return carrier


def _exif(image: Image.Image) -> bytes | None:
    try:
        return exif_of(image)
    except Exception:  # damaged metadata must not cost the picture
        return None
