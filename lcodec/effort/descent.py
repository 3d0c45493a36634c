"""The synthesis as the encoder sees it: how much an error of each channel shows, and how errors make up for another.

On NumPy alone, through `lcodec.networks.ops_tape`, tile by tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.networks.ops import shuffle, unshuffle
from lcodec.networks.ops_tape import TapeOps, Traced
from lcodec.networks.tiling import map_tiles
from lcodec.networks.transforms import LATENT_STRIDE, synthesis

__all__ = ["Descent"]

Floats = npt.NDArray[np.float32]
#: Largest side of a tile, in latents: a photo of 768x512 is one, without a halo.
TILE = 48
#: Side of the part of a picture that sensitivities are measured on, in latents.
PROBE = 24


class Descent:
    """Squared error of one picture as a function of its latents, in quantisation steps."""

    def __init__(
        self,
        arrays: dict[str, Floats],
        halo: int,
        inverse: Floats,
        gain: Floats,
        pixels: npt.NDArray[np.uint8],
        latents: Floats,
    ) -> None:
        """Measure the sensitivities around `latents`.

        Args:
            arrays: of the synthesis.
            halo: latents that a tile of it needs around it.
            inverse: (C,) standard deviations in a quantisation step.
            gain: (F,) factors of the synthesis's fine features.
            pixels: (16 h, 16 w, 3).
            latents: (h, w, C), in quantisation steps.
        """
        self._ops: Any = TapeOps(arrays)
        self._inverse, self._gain, self._halo = inverse, gain, halo
        self._cells = unshuffle(pixels[None], LATENT_STRIDE)[0]  # pixels on the grid of the latents, for tiles
        top, left = (max(0, (side - PROBE) // 2) for side in latents.shape[:2])
        self.sensitivity = self._probe(latents[None, top : top + PROBE, left : left + PROBE])

    def _decode(self, latents: Floats) -> tuple[Traced, Traced]:
        start = Traced.start(latents)
        return start, synthesis(self._ops, start * self._inverse, self._gain)

    def _probe(self, latents: Floats) -> Floats:
        """Sum over pixels of the squared derivative, on the scale 0..255, by each channel's latents: (C,).

        Hutchinson's estimator: with random signs v, E (J^T v)^2 is the squared norm of each column of J.
        """
        start, decoded = self._decode(latents)
        signs = np.random.default_rng(0).choice(np.array([-255, 255], np.float32), decoded.value.shape)
        gradient = decoded.gradient(start, signs)
        sensitivity: Floats = np.square(gradient).mean(axis=(0, 1, 2))
        # A channel that hardly shows must not move without bounds.
        return sensitivity.clip(min=sensitivity.max() / 1000)

    def move(self, latents: Floats, moving: npt.NDArray[np.bool_], rate: float) -> None:
        """Take one step of gradient descent on the squared error, scaled by the sensitivities, in place.

        Args:
            latents: (h, w, C).
            moving: (h, w, C), which of them to move.
            rate: 1 would be Newton's step if latents did not interact.
        """
        moves = np.empty(latents.shape, np.float32)
        channels = latents.shape[2]

        def moves_of(window: Floats) -> Floats:
            start, decoded = self._decode(np.ascontiguousarray(window[..., :channels]))
            pixels = unshuffle(decoded.value, LATENT_STRIDE)
            errors = (pixels + np.float32(0.5)) * np.float32(255) - window[..., channels:]
            cotangent = shuffle(errors, LATENT_STRIDE) * np.float32(255)
            moved: Floats = decoded.gradient(start, cotangent) * (-rate / self.sensitivity)
            return moved

        both = np.concatenate((latents, self._cells.astype(np.float32)), axis=-1)
        map_tiles(moves_of, both, moves, tile=TILE, halo=self._halo)
        np.add(latents, moves, out=latents, where=moving)
