"""Multi-scale structural similarity (MS-SSIM).

Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, sections 3.1
(equation 7) and 3.2 (the exponents); the single-scale terms are those of Wang et al., "Image quality assessment: from
error visibility to structural similarity", 2004, equations 12 and 13. The details that the papers leave open are those
of `pytorch_msssim.ms_ssim(data_range=255)` 1.0.0, which nearly every learned codec is measured with, so figures agree
with the published curves in `benchmarks.published`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.psnr import check_pair

__all__ = ["MIN_SIDE_PX", "blur", "check_sides", "halve", "ms_ssim", "ms_ssim_db", "ssim"]

WINDOW_PX = 11  # side of the Gaussian window
SIGMA_PX = 1.5  # its standard deviation
SCALE_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first; Wang 2003, section 3.2
C1 = (0.01 * 255) ** 2  # keeps the luminance term defined in black areas; squared 8-bit units
C2 = (0.03 * 255) ** 2  # keeps the contrast-structure term defined in flat areas
MIN_SIDE_PX = (WINDOW_PX - 1) * 2 ** (len(SCALE_EXPONENTS) - 1) + 1  # 161: the window must fit the coarsest scale

#: (H, W): one channel at one scale, samples 0..255. Float64 to measure; `ms_ssim_gradient` blurs float32 too.
Plane = NDArray[np.floating[Any]]


def ms_ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the MS-SSIM of two 8-bit pictures: each channel on its own, then the mean of the channels.

    Args:
        first: uint8, shape (H, W, C), samples 0..255, both sides at least `MIN_SIDE_PX`.
        second: the same shape and type.

    Returns:
        0..1, and exactly 1 where the pictures are equal. Symmetric in its arguments.

    Raises:
        ValueError: a side is under `MIN_SIDE_PX`, the shapes differ, or the samples are not uint8.
    """
    check_pair(first, second)
    height, width, channels = first.shape
    check_sides(height, width)
    planes = (first.astype(np.float64), second.astype(np.float64))
    # A channel at a time, contiguous: a plane of a photo nearly fits the cache, three do not.
    similarities = [_channel(*(np.ascontiguousarray(plane[:, :, i]) for plane in planes)) for i in range(channels)]
    return sum(similarities) / len(similarities)


def check_sides(height: int, width: int) -> None:
    """Raise ValueError where a side, in pixels, is under `MIN_SIDE_PX`."""
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(f"MS-SSIM needs at least {MIN_SIDE_PX} pixels a side, this picture has {width}x{height}")


def ms_ssim_db(similarity: float) -> float:
    """Return MS-SSIM on the scale of the papers' plots, `-10 log10(1 - similarity)`, in dB; `inf` for 1.

    Averages over photos are taken before this function: the dB of the mean, not the mean of the dB.

    Raises:
        ValueError: `similarity` is over 1.
    """
    if similarity > 1:
        raise ValueError(f"MS-SSIM is at most 1, not {similarity}")
    return math.inf if similarity == 1 else -10 * math.log10(1 - similarity)


def ssim(first: Plane, second: Plane) -> float:
    """Return the plain SSIM of two planes (Wang 2004): the mean over the windows that lie wholly inside.

    Args:
        first: (H, W), 0..255, both sides at least 11.
        second: likewise.

    Returns:
        -1..1, and 1 where the planes are equal.
    """
    return _similarity(first, second, with_luminance=True)


def _channel(first: Plane, second: Plane) -> float:
    """Return the MS-SSIM of one channel: contrast-structure of every scale, luminance of the coarsest alone."""
    product = 1.0
    coarsest = len(SCALE_EXPONENTS) - 1
    for scale, exponent in enumerate(SCALE_EXPONENTS):
        similarity = _similarity(first, second, with_luminance=scale == coarsest)
        # A negative mean (structures opposed) has no real power; the reference clips it, and so the product, to 0.
        product *= math.pow(max(similarity, 0.0), exponent)
        if scale < coarsest:
            first, second = halve(first), halve(second)
    return min(product, 1.0)  # rounding may leave it a few 1e-16 above


def _similarity(first: Plane, second: Plane, *, with_luminance: bool) -> float:
    """Return the mean over all windows of contrast-structure, times luminance where asked (then it is plain SSIM)."""
    mean1, mean2 = blur(first), blur(second)
    covariance = blur(first * second) - mean1 * mean2
    # The formula needs only the sum of both variances, which one blur gives.
    variances = blur(first * first + second * second) - (mean1 * mean1 + mean2 * mean2)
    similarity = (2 * covariance + C2) / (variances + C2)
    if with_luminance:
        similarity *= (2 * (mean1 * mean2) + C1) / (mean1 * mean1 + mean2 * mean2 + C1)
    return float(similarity.mean())


def _gaussian() -> tuple[float, ...]:
    """Return the right half of the 1-D Gaussian window, centre first, scaled so that the whole window sums to 1."""
    half = [math.exp(-(i**2) / (2 * SIGMA_PX**2)) for i in range(WINDOW_PX // 2 + 1)]
    total = 2 * math.fsum(half) - half[0]
    return tuple(weight / total for weight in half)


HALF_WINDOW = _gaussian()


def blur(plane: Plane) -> Plane:
    """Return the Gaussian-weighted mean of every window that lies wholly inside: (H, W) -> (H - 10, W - 10)."""
    return _blur_rows(_blur_rows(plane.T).T)


def _blur_rows(plane: Plane) -> Plane:
    """Blur along the first axis: (H, W) -> (H - 10, W). The window is symmetric, so six products a sample will do."""
    middle, length = WINDOW_PX // 2, plane.shape[0] - (WINDOW_PX - 1)
    blurred = plane[middle : middle + length] * HALF_WINDOW[0]
    pair = np.empty_like(blurred)
    for offset in range(1, middle + 1):
        before, after = middle - offset, middle + offset
        np.add(plane[before : before + length], plane[after : after + length], out=pair)
        pair *= HALF_WINDOW[offset]
        blurred += pair
    return blurred


def halve(plane: Plane) -> Plane:
    """Return the means of 2x2 samples: (H, W) -> (ceil(H / 2), ceil(W / 2)).

    As in the reference, an odd side gets one row of *black* before the first, not after the last.
    """
    height, width = plane.shape
    even = np.pad(plane, ((height % 2, 0), (width % 2, 0)))
    rows = even[0::2] + even[1::2]
    halved: Plane = (rows[:, 0::2] + rows[:, 1::2]) / 4
    return halved
