"""What the training loop is told: a `TrainingObjective` says what is trained, what a step computes and what comes out.

The loop (`lcodec.training.loop`) knows photos, crops, optimisers, averages, resuming, recording and signals; it knows
nothing of rates, critics or metrics. `lcodec.training.rate_distortion` is the objective of the shipped models. A
generator with a critic is one of two groups; a metric trained on pairs of frames is one whose `frames` is 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.training.parameters import Parameters
from lcodec.training.settings import Settings

__all__ = ["Batch", "Finished", "Group", "Losses", "TrainingObjective"]


@dataclass(frozen=True)
class Group:
    """Parameters that minimise a loss of their own, with an Adam of their own."""

    name: str
    parameters: Sequence[str]  #: names of tensors, in the order of sums over them
    learning_rate_factor: float = 1.0  #: times the learning rate of the run
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 20.0  #: a gradient of a larger norm is shortened to it


class Batch(NamedTuple):
    """What a step computes with, on the device. No value of it may decide in Python what is computed: see `kind`."""

    crops: Tensor  #: (N, H, W, 3 frames) uint8
    quality: Tensor  #: (N,) in [0, 1]
    weight: Tensor  #: (N,) what the loss of each crop counts, 1 in the mean
    step: Tensor  #: () float32, steps taken before this one, for what is ramped in


class Losses(NamedTuple):
    """What a step computes."""

    losses: Sequence[Tensor]  #: a scalar for each group, which is differentiated in the group's parameters alone
    figures: Mapping[str, Tensor]  #: scalars for the log, without a gradient: the objective's `figures`, in any order
    kept: Mapping[str, Tensor] = {}  #: new values of the objective's `kept`, float32, averaged over processes


@dataclass(frozen=True)
class Finished:
    """A run that is done, for `TrainingObjective.export`."""

    folder: Path  #: to write into
    name: str  #: of what is written
    summary: str  #: how long it was trained
    params: Parameters  #: the average to export, and all that is not trained
    photos: Sequence[npt.NDArray[np.uint8]]  #: a few to measure on, sides multiples of 64
    trained: Sequence[npt.NDArray[np.uint8]]  #: likewise, smaller, and of those it was trained on: to choose by
    larger: Sequence[npt.NDArray[np.uint8]]  #: likewise, fewer and larger
    card: Callable[[Mapping[str, str]], str]  #: Markdown that says how it was made; the objective's rows come first


class TrainingObjective(ABC):
    """What is trained, and for what.

    Parameters are named tensors. Those that no group names stay as they are, but for those in `kept`. All are in the
    state of a run, and what goes on from a state has them all.
    """

    #: Names of what a step reports, in the order of the log. The first is the loss.
    figures: Sequence[str] = ("loss",)
    #: Names of untrained float32 parameters that each step sets anew: running means, weights that balance losses.
    kept: Sequence[str] = ()
    #: Pictures in a crop, side by side in its channels: 2 is for pairs (`lcodec.training.data.load_pairs`).
    frames: int = 1
    #: Smallest side of a crop or photo, a multiple of 64.
    min_crop: int = 64
    #: Of a run, at its peak, unless another is asked for; so the crops of a process and step, and their side.
    learning_rate: float = Settings.learning_rate
    batch: int = Settings.batch
    crop: int = Settings.crop
    #: Whether fewer crops of twice the side may end a run (`lcodec.training.loop`).
    enlarges: bool = True

    @abstractmethod
    def groups(self, params: Parameters) -> Sequence[Group]:
        """What is trained of `params`, in the order of `Losses.losses`. No parameter is in two groups."""

    @abstractmethod
    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:
        """Losses of a batch. On a GPU the kernels are recorded, once for each kind of step and shape of a batch.

        Args:
            params: all parameters. Those in `cast` come in bfloat16 where that is the faster type; then networks run
                under autocast.
            batch: to compute with.
            noise: seeded from the run's seed and the step; no other randomness.
            kind: of the step.
        """

    def cast(self, params: Parameters) -> Collection[str]:  # noqa: ARG002
        """Names of trained parameters that networks take as they are, and can take in bfloat16 as well."""
        return ()

    def kind(self, step: int) -> Hashable:  # noqa: ARG002
        """What a step computes where not all compute the same: a penalty in one of eight, say."""
        return None

    def qualities(self, uniform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Qualities (N,) of a batch from numbers (N,), one from each of N equal parts of [0, 1]."""
        return uniform

    def metadata(self) -> dict[str, str]:
        """What the state of a run says of its objective."""
        return {}

    @abstractmethod
    def measure(self, params: Parameters, photo: Tensor) -> Sequence[float]:
        """Figures of a validation photo (1, H, W, 3 frames) uint8, sides multiples of 64, always as many."""

    @abstractmethod
    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        """Means of `measure` over all validation photos, for the log. "valid_loss" says which average is the best."""

    @abstractmethod
    def export(self, finished: Finished) -> list[str]:
        """Write what was trained, and return what there is to say of it, in lines.

        Raises:
            LcodecError: it cannot be exported.
        """
