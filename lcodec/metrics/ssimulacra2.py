"""SSIMULACRA2, version 2.1.

Sneyers, 2023, https://github.com/cloudinary/ssimulacra2: errors of structure, blocking and blur in XYB at six scales,
each as two norms, weighted by a fit to human opinions. The weights are that project's (Copyright (c) Jon Sneyers,
Cloudinary; BSD-3-Clause). So is the blur, libjxl's truncated cosines (Charalampidis, "Recursive implementation of the
Gaussian filter using truncated cosine functions", IEEE Transactions on Signal Processing 64, 2016) with zeros beyond
all edges: at the coarse scales edges are most of a picture, and a blur that mirrors them reads points lower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.psnr import check_pair

__all__ = ["ssimulacra2"]

SCALES = 6
MIN_SIDE_PX = 8  # of a picture, and of the coarsest scale that is looked at
C2 = 0.0009  # keeps the structure term defined in flat areas
RADIUS, SIGMA = 5, 1.5  # of the blur, in pixels
ABSORBANCE = np.array([[0.3, 0.622, 0.078], [0.23, 0.692, 0.078], [0.24342268924547819, 0.20476744424496821, 0]])
ABSORBANCE[2, 2] = 1 - ABSORBANCE[2, 0] - ABSORBANCE[2, 1]
BIAS = 0.0037930732552754493

Planes = NDArray[np.float64]  # (3, H, W)

# fmt: off
#: By channel (X, Y, B - Y), scale, norm (mean, 4-norm) and kind of error (structure, blocking, blur).
WEIGHTS = np.array([
    0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0, 0, 0.0004371155730107379, 0, 1.1041726426657346,
    0.00066284834129271, 0.00015231632783718752, 0, 0.0016406437456599754, 0, 1.8422455520539298,
    11.441172603757666, 0, 0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0,
    0.0007289346991508072, 0.9677937080626833, 0, 0.00014003424285435884, 0.9981766977854967,
    0.00031949755934435053, 0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0, 0, 0, 0, 7.466890328078848, 0,
    17.445833984131262, 0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
    225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985, 176.39317598450694,
    0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408, 0, 0, 0, 34.77906344483772,
    44.835625328877896, 0, 0, 0, 0, 0, 0, 0, 0, 0.0008680556573291698, 0, 0, 0, 0, 0, 0.0005313191874358747, 0,
    0.00016533814161379112, 0, 0, 0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0, 0.0020827005846636437,
    0, 0, 8.826982764996862, 23.19243343998926, 0, 95.1080498811086, 0.9863978034400682, 0.9834382792465353,
    0.0012286405048278493, 171.2667255897307, 0.9807858872435379, 0, 0, 0, 0.0005130064588990679, 0,
    0.00010854057858411537,
]).reshape(3, SCALES, 2, 3)
# fmt: on


def ssimulacra2(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the SSIMULACRA2 score of two 8-bit pictures, taken as sRGB.

    Args:
        first: uint8, shape (H, W, 1) or (H, W, 3), samples 0..255, both sides at least 8: the original; grey counts as
            R = G = B.
        second: the same shape and type. The score is not symmetric.

    Returns:
        At most 100, which is for equal pictures; about 90 where no difference is seen, 70 for high quality, 30 for low;
        negative where little is left.

    Raises:
        ValueError: a side is under 8, the shapes differ, or the samples are not uint8.
    """
    check_pair(first, second)
    if min(first.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"SSIMULACRA2 needs at least {MIN_SIDE_PX} pixels a side")
    one, two = _linear(first), _linear(second)
    errors = np.zeros((SCALES, 3, 3, 2))  # scale, kind, channel, norm
    for scale in range(SCALES):
        if min(one.shape[1:]) < MIN_SIDE_PX:
            break
        errors[scale] = _errors(_xyb(one), _xyb(two))
        one, two = _halve(one), _halve(two)
    error = 0.9562382616834844 * float(np.einsum("csnk,skcn->", WEIGHTS, errors))
    error = 2.326765642916932 * error - 0.020884521182843837 * error**2 + 6.248496625763138e-05 * error**3
    return 100 - 10 * float(max(error, 0) ** 0.6276336467831387)


def _linear(pixels: NDArray[np.uint8]) -> Planes:
    """Return linear light of sRGB samples, 0..1: (H, W, 1 or 3) -> (3, H, W)."""
    values = np.arange(256) / 255
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    planes = curve[np.moveaxis(pixels, 2, 0)]
    return np.ascontiguousarray(np.broadcast_to(planes, (3, *pixels.shape[:2])))


def _xyb(linear: Planes) -> Planes:
    """Return X, Y and B - Y, stretched and shifted to be positive. (3, H, W) -> (3, H, W)."""
    cones = np.cbrt(np.tensordot(ABSORBANCE, linear, 1) + BIAS) - np.cbrt(BIAS)
    x, y = (cones[0] - cones[1]) / 2, (cones[0] + cones[1]) / 2
    return np.stack([14 * x + 0.42, y + 0.01, cones[2] - y + 0.55])


def _errors(one: Planes, two: Planes) -> NDArray[np.float64]:
    """Return the errors at one scale: (kind, channel, norm), each 3, 3 and 2."""
    mean1, mean2 = _blur(one), _blur(two)
    covariance = _blur(one * two) - mean1 * mean2
    variances = _blur(one * one) - mean1 * mean1 + _blur(two * two) - mean2 * mean2
    structure = (1 - (mean1 - mean2) ** 2) * (2 * covariance + C2) / (variances + C2)
    edges = (1 + np.abs(two - mean2)) / (1 + np.abs(one - mean1)) - 1
    kinds = np.maximum([1 - structure, edges, -edges], 0)  # (3, 3, H, W)
    return np.stack([kinds.mean((2, 3)), (kinds**4).mean((2, 3)) ** 0.25], axis=2)


def _taps() -> tuple[float, ...]:
    """Return the right half of the blur's window, centre first: a sum of three cosines that end at RADIUS."""
    omega = np.array([1, 3, 5]) * np.pi / (2 * RADIUS)
    # Paper, (37), (44), (50) and (52), (53): unit sum, variance SIGMA^2, and nearest to the Gaussian in what is left.
    p = np.array([1, -1, 1]) / np.tan(omega / 2)
    r = np.array([1, -1, 1]) * p * p / np.sin(omega)
    rho = np.exp(-(SIGMA**2) * omega**2 / 2) / RADIUS
    cross = [p[i] * r[j] - r[i] * p[j] for i, j in ((1, 2), (2, 0), (0, 1))]
    zeta = np.array([cross[0] / cross[2], cross[1] / cross[2], 1])
    beta = np.linalg.solve(np.stack([p, r, zeta]), np.array([1, RADIUS**2 - SIGMA**2, zeta @ rho]))
    return tuple(float(beta @ np.cos(omega * i)) for i in range(RADIUS))


TAPS = _taps()


def _blur(planes: Planes) -> Planes:
    """Blur along both sides, with zeros beyond the edges. (3, H, W) -> (3, H, W)."""
    return _blur_rows(_blur_rows(planes).swapaxes(1, 2)).swapaxes(1, 2)


def _blur_rows(planes: Planes) -> Planes:
    blurred = planes * TAPS[0]
    for offset, tap in enumerate(TAPS[1:], start=1):
        blurred[:, offset:] += tap * planes[:, :-offset]
        blurred[:, :-offset] += tap * planes[:, offset:]
    return blurred


def _halve(planes: Planes) -> Planes:
    """Return the means of 2x2 samples; at an odd edge, of those there are. (3, H, W) -> (3, ceil(H/2), ceil(W/2))."""
    even = np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)), mode="edge")
    rows = even[:, 0::2] + even[:, 1::2]
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) / 4
