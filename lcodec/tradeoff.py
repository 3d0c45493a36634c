"""The trade of rate against distortion that models are trained for, and that an encoder's effort goes on with."""

from __future__ import annotations

__all__ = ["LAMBDA_RANGE", "lambda_at"]

#: lambda at quality 0 and 1, log-linear in between: bits per pixel that a unit of mean squared error (on 0..255) is
#: worth.
LAMBDA_RANGE = (0.0012, 0.12)


def lambda_at(quality: float) -> float:
    """Lagrange multiplier at a quality in [0, 1]."""
    low, high = LAMBDA_RANGE
    return float(low * (high / low) ** quality)
