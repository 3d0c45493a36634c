"""The goal of a model: a trade of rate against distortion, for which it is trained and with which effort goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AIMS", "LAMBDA_RANGE", "MS_SSIM_WEIGHT", "UNSAID", "Aim", "Goal"]

#: The distortions that a model can be trained for; `lcodec.metrics.differentiable` has each of them.
Aim = Literal["mse", "ms-ssim"]
AIMS: tuple[Aim, ...] = get_args(Aim)

Quality = TypeVar("Quality", float, "Tensor")

#: lambda at quality 0 and 1 of models trained from now on: 25 to 44 dB on Kodak.
LAMBDA_RANGE = (0.0003, 0.72)
#: MS-SSIM enters as MS_SSIM_WEIGHT (1 - MS-SSIM), which puts lambda = 0.0012..0.12 at the multipliers 2.4..240 that
#: Balle et al. 2018 and CompressAI train MS-SSIM models with.
MS_SSIM_WEIGHT = 2000.0


@dataclass(frozen=True)
class Goal:
    """Least rate + lambda x distortion, lambda growing with quality."""

    aim: Aim = "mse"
    #: lambda at quality 0 and 1, log-linear in between: bits per pixel that a unit of mean squared error (on 0..255) is
    #: worth.
    lambdas: tuple[float, float] = LAMBDA_RANGE

    def multiplier(self, quality: Quality) -> Quality:
        """Lagrange multiplier lambda at a quality in [0, 1], or at those in a tensor."""
        low, high = self.lambdas
        multiplier: Quality = low * (high / low) ** quality
        return multiplier

    def metadata(self) -> dict[str, str]:
        """What a model file or a training state says of it."""
        return {"aim": self.aim, "lambdas": " ".join(map(repr, self.lambdas))}

    @classmethod
    def of(cls, metadata: Mapping[str, str] | None) -> Goal:
        """Read what `metadata` made; what is not said is as in `UNSAID`.

        Raises:
            ValueError: it does not mean a goal, or one that this version does not know.
        """
        said = UNSAID.metadata() | dict(metadata or {})
        low, high = map(float, said["lambdas"].split())
        if not 0 < low < high < math.inf:
            raise ValueError(f"lambda from {low} to {high}")
        for aim in AIMS:
            if aim == said["aim"]:
                return cls(aim, (low, high))
        raise ValueError(f"{said['aim']!r} is not something to train for (one of {', '.join(AIMS)})")


#: What the first models were trained for, whose files do not say it.
UNSAID = Goal("mse", (0.0012, 0.12))
