"""The float networks as stages of the spine: pixels of a region -> latents -> hyper-latents, and latents -> pixels.

Each runs in tiles on an `Engine`, at one quality. Below, C is the number of latents of the model, Z that of
hyper-latents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.entropy.section import MEAN_STEPS
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Region, window_of
from lcodec.networks.gains import gain_at
from lcodec.networks.generator import noise
from lcodec.networks.hyperprior import HYPER_HALO, HYPER_STRIDE, hyper_analysis
from lcodec.networks.tiling import map_tiles, tiles
from lcodec.networks.transforms import FINE_STRIDE, LATENT_STRIDE, analysis, synthesis
from lcodec.zoo import Model

__all__ = ["Analyses", "Synthesis", "colour", "pad"]

#: Largest side of a tile, in latents (1024 pixels).
TILE = 64


class Analyses:
    """What an encoder runs: analysis and hyper-analysis."""

    def __init__(self, engine: Engine, model: Model, quality_step: int) -> None:
        """Place a model's networks on an engine, for a quality step."""
        self._engine = engine
        self._ops = engine.ops(model.encoder)
        self._gain = engine.place(gain_at(model.encoder["gain.analysis"], quality_step))
        self._sizes = model.architecture

    def latents(self, pixels: npt.NDArray[np.uint8], region: Region) -> npt.NDArray[np.float32]:
        """Latents (h, w, C) of a region of a whole picture (H, W, 1 or 3)."""
        latents = np.empty((*region.size, self._sizes.latents), np.float32)
        halo, origin = self._sizes.analysis_halo, (region.top, region.left)
        for window, place, edges, _ in tiles(pixels, latents, tile=TILE, halo=halo, down=LATENT_STRIDE, origin=origin):
            normalised = colour(pad(window, LATENT_STRIDE)) / np.float32(255) - np.float32(0.5)
            place[...] = self._engine.fetch(analysis(self._ops, self._engine.place(normalised), self._gain, edges))[0]
        return latents

    def hyper_latents(self, latents: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Hyper-latents (ceil(h/4), ceil(w/4), Z) of a region's latents (h, w, C)."""

        def run(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            placed = self._engine.place(pad(window, HYPER_STRIDE))
            return self._engine.fetch(hyper_analysis(self._ops, placed))

        height, width = (-(-side // HYPER_STRIDE) for side in latents.shape[:2])
        hyper_latents = np.empty((height, width, self._sizes.hyper_latents), np.float32)
        map_tiles(run, latents, hyper_latents, tile=TILE // HYPER_STRIDE, halo=HYPER_HALO, down=HYPER_STRIDE)
        return hyper_latents


class Synthesis:
    """What a decoder runs, the mirror of `Analyses.latents`."""

    def __init__(self, engine: Engine, model: Model, quality_step: int) -> None:
        """Place a model's synthesis on an engine, for a quality step."""
        self._engine, self._sizes = engine, model.architecture
        self._ops = engine.ops(model.decoder)
        self._inverse = gain_at(model.decoder["gain.inverse"], quality_step) / np.float32(MEAN_STEPS)
        self._gain = engine.place(gain_at(model.decoder["gain.synthesis"], quality_step))

    def pixels(
        self, window: npt.NDArray[np.int32], origin: tuple[int, int], region: Region, pixels: npt.NDArray[np.uint8]
    ) -> None:
        """Fill a region of a whole picture.

        Args:
            window: (h, w, C), decoded latents of the region and of a halo around it, in 1/16 of a quantisation step.
            origin: row and column of the region's first latent in the window.
            region: of the picture.
            pixels: (H, W, 1 or 3), the picture, written to.
        """
        target = window_of(region, pixels)
        halo = self._sizes.synthesis_halo
        cut = tiles(window, target, tile=TILE, halo=halo, up=LATENT_STRIDE, origin=origin)
        for latents, place, edges, (row, column) in cut:
            placed = self._engine.place(latents * self._inverse)
            noise_there = self._noise(region.top - origin[0] + row, region.left - origin[1] + column, latents)
            samples = self._engine.fetch(synthesis(self._ops, placed, self._gain, noise_there, edges))
            samples = samples[0, : place.shape[0], : place.shape[1]]
            samples = np.rint((samples + np.float32(0.5)) * np.float32(255)).clip(0, 255)
            place[...] = np.rint(samples.mean(axis=2, keepdims=True)) if pixels.shape[2] == 1 else samples

    def alone(self, values: npt.NDArray[np.int32], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Pixels (H, W, 1 or 3) of a region by itself, without those around it: of its decoded latents (h, w, C)."""
        pixels = np.empty(shape, np.uint8)
        self.pixels(values, (0, 0), Region(0, 0, *values.shape[:2]), pixels)
        return pixels

    def _noise(self, top: int, left: int, latents: npt.NDArray[np.int32]) -> Any:
        """Noise for latents (1, h, w, C) of which the first is in this row and column of the picture's."""
        if not self._sizes.noise:
            return None
        finer = LATENT_STRIDE // FINE_STRIDE
        height, width = (finer * side for side in latents.shape[1:3])
        return self._engine.place(noise(finer * top, finer * left, height, width, self._sizes.noise)[None])


def pad(x: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    """Repeat the last row and column until both sides are multiples of `multiple`. x: (1, H, W, C)."""
    below, after = -x.shape[1] % multiple, -x.shape[2] % multiple
    return np.pad(x, ((0, 0), (0, below), (0, after), (0, 0)), mode="edge") if below or after else x


def colour(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Samples (..., 3) of grey ones (..., 1), or of colour as they are."""
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
