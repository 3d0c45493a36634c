"""What each level of effort does to a picture.

At one quality higher levels give smaller files of the same distortion. Levels 1 to 5 go by what the model's exporter
measured on photos, so that distortion stays as it is in the mean; from level 2 on each takes twice as many steps of
descent as the one before. Those that anneal, 6 to 9, look at what they code: they find the quantisation steps with
which the picture at hand comes out as good as without effort (`Effort.settle`), and then come near each region's own
distortion by the weights of errors (`lcodec.effort.match`).

What descent gains is better spent on coarser quantisation steps than on lighter weights alone: so the quality that a
file names, that of its steps, is mostly below the one that was asked for, at matched levels by at most ten points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from lcodec.effort.descent import OF_TWO, STEADY, TILE, Pace
from lcodec.effort.encoder import CHOICE, DESCENT, HALO, Encoder, measured, tile_side
from lcodec.effort.match import NOTHING, Tried, match, smallest
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import Coded, EntropyModel
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine, Spread
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

#: Bytes for each latent of a region where symbols are chosen, with the codes that are tried; and those of torch itself.
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
    steady: float = STEADY
    #: Of annealing (`lcodec.effort.refine`), after LOOKS descents and before the last one, which is then twice as long.
    iterations: int = 0

    @property
    def matched(self) -> bool:
        """Whether the picture's own distortion is kept, not that of photos in the mean."""
        return self.iterations > 0


#: Parts of validation photos at three qualities, equal distortion: over two steps, four saved 1.3 % of the bytes with
#: `mse` and 1.6 with `ms-ssim`, eight 2.2 and 2.5, sixteen 2.6 and 2.5; with `mse-fast` 0.8, 1.1 and 1.3. At quality 15
#: `ms-ssim` needs the pace: without it, eight steps lost 2.6 % of that, with a cosine of 0.4 1.7, and sixteen with 0.6
#: 2.0. Three descents of two steps that were matched to the picture, as those of annealing are, saved 1.2 and 2.2 % in
#: 2.8 times the time of four steps.
LEVELS = {
    1: _Level(),
    2: _Level(2, of_large=1),  # in large pictures a step takes as long as coding does
    3: _Level(4, lighter=0.8, coarser=0.5, steady=0.6),
    4: _Level(8, lighter=0.7, coarser=1.0, steady=0.6),
    5: _Level(16, lighter=0.7, coarser=1.5, steady=0.7),
    6: _Level(4, iterations=200),
    7: _Level(8, iterations=300),
    8: _Level(8, iterations=400),
    9: _Level(8, iterations=600),
}
EFFORT_MAX = max(LEVELS)
#: Points of quality by which dependent quantisation is finer than plain, at the ends of the scale: levels 1 to 5 spend
#: them on coarser steps. Measured on parts of eight validation photos: 0.5 to 2.5 with `mse`, 0.9 to 2 with `ms-ssim`.
FINER = 0.6, 2.4
#: Other photos gain less than those measured: so this share of level 2's measured gain is spent on coarser steps. It is
#: at most so many points of quality.
SPENT, MOST = 0.7, 2.0
#: At quality 0 lambda falls with the points that are left to be spent, and the weights of errors as this power of it.
#: With 1, files of four validation photos were 1.5 % larger at equal distortion with `mse`, and 0.6 % smaller with
#: `ms-ssim`; with 6, 1.3 % smaller with `mse`, but 2 % larger with `ms-ssim`.
BELOW = 3
#: Of matched levels: the part of the way to the optimum that the first step of a descent goes, and what later steps
#: fall towards, in the first descent and in those that go on from there: with half of that, files of descents alone are
#: 1 to 2 % larger at equal distortion. With longer ones, by the model's own tables, they were 0.4 to 1 % smaller at
#: quality 85, where annealing gains little, but 1.4 % larger at 15. Then the weights that errors have after the very
#: first step, in multiples of the distortion's curvature.
FIRST, LATER, LIGHTER = (0.25, 0.06), (0.12, 0.06), 1.2
#: How many times heavier after annealing. Latents then lie where their symbols are sure; the second and third are for
#: distortions that the one before does not reach, for heavier weights of the last choice alone soon change nothing.
HEAVIER = (1, 2, 4)
#: Descents after each of which quantisation steps are found anew, and the most regions of a picture that are probed.
#: After one distortions were up to 0.06 dB off, and weights that make up for that cost 1 %. After annealing they are
#: found once more; to anneal again, with those, gained nothing.
LOOKS, PROBED = 2, 4
#: Bytes for each latent of these that are kept meanwhile.
_MOVED = 4 * PROBED
#: Stands for the values of a code of which only the bytes are wanted.
_NO_VALUES = np.empty((0, 0, 0), np.int32)
#: A second quality, so many steps lower, tells what distortion a step of quality is worth. The file's quality ends at
#: most so many steps below, or above, the one that was asked for.
NEAR, COARSEST, FINEST = QUALITY_STEPS // 25, 1000, 200


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
        self._level = level = LEVELS.get(effort)
        self._model, self._aim = model, model.goal.aim
        self._spared: list[tuple[int, float]] = []  # bytes and distortion, of each region of a matched level
        #: Whether latents are quantised dependently, which the file has to say.
        self.dependent = level is not None and measured(model, quality_step, *CHOICE) is not None
        drafting = cache(lambda: engine.drafting(model))
        self._encoder_at = partial(Encoder, engine, model, entropy, drafting, dependent=self.dependent)
        # Of the regions that were probed: their latents and pace so far, and their codes without effort.
        self._moved: dict[Region, tuple[_Latents, Pace]] = {}
        self._known: dict[Region, list[Tried]] = {}
        self._count = self._iterations = 0  # steps of a descent, and of annealing
        self._lighter = 1.0  # factor of the weights of a level that is not matched
        if level and not self._too_small(*(side * LATENT_STRIDE for side in layout.size)):
            self._iterations = level.iterations
            if measured(model, quality_step, *CHOICE, *DESCENT) is not None:
                large = len(layout.regions) > 1
                self._count = level.of_large if large and level.of_large is not None else level.steps
        self._asked = self._encoder_at(quality_step)
        self._encoder = self._asked
        if level and self.dependent and not self.settles:
            points = FINER[0] + (FINER[1] - FINER[0]) * quality_step / QUALITY_STEPS
            if self._count:
                (coarser,) = self._asked.tables("coarser")
                points += min(SPENT * float(coarser[min(self._count, 2) - 1]), MOST)
                points += level.coarser
            spent = round(points / 100 * QUALITY_STEPS)
            self._encoder = self._encoder_at(max(quality_step - spent, 0))
            # Steps are no coarser than those of quality 0: what is left to be spent there makes errors weigh less.
            left = max(spent - quality_step, 0) / QUALITY_STEPS
            self._lighter = (model.goal.lambdas[0] / model.goal.multiplier(left)) ** BELOW

    @property
    def quality_step(self) -> int:
        """0..QUALITY_STEPS, of the quantisation steps that regions are coded with."""
        return self._encoder.quality_step

    @property
    def settles(self) -> bool:
        """Whether `settle` is to be called before `code`: it finds these steps for the picture at hand."""
        return self._level is not None and self._level.matched and self._count > 0

    @property
    def uses_torch(self) -> bool:
        """Whether torch is imported, which shares out each operation to all cores by itself."""
        return self._iterations > 0

    @property
    def paid(self) -> bool:
        """Whether what was coded is no larger than without effort, and no worse: of hardly any photo it is not so.

        Always true of levels that do not look at what they code.
        """
        return all(math.fsum(amounts) >= 0 for amounts in zip(*self._spared, strict=True))

    def memory(self, region: Region) -> int:
        """Bytes that improving a region of this size takes, besides what coding it takes."""
        if self._level is None:
            return 0
        (rows, columns), sizes = region.size, self._model.architecture
        taken = rows * columns * sizes.latents * (_CHOSEN + (_MOVED if self.settles else 0))
        if self._count:
            taken += sizes.descent_bytes(min(rows, TILE), min(columns, TILE))
        if self._iterations:
            side = (tile_side(sizes) + 2 * HALO) * HYPER_STRIDE
            return _TORCH + max(min(rows, side) * min(columns, side) * sizes.gradient_bytes, taken)
        return taken

    def settle(
        self, pixels: Pixels, regions: Sequence[Region], spread: Spread, progress: Callable[[Region, float], None]
    ) -> None:
        """Find the quantisation steps with which a picture comes out as good as it would without effort.

        What descent gains differs between pictures: little where there is noise, three times as much where all is
        smooth. It is seen at the quality that was asked for, in some regions, and spent on coarser steps. Distortion is
        that of all pixels, also of those that nobody sees, being transparent or kept exactly.

        Args:
            pixels: (H, W, 1 or 3), the picture.
            regions: of it that are to be coded.
            spread: calls a function on several items at a time.
            progress: is told the part of this that is done for a region, 0 to 1.
        """
        few = _spread_out([region for region in regions if not self._too_small(*window_of(region, pixels).shape[:2])])
        asked, coarser = self._asked, self._encoder_at(max(self._asked.quality_step - NEAR, 0))

        def over_all(distortion: Callable[[Region], float]) -> float:
            return math.fsum(spread(distortion, few))

        def without(region: Region) -> float:
            # The values of a code are not needed any more, and large.
            known = self._without(pixels, region)
            self._known[region] = [replace(one, coded=replace(one.coded, values=_NO_VALUES)) for one in known]
            return known[0].distortion

        wanted = over_all(without)
        worse = over_all(lambda region: self._plainly(coarser, pixels, region))
        if wanted < NOTHING or worse <= wanted:  # nothing to lose, or nothing that tells what a gain is worth
            return
        stages = len(self._stages)
        for stage in self._stages:

            def go_on(region: Region, stage: int = stage) -> float:
                return self._go_on(pixels, region, stage, lambda part: progress(region, (stage + part) / stages))

            found = over_all(go_on)
            gained = math.log(wanted / max(found, NOTHING)) / math.log(worse / wanted)
            step = self.quality_step - round(gained * (asked.quality_step - coarser.quality_step))
            bounded = max(step, asked.quality_step - COARSEST, 0), asked.quality_step + FINEST, QUALITY_STEPS
            self._encoder = self._encoder_at(min(bounded))

    def _plainly(self, encoder: Encoder, pixels: Pixels, region: Region) -> float:
        """Distortion of a region at effort 0."""
        return encoder.judge(window_of(region, pixels))(encoder.encode(*encoder.analyse(pixels, region))).distortion

    def _go_on(self, pixels: Pixels, region: Region, stage: int, progress: Callable[[float], None]) -> float:
        """Distortion of a region after one stage more, of latents that are kept."""
        window = window_of(region, pixels)
        kept, pace = self._moved.get(region) or (self._encoder.analyse(pixels, region), Pace())
        kept, choose = self._passed(kept, window, pace, stage, progress)
        self._moved[region] = kept, pace
        if choose is None:
            choose = self._descend(kept, window, pace, annealed=True)
        progress(1)
        return self._encoder.judge(window)(self._encoder.encode(*kept, choose)).distortion

    @property
    def _stages(self) -> range:
        """What a region goes through before its last descent: LOOKS descents, if the model allows, then annealing."""
        return range(0 if self._count else LOOKS, LOOKS + 1)

    def _passed(
        self, kept: _Latents, window: Pixels, pace: Pace, stage: int, progress: Callable[[float], None]
    ) -> tuple[_Latents, Rdoq | None]:
        """The latents of a region after a stage, and the choice of symbols that a descent ended with."""
        if stage < LOOKS:
            choose = self._descend(kept, window, pace, first=stage == 0)
            return (self._encoder.moved(choose), kept[1]), choose
        return self._encoder.refine(*kept, window, self._iterations, progress), None

    def _descend(
        self,
        kept: _Latents,
        window: Pixels,
        pace: Pace,
        *,
        first: bool = False,
        annealed: bool = False,
        heavier: float = HEAVIER[0],
    ) -> Rdoq:
        """One descent of a level that settles.

        Args:
            kept: latents of the region so far.
            window: its pixels.
            pace: of its descents so far.
            first: of the region's descents.
            annealed: the last one, after annealing.
            heavier: factor of the weights.
        """
        steps, (begin, end) = self._count * (2 if annealed else 1), FIRST if first else LATER
        parts = [begin + (end - begin) * index / steps for index in range(steps)]
        lighter = LIGHTER * heavier * self._encoder.curvature_factor
        factors = [1.0 if first else lighter, *steps * [lighter]]
        return self._encoder.descend(*kept, window, parts, factors, pace, first=first)

    def code(
        self,
        latents: Floats,
        hyper_latents: Floats,
        pixels: Pixels,
        region: Region,
        progress: Callable[[float], None],
    ) -> Coded:
        """Code a region.

        Level 1 without measured weights codes as level 0, level 2 without curvature as level 1. A region too small for
        the distortion of its model (MS-SSIM) is coded as at level 1, with the quantisation steps of the picture.

        Args:
            latents: (h, w, C), in units of standard deviation, analysed for `quality_step`.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            pixels: (H, W, 1 or 3), of the whole picture.
            region: of it.
            progress: is told the part of the region that is done, 0 to 1, from level 2 on.
        """
        level, encode, window = self._level, self._encoder.encode, window_of(region, pixels)
        kept = latents, hyper_latents
        if level is None:
            return encode(*kept)
        small = self._too_small(*window.shape[:2])
        if small or not level.matched:
            descended = None if small else self._as_measured(kept, window, progress)
            measured_choice = descended or self._encoder.choice(latents)
            return encode(*kept, measured_choice and measured_choice.weighted(self._lighter))
        # Codes without effort say what is wanted, and are what there is if the steps are theirs and nothing is better.
        others = self._known.pop(region, None) or self._without(pixels, region)
        wanted = others[0].distortion
        tried = others[self.dependent :] if self.quality_step == self._asked.quality_step else []
        judge = self._encoder.judge(window)
        if region in self._moved:
            kept, pace = self._moved.pop(region)
        else:
            pace = Pace()
            for stage in self._stages:
                kept, _ = self._passed(kept, window, pace, stage, progress)
        if not self.dependent:
            tried.append(judge(encode(*kept)))
        for heavier in HEAVIER if self._count else HEAVIER[:1]:
            if self._count:
                choose = self._descend(kept, window, pace, annealed=True, heavier=heavier)
            else:
                choose = self._encoder.choice(kept[0]) or self._encoder.unmeasured(kept[0])
            start = judge(encode(*kept, choose))
            if start.distortion <= wanted:
                break
        tried += match(lambda factor: judge(encode(*kept, choose.weighted(factor))), start, wanted)
        found, without = smallest(tried, wanted), smallest(others, wanted)
        self._spared.append((without.size - found.size, without.distortion - found.distortion))
        return found.coded

    def _too_small(self, *sides: int) -> bool:
        return self._aim == "ms-ssim" and min(sides) < MIN_SIDE_PX

    def _without(self, pixels: Pixels, region: Region) -> list[Tried]:
        """The codes of a region at efforts 0 and 1, at the quality asked for; the first says what is wanted."""
        latents, hyper_latents = self._asked.analyse(pixels, region)
        judge, choice = self._asked.judge(window_of(region, pixels)), self._asked.choice(latents)
        choices = [None] if choice is None else [None, choice]
        return [judge(self._asked.encode(latents, hyper_latents, choose)) for choose in choices]

    def _as_measured(self, kept: _Latents, window: Pixels, progress: Callable[[float], None]) -> Rdoq | None:
        """The choice of symbols that a descent ends with at a level that is not matched, if the model allows it."""
        level, steps = self._level, self._count
        if level is None or not steps:
            return None
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
        parts, factors = [part * share for share in shares], [1.0, *steps * [factor]]
        return self._encoder.descend(*kept, window, parts, factors, pace, progress=progress)


def _spread_out(regions: Sequence[Region]) -> list[Region]:
    """Up to PROBED of the regions, in several columns: every n-th may be all of one column."""
    count, found = min(PROBED, len(regions)), []
    for index in range(count):  # one of each of `count` parts, at another place in each: multiples of the golden ratio
        low, high = (part * len(regions) // count for part in (index, index + 1))
        found.append(regions[low + int(index * (math.sqrt(5) - 1) / 2 % 1 * (high - low))])
    return found
