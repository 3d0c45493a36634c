"""Rate-distortion optimised quantisation: symbols that cost less than the nearest ones, where that harms little.

Of each latent the nearest symbol and those on both sides of it compete by their cost in bits, as the coder's own tables
have it, plus distortion (Sullivan and Wiegand, "Rate-distortion optimization for video compression", 1998). The
distortion is a weight of the channel times the squared error of the latent.

The choice starts from a picture that is coded already, and goes through it as the coder does, step by step: before each
step the latents that it codes move, to make up for the errors of all others as they are at that time.
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

    def __init__(self, latents: Floats, decoded: Floats, weights: Floats, together: int = 1) -> None:
        """Begin a picture.

        Args:
            latents: (h, w, C) in quantisation steps.
            decoded: (h, w, C), likewise, as they were decoded from an earlier code.
            weights: (C,) bits that a squared error of one step is worth.
            together: steps of coding, 1, 2 or 4, for which latents are moved at a time.
        """
        self._wanted, self._decoded = latents.copy(), decoded.copy()
        self._weights, self._together = weights, together
        self._step = len(STEPS)  #: that the latest batch was of; several bands of a picture share one

    def __call__(
        self, step: int, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        """Choose the symbols of one batch."""
        if step != self._step:
            self._step = step
            self._begin_step()
        shapes = [self._wanted[place].shape for place in where]
        wanted = np.concatenate([self._wanted[place].ravel() for place in where])
        weights = np.concatenate(
            [
                np.broadcast_to(self._weights[place[2]], shape).ravel()
                for place, shape in zip(where, shapes, strict=True)
            ]
        )
        centres = (means / MEAN_STEPS).astype(np.float32)
        symbols = _cheapest(wanted - centres, weights, indexes)
        decoded, begin = symbols + centres, 0
        for place, shape in zip(where, shapes, strict=True):
            end = begin + int(np.prod(shape))
            self._decoded[place] = decoded[begin:end].reshape(shape)
            begin = end
        return symbols.astype(np.int32)

    def _begin_step(self) -> None:
        """Move what this step codes, and what those code that share its move."""
        if self.compensate is None or self._step % self._together:
            return
        moving = np.zeros(self._wanted.shape, np.bool_)
        for step in range(self._step, self._step + self._together):
            for place in places(step, self._wanted.shape[2]):
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
