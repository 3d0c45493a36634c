"""The trade of rate against distortion that models are trained for, and that an encoder's effort goes on with."""

from __future__ import annotations

from typing import Literal

__all__ = ["LAMBDA_RANGE", "MS_SSIM_WEIGHT", "Aim", "lambda_at"]

#: The distortion that a model is trained for.
Aim = Literal["mse", "ms-ssim"]

#: lambda at quality 0 and 1, log-linear in between: bits per pixel that a unit of mean squared error (on 0..255) is
#: worth.
LAMBDA_RANGE = (0.0012, 0.12)
#: MS-SSIM enters as MS_SSIM_WEIGHT (1 - MS-SSIM), which puts lambda = 0.0012..0.12 at the multipliers 2.4..240 that
#: Balle et al. 2018 and CompressAI train MS-SSIM models with.
MS_SSIM_WEIGHT = 2000.0


def lambda_at(quality: float) -> float:
    """Lagrange multiplier at a quality in [0, 1]."""
    low, high = LAMBDA_RANGE
    return float(low * (high / low) ** quality)
