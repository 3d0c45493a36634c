"""One model at one quality, as effort uses it: latents of a region, their codes, and what makes better ones.

    descend, refine (better latents) -> encode (with chosen symbols)

What was measured for the model (`lcodec.effort.measure`) is looked up here; which of these steps are taken, and how
far they go, is the level's affair (`lcodec.effort.levels`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lcodec.arrays import EFFORT
from lcodec.effort.descent import Descent, Pace, relaxed
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import Coded, EntropyModel
from lcodec.entropy.section import MEAN_STEPS
from lcodec.errors import ModelError
from lcodec.execution.engine import Engine
from lcodec.execution.stages import colour, pad
from lcodec.networks.architecture import Architecture
from lcodec.networks.gains import QUALITY_STEPS, gain_at
from lcodec.networks.hyperprior import HYPER_STRIDE
from lcodec.networks.transforms import LATENT_STRIDE
from lcodec.threads import import_torch
from lcodec.zoo import Model

if TYPE_CHECKING:
    from lcodec.effort.refine import Refiner

__all__ = ["CHOICE", "DESCENT", "HALO", "Encoder", "measured", "tile_side"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

#: Hyper-latents (64 pixels) around a tile of refinement that are refined with it and thrown away.
HALO = 1
#: Bytes that the gradient of such a tile may take. Smaller tiles of large models cost time: what is thrown away grows.
_TILE_BYTES = 640 << 20
#: What is measured for the choice of symbols, and for descent besides.
CHOICE, DESCENT = ("weight", "stretch"), ("curvature", "part", "lighter", "coarser")


def tile_side(sizes: Architecture) -> int:
    """Side of a tile of refinement, in hyper-latents, without the halo: 12 for a small model, 7 for a large one."""
    return max(1, math.isqrt(_TILE_BYTES // sizes.gradient_bytes) // HYPER_STRIDE - 2 * HALO)


def measured(model: Model, quality_step: int, *names: str) -> list[Floats] | None:
    """What was measured for a model at a quality, if it was: (C,), (1,) or (2,) each."""
    if any(f"{EFFORT}{name}" not in model.arrays for name in names):
        return None
    return [gain_at(model.arrays[f"{EFFORT}{name}"], quality_step) for name in names]


class Encoder:
    """Codes regions of one picture at one quality."""

    def __init__(
        self,
        engine: Engine,
        model: Model,
        entropy: EntropyModel,
        drafting: Callable[[], EntropyModel],
        quality_step: int,
        *,
        dependent: bool,
    ) -> None:
        """Take a model; what a method needs is made when it is first called.

        Args:
            engine: where the decoder's networks run.
            model: by which regions are analysed.
            entropy: that model's, on the engine.
            drafting: makes an entropy model for the codes that descent starts from.
            quality_step: 0..QUALITY_STEPS, of the quantisation steps.
            dependent: whether chosen symbols are those of dependent quantisation.
        """
        self._dependent = dependent
        self._engine, self._model, self._entropy, self._drafting = engine, model, entropy, drafting
        self.quality_step = quality_step
        self._cost = model.goal.aim, model.goal.multiplier(quality_step / QUALITY_STEPS)

    @cached_property
    def _steps(self) -> npt.NDArray[np.float64]:
        """Quantisation steps in a standard deviation, (C,)."""
        return self._entropy.at_quality(self.quality_step).steps

    @cached_property
    def _gains(self) -> tuple[Floats, Floats]:
        """Standard deviations in a quantisation step, (C,), and factors of the synthesis's fine features, (F,)."""
        tables = self._model.decoder
        inverse, gain = (gain_at(tables[name], self.quality_step) for name in ("gain.inverse", "gain.synthesis"))
        return inverse, gain

    def encode(self, latents: Floats, hyper_latents: Floats, choose: Rdoq | None = None) -> Coded:
        """Code a region, with the nearest symbols or with those that are chosen."""
        return self._entropy.encode(latents, hyper_latents, self.quality_step, choose)

    def choice(self, latents: Floats) -> Rdoq:
        """The choice of symbols that was measured for the model.

        Raises:
            ModelError: none was.
        """
        weight, stretch = self.tables(*CHOICE)
        return Rdoq(self._in_steps(latents), weight, stretch, self._dependent)

    def _in_steps(self, latents: Floats) -> Floats:
        return (latents * self._steps).astype(np.float32)

    def tables(self, *names: str) -> list[Floats]:
        """What was measured for the model at this quality: (C,), (1,) or (2,) each.

        Raises:
            ModelError: nothing was.
        """
        if (found := measured(self._model, self.quality_step, *names)) is None:
            raise ModelError("the model has nothing that effort could go by")
        return found

    def descend(
        self,
        latents: Floats,
        hyper_latents: Floats,
        window: Pixels,
        parts: Sequence[float],
        factors: Sequence[float],
        pace: Pace | None = None,
        *,
        first: bool = True,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Rdoq:
        """The choice of symbols of latents that moved to make up for each other's errors.

        Args:
            latents: (h, w, C), in units of standard deviation.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            window: (H, W, 1 or 3), the region's pixels.
            parts: of the way to the optimum, for each step.
            factors: of the weights that errors have: in the draft of each step, and then in the choice.
            pace: by which the parts are multiplied, and which looks at the gradients.
            first: whether the latents have not moved yet.
            progress: is told the part of the steps that is done, 0 to 1.

        Raises:
            ModelError: what is needed was not measured for the model.
        """
        weight, stretch, curvature = self.tables(*CHOICE, "curvature")
        # Files are no smaller for a very first draft that is dependent too, but by 0.4 % for one before the last step.
        choice = Rdoq(self._in_steps(latents), weight, stretch, self._dependent and not first)
        padded = pad(colour(window)[None], LATENT_STRIDE)[0]
        halo = self._model.architecture.synthesis_halo
        descent = Descent(self._model.decoder, halo, *self._gains, padded, *self._cost)
        before: Floats | None = None
        for done, (part, factor) in enumerate(zip(parts, factors[:-1], strict=True), 1):
            choose = choice.weighted(factor)
            draft = self._drafting().encode(latents, hyper_latents, self.quality_step, choose)
            decoded = (draft.values / MEAN_STEPS).astype(np.float32)
            gradient = descent.gradient(decoded)
            if pace:
                if before is not None:
                    pace.look(gradient, before, curvature)
                before = gradient
            length = part * pace.factor if pace else part
            moved = relaxed(choice.wanted, decoded, gradient, curvature, length, self._model.goal.aim)
            choice = replace(choice, wanted=moved, dependent=self._dependent)
            progress(done / len(parts))
        return choice.weighted(factors[-1])

    def moved(self, choose: Rdoq) -> Floats:
        """The latents that a choice wants, (h, w, C), in units of standard deviation."""
        return (choose.wanted / self._steps).astype(np.float32)

    @cached_property
    def _refiner(self) -> Refiner:
        """The networks in torch."""
        import_torch()  # before others do
        from lcodec.effort.refine import Refiner

        model, at = self._model, self._entropy.at_quality(self.quality_step)
        arrays, tile = model.arrays | model.decoder, tile_side(model.architecture)
        target = *self._gains, *self._cost
        return Refiner(arrays, at, *target, tile, self._engine.device, dependent=self._dependent)

    def refine(
        self,
        latents: Floats,
        hyper_latents: Floats,
        window: Pixels,
        iterations: int,
        progress: Callable[[float], None],
    ) -> tuple[Floats, Floats]:
        """Better latents and hyper-latents, by annealing: see `lcodec.effort.refine`."""
        return self._refiner.refine(latents, hyper_latents, colour(window), iterations, progress)
