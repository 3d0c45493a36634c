"""The metrics by name: what each is called, where it comes from, and on what scale its curves are drawn.

A figure for a set of pictures is the mean of the pictures' values, over those pictures for which it is defined; means
are put on the scale of curves (`Measure.scale`) after that, and BD-rates are computed there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics import butteraugli, lpips, pim
from lcodec.metrics.haarpsi import haarpsi
from lcodec.metrics.ms_ssim import ms_ssim, ms_ssim_db
from lcodec.metrics.nlpd import nlpd
from lcodec.metrics.psnr import psnr, psnr_y
from lcodec.metrics.ssimulacra2 import ssimulacra2
from lcodec.metrics.wasserstein import wasserstein

__all__ = ["MEASURES", "Measure"]

Pixels = NDArray[np.uint8]


def _nothing() -> None:
    return None


def _same(value: float) -> float:
    return value


@dataclass(frozen=True)
class Measure:
    """A metric of two pictures."""

    name: str
    title: str  #: for tables and axes
    definition: str  #: one sentence
    function: Callable[[Pixels, Pixels], float]  #: uint8 (H, W, 1 or 3) twice; ValueError where it is not defined
    scale: Callable[[float], float] = _same  #: a mean -> its place on the axis of a curve; higher is better there
    axis: str = ""  #: title of that axis, where it is not `title`
    digits: int = 2  #: decimals worth printing
    missing: Callable[[], str | None] = _nothing  #: how to get it, where it is not at hand

    def __call__(self, original: Pixels, decoded: Pixels) -> float | None:
        """Return the value; None where there is none: the picture is too small, or equal and the value infinite."""
        try:
            value = self.function(original, decoded)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def _distance_db(distance: float) -> float:
    return math.inf if distance <= 0 else -10 * math.log10(distance)


#: All metrics by name, in the order of reports.
MEASURES = {
    measure.name: measure
    for measure in (
        Measure("psnr", "PSNR, dB", "10 log10(255^2 / MSE), one MSE over all samples of R, G and B.", psnr),
        Measure("psnr-y", "PSNR Y, dB", "The same of full-range BT.601 luma, not rounded.", psnr_y),
        Measure(
            "ms-ssim",
            "MS-SSIM",
            "Wang 2003 on R, G and B, averaged, as pytorch-msssim; from 161 pixels a side. Curves: -10 log10(1 - m).",
            ms_ssim,
            ms_ssim_db,
            "MS-SSIM, dB",
            4,
        ),
        Measure(
            "ssimulacra2",
            "SSIMULACRA2",
            "Sneyers 2023, version 2.1; 100 is equal, 70 high quality, negative is possible.",
            ssimulacra2,
        ),
        Measure(
            "haarpsi",
            "HaarPSI",
            "Reisenhofer 2018 in YIQ at half the size. Curves: -10 log10(1 - mean).",
            haarpsi,
            ms_ssim_db,
            "HaarPSI, dB",
            4,
        ),
        Measure(
            "nlpd",
            "NLPD",
            "Laparra 2016, on R, G and B; a distance, 0 is equal. Curves: -10 log10(mean).",
            nlpd,
            _distance_db,
            "NLPD, -dB",
            4,
        ),
        Measure(
            "wasserstein",
            "Wasserstein",
            "Qiu 2024, of a Laplacian pyramid; a distance, 0 is equal. Curves: -10 log10(mean).",
            wasserstein,
            _distance_db,
            "Wasserstein, -dB",
            4,
        ),
        Measure(
            "butteraugli",
            "Butteraugli",
            "libjxl's, 3-norm, sRGB at 80 nits; a distance, 0 is equal. Curves: -10 log10(mean).",
            butteraugli.butteraugli,
            _distance_db,
            "Butteraugli, -dB",
            3,
            butteraugli.missing,
        ),
        Measure(
            "lpips",
            "LPIPS",
            "Zhang 2018, AlexNet, version 0.1; a distance, 0 is equal. Curves: -10 log10(mean).",
            lpips.lpips,
            _distance_db,
            "LPIPS, -dB",
            4,
            lpips.missing,
        ),
        Measure(
            "pim",
            "PIM",
            "Bhardwaj 2020, trained by lcodec without ratings; a distance, 0 is equal. Curves: -10 log10(mean).",
            pim.pim,
            _distance_db,
            "PIM, -dB",
            4,
            pim.missing,
        ),
    )
}
