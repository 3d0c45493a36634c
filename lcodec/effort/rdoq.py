"""Rate-distortion optimised quantisation: symbols that cost less than the nearest ones, where that harms little.

Of each latent the nearest symbol and those on both sides of it compete by their cost in bits, as the coder's own tables
have it, plus distortion (Sullivan and Wiegand, "Rate-distortion optimization for video compression", 1998). The
distortion is a weight of the channel times the squared error of the latent.

Symbols that are cheaper lie nearer to the predicted mean, and what decodes from them is flatter than the original. That
is made up for by distances of the latents from their means that are stretched before the choice, each channel's by its
own factor (`lcodec.effort.measure`).

Of dependent latents whole lanes of symbols compete, likewise (`lcodec.effort.trellis`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lcodec.effort.trellis import cheapest_symbols
from lcodec.entropy.cost import symbol_bits
from lcodec.entropy.dependent import Lanes
from lcodec.entropy.section import MEAN_STEPS
from lcodec.networks.steps import Place

__all__ = ["Rdoq"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rdoq:
    """Chooses the symbols of one picture: the `choose` of `EntropyModel.encode`."""

    wanted: Floats  #: (h, w, C) latents, in quantisation steps
    weights: Floats  #: (C,) bits that a squared error of one step is worth
    stretch: Floats | None = None  #: (C,) factors of the distances from the predicted means; 1 if left out
    dependent: bool = False  #: whether latents are quantised dependently, where there are tables for that
    factor: float = 1.0  #: of the weights

    def __call__(
        self, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        """Choose the symbols of one batch."""
        shapes = [self.wanted[place].shape for place in where]

        def of_channels(table: Floats) -> Floats:
            parts = (np.broadcast_to(table[at[2]], shape) for at, shape in zip(where, shapes, strict=True))
            return np.concatenate([part.ravel() for part in parts])

        centres = (means / MEAN_STEPS).astype(np.float32)
        distances = np.concatenate([self.wanted[place].ravel() for place in where]) - centres
        if self.stretch is not None:
            distances *= of_channels(self.stretch)
        weights = of_channels(self.weights) * np.float32(self.factor)
        if not self.dependent:
            return _cheapest(distances, weights, indexes)
        chosen, symbols = Lanes(indexes).chosen, np.empty(len(indexes), np.int32)
        for part, choose in ((~chosen, _cheapest), (chosen, cheapest_symbols)):
            symbols[part] = choose(distances[part], weights[part], indexes[part])
        return symbols

    def of(self, latents: Floats) -> Rdoq:
        """The same choice of other latents."""
        return replace(self, wanted=latents)

    def weighted(self, factor: float) -> Rdoq:
        """The choice once more, with weights so many times as heavy."""
        return replace(self, factor=self.factor * factor)


def _cheapest(wanted: Floats, weights: Floats, indexes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Of the symbols around `wanted` (n,) those that cost least: (n,)."""
    nearest = np.rint(wanted)
    best, least = nearest, np.full(len(wanted), np.inf, np.float32)
    # Toward zero symbols are nearly always cheaper; the other neighbour is worth a look only beyond the nearest.
    for candidate in (nearest, nearest - np.sign(nearest), nearest + np.sign(wanted - nearest)):
        cost = symbol_bits(indexes, candidate.astype(np.int32)) + weights * np.square(wanted - candidate)
        better = cost < least
        best, least = np.where(better, candidate, best), np.where(better, cost, least)
    return best.astype(np.int32)
