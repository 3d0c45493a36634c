"""Samples of more than 8 bits, a part of reading.

Pillow unpacks most of them to their upper bytes only; here they are rounded.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import PictureError
from lcodec.picture.said import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

__all__ = ["deep_samples", "is_deep", "rawmode_of", "reads_both_bytes", "tiff_tag", "to_8_bits"]

_BITS, _PLANAR = 258, 284  # TIFF tags
_BOTH_BYTES = {"LA;16B", "RGB;16B", "RGB;16L", "RGB;16N", "RGBA;16B", "RGBA;16L", "RGBA;16N"}


def to_8_bits(samples: NDArray[np.uint32], largest: int = 65535, *, few_bits: bool = False) -> NDArray[np.uint8]:
    """Round samples of 0..largest to 0..255; of 16 bits of which no more than 8 count (`few_bits`), take those."""
    if few_bits and largest == 65535:
        return (samples >> 8).astype(np.uint8)
    return ((samples * 255 + largest // 2) // largest).astype(np.uint8)


def rawmode_of(image: Image.Image) -> str:
    """Return how Pillow is about to unpack this file, `RGB;16B` for example; empty where that has no name."""
    arguments = _arguments(image)
    name = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return name if isinstance(name, str) else ""


def is_deep(image: Image.Image, source: BinaryIO, said: Said) -> bool:
    """Say whether an opened, not yet loaded file has more than 8 bits a sample.

    Raises PictureError for those that Pillow would read wrong.
    """
    if image.format == "TIFF" and tiff_tag(image, _PLANAR) == 2 and ";16" not in rawmode_of(image):
        bits = tiff_tag(image, _BITS)
        if isinstance(bits, tuple) and max(bits) > 8:  # Pillow takes them for samples of 8 bits, and shows noise
            raise PictureError("samples of more than 8 bits in separate planes are read only where they are compressed")
    if said.bits is not None:
        return said.bits > 8
    if image.format == "BMP":  # its BGR;16 has 16 bits a pixel
        return False
    if ";16" in rawmode_of(image) or ";12" in rawmode_of(image) or image.mode.startswith("I"):
        return (said.significant_bits or 16) > 8
    if image.format == "PPM":  # the decoder's arguments are the mode and the largest sample
        arguments = _arguments(image)
        return isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255
    if image.format == "AVIF":  # a sequence without a description of its own; the decoder's configuration says it
        configuration = _whole(source).partition(b"av1C")[2][:4]
        return len(configuration) == 4 and bool(configuration[2] & 0x40)
    return False


def reads_both_bytes(image: Image.Image, rawmode: str) -> bool:
    """Say whether `deep_samples` reads this file; of separate planes Pillow has the upper bytes only."""
    return rawmode in _BOTH_BYTES and not (image.format == "TIFF" and tiff_tag(image, _PLANAR) == 2)


def tiff_tag(image: Image.Image, tag: int) -> object:
    """Return a tag of an image that is a TIFF file; None where it has none."""
    return image.tag_v2.get(tag)  # type: ignore[attr-defined]


def deep_samples(
    image: Image.Image, source: BinaryIO, rawmode: str, reopen: Callable[[BinaryIO], Image.Image]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32] | None]:
    """Load 16-bit colour, of which Pillow keeps the upper bytes only, by asking it for the lower bytes as well.

    Its unpackers of big-endian and little-endian samples differ in which byte of two they keep, so the one for the
    other order gives the lower bytes. Grey with alpha is four bytes a pixel, and passes as 8-bit RGBA.

    Returns colour (H, W, 1 or 3) and alpha (H, W) or None, 0..65535.
    """
    words: NDArray[np.uint32]
    if rawmode == "LA;16B":
        _set_rawmode(image, "RGBA")
        image.load()
        planes = np.asarray(image).astype(np.uint32)
        words = (planes[:, :, 0::2] << 8 | planes[:, :, 1::2]).astype(np.uint32)
        return words[:, :, :1], words[:, :, 1]

    native = "L" if sys.byteorder == "little" else "B"
    other = {"B": "L", "L": "B"}[rawmode[-1].replace("N", native)]
    low = reopen(BytesIO(_whole(source)))
    _set_rawmode(low, rawmode[:-1] + other)
    image.load()
    low.load()
    words = np.asarray(image).astype(np.uint32) << 8 | np.asarray(low)
    return words[:, :, :3], words[:, :, 3] if words.shape[2] == 4 else None


def _arguments(image: Image.Image) -> Any:
    tiles = getattr(image, "tile", None)
    return tiles[0][3] if tiles else ""


def _whole(source: BinaryIO) -> bytes:
    """Read the file once more, from its start, without moving the place in it."""
    place = source.tell()
    source.seek(0)
    data = source.read()
    source.seek(place)
    return data


def _set_rawmode(image: Image.Image, rawmode: str) -> None:
    tiles = []
    for codec, extents, offset, arguments in image.tile:  # type: ignore[attr-defined]
        new = (rawmode, *arguments[1:]) if isinstance(arguments, tuple) else rawmode
        tiles.append((codec, extents, offset, new))
    kind = type(image.tile[0])  # type: ignore[attr-defined]
    image.tile = [kind(*tile) for tile in tiles]  # type: ignore[attr-defined]
