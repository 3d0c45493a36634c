"""MS-SSIM and its gradient with respect to one of the pictures, in NumPy alone: for encoders that descend on it.

The measure is that of `lcodec.metrics.ms_ssim` (Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image
quality assessment", Asilomar 2003), odd sides included. As in `lcodec.metrics.differentiable`, the mean similarity of a
scale counts as at least 1e-4, for a power of zero has no gradient.

All is written in the error `e = decoded - original`, in which nothing is a small difference of large numbers where the
pictures are alike, so that float32 will do:

    1 - contrast-structure = var(e) / D,    D = 2 var(original) + 2 cov(e, original) + var(e) + C2
    1 - luminance = mean(e)^2 / L,          L = mean(original)^2 + mean(decoded)^2 + C1

Every mean is a blur, so derivatives are blurs the other way; six blurs a scale in all. What depends on the original
alone is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.ms_ssim import C1, C2, SCALE_EXPONENTS, WINDOW_PX, Plane, blur, check_sides, halve

__all__ = ["Similarity"]

LEAST = 1e-4  # what the mean similarity of a scale counts as at least
#: Taken from the original's samples, which halves the numbers that are squared; variances do not change.
MIDDLE = 128.0


@dataclass(frozen=True)
class _Scale:
    """What depends on one channel of the original alone, at one scale; float32, in units of 8-bit samples."""

    plane: Plane  # (H, W), less MIDDLE: -128..127
    mean: Plane  # (H - 10, W - 10), of every window, less MIDDLE
    twice_variance: Plane  # (H - 10, W - 10), of every window, plus C2


class Similarity:
    """MS-SSIM of pictures to one original, with gradients. Holds 60 bytes a pixel of three channels."""

    def __init__(self, original: NDArray[np.uint8] | NDArray[np.float32]) -> None:
        """Prepare for pictures of the size of `original`.

        Args:
            original: shape (H, W, C), samples 0..255, both sides at least `ms_ssim.MIN_SIDE_PX`. It is copied.

        Raises:
            ValueError: a side is too small, or the shape is another.
        """
        if original.ndim != 3 or original.size == 0:
            raise ValueError(f"pictures must have the shape (height, width, channels), not {original.shape}")
        check_sides(*original.shape[:2])
        self._shape = original.shape
        # (C, H, W): a channel at a time, contiguous, fits the cache.
        self._planes = np.ascontiguousarray(np.moveaxis(original, 2, 0), np.float32)
        self._channels = [_scales(plane) for plane in self._planes]

    def gradient(self, decoded: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """Return the MS-SSIM of a picture, and how it changes with each of its samples.

        Args:
            decoded: float32, shape (H, W, C) of the original, about 0..255, neither clipped nor rounded.

        Returns:
            The MS-SSIM, the mean of the channels', 0..1. Its gradient, float32 (H, W, C), per unit of 8-bit samples;
            0 where the pictures are equal.

        Raises:
            ValueError: the shape is not that of the original.
        """
        if decoded.shape != self._shape:
            raise ValueError(f"pictures must have one shape, not {decoded.shape} and {self._shape}")
        similarities = []
        gradient = np.empty(self._shape, np.float32)
        for i, (plane, scales) in enumerate(zip(self._planes, self._channels, strict=True)):
            similarity, of_channel = _channel(decoded[:, :, i] - plane, scales)
            similarities.append(similarity)
            np.divide(of_channel, len(self._planes), out=gradient[:, :, i])
        return sum(similarities) / len(similarities), gradient


def _scales(plane: Plane) -> list[_Scale]:
    """Return what is kept of a channel of the original (H, W), 0..255, the finest scale first."""
    scales: list[_Scale] = []
    for scale in range(len(SCALE_EXPONENTS)):
        if scale:
            plane = halve(plane)  # before MIDDLE is taken off: `halve` pads with what is black at 0
        # Once for many calls: exact, then rounded.
        centred = plane.astype(np.float64) - MIDDLE
        mean = blur(centred)
        twice_variance = 2 * (blur(centred * centred) - mean * mean) + C2
        scales.append(_Scale(*(each.astype(np.float32) for each in (centred, mean, twice_variance))))
    return scales


def _channel(error: Plane, scales: list[_Scale]) -> tuple[float, Plane]:
    """Return the MS-SSIM of one channel, and its gradient with respect to `error`, decoded - original, (H, W)."""
    similarities: list[float] = []
    gradients: list[Plane] = []
    errors = [error]
    for scale in scales:
        if scale is not scales[0]:
            errors.append(halve(errors[-1]))  # both pictures are padded with black, so the error with 0
        similarity, gradient = _similarity(errors[-1], scale, with_luminance=scale is scales[-1])
        similarities.append(similarity)
        gradients.append(gradient)
    product = math.prod(
        math.pow(max(similarity, LEAST), exponent)
        for similarity, exponent in zip(similarities, SCALE_EXPONENTS, strict=True)
    )
    total = np.zeros_like(errors[-1])
    for i in reversed(range(len(scales))):  # what the coarser scales give is spread over the samples of the finer
        if i + 1 < len(scales):
            total = _halve_adjoint(total, errors[i].shape)
        if similarities[i] >= LEAST:
            total += gradients[i] * (product * SCALE_EXPONENTS[i] / similarities[i])
    return min(product, 1.0), total


def _similarity(error: Plane, scale: _Scale, *, with_luminance: bool) -> tuple[float, Plane]:
    """Return the mean over all windows of contrast-structure (times luminance), and its gradient, (H, W)."""
    mean_error = blur(error)
    variance = blur(error * error) - mean_error * mean_error
    covariance = blur(error * scale.plane) - mean_error * scale.mean
    inverse = 1 / (scale.twice_variance + 2 * covariance + variance)  # 1 / D
    lost = variance * inverse  # 1 - contrast-structure
    of_plane = lost * inverse  # the derivative by cov(e, original), halved
    of_error = of_plane - inverse  # that by var(e)
    of_mean: Plane | float = 0.0  # the derivative by mean(e), halved, beside the variances'
    if with_luminance:
        mean_decoded = scale.mean + MIDDLE + mean_error
        inverse_luminance = 1 / ((scale.mean + MIDDLE) ** 2 + mean_decoded * mean_decoded + C1)  # 1 / L
        dimmed = mean_error * mean_error * inverse_luminance  # 1 - luminance
        of_mean = (1 - lost) * (dimmed * mean_decoded - mean_error) * inverse_luminance
        of_plane *= 1 - dimmed
        of_error *= 1 - dimmed
        lost += dimmed - lost * dimmed
    # The variances' derivatives by a sample: twice its distance from the mean of each window that it is in.
    of_mean = of_mean - of_error * mean_error - of_plane * scale.mean
    gradient = _blur_adjoint(of_error)
    gradient *= error
    gradient += _blur_adjoint(of_plane) * scale.plane
    gradient += _blur_adjoint(of_mean)
    gradient *= 2 / lost.size
    return 1 - float(lost.mean()), gradient


def _blur_adjoint(windows: Plane) -> Plane:
    """Return what each sample gets of the windows that it is in: (H, W) -> (H + 10, W + 10), the transpose of blur."""
    return blur(np.pad(windows, WINDOW_PX - 1))  # the window is symmetric


def _halve_adjoint(halved: Plane, shape: tuple[int, ...]) -> Plane:
    """Return a quarter of each mean at each of its 2x2 samples: the transpose of halve, whose input had `shape`."""
    rows, columns = (2 * side for side in halved.shape)
    spread = np.empty((rows, columns), halved.dtype)
    quarter = halved / 4
    for i in range(2):
        for j in range(2):
            spread[i::2, j::2] = quarter
    return spread[rows - shape[0] :, columns - shape[1] :]  # the black before an odd side is not of the picture
