"""What each level of effort does to a region.

At one quality all levels have the same quantisation steps, and higher ones give smaller files of the same distortion.
Level 1 chooses symbols by what the model's exporter measured on photos, so that distortion stays as it is in the mean.
The others run the synthesis: they keep each region's own distortion (`lcodec.effort.match`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lcodec.effort.descent import Descent
from lcodec.effort.match import Judge, Tried, match, smallest
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import MEAN_STEPS, Coded, EntropyModel
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Region
from lcodec.execution.stages import Synthesis, colour, pad
from lcodec.metrics.ms_ssim import MIN_SIDE_PX
from lcodec.networks.architecture import Architecture
from lcodec.networks.gains import QUALITY_STEPS, gain_at
from lcodec.networks.hyperprior import HYPER_STRIDE
from lcodec.networks.transforms import LATENT_STRIDE
from lcodec.threads import import_torch
from lcodec.zoo import Model

if TYPE_CHECKING:
    from lcodec.effort.refine import Refiner

__all__ = ["EFFORT_MAX", "Effort"]

Floats = npt.NDArray[np.float32]

#: Hyper-latents (64 pixels) around a tile of refinement that are refined with it and thrown away.
HALO = 1
#: Bytes that the gradient of a tile may take. Smaller tiles of large models cost time: what is thrown away grows.
_TILE_BYTES = 640 << 20
#: Bytes for each latent of a region where symbols are chosen, with the codes that are tried; and those of torch itself.
#: Measured as the growth of the process, on pictures of 768x768 and 1024x1024.
_CHOSEN, _TORCH = 72, 160 << 20


@dataclass(frozen=True)
class _Level:
    """How much is done."""

    moves: tuple[float, ...] = ()  #: of each pass of choosing symbols, parts of Newton's step (see `Descent.move`)
    iterations: int = 0  #: of refinement, before symbols are chosen


#: The first pass has most to make up for. On validation photos longer moves, or as long ones in later passes, bought
#: less, and made some photos worse. Moving the latents of two steps of coding at a time is half of the work, but saved
#: less than level 1 at quality 15.
LEVELS = {
    1: _Level(),
    2: _Level((0.15,)),
    3: _Level((0.15, 0.07)),
    4: _Level((0.15, 0.07, 0.03)),
    5: _Level((0.15, 0.07), iterations=25),
    6: _Level((0.15, 0.07), iterations=50),
    7: _Level((0.15, 0.07), iterations=100),
    8: _Level((0.15, 0.07), iterations=200),
    9: _Level((0.15, 0.07), iterations=400),
}
EFFORT_MAX = max(LEVELS)
#: How many times heavier than alone an error counts where the others make up for it; chosen on validation photos, by
#: BD-rate. A part of it is due to lambda: the slopes of four photos' own rate-distortion curves were 1.05 to 1.5 times
#: as steep.
CAUTION = 6
#: Bits that a squared error of one quantisation step is worth where the model's own steps are the best there are,
#: whatever it was trained for: with R = -log2(step) and D = weight step^2 / 12, R + D is least at step 1.
STEP_BITS = 6 / math.log(2)


def tile_side(sizes: Architecture) -> int:
    """Side of a tile of refinement, in hyper-latents, without the halo: 12 for a small model, 7 for a large one."""
    return max(1, math.isqrt(_TILE_BYTES // sizes.gradient_bytes) // HYPER_STRIDE - 2 * HALO)


class Effort:
    """A level of effort, ready for the regions of one picture at one quality."""

    def __init__(self, effort: int, engine: Engine, model: Model, entropy: EntropyModel, quality_step: int) -> None:
        """Prepare a level.

        Args:
            effort: 0 (none) to EFFORT_MAX.
            engine: where the decoder's networks run.
            model: by which regions are analysed.
            entropy: that model's, on the engine.
            quality_step: 0..QUALITY_STEPS.

        Raises:
            UsageError: there is no such level.
        """
        if not 0 <= effort <= EFFORT_MAX:
            raise UsageError(f"effort must be 0 to {EFFORT_MAX}, not {effort}")
        self._level = LEVELS.get(effort)
        self._engine, self._model, self._entropy, self._quality_step = engine, model, entropy, quality_step
        self._aim = model.goal.aim
        self._multiplier = model.goal.multiplier(quality_step / QUALITY_STEPS)

    # What follows is made when a region first needs it, once for the picture: never at effort 0.

    @cached_property
    def _steps(self) -> npt.NDArray[np.float64]:
        """Quantisation steps in a latent's standard deviation, (C,)."""
        return self._entropy.at_quality(self._quality_step).steps

    @cached_property
    def _measured(self) -> tuple[Floats, Floats] | None:
        """Weights of errors and stretches of distances, (C,) each, if the model has them."""
        tables = self._model.arrays
        names = ("effort.weight", "effort.stretch")
        if not all(name in tables for name in names):
            return None
        weights, stretches = (gain_at(tables[name], self._quality_step) for name in names)
        return weights, stretches

    @cached_property
    def _gains(self) -> tuple[Floats, Floats]:
        """Standard deviations in a quantisation step, (C,), and factors of the synthesis's fine features, (F,)."""
        tables = self._model.decoder
        inverse, gain = (gain_at(tables[name], self._quality_step) for name in ("gain.inverse", "gain.synthesis"))
        return inverse, gain

    @cached_property
    def _synthesis(self) -> Synthesis:
        """The decoder's network, for what codes really cost."""
        return Synthesis(self._engine, self._model, self._quality_step)

    @cached_property
    def _refiner(self) -> Refiner:
        """The networks in torch."""
        import_torch()  # before others do
        from lcodec.effort.refine import Refiner

        at, model = self._entropy.at_quality(self._quality_step), self._model
        arrays, goal = model.arrays | model.decoder, (self._aim, self._multiplier)
        return Refiner(arrays, at, *self._gains, *goal, tile_side(model.architecture), self._engine.device)

    def memory(self, region: Region) -> int:
        """Bytes that improving a region of this size takes, besides what coding it takes."""
        if self._level is None:
            return 0
        (rows, columns), sizes = region.size, self._model.architecture
        chosen = rows * columns * sizes.latents * _CHOSEN
        if self._level.iterations:
            side = (tile_side(sizes) + 2 * HALO) * HYPER_STRIDE
            return _TORCH + max(min(rows, side) * min(columns, side) * sizes.gradient_bytes, chosen)
        return chosen

    @property
    def uses_torch(self) -> bool:
        """Whether torch is imported, which shares out each operation to all cores by itself."""
        return self._level is not None and self._level.iterations > 0

    def code(
        self,
        latents: Floats,
        hyper_latents: Floats,
        pixels: npt.NDArray[np.uint8],
        region: Region,
        progress: Callable[[float], None],
    ) -> Coded:
        """Code a region.

        A model without what effort 1 needs codes as without effort there. A region too small for the distortion of
        its model (MS-SSIM) is coded as at effort 1.

        Args:
            latents: (h, w, C), in units of standard deviation.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            pixels: (H, W, 1 or 3), of the whole picture.
            region: of it.
            progress: is told the part of the region that is done, 0 to 1, at the levels that refine.
        """
        level, encode = self._level, partial(self._entropy.encode, quality_step=self._quality_step)
        window = pixels[
            region.top * LATENT_STRIDE : region.bottom * LATENT_STRIDE,
            region.left * LATENT_STRIDE : region.right * LATENT_STRIDE,
        ]
        small = self._aim == "ms-ssim" and min(window.shape[:2]) < MIN_SIDE_PX
        if level is None or ((small or level == LEVELS[1]) and self._measured is None):
            return encode(latents, hyper_latents)
        if small or level == LEVELS[1]:
            return encode(latents, hyper_latents, choose=self._choice(latents))
        judge = Judge(self._synthesis, self._aim, window)
        tried = [judge(encode(latents, hyper_latents))]
        if self._measured is not None:
            tried.append(judge(encode(latents, hyper_latents, choose=self._choice(latents))))
        wanted = min(one.distortion for one in tried)
        start = tried[0]
        if level.iterations:
            latents, hyper_latents = self._refiner.refine(
                latents, hyper_latents, colour(window), level.iterations, progress
            )
            start = judge(encode(latents, hyper_latents))
        choose, coded = self._passes(start.coded, latents, hyper_latents, window, level)

        def with_weights(factor: float) -> Tried:
            return judge(encode(latents, hyper_latents, choose=choose.again(factor)))

        tried += match(with_weights, judge(coded), wanted)
        return smallest([*tried, start], wanted).coded

    def _choice(self, latents: Floats) -> Rdoq:
        """The choice of effort 1; of models without what it needs, one with the same weight for all channels."""
        without: tuple[Floats, None] = np.full(latents.shape[2], STEP_BITS * CAUTION, np.float32), None
        weights, stretch = self._measured or without
        return Rdoq((latents * self._steps).astype(np.float32), weights, stretch=stretch)

    def _passes(
        self, start: Coded, latents: Floats, hyper_latents: Floats, window: npt.NDArray[np.uint8], level: _Level
    ) -> tuple[Rdoq, Coded]:
        """Choose the symbols of latents that move to make up for each other's errors, pass by pass.

        For MS-SSIM they stay where they are.
        """
        if self._aim != "mse":
            choose = self._choice(latents)
            return choose, self._entropy.encode(latents, hyper_latents, self._quality_step, choose)
        steps = (latents * self._steps).astype(np.float32)
        padded = pad(colour(window)[None], LATENT_STRIDE)[0]
        descent = Descent(self._model.decoder, self._model.architecture.synthesis_halo, *self._gains, padded, steps)
        weights = descent.sensitivity * np.float32(self._multiplier / 3 * CAUTION)
        choose = Rdoq(steps, weights, (start.values / MEAN_STEPS).astype(np.float32))
        for rate in level.moves:
            choose.compensate = partial(descent.move, rate=rate)
            start = self._entropy.encode(latents, hyper_latents, self._quality_step, choose)
        return choose, start
