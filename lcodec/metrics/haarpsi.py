"""The Haar wavelet-based perceptual similarity index (HaarPSI).

Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity index for image quality assessment",
Signal Processing: Image Communication 61, 2018. What the paper leaves open (YIQ, halving first, zeros beyond the edges)
is that of the authors' MATLAB code, and so is the alignment of even windows at the edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.psnr import check_pair

__all__ = ["haarpsi"]

C = 30.0  # keeps similarities of weak coefficients near 1; 8-bit units
ALPHA = 4.2  # steepness of the logistic function
RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
MIN_SIDE_PX = 16  # twice the largest window

Plane = NDArray[np.float64]  # (H, W)


def haarpsi(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the HaarPSI of two 8-bit pictures, grey or RGB.

    Args:
        first: uint8, shape (H, W, 1) or (H, W, 3), samples 0..255, both sides at least 16.
        second: the same shape and type.

    Returns:
        0..1, and 1 where the pictures are equal. Symmetric in its arguments.

    Raises:
        ValueError: a side is under 16, the shapes differ, or the samples are not uint8.
    """
    check_pair(first, second)
    if min(first.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"HaarPSI needs at least {MIN_SIDE_PX} pixels a side")
    one, two = _planes(first), _planes(second)
    similarities, weights = [], []
    for turn in (np.asarray, np.transpose):  # edges along rows, then along columns
        fine, middle, coarse = ([np.abs(_haar(turn(planes[0]), side)) for planes in (one, two)] for side in (2, 4, 8))
        similarities.append(turn((_similarity(*fine) + _similarity(*middle)) / 2))
        weights.append(turn(np.maximum(*coarse)))
    if len(one) == 3:
        chroma = [_similarity(np.abs(_mean(one[i])), np.abs(_mean(two[i]))) for i in (1, 2)]
        similarities.append((chroma[0] + chroma[1]) / 2)
        weights.append((weights[0] + weights[1]) / 2)
    total = sum(float(weight.sum()) for weight in weights)
    if total == 0:  # two black pictures: no edge to weigh
        return 1.0
    score = sum(
        float((weight / (1 + np.exp(-ALPHA * s))).sum()) for s, weight in zip(similarities, weights, strict=True)
    )
    share = score / total
    return min((float(np.log(share / (1 - share))) / ALPHA) ** 2, 1.0)


def _planes(picture: NDArray[np.uint8]) -> list[Plane]:
    """Return Y, I and Q (or grey alone) at half the size, each (ceil(H / 2), ceil(W / 2))."""
    samples = picture.astype(np.float64)
    if picture.shape[2] == 3:
        samples = samples @ RGB_TO_YIQ.T
    height, width = picture.shape[:2]
    even = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)))
    halved = (even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]) / 4
    return [np.ascontiguousarray(halved[:, :, i]) for i in range(picture.shape[2])]


def _haar(plane: Plane, side: int) -> Plane:
    """Return Haar coefficients of side x side windows: lower half minus upper half, over `side`. (H, W) -> (H, W)."""
    padded = np.pad(plane, ((side // 2 - 1, side // 2),) * 2)
    across = _box(padded.T, side).T
    halves = _box(across, side // 2)
    return (halves[side // 2 : side // 2 + len(plane)] - halves[: len(plane)]) / side


def _mean(plane: Plane) -> Plane:
    """Return the means of 2x2 windows, with zeros beyond the last row and column. (H, W) -> (H, W)."""
    padded = np.pad(plane, ((0, 1), (0, 1)))
    return _box(_box(padded, 2).T, 2).T / 4


def _box(plane: Plane, length: int) -> Plane:
    """Return sums of `length` rows: (H, W) -> (H - length + 1, W)."""
    sums = np.cumsum(np.pad(plane, ((1, 0), (0, 0))), axis=0)
    return np.asarray(sums[length:] - sums[:-length])


def _similarity(a: Plane, b: Plane) -> Plane:
    """Return the similarity of magnitudes, 0..1."""
    return (2 * a * b + C) / (a * a + b * b + C)
