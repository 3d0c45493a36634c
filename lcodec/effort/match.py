"""Levels are told apart by size alone: what each tries is made as good as the plain code, neither better nor worse.

The knob is the weight that errors have in the choice of symbols: heavier ones give a larger file of less distortion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lcodec.entropy.model import Coded
from lcodec.execution.regions import Region
from lcodec.execution.stages import Synthesis
from lcodec.goal import Aim
from lcodec.metrics import ms_ssim

__all__ = ["Judge", "Tried", "decoded", "distortion", "match", "smallest"]

#: A distortion is near enough to the wanted one if it is less by this share at most: 0.009 dB.
CLOSE = 0.002
#: Most codings to come near enough.
CODINGS_MAX = 5
#: What the logarithm of the distortion falls by for one of the weight, about; least and longest step of the latter's,
#: and how far it may go.
FALL, STEPS, FARTHEST = 0.05, (0.1, 1.0), 3.0
#: A distortion as good as none: far below a squared error of 1, and what rounding leaves of 1 - MS-SSIM.
NOTHING = 1e-9


@dataclass(frozen=True)
class Tried:
    """A code of a region, and how good it is."""

    coded: Coded
    distortion: float  #: sum of squared errors, or 1 - MS-SSIM

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.coded.hyper) + len(self.coded.latents)


class Judge:
    """Decodes codes of a region, by itself, without those around it."""

    def __init__(self, synthesis: Synthesis, aim: Aim, window: npt.NDArray[np.uint8]) -> None:
        """Take the decoder's network, what to judge by, and the region's pixels (H, W, 1 or 3)."""
        self._synthesis, self._aim, self._window = synthesis, aim, window

    def __call__(self, coded: Coded) -> Tried:
        """Judge a code."""
        return Tried(coded, distortion(self._aim, self._window, decoded(coded, self._synthesis, self._window.shape)))


def decoded(coded: Coded, synthesis: Synthesis, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Pixels (H, W, 1 or 3) of a region's code by itself."""
    pixels = np.empty(shape, np.uint8)
    rows, columns = coded.values.shape[:2]
    synthesis.pixels(coded.values, (0, 0), Region(0, 0, rows, columns), pixels)
    return pixels


def distortion(aim: Aim, original: npt.NDArray[np.uint8], pixels: npt.NDArray[np.uint8]) -> float:
    """Sum of squared errors, or 1 - MS-SSIM, of pixels (H, W, 1 or 3)."""
    if aim == "ms-ssim":
        return 1 - ms_ssim(original, pixels)
    errors = np.subtract(pixels, original, dtype=np.int32)
    return int(np.einsum("hwc,hwc->", errors, errors, dtype=np.int64))


def smallest(tried: Sequence[Tried], wanted: float) -> Tried:
    """The smallest of the codes that are good enough, or the best."""
    good = [one for one in tried if one.distortion <= wanted]
    return min(good, key=lambda one: one.size) if good else min(tried, key=lambda one: one.distortion)


def _fall(first: float, second: float) -> float:
    """What the logarithm of the distortion falls by from one to the other; either may be none at all."""
    return math.log(max(first, NOTHING) / max(second, NOTHING))


def match(code: Callable[[float], Tried], start: Tried, wanted: float) -> list[Tried]:
    """Code with other weights until the distortion is met closely.

    Args:
        code: with weights so many times those of `start`.
        start: what weights as they are gave.
        wanted: distortion.

    Returns:
        All that was tried, `start` first.
    """
    tried, at = [start], [0.0]  # logarithms of the factors
    target = (1 - CLOSE / 2) * wanted
    while len(tried) < CODINGS_MAX and wanted > 0 and not (1 - CLOSE) * wanted <= tried[-1].distortion <= wanted:
        known = sorted(zip(at, (one.distortion for one in tried), strict=True))
        bad = [each for each in known if each[1] > wanted]
        good = [each for each in known if each[1] <= wanted]
        if bad and good:
            (low, worse), (high, better) = bad[-1], good[0]
            if high <= low:  # rounding makes distortion waver
                break
            place = low + min(max((target - worse) / (better - worse), 0.1), 0.9) * (high - low)
        else:
            fall = FALL
            if len(known) > 1:
                (low, worse), (high, better) = known[0], known[-1]
                fall = max(_fall(worse, better) / (high - low), FALL / 10)
            nearest, found = bad[-1] if bad else good[0]
            step = _fall(found, target) / fall
            place = nearest + math.copysign(min(max(abs(step), STEPS[0]), STEPS[1]), step)
        if abs(place) > FARTHEST:
            break
        at.append(place)
        tried.append(code(math.exp(place)))
    return tried
