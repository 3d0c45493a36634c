"""What each level of effort does to a region.

At one quality higher levels give smaller files of the same distortion. Levels 1 and 2 go by what the model's exporter
measured on photos, so that distortion stays as it is in the mean. The others decode what they try, and come near each
region's own distortion (`lcodec.effort.match`).

What descent gains is better spent on coarser quantisation steps than on lighter weights of errors: so the quality that
a file names, that of its steps, is up to two points below the one that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lcodec.arrays import EFFORT
from lcodec.effort.descent import TILE, Descent, relaxed
from lcodec.effort.match import Judge, Tried, match, smallest
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import MEAN_STEPS, Coded, EntropyModel
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Layout, Region, window_of
from lcodec.execution.stages import Analyses, Synthesis, colour, pad
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

    steps: int = 0  #: of descent (`lcodec.effort.descent`), each from a draft of the code
    iterations: int = 0  #: of refinement, before the descent
    matched: bool = True  #: whether the region's own distortion is kept


#: More than eight steps lost: after 16 the BD-rate over effort 0 of four photos of Kodak was -4.5 %, after 8 -5.2.
LEVELS = {
    1: _Level(matched=False),
    2: _Level(2, matched=False),
    3: _Level(2),
    4: _Level(4),
    5: _Level(8),
    6: _Level(8, iterations=25),
    7: _Level(8, iterations=50),
    8: _Level(8, iterations=150),
    9: _Level(8, iterations=400),
}
EFFORT_MAX = max(LEVELS)
#: What is measured for the choice of symbols, and for descent besides (`lcodec.effort.measure`).
CHOICE, DESCENT = ("weight", "stretch"), ("curvature", "part", "lighter")
#: Steps of level 2 where a picture is cut into regions: there one takes as long as coding does.
STEPS_OF_LARGE = 1
#: Share of the measured gain of level 2 that is spent on coarser steps, for other photos gain less than those that it
#: is measured on; and the most, in points of quality, so that the top of the scale stays where it is.
SPENT, MOST = 0.7, 2.0
#: Of more steps of descent: the parts of the way to the optimum, first (at most) and last; the factor of the weights
#: that errors have in between; and the points of quality that they gain at least, after which weights are matched. Of
#: smooth photos it is twice as much and more, but of noisy ones weights cannot make up for steps that are too coarse.
PARTS, LIGHTER, COARSER = (0.15, 0.03), 0.3, {2: 0.7, 4: 1.0, 8: 1.2}
#: How many times heavier than alone an error counts in models without measured weights; chosen on validation photos, by
#: BD-rate.
CAUTION = 6
#: Bits that a squared error of one quantisation step is worth where the model's own steps are the best there are,
#: whatever it was trained for: with R = -log2(step) and D = weight step^2 / 12, R + D is least at step 1.
STEP_BITS = 6 / math.log(2)


def tile_side(sizes: Architecture) -> int:
    """Side of a tile of refinement, in hyper-latents, without the halo: 12 for a small model, 7 for a large one."""
    return max(1, math.isqrt(_TILE_BYTES // sizes.gradient_bytes) // HYPER_STRIDE - 2 * HALO)


class Effort:
    """A level of effort, ready for the regions of one picture at one quality."""

    def __init__(
        self,
        effort: int,
        engine: Engine,
        model: Model,
        entropy: EntropyModel,
        quality_step: int,
        layout: Layout,
    ) -> None:
        """Prepare a level.

        Args:
            effort: 0 (none) to EFFORT_MAX.
            engine: where the decoder's networks run.
            model: by which regions are analysed.
            entropy: that model's, on the engine.
            quality_step: 0..QUALITY_STEPS, that is asked for.
            layout: of the picture.

        Raises:
            UsageError: there is no such level.
        """
        if not 0 <= effort <= EFFORT_MAX:
            raise UsageError(f"effort must be 0 to {EFFORT_MAX}, not {effort}")
        self._level = LEVELS.get(effort)
        self._engine, self._model, self._entropy, self._asked = engine, model, entropy, quality_step
        self._aim = model.goal.aim
        self._spared: list[tuple[int, float]] = []  # bytes and distortion, of each region that was looked at
        self._count = 0  # steps of descent
        small = self._aim == "ms-ssim" and min(layout.size) * LATENT_STRIDE < MIN_SIDE_PX
        if self._level and not small and self._measured(quality_step, *DESCENT) is not None:
            quick = len(layout.regions) > 1 and not self._level.matched
            self._count = min(self._level.steps, STEPS_OF_LARGE) if quick else self._level.steps
        #: 0..QUALITY_STEPS, of the quantisation steps that regions are coded with.
        self.quality_step = quality_step - self._coarser()
        self._multiplier = model.goal.multiplier(self.quality_step / QUALITY_STEPS)

    def _coarser(self) -> int:
        """Quality steps by which quantisation is coarser than was asked for."""
        measured = self._measured(self._asked, "coarser")
        if self._level is None or not self._count or measured is None:
            return 0
        (after,) = measured
        points = COARSER[self._count] if self._level.matched else min(SPENT * float(after[self._count - 1]), MOST)
        return min(round(points / 100 * QUALITY_STEPS), self._asked)

    def _measured(self, quality_step: int, *names: str) -> list[Floats] | None:
        """What was measured for the model at a quality, if it was: (C,), (1,) or (2,) each."""
        arrays = self._model.arrays
        if any(f"{EFFORT}{name}" not in arrays for name in names):
            return None
        return [gain_at(arrays[f"{EFFORT}{name}"], quality_step) for name in names]

    # What follows is made when a region first needs it, once for the picture: never at effort 0.

    @cached_property
    def _drafting(self) -> EntropyModel:
        """An entropy model for the codes that descent starts from."""
        return self._engine.drafting(self._model)

    @cached_property
    def _gains(self) -> tuple[Floats, Floats]:
        """Standard deviations in a quantisation step, (C,), and factors of the synthesis's fine features, (F,)."""
        tables = self._model.decoder
        inverse, gain = (gain_at(tables[name], self.quality_step) for name in ("gain.inverse", "gain.synthesis"))
        return inverse, gain

    @cached_property
    def _synthesis(self) -> Synthesis:
        """The decoder's network, for what codes really cost."""
        return Synthesis(self._engine, self._model, self.quality_step)

    @cached_property
    def _refiner(self) -> Refiner:
        """The networks in torch."""
        import_torch()  # before others do
        from lcodec.effort.refine import Refiner

        at, model = self._entropy.at_quality(self.quality_step), self._model
        arrays, goal = model.arrays | model.decoder, (self._aim, self._multiplier)
        return Refiner(arrays, at, *self._gains, *goal, tile_side(model.architecture), self._engine.device)

    def memory(self, region: Region) -> int:
        """Bytes that improving a region of this size takes, besides what coding it takes."""
        if self._level is None:
            return 0
        (rows, columns), sizes = region.size, self._model.architecture
        taken = rows * columns * sizes.latents * _CHOSEN
        if self._count:
            taken += sizes.descent_bytes(min(rows, TILE), min(columns, TILE))
        if self._level.iterations:
            side = (tile_side(sizes) + 2 * HALO) * HYPER_STRIDE
            return _TORCH + max(min(rows, side) * min(columns, side) * sizes.gradient_bytes, taken)
        return taken

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

        A model without what effort 1 or 2 needs codes as at the level below there. A region too small for the
        distortion of its model (MS-SSIM) is coded as at effort 1.

        Args:
            latents: (h, w, C), in units of standard deviation, analysed for `quality_step`.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            pixels: (H, W, 1 or 3), of the whole picture.
            region: of it.
            progress: is told the part of the region that is done, 0 to 1, at the levels that refine.
        """
        level, encode = self._level, partial(self._entropy.encode, quality_step=self.quality_step)
        window = window_of(region, pixels)
        small = self._aim == "ms-ssim" and min(window.shape[:2]) < MIN_SIDE_PX
        if level is None:
            return encode(latents, hyper_latents)
        if small or not level.matched:
            descended = None if small else self._descend(latents, hyper_latents, window)
            return encode(latents, hyper_latents, choose=descended or self._choice(latents, self.quality_step))
        # Codes as they would be with less effort: what they decode to is wanted, and they are what there is if the
        # steps are theirs and nothing better is found.
        others = self._without(pixels, region, window)
        wanted = min(one.distortion for one in others)
        tried = others if self.quality_step == self._asked else []
        judge = Judge(self._synthesis, self._aim, window)
        if level.iterations:
            latents, hyper_latents = self._refiner.refine(
                latents, hyper_latents, colour(window), level.iterations, progress
            )
            tried.append(judge(encode(latents, hyper_latents)))
        choose = self._descend(latents, hyper_latents, window)
        choose = choose or self._choice(latents, self.quality_step) or self._unmeasured(latents)

        def with_weights(factor: float) -> Tried:
            return judge(encode(latents, hyper_latents, choose=choose.weighted(factor)))

        tried += match(with_weights, judge(encode(latents, hyper_latents, choose=choose)), wanted)
        found, without = smallest(tried, wanted), smallest(others, wanted)
        self._spared.append((without.size - found.size, without.distortion - found.distortion))
        return found.coded

    @property
    def paid(self) -> bool:
        """Whether what was coded is no larger than without effort, and no worse: of hardly any photo it is not so.

        Always true of levels that do not look at what they code.
        """
        return all(math.fsum(amounts) >= 0 for amounts in zip(*self._spared, strict=True))

    def _without(self, pixels: npt.NDArray[np.uint8], region: Region, window: npt.NDArray[np.uint8]) -> list[Tried]:
        """The codes of efforts 0 and 1 at the quality that was asked for."""
        analyses = Analyses(self._engine, self._model, self._asked)
        latents = analyses.latents(pixels, region)
        hyper_latents = analyses.hyper_latents(latents)
        judge = Judge(Synthesis(self._engine, self._model, self._asked), self._aim, window)
        choice = self._choice(latents, self._asked)
        choices = [None] if choice is None else [None, choice]
        return [judge(self._entropy.encode(latents, hyper_latents, self._asked, choose)) for choose in choices]

    def _choice(self, latents: Floats, quality_step: int) -> Rdoq | None:
        """The choice of effort 1, if the model has what it needs."""
        if (measured := self._measured(quality_step, *CHOICE)) is None:
            return None
        weights, stretch = measured
        steps = self._entropy.at_quality(quality_step).steps
        return Rdoq((latents * steps).astype(np.float32), weights, stretch)

    def _unmeasured(self, latents: Floats) -> Rdoq:
        """A choice with the same weight for all channels."""
        steps = self._entropy.at_quality(self.quality_step).steps
        return Rdoq((latents * steps).astype(np.float32), np.full(latents.shape[2], STEP_BITS * CAUTION, np.float32))

    def _descend(self, latents: Floats, hyper_latents: Floats, window: npt.NDArray[np.uint8]) -> Rdoq | None:
        """The choice of symbols of latents that moved to make up for each other's errors, if the model lets them."""
        choose, measured = self._choice(latents, self.quality_step), self._measured(self.quality_step, *DESCENT)
        if self._level is None or not self._count or choose is None or measured is None:
            return None
        matched = self._level.matched
        curvature, (part,), lighter = measured
        padded = pad(colour(window)[None], LATENT_STRIDE)[0]
        halo = self._model.architecture.synthesis_halo
        descent = Descent(self._model.decoder, halo, *self._gains, padded, self._aim, self._multiplier)
        first, last = min(part, PARTS[0]), PARTS[1]
        for index in range(self._count):
            draft = self._drafting.encode(latents, hyper_latents, self.quality_step, choose)
            decoded = (draft.values / MEAN_STEPS).astype(np.float32)
            way = first + (last - first) * index / self._count if matched else part
            choose = choose.of(relaxed(choose.wanted, decoded, descent.gradient(decoded), curvature, way))
            if index == 0:
                choose = choose.weighted(LIGHTER if matched else lighter[0])
        return choose if matched or self._count == 1 else choose.weighted(lighter[1] / lighter[0])
