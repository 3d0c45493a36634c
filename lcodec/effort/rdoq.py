"""Rate-distortion optimised quantisation: symbols that cost less than the nearest ones, where that harms little.

Of each latent the nearest symbol and those on both sides of it compete by their cost in bits, as the coder's own tables
have it, plus distortion (Sullivan and Wiegand, "Rate-distortion optimization for video compression", 1998). The
distortion is a weight of the channel times the squared error of the latent.

Symbols that are cheaper lie nearer to the predicted mean, and what decodes from them is flatter than the original. That
is made up for in one of two ways. Either the distances of the latents from their means are stretched before the choice,
each channel's by its own factor (`lcodec.effort.measure`): then the picture need not be coded before. Or the choice
starts from a picture that is coded already, and goes through it as the coder does, step by step: before each step the
latents that it codes move, to make up for the errors of all others as they are at that time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lcodec.entropy.cost import symbol_bits
from lcodec.entropy.model import MEAN_STEPS
from lcodec.networks.steps import STEPS, Place, places

__all__ = ["Compensate", "Rdoq"]

Floats = npt.NDArray[np.float32]
#: Moves some latents, in place, to make up for the errors of the others: (latents (h, w, C) in quantisation steps,
#: mask of those to move).
Compensate = Callable[[Floats, npt.NDArray[np.bool_]], None]


class Rdoq:
    """Chooses the symbols of one picture: the `choose` of `EntropyModel.encode`, for one pass or several."""

    #: Called before the steps of coding; each pass may have another.
    compensate: Compensate | None = None

    def __init__(
        self,
        latents: Floats,
        weights: Floats,
        decoded: Floats | None = None,
        stretch: Floats | None = None,
    ) -> None:
        """Begin a picture.

        Args:
            latents: (h, w, C) in quantisation steps.
            weights: (C,) bits that a squared error of one step is worth.
            decoded: (h, w, C), as `latents` were decoded from an earlier code; needed to compensate.
            stretch: (C,) factors of the distances from the predicted means; 1 if left out.
        """
        self._wanted = latents.copy()
        self._decoded = np.zeros_like(latents) if decoded is None else decoded.copy()
        self._weights, self._stretch = weights, stretch
        self._step = len(STEPS)  #: that the latest batch was of; several bands of a picture share one

    def __call__(
        self, step: int, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        """Choose the symbols of one batch."""
        if step != self._step:
            self._step = step
            self._begin_step()
        shapes = [self._wanted[place].shape for place in where]

        def of_channels(table: Floats) -> Floats:
            parts = (np.broadcast_to(table[at[2]], shape) for at, shape in zip(where, shapes, strict=True))
            return np.concatenate([part.ravel() for part in parts])

        centres = (means / MEAN_STEPS).astype(np.float32)
        distances = np.concatenate([self._wanted[place].ravel() for place in where]) - centres
        if self._stretch is not None:
            distances *= of_channels(self._stretch)
        symbols = _cheapest(distances, of_channels(self._weights), indexes)
        decoded, begin = symbols + centres, 0
        for place, shape in zip(where, shapes, strict=True):
            end = begin + int(np.prod(shape))
            self._decoded[place] = decoded[begin:end].reshape(shape)
            begin = end
        return symbols.astype(np.int32)

    def again(self, factor: float) -> Rdoq:
        """The choice once more, of latents as they stand now, with weights so many times as heavy."""
        return Rdoq(self._wanted, self._weights * np.float32(factor), stretch=self._stretch)

    def _begin_step(self) -> None:
        """Move what this step codes."""
        if self.compensate is None:
            return
        moving = np.zeros(self._wanted.shape, np.bool_)
        for place in places(self._step, self._wanted.shape[2]):
            moving[place] = True
        values = np.where(moving, self._wanted, self._decoded)
        self.compensate(values, moving)
        np.copyto(self._wanted, values, where=moving)


def _cheapest(wanted: Floats, weights: Floats, indexes: npt.NDArray[np.uint8]) -> Floats:
    """Of the symbols around `wanted` (n,) those that cost least: (n,), whole numbers."""
    nearest = np.rint(wanted)
    best, least = nearest, np.full(len(wanted), np.inf, np.float32)
    # Toward zero symbols are nearly always cheaper; the other neighbour is worth a look only beyond the nearest.
    for candidate in (nearest, nearest - np.sign(nearest), nearest + np.sign(wanted - nearest)):
        cost = symbol_bits(indexes, candidate.astype(np.int32)) + weights * np.square(wanted - candidate)
        better = cost < least
        best, least = np.where(better, candidate, best), np.where(better, cost, least)
    return best
