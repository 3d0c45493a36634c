"""The integers of the entropy model that depend on quality: quantisation steps, and the scales that predictions add to.

A model has them as tables of anchors, `quality.*`; between these they are linear (`lcodec.networks.gains`). Below, C is
the number of latents and Z that of hyper-latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.entropy.integer import ACTIVATION_BITS, EXPONENT_MAX
from lcodec.entropy.tables import EXP2_SIZE, SCALES
from lcodec.errors import ModelError
from lcodec.networks.gains import interpolate

__all__ = ["AtQuality", "Qualities", "index_of"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AtQuality:
    """The model's integers at one quality."""

    gain: Integers  #: (C,) log2 of the quantisation steps in a latent's standard deviation, in 1/1024
    scale: Integers  #: (C,) added to predicted scales; a table index is 4096
    hyper_gain: Integers  #: (Z,) log2 of the steps in a unit of a hyper-latent, in 1/1024
    hyper_scale: Integers  #: (Z,) as `scale`

    @property
    def steps(self) -> npt.NDArray[np.float64]:
        """Quantisation steps in a latent's standard deviation, (C,)."""
        return np.exp2(self.gain / EXP2_SIZE)

    @property
    def hyper_steps(self) -> npt.NDArray[np.float64]:
        """Quantisation steps in a unit of a hyper-latent, (Z,)."""
        return np.exp2(self.hyper_gain / EXP2_SIZE)

    @property
    def hyper_index(self) -> npt.NDArray[np.uint8]:
        """Table of each channel of the hyper-latents before their context says more, (Z,)."""
        return index_of(self.hyper_scale)


class Qualities:
    """The tables of a model."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take quality.{gain,scale,hyper_gain,hyper_scale}, int32 (A, C or Z).

        Raises:
            ModelError: one is missing, or out of range.
        """
        names = ("gain", "scale", "hyper_gain", "hyper_scale")
        try:
            self._tables = [arrays[f"quality.{name}"] for name in names]
        except KeyError as error:
            raise ModelError(f"the model has no {error.args[0]}") from error
        gains = [table.astype(np.int64) for table in self._tables[::2]]
        if any(np.abs(gain).max() > EXPONENT_MAX for gain in gains):
            raise ModelError("the model's gains are out of range")
        self.channels, self.hyper_channels = (gain.shape[1] for gain in gains)

    def at(self, quality_step: int) -> AtQuality:
        """Integers at a quality step, 0..QUALITY_STEPS."""
        return AtQuality(*(interpolate(table, quality_step) for table in self._tables))


def index_of(scale: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Nearest table of scales in 1/4096 of an index."""
    half = 1 << (ACTIVATION_BITS - 1)
    index: npt.NDArray[np.uint8] = np.floor((scale + half) * 0.5**ACTIVATION_BITS).clip(0, SCALES - 1).astype(np.uint8)
    return index
