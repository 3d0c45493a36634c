"""Rate-distortion optimised quantisation: symbols that cost less than the nearest ones, where that harms little.

Of each latent the nearest symbol and those on both sides of it compete by their cost in bits, as the coder's own tables
have it, plus distortion (Sullivan and Wiegand, "Rate-distortion optimization for video compression", 1998). The
distortion is a weight of
the channel times the squared error of the latent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lcodec.entropy.cost import symbol_bits
from lcodec.entropy.model import MEAN_STEPS, Place

__all__ = ["Compensate", "Rdoq"]

Floats = npt.NDArray[np.float32]
#: Moves latents that are still free, in place, to make up for the errors of those that are coded:
#: (latents (h, w, 320) in quantisation steps, mask of the free ones).
Compensate = Callable[[Floats, npt.NDArray[np.bool_]], None]


class Rdoq:
    """Chooses the symbols of one picture: the `choose` of `EntropyModel.encode`."""

    def __init__(self, latents: Floats, weights: Floats, compensate: Compensate | None = None) -> None:
        """Begin a picture.

        Args:
            latents: (h, w, 320) in quantisation steps.
            weights: (320,) bits that a squared error of one step is worth.
            compensate: called between the steps of coding.
        """
        self._latents, self._weights, self._compensate = latents.copy(), weights, compensate
        self._free = np.ones(latents.shape, np.bool_)
        self._cell: tuple[int, int] | None = None

    def __call__(
        self, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        """Choose the symbols of one batch."""
        rows, columns, _ = where[0]
        cell = rows.start % 2, columns.start  # of the first group; another in every step
        if self._compensate and self._cell not in {None, cell}:
            self._compensate(self._latents, self._free)
        self._cell = cell
        shapes = [self._latents[place].shape for place in where]
        wanted = np.concatenate([self._latents[place].ravel() for place in where])
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
            self._latents[place] = decoded[begin:end].reshape(shape)
            self._free[place] = False
            begin = end
        return symbols.astype(np.int32)


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
