"""Transparency: the alpha channel without loss, and cheap colours where nobody sees them.

Alpha is stored as differences between neighbours, deflated. Over ten mattes (`python -m benchmarks.mattes`) an 8-bit
grey PNG at level 9 takes 598 kB, this 571 kB, lossless WebP 476 kB. This was chosen all the same: two sentences of
specification and zlib decode it for ever and at any size, in memory bounded by the picture's own, while WebP ends at
16,383 pixels a side and needs a codec of its own.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import DamagedError

__all__ = ["fill_hidden", "pack_alpha", "seen_alone", "unpack_alpha"]

Samples = NDArray[np.uint8]

#: Predictors, as bits: differences along rows, and from row to row.
_ALONG, _DOWN = 1, 2


def pack_alpha(alpha: Samples) -> bytes:
    """Pack an alpha channel (H, W): the byte of the predictor that does best, then a zlib stream of the differences."""
    best = min(range(4), key=lambda predictor: len(zlib.compress(_differences(alpha, predictor), 1)))
    return bytes((best,)) + zlib.compress(_differences(alpha, best), 9)


def unpack_alpha(body: bytes, height: int, width: int) -> Samples:
    """Mirror of `pack_alpha`: (height, width). Raises DamagedError, before it takes more memory than that needs."""
    size = height * width
    predictor = body[0] if body else -1
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body[1:], size + 1)
    except zlib.error as error:
        raise DamagedError("damaged: the alpha channel is not decodable") from error
    if predictor not in range(4) or len(content) != size or not stream.eof or stream.unused_data:
        raise DamagedError("damaged: the alpha channel is not of the picture's size")
    alpha = np.frombuffer(content, np.uint8).reshape(height, width).copy()
    if predictor & _ALONG:
        np.cumsum(alpha, axis=1, dtype=np.uint8, out=alpha)  # modulo 256
    if predictor & _DOWN:
        np.cumsum(alpha, axis=0, dtype=np.uint8, out=alpha)
    return alpha


def _differences(alpha: Samples, predictor: int) -> bytes:
    """Differences modulo 256 from the neighbours that `predictor` names; outside the picture is 0."""
    if predictor & _ALONG:
        alpha = np.diff(alpha, axis=1, prepend=np.uint8(0))
    if predictor & _DOWN:
        alpha = np.diff(alpha, axis=0, prepend=np.uint8(0))
    return alpha.tobytes()


def fill_hidden(pixels: Samples, alpha: Samples | None) -> Samples:
    """Let the colours of the visible pixels run smoothly into those where alpha is 0, which cost few bits then.

    pixels: (H, W, C). Visible pixels are not touched. Where there are none, all becomes mid-grey.
    """
    if alpha is None or alpha.all():
        return pixels
    visible = alpha != 0
    if not visible.any():
        return np.full_like(pixels, 128)
    return _filled(pixels, visible)


def seen_alone(pixels: Samples, alpha: Samples | None) -> Samples:
    """The pixels that are seen, those where alpha is not 0: (H, W, C), or (1, N, C) where some are hidden.

    Where none is seen a black one stands for all, so that pictures can be compared by what this returns.
    """
    if alpha is None or alpha.all():
        return pixels
    seen = pixels[alpha != 0][None]
    return seen if seen.size else np.zeros((1, 1, pixels.shape[2]), np.uint8)


def _filled(pixels: Samples, known: NDArray[np.bool_]) -> Samples:
    """Push-pull: unknown pixels get the mean of the known ones around them, of ever larger surroundings."""
    if known.all():
        return pixels
    height, width, channels = pixels.shape
    total = np.zeros(((height + 1) // 2, (width + 1) // 2, channels), np.uint16)
    count = np.zeros(total.shape[:2], np.uint8)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part, weight = pixels[row::2, column::2], known[row::2, column::2]
        total[: part.shape[0], : part.shape[1]] += part * weight[:, :, None]
        count[: part.shape[0], : part.shape[1]] += weight
    total //= np.maximum(count, 1)[:, :, None]
    half = _smoothed(_filled(total.astype(np.uint8), count > 0))
    del total
    result = half.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
    np.copyto(result, pixels, where=known[:, :, None])
    return result


def _smoothed(pixels: Samples) -> Samples:
    """Weigh neighbours 1, 2, 1 in both directions: hides the steps that doubling makes."""
    for axis in (0, 1):
        lines = pixels.swapaxes(0, axis)
        wide = np.concatenate([lines[:1], lines, lines[-1:]])
        total = wide[:-2].astype(np.uint16)
        total += wide[2:]
        total += lines
        total += lines
        total += 2
        total >>= 2
        pixels = total.astype(np.uint8).swapaxes(0, axis)
    return pixels
