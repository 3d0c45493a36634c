"""What each level of effort does to a region, and the choice of what comes out best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.effort.descent import Descent
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import Coded, EntropyModel, gain_at
from lcodec.zoo import Model

__all__ = ["DEFAULT_EFFORT", "EFFORT_MAX", "Region", "improve"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Level:
    """How much is done."""

    caution: float  #: how many times heavier than alone an error counts in the choice of symbols
    moves: int = 0  #: gradient steps between the steps of coding
    iterations: int = 0  #: of refinement; choosing symbols after it loses what it won


#: Errors of one step of coding do not come alone: those toward zero add up, so alone they are underrated.
LEVELS = {
    1: _Level(6),
    2: _Level(4, 1),
    3: _Level(3, 2),
    4: _Level(3, 3),
    5: _Level(4, 1, 50),
    6: _Level(4, 1, 100),
    7: _Level(4, 1, 150),
    8: _Level(4, 1, 300),
    9: _Level(4, 1, 600),
}
DEFAULT_EFFORT = 2
EFFORT_MAX = max(LEVELS)
#: Newton's step, damped (see `Descent.move`).
MOVE = 0.1


@dataclass(frozen=True)
class Region:
    """One region of a picture, analysed."""

    latents: Floats  #: (h, w, 320), in units of standard deviation
    hyper_latents: Floats  #: (ceil(h/4), ceil(w/4), 96)
    pixels: npt.NDArray[np.uint8]  #: (16 h, 16 w, 3)
    height: int  #: pixels that count, without padding
    width: int  #: likewise


def improve(
    region: Region,
    model: Model,
    entropy: EntropyModel,
    quality: int,
    effort: int,
    plain: Coded,
    multiplier: float,
    cost: Callable[[Coded], float],
    progress: Callable[[float], None],
    device: Any,
) -> Coded:
    """Code a region again, with effort; what costs least of all that was tried, `plain` included.

    Args:
        region: what to code.
        model: by which it was analysed.
        entropy: that model's, where it runs.
        quality: 0..QUALITY_STEPS.
        effort: 1 to EFFORT_MAX.
        plain: its code without effort.
        multiplier: bits that a unit of squared error of one pixel is worth.
        cost: bits + multiplier x squared error of a code, as really decoded.
        progress: is told the part that is done, 0 to 1, at the levels that refine.
        device: torch's, for those; None for its CPU.
    """
    level = LEVELS[effort]
    inverse, gain = (gain_at(model.decoder[f"gain.{name}"], quality) for name in ("inverse", "synthesis"))
    levels = entropy.levels(quality)
    steps = (region.latents * levels.steps).astype(np.float32)
    descent = Descent(model.decoder, inverse, gain, region.pixels, steps)
    weights = descent.sensitivity * np.float32(multiplier / 3 * level.caution)

    def compensate(values: Floats, free: npt.NDArray[np.bool_]) -> None:
        for _ in range(level.moves):
            descent.move(values, free, MOVE)

    choose = Rdoq(steps, weights, compensate if level.moves else None)
    tried = [plain, entropy.encode(region.latents, region.hyper_latents, quality, choose)]
    if level.iterations:
        from lcodec.effort.refine import Refiner

        refiner = Refiner(model.arrays | model.decoder, levels, inverse, gain, device)
        pixels = region.pixels[: region.height, : region.width]
        refined = refiner.refine(region.latents, region.hyper_latents, pixels, multiplier, level.iterations, progress)
        tried.append(entropy.encode(*refined, quality))
    return min(tried, key=cost)
