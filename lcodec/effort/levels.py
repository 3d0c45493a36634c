"""What each level of effort does to a picture.

At one quality higher levels give smaller files of the same distortion, in the mean over photos: what descent and
annealing gain is spent on coarser quantisation steps, by what the model's exporter measured. So the quality that a file
names, that of its steps, is mostly below the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from lcodec.effort.descent import OF_TWO, TILE, Pace
from lcodec.effort.encoder import CHOICE, DESCENT, HALO, Encoder, measured, tile_side
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import Coded, EntropyModel
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Layout, Region, window_of
from lcodec.metrics.ms_ssim import MIN_SIDE_PX
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.networks.hyperprior import HYPER_STRIDE
from lcodec.networks.transforms import LATENT_STRIDE
from lcodec.zoo import Model

__all__ = ["EFFORT_MAX", "Effort"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
#: Latents (h, w, C), in units of standard deviation, and hyper-latents of a region.
_Latents = tuple[Floats, Floats]

#: Bytes for each latent of a region where symbols are chosen, and those of torch itself.
#: Measured as the growth of the process, on pictures of 768x768 and 1024x1024.
_CHOSEN, _TORCH = 72, 160 << 20


@dataclass(frozen=True)
class _Level:
    """How much is done."""

    steps: int = 0  #: of one descent (`lcodec.effort.descent`), each from a draft of the code
    of_large: int | None = None  #: fewer, where a picture is cut into regions
    #: Of more steps than the two that the exporter measured: the weights that errors have, in multiples of those for
    #: two, the points of quality by which quantisation steps are coarser yet, and the cosine that the pace aims at.
    lighter: float = 1.0
    coarser: float = 0.0
    steady: float = 0.7
    iterations: int = 0  #: of annealing (`lcodec.effort.refine`) after the descent, and before one twice as long


#: Parts of validation photos at three qualities, equal distortion: over two steps, four saved 1.3 % of the bytes with
#: `mse` and 1.6 with `ms-ssim`, eight 2.2 and 2.5, sixteen 2.6 and 2.5; with `mse-fast` 0.8, 1.1 and 1.3. At quality 15
#: `ms-ssim` needs the pace: without it, eight steps lost 2.6 % of that, with a cosine of 0.4 1.7, and sixteen with 0.6
#: 2.0.
#:
#: Parts of six of them with `mse`, at qualities 15, 50 and 85: over two steps, sixteen saved 3.1, 3.3 and 1.5 %, 200
#: iterations of annealing before sixteen 7.7, 5.3 and 2.5, and with eight steps before that as well 8.6, 5.6 and 2.8.
#: Steps of half the length after annealing, weights as light as the distortion's curvature, or quantisation steps that
#: are two points coarser or finer changed the mean by 0.3 at most. Levels that anneal once matched the picture's own
#: distortion, by quantisation steps and then by weights: that gave up most of what they gain at quality 85.
LEVELS = {
    1: _Level(),
    2: _Level(2, of_large=1),  # in large pictures a step takes as long as coding does
    3: _Level(4, lighter=0.8, coarser=0.5, steady=0.6),
    4: _Level(8, lighter=0.7, coarser=1.0, steady=0.6),
    5: _Level(16, lighter=0.7, coarser=1.5),
    **{
        level: _Level(8, lighter=0.7, coarser=1.0, iterations=iterations)
        for level, iterations in ((6, 200), (7, 300), (8, 400), (9, 600))
    },
}
EFFORT_MAX = max(LEVELS)
#: Points of quality by which dependent quantisation is finer than plain, at the ends of the scale: they are spent on
#: coarser steps. Measured on parts of eight validation photos: 0.5 to 2.5 with `mse`, 0.9 to 2 with `ms-ssim`.
FINER = 0.6, 2.4
#: Other photos gain less than those measured: so this share of level 2's measured gain is spent on coarser steps. It is
#: at most so many points of quality.
SPENT, MOST = 0.7, 2.0
#: At quality 0 lambda falls with the points that are left to be spent, and the weights of errors as this power of it.
#: With 1, files of four validation photos were 1.5 % larger at equal distortion with `mse`, and 0.6 % smaller with
#: `ms-ssim`; with 6, 1.3 % smaller with `mse`, but 2 % larger with `ms-ssim`.
BELOW = 3
#: The parts of the time, about, at which annealing begins and ends: before and after it are descents.
ANNEALING = 0.05, 0.9


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

        A model without measured weights codes at every level as at 0. One without curvature takes no steps: levels 2 to
        5 are 1, and those from 6 on anneal alone.

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
        self._model, self._aim = model, model.goal.aim
        level = LEVELS.get(effort) if measured(model, quality_step, *CHOICE) is not None else None
        self._level = level
        drafting = cache(lambda: engine.drafting(model))
        encoder_at = partial(Encoder, engine, model, entropy, drafting, dependent=level is not None)
        self._encoder = asked = encoder_at(quality_step)
        self._count = self._iterations = 0  # steps of a descent, and of annealing
        self._lighter = 1.0  # factor of the weights
        if level is None:
            return
        if not self._too_small(*(side * LATENT_STRIDE for side in layout.size)):
            self._iterations = level.iterations
            if measured(model, quality_step, *DESCENT) is not None:
                large = len(layout.regions) > 1
                self._count = level.of_large if large and level.of_large is not None else level.steps
        points = FINER[0] + (FINER[1] - FINER[0]) * quality_step / QUALITY_STEPS
        if self._count:
            (coarser,) = asked.tables("coarser")
            points += min(SPENT * float(coarser[min(self._count, 2) - 1]), MOST)
            points += level.coarser
        spent = round(points / 100 * QUALITY_STEPS)
        self._encoder = encoder_at(max(quality_step - spent, 0))
        # Steps are no coarser than those of quality 0: what is left to be spent there makes errors weigh less.
        left = max(spent - quality_step, 0) / QUALITY_STEPS
        self._lighter = (model.goal.lambdas[0] / model.goal.multiplier(left)) ** BELOW

    @property
    def dependent(self) -> bool:
        """Whether latents are quantised dependently, which the file has to say."""
        return self._level is not None

    @property
    def quality_step(self) -> int:
        """0..QUALITY_STEPS, of the quantisation steps that regions are coded with."""
        return self._encoder.quality_step

    @property
    def uses_torch(self) -> bool:
        """Whether torch is imported, which shares out each operation to all cores by itself."""
        return self._iterations > 0

    def memory(self, region: Region) -> int:
        """Bytes that improving a region of this size takes, besides what coding it takes."""
        if self._level is None:
            return 0
        (rows, columns), sizes = region.size, self._model.architecture
        taken = rows * columns * sizes.latents * _CHOSEN
        if self._count:
            taken += sizes.descent_bytes(min(rows, TILE), min(columns, TILE))
        if self._iterations:
            side = (tile_side(sizes) + 2 * HALO) * HYPER_STRIDE
            return _TORCH + max(min(rows, side) * min(columns, side) * sizes.gradient_bytes, taken)
        return taken

    def code(
        self,
        latents: Floats,
        hyper_latents: Floats,
        pixels: Pixels,
        region: Region,
        progress: Callable[[float], None],
    ) -> Coded:
        """Code a region.

        One too small for the distortion of its model (MS-SSIM) is coded as at level 1, with the quantisation steps of
        the picture.

        Args:
            latents: (h, w, C), in units of standard deviation, analysed for `quality_step`.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            pixels: (H, W, 1 or 3), of the whole picture.
            region: of it.
            progress: is told the part of the region that is done, 0 to 1, from level 2 on.
        """
        kept = latents, hyper_latents
        if self._level is None:
            return self._encoder.encode(*kept)
        window, choose = window_of(region, pixels), None
        if not self._too_small(*window.shape[:2]):
            kept, choose = self._improved(kept, window, self._level, progress)
        choose = choose or self._encoder.choice(kept[0])
        return self._encoder.encode(*kept, choose.weighted(self._lighter))

    def _too_small(self, *sides: int) -> bool:
        return self._aim == "ms-ssim" and min(sides) < MIN_SIDE_PX

    def _improved(
        self, kept: _Latents, window: Pixels, level: _Level, progress: Callable[[float], None]
    ) -> tuple[_Latents, Rdoq | None]:
        """Better latents of a region, and the choice of symbols that their descent ended with, if there was one."""
        descend = partial(self._descend, window, level)
        if not self._iterations:
            return kept, descend(kept, self._count, progress) if self._count else None

        def between(begin: float, end: float) -> Callable[[float], None]:
            return lambda part: progress(begin + (end - begin) * part)

        begin, end = ANNEALING
        if self._count:
            kept = self._encoder.moved(descend(kept, self._count, between(0, begin))), kept[1]
        kept = self._encoder.refine(*kept, window, self._iterations, between(begin, end))
        return kept, descend(kept, 2 * self._count, between(end, 1), first=False) if self._count else None

    def _descend(
        self,
        window: Pixels,
        level: _Level,
        kept: _Latents,
        steps: int,
        progress: Callable[[float], None],
        *,
        first: bool = True,
    ) -> Rdoq:
        """A descent on a region from these latents; whether it is the first."""
        (part,), (once, twice) = self._encoder.tables("part", "lighter")
        pace = None
        if steps == 1:
            shares, factor = [1.0], float(once)
        elif steps == 2:
            shares, factor = list(OF_TWO), float(twice)
        else:
            longest, shortest = OF_TWO[0], 2 / steps
            shares = [longest * (shortest / longest) ** (index / (steps - 1)) for index in range(steps)]
            factor, pace = level.lighter * float(twice), Pace(level.steady)
        parts, factors = [part * share for share in shares], [1.0 if first else factor, *steps * [factor]]
        return self._encoder.descend(*kept, window, parts, factors, pace, first=first, progress=progress)
