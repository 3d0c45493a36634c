"""The objective of the codec's models: rate + lambda x distortion (`lcodec.training.objective`), one group of all.

Figures are bits per pixel and PSNR beside the loss; what is validated is the rate of rounded symbols, at five
qualities; what comes out is a model file with its entropy networks in fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from lcodec.effort.measure import measure_choice
from lcodec.errors import LcodecError
from lcodec.goal import Goal
from lcodec.metrics.differentiable import MIN_CROP
from lcodec.training.export import model_arrays, write_model
from lcodec.training.objective import objective
from lcodec.training.parameters import FIXED, Parameters, passed_on, size_name
from lcodec.training.protocol import Batch, Finished, Group, Losses, TrainingObjective
from lcodec.training.rounding import LOSS_MAX, rounding_loss
from lcodec.zoo import as_model

__all__ = ["VALID_QUALITIES", "RateDistortion"]

#: Qualities at which validation photos are coded.
VALID_QUALITIES = (0.1, 0.3, 0.5, 0.7, 0.9)


def _psnr(mse: Tensor) -> Tensor:
    """PSNR in dB of mean squared errors on the 0..255 scale."""
    return 10 * torch.log10(255**2 / mse.clamp(min=1e-9))


class RateDistortion(TrainingObjective):
    """Trains every network of the codec for a goal, at all qualities."""

    figures = ("loss", "bpp", "psnr")

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.min_crop = MIN_CROP[goal.aim]

    def groups(self, params: Parameters) -> list[Group]:
        # Sorted, so that sums over parameters do not depend on whether the state came from a file.
        return [Group("networks", sorted(name for name in params if not name.startswith(FIXED)))]

    def cast(self, params: Parameters) -> Collection[str]:
        return passed_on(params)

    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:  # noqa: ARG002
        result = objective(params, batch.crops, batch.quality, noise, self.goal, batch.weight)
        figures = {"loss": result.loss, "bpp": result.bpp.mean(), "psnr": _psnr(result.mse).mean()}
        return Losses([result.loss], figures)

    def metadata(self) -> dict[str, str]:
        return self.goal.metadata()

    def measure(self, params: Parameters, photo: Tensor) -> list[float]:
        """Rate of rounded symbols, PSNR and loss at each of VALID_QUALITIES."""
        figures = []
        for quality in VALID_QUALITIES:
            result = objective(params, photo, torch.tensor([quality], device=photo.device), None, self.goal)
            figures += [float(result.bpp), float(_psnr(result.mse.double())), float(result.loss)]
        return figures

    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        rows = [
            {"quality": quality, "bpp": round(bpp, 5), "psnr": round(psnr, 4)}
            for quality, bpp, psnr in zip(VALID_QUALITIES, means[0::3], means[1::3], strict=True)
        ]
        return {"valid": rows, "valid_loss": round(math.fsum(means[2::3]) / len(rows), 5)}

    def export(self, finished: Finished) -> list[str]:
        """Write a model file; fixed point is measured on the photos, effort on those of the training."""
        try:
            arrays = model_arrays(finished.params)
        except ValueError as error:
            raise LcodecError(
                f"the trained networks cannot be exported: {error}; the run's folder keeps them"
            ) from error
        cost = rounding_loss(finished.params, arrays, finished.photos)
        arrays |= measure_choice(as_model(arrays, finished.name, self.goal), finished.trained, finished.larger)
        low, high = self.goal.lambdas
        rows = {
            "aim": self.goal.aim,
            "size": size_name(finished.params),
            "lambda": f"{low:g} to {high:g} times the distortion, log-linear in quality",
            "fixed point costs": f"{cost:+.3%} of the rate",
        }
        summary = f"{self.goal.aim}, {finished.summary}"
        card = finished.card(rows)
        entry = write_model(finished.folder, finished.name, self.goal, summary, arrays, card)
        return [
            f"fixed point costs {cost:+.3%} of the rate (at most {LOSS_MAX:.1%} is expected)",
            f"{entry.path}: {entry.size / 1e6:.1f} MB, {entry.entropy_id}-{entry.synthesis_id}",
        ]
