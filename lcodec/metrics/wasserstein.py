"""Wasserstein distortion: local means and deviations of sub-bands instead of their values.

Qiu, Wagner, Balle, Theis, "Wasserstein distortion: unifying fidelity and realism" (CISS 2024), with Gaussian local
statistics (equation 16 there), at two sizes of pooling, of a plain RGB Laplacian pyramid (Burt and Adelson 1983) in
place of a network's features. Texture of other grain and equal strength costs little, lost texture much: on people's
votes of naturalness it is as good as distances of features from image classifiers, and it needs no weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.psnr import check_pair

__all__ = ["BANDS", "POOLINGS", "VARIANCE_FLOOR", "VARIANCE_OFFSET", "laplacian_pyramid", "wasserstein"]

#: Octaves of the pyramid; what is left below them is one band more.
BANDS = 3
#: How often statistics are halved in size: neighbourhoods of about 3 and 7 samples of a band.
POOLINGS = 2
#: Added to the variance of a band that divides: a flat original must not make everything infinite. One 8-bit level.
VARIANCE_FLOOR = (1 / 255) ** 2
#: Added to local variances before the root, whose slope at zero is infinite.
VARIANCE_OFFSET = 1e-6

Planes = NDArray[np.float64]  # (H, W, C)


def wasserstein(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Return the Wasserstein distortion of a decoded picture.

    The sum, over 3 octaves and the residual of the pyramid and over 2 sizes of pooling, of the mean of (difference of
    local means)^2 + (difference of local deviations)^2, over the variance of the original's band. So it is not
    symmetric: it is measured in units of the original's own contrast.

    Args:
        original: uint8, shape (H, W, C), samples 0..255.
        decoded: the same shape and type.

    Returns:
        0 (equal) upwards; about 1 to 2 where all but the coarsest structure is lost.

    Raises:
        ValueError: the shapes differ, or the samples are not uint8.
    """
    check_pair(original, decoded)
    total = 0.0
    pyramids = (laplacian_pyramid(picture.astype(np.float64) / 255) for picture in (original, decoded))
    for first, second in zip(*pyramids, strict=True):
        variance = first.var(axis=(0, 1)).mean() + VARIANCE_FLOOR
        moments = [(band, band * band) for band in (first, second)]
        for _ in range(POOLINGS):
            moments = [(_low(mean), _low(square)) for mean, square in moments]
            (mean1, deviation1), (mean2, deviation2) = (
                (mean, np.sqrt(np.maximum(square - mean * mean, 0) + VARIANCE_OFFSET)) for mean, square in moments
            )
            total += float(((mean1 - mean2) ** 2 + (deviation1 - deviation2) ** 2).mean() / variance)
    return total


def laplacian_pyramid(picture: Planes) -> list[Planes]:
    """Bands of a Laplacian pyramid, the finest first, and the residual."""
    bands = []
    for _ in range(BANDS):
        lower = _low(picture)
        bands.append(picture - _up(lower, picture.shape))
        picture = lower
    return [*bands, picture]


def _low(x: Planes) -> Planes:
    """[1 2 1]^2 / 16 at every second row and column, edges repeated: (H, W, C) -> (ceil(H/2), ceil(W/2), C)."""
    for axis in (0, 1):
        x = np.moveaxis(x, axis, 0)
        padded = np.concatenate((x[:1], x, x[-1:]))
        count = len(x)
        x = (padded[0:count:2] + 2 * padded[1 : count + 1 : 2] + padded[2 : count + 2 : 2]) / 4
        x = np.moveaxis(x, 0, axis)
    return x


def _up(x: Planes, shape: tuple[int, ...]) -> Planes:
    """Twice the size, means between neighbours, edges repeated: (ceil(H/2), ceil(W/2), C) -> `shape` (H, W, C)."""
    for axis in (0, 1):
        x = np.moveaxis(x, axis, 0)
        after = np.concatenate((x[1:], x[-1:]))
        wide = np.stack((x, (x + after) / 2), axis=1).reshape(-1, *x.shape[1:])
        x = np.moveaxis(wide[: shape[axis]], 0, axis)
    return x
