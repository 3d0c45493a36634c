"""Peak signal-to-noise ratio of 8-bit pictures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_pair", "psnr", "psnr_y", "squared_error"]

PEAK = 255  # largest 8-bit sample
LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: full-range Y of BT.601, as in JPEG


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the PSNR of two 8-bit pictures in dB, over all samples of all channels together.

    That is `10 log10(255^2 / MSE)` with one mean over height, width and R, G, B, as in CompressAI, the learned
    codecs' papers and `benchmarks.published`. A figure for a set of photos is the mean of the photos' PSNR.

    Args:
        first: uint8, shape (H, W, C), samples 0..255.
        second: the same shape and type.

    Returns:
        dB, at least 0; `inf` where the pictures are equal.

    Raises:
        ValueError: the shapes differ, are not (H, W, C), are empty, or the samples are not uint8.
    """
    check_pair(first, second)
    squares = squared_error(first, second)
    if squares == 0:
        return math.inf
    return 10 * math.log10(PEAK**2 * first.size / squares)


def squared_error(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    """Return the sum of squared errors of two 8-bit pictures of one shape (H, W, C).

    It is an integer sum: exact, so the figure is the same on every machine. 2^31 samples of 255^2 stay under 2^47.
    """
    difference = np.subtract(first, second, dtype=np.int32)  # -255..255
    return int(np.einsum("hwc,hwc->", difference, difference, dtype=np.int64))


def psnr_y(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the PSNR of the luma alone, in dB: full-range BT.601 Y of the 8-bit samples, not rounded.

    Args:
        first: uint8, shape (H, W, 3), or (H, W, 1), which is luma.
        second: the same shape and type.

    Returns:
        dB; `inf` where the luma is equal.

    Raises:
        ValueError: as `psnr`.
    """
    check_pair(first, second)
    difference = first.astype(np.float64) - second
    luma = difference @ LUMA if first.shape[2] == 3 else difference
    squares = float(np.mean(luma * luma))
    return math.inf if squares == 0 else 10 * math.log10(PEAK**2 / squares)


def check_pair(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    """Raise ValueError unless both arrays are non-empty uint8 pictures of one shape (H, W, C)."""
    if first.dtype != np.uint8 or second.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8, not {first.dtype} and {second.dtype}")
    if first.shape != second.shape:
        raise ValueError(f"pictures must have one shape, not {first.shape} and {second.shape}")
    if first.ndim != 3 or first.size == 0:
        raise ValueError(f"pictures must have the shape (height, width, channels), not {first.shape}")
