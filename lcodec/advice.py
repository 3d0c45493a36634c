"""Advice: what lcodec is bad at, it says. Drawings, text, dither and one-pixel patterns are better kept lossless.

    picture, coded file -> does it look drawn? -> is a lossless file smaller, or the decoded picture poor? -> a note

A photo costs one look at some of its rows. Only what looks drawn is coded without loss, and decoded, to compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics import psnr
from lcodec.picture import Picture, to_image

__all__ = ["Advice", "advise", "looks_drawn"]

Pixels = NDArray[np.uint8]

#: About so many pixels are looked at.
_LOOKED_AT = 1 << 20
#: A drawing has no more colours than this among them, and one for so many pixels, or more than this share of pixels
#: equal to a neighbour. Photos of Kodak have 13,000 colours or more and shares of 0.31 or less; pages of text 0.7.
_COLOURS, _PIXELS_A_COLOUR, _EQUAL_SHARE = 4096, 16, 0.4
#: What a quality promises: PSNR in dB at 0 and 100, about the means over Kodak; and by how much less is far less.
_PROMISED, _FAR = (25.0, 41.0), 6.0


@dataclass(frozen=True)
class Advice:
    """What suits a picture better."""

    note: str  #: one line
    lossless_is_smaller: bool


def advise(picture: Picture, data: bytes, quality: float, decode: Callable[[], Pixels]) -> Advice | None:
    """Say what suits a picture better, where that is so.

    Args:
        picture: that was encoded.
        data: its file.
        quality: that it was encoded at, 0 to 100.
        decode: makes the pixels of the file; called only for what looks drawn.
    """
    if not looks_drawn(picture.pixels):
        return None
    lossless = _lossless_bytes(picture)
    if lossless <= len(data):
        sizes = f"{lossless} bytes as a lossless PNG, {len(data)} as this file"
        return Advice(f"{sizes}: better keep such pictures as PNG or lossless WebP", lossless_is_smaller=True)
    reached = psnr(picture.pixels, decode())
    low, high = _PROMISED
    if reached < low + (high - low) * quality / 100 - _FAR:
        poor = f"only {reached:.1f} dB at quality {quality:g}, for it is unlike a photo"
        return Advice(f"{poor}: a PNG keeps it exactly in {lossless} bytes", lossless_is_smaller=False)
    return None


def looks_drawn(pixels: Pixels) -> bool:
    """Whether pixels (H, W, 1 or 3) are few colours, or mostly equal to a neighbour, as no photo's are."""
    height, width = pixels.shape[:2]
    step = max(1, height * width // _LOOKED_AT)
    rows = np.arange(0, max(height - 1, 1), step)
    here = _codes(pixels[rows])
    # A grey photo has at most 256 values, so of grey only very few tell.
    if len(np.unique(here)) <= (min(_COLOURS, here.size // _PIXELS_A_COLOUR) if pixels.shape[2] == 3 else 16):
        return True
    equal = np.zeros(here.shape, np.bool_)
    equal[:, 1:] = here[:, 1:] == here[:, :-1]
    if height > 1:
        equal |= here == _codes(pixels[rows + 1])
    return bool(equal.mean() > _EQUAL_SHARE)


def _codes(pixels: Pixels) -> NDArray[np.uint32]:
    """A number for each colour: (H, W)."""
    codes = np.zeros(pixels.shape[:2], np.uint32)
    for channel in range(pixels.shape[2]):
        codes = (codes << np.uint32(8)) | pixels[:, :, channel]
    return codes


def _lossless_bytes(picture: Picture) -> int:
    """Size of a PNG of the picture's samples."""
    file = BytesIO()
    to_image(picture).save(file, "PNG")
    return file.tell()
