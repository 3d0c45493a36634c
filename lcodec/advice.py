"""Advice: what lcodec is bad at, it says. Drawings, text, dither and one-pixel patterns may be better kept lossless.

    picture, coded file -> is it drawn, or noise? -> is a lossless file smaller, or the decoded picture poor? -> a note

Mostly neither is so: what is drawn is kept exactly where that costs less (`lcodec.exact`). What is left are tiny
pictures, of which headers are the most, and low qualities. Noise shows in the size. Nothing else is coded without loss
and decoded, which takes time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from lcodec.exact import drawn_pixels
from lcodec.metrics import psnr
from lcodec.picture import Picture, to_image
from lcodec.picture.alpha import seen_alone

__all__ = ["Advice", "advise"]

Pixels = NDArray[np.uint8]

#: What a quality promises: PSNR in dB at 0 and 100, about the means over Kodak; and by how much less is far less.
_PROMISED, _FAR = (25.0, 41.0), 6.0
#: More bits a sample than photos take at 0 and 100: 1.5 at most on Kodak. Noise takes 2.6 at 100.
_DENSE = (0.1, 2.0)


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
        decode: makes the pixels of the file; called only for what is drawn, or noise.
    """
    dense = 8 * len(data) > _between(_DENSE, quality) * picture.pixels.size
    if not dense and drawn_pixels(picture.pixels, None if picture.alpha is None else picture.alpha == 0) is None:
        return None
    lossless = _lossless_bytes(picture)
    if lossless <= len(data):
        sizes = f"{lossless} bytes as a lossless PNG, {len(data)} as this file"
        return Advice(f"{sizes}: better keep such pictures as PNG or lossless WebP", lossless_is_smaller=True)
    reached = psnr(seen_alone(picture.pixels, picture.alpha), seen_alone(decode(), picture.alpha))
    if reached < _between(_PROMISED, quality) - _FAR:
        poor = f"only {reached:.1f} dB at quality {quality:g}, for it is unlike a photo"
        return Advice(f"{poor}: a PNG keeps it exactly in {lossless} bytes", lossless_is_smaller=False)
    return None


def _between(ends: tuple[float, float], quality: float) -> float:
    """What lies at a quality, on a line between what is at 0 and at 100."""
    low, high = ends
    return low + (high - low) * quality / 100


def _lossless_bytes(picture: Picture) -> int:
    """Size of a PNG of the picture's samples."""
    file = BytesIO()
    to_image(picture).save(file, "PNG")
    return file.tell()
