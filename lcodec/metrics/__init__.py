"""How close a decoded picture is to its original: seven metrics in NumPy alone, others where installed."""

from lcodec.metrics.haarpsi import haarpsi
from lcodec.metrics.ms_ssim import MIN_SIDE_PX, ms_ssim, ms_ssim_db
from lcodec.metrics.nlpd import nlpd
from lcodec.metrics.psnr import psnr, psnr_y
from lcodec.metrics.registry import MEASURES, Measure
from lcodec.metrics.wasserstein import wasserstein

__all__ = [
    "MEASURES",
    "MIN_SIDE_PX",
    "Measure",
    "haarpsi",
    "ms_ssim",
    "ms_ssim_db",
    "nlpd",
    "psnr",
    "psnr_y",
    "wasserstein",
]
