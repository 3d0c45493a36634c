"""Normalised Laplacian pyramid distance (NLPD): the difference of what is left after local means and local contrast.

Laparra, Balle, Berardino, Simoncelli, "Perceptual image quality assessment using a normalized Laplacian pyramid"
(Electronic Imaging 2016): a Laplacian pyramid (Burt and Adelson 1983) whose every coefficient is divided by a weighted
mean of its neighbours' magnitudes, as the retina and the visual cortex do. The weights were fitted there, to photos
without distortions: to predict a coefficient's magnitude from its neighbours', not to people's opinions. They are those
of the authors' own code.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.psnr import check_pair

__all__ = ["FLOORS", "KERNEL", "NEIGHBOURS", "nlpd"]

#: The pyramid's low-pass along one side: Burt and Adelson, with a = 0.4.
KERNEL = (0.05, 0.25, 0.4, 0.25, 0.05)
#: What magnitudes are divided by in flat areas, at each of the six scales, finest first; of samples 0..1.
FLOORS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
#: Weights of the neighbours' magnitudes, by their place (rows down, columns to the right), at each of the scales.
NEIGHBOURS: tuple[dict[tuple[int, int], float], ...] = (
    {(-1, 0): 0.1011, (0, -1): 0.1493, (0, 1): 0.1460, (0, 2): 0.0072, (1, 0): 0.1015},
    {(-1, 0): 0.0757, (0, -1): 0.1986, (0, 1): 0.1846, (1, 0): 0.0837},
    {(-1, 0): 0.0477, (0, -1): 0.2138, (0, 1): 0.2243, (1, 0): 0.0467},
    {(0, -1): 0.2503, (0, 1): 0.2616},
    {(0, -1): 0.2598, (0, 1): 0.2552},
    {(0, -1): 0.2215, (0, 1): 0.0717},
)

Planes = NDArray[np.float64]  # (H, W, C)


def nlpd(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the normalised Laplacian pyramid distance of two 8-bit pictures.

    That is the mean, over five octaves and the low-pass residual below them, of the root of the mean squared difference
    of normalised coefficients. The paper is about grey pictures; here R, G and B are each normalised on their own, and
    the mean under the root is over all three.

    Args:
        first: uint8, shape (H, W, C), samples 0..255.
        second: the same shape and type.

    Returns:
        0 (equal) upwards; about 1 where little is left in common. Symmetric in its arguments.

    Raises:
        ValueError: the shapes differ, or the samples are not uint8.
    """
    check_pair(first, second)
    pyramids = (_pyramid(picture.astype(np.float64) / 255) for picture in (first, second))
    return sum(math.sqrt(((one - two) ** 2).mean()) for one, two in zip(*pyramids, strict=True)) / len(FLOORS)


def _pyramid(picture: Planes) -> list[Planes]:
    """Normalised bands, finest first, and the normalised residual."""
    found = []
    for scale, (floor, neighbours) in enumerate(zip(FLOORS, NEIGHBOURS, strict=True)):
        if scale + 1 < len(FLOORS):
            lower = _low(picture)
            band, picture = picture - _up(lower, picture.shape), lower
        else:
            band = picture
        found.append(band / (floor + _of_neighbours(np.abs(band), neighbours)))
    return found


def _of_neighbours(magnitudes: Planes, weights: dict[tuple[int, int], float]) -> Planes:
    """Weighted sums of neighbours, zero beyond the edges: (H, W, C) -> the same."""
    height, width = magnitudes.shape[:2]
    padded = np.pad(magnitudes, ((2, 2), (2, 2), (0, 0)))
    total = np.zeros_like(magnitudes)
    for (down, right), weight in weights.items():
        total += weight * padded[2 + down : 2 + down + height, 2 + right : 2 + right + width]
    return total


def _low(x: Planes) -> Planes:
    """KERNEL along both sides at every second sample, edges repeated: (H, W, C) -> (ceil(H/2), ceil(W/2), C)."""
    for axis in (0, 1):
        lines = np.moveaxis(x, axis, 0)
        padded = np.concatenate((lines[:1], lines[:1], lines, lines[-1:], lines[-1:]))
        halved = sum(weight * padded[at : at + len(lines) : 2] for at, weight in enumerate(KERNEL))
        x = np.moveaxis(np.asarray(halved), 0, axis)
    return x


def _up(x: Planes, shape: tuple[int, ...]) -> Planes:
    """Twice the size: zeros between samples, then KERNEL twice as strong along both sides; edges repeated before that.

    Args:
        x: (ceil(H/2), ceil(W/2), C).
        shape: (H, W, C).
    """
    for axis in (0, 1):
        lines = np.moveaxis(x, axis, 0)
        before, after = np.concatenate((lines[:1], lines[:-1])), np.concatenate((lines[1:], lines[-1:]))
        at_samples = 2 * (KERNEL[4] * before + KERNEL[2] * lines + KERNEL[0] * after)
        between = 2 * (KERNEL[3] * lines + KERNEL[1] * after)
        wide = np.stack((at_samples, between), axis=1).reshape(-1, *lines.shape[1:])
        x = np.moveaxis(wide[: shape[axis]], 0, axis)
    return x
