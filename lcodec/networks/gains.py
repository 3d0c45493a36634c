"""Gains: how one model serves every quality. Tables of factors for each channel, at evenly spaced qualities (anchors).

Between anchors, integers are interpolated exactly (entropy part), logarithms of factors in floating point (transforms).
The quality steps of a file, 0..QUALITY_STEPS, run through all anchors: Cui et al., "Asymmetric gained deep image
compression with continuous rate adaptation" (CVPR 2021, section 3.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["QUALITY_STEPS", "gain_at", "interpolate"]

#: Qualities are integers 0..QUALITY_STEPS.
QUALITY_STEPS = 10_000


def interpolate(table: npt.NDArray[Any], quality_step: int) -> npt.NDArray[np.int64]:
    """Integer table (A, C) at a quality step, linear between its A evenly spaced anchors, floored: (C,)."""
    position = quality_step * (len(table) - 1)
    low = min(position // QUALITY_STEPS, len(table) - 2)
    part = position - low * QUALITY_STEPS
    below, above = table[low].astype(np.int64), table[low + 1].astype(np.int64)
    between: npt.NDArray[np.int64] = (below * (QUALITY_STEPS - part) + above * part) // QUALITY_STEPS
    return between


def gain_at(table: npt.NDArray[np.float32], quality_step: int) -> npt.NDArray[np.float32]:
    """Factors exp(table) (A, C) at a quality step, linear between anchors in the log: (C,)."""
    position = quality_step / QUALITY_STEPS * (len(table) - 1)
    low = min(int(position), len(table) - 2)
    factors: npt.NDArray[np.float32] = np.exp(table[low] + np.float32(position - low) * (table[low + 1] - table[low]))
    return factors
