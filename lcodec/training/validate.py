"""Validation: what an objective measures on whole photos that it is not trained on, shared out among processes."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist

from lcodec.training.data import Photos
from lcodec.training.parameters import Parameters
from lcodec.training.protocol import TrainingObjective

__all__ = ["Validation"]


class Validation:
    """Photos to validate on, cut to multiples of 64; those with a side under the objective's smallest are left out."""

    def __init__(
        self, objective: TrainingObjective, photos: Photos | None, device: torch.device, rank: int, world: int
    ) -> None:
        self.objective, self.world = objective, world
        sizes = [] if photos is None else photos.sizes.tolist()
        used = [index for index, size in enumerate(sizes) if min(size) >= objective.min_crop]
        self.photos = []
        for index in used[rank::world] if photos is not None else []:
            height, width = (side // 64 * 64 for side in sizes[index])
            cut = torch.from_numpy(photos.photo(index)[None, :height, :width].copy())  # type: ignore[union-attr]
            self.photos.append(cut.to(device))
        #: What is validated on, to tell it from what another sitting of the run validates on; "" is nothing.
        self.name = f"{len(used)} photos of {sum(math.prod(sizes[index]) for index in used)} pixels" if used else ""

    def __call__(self, params: Parameters) -> dict[str, Any]:
        """Figures for the log; every process must ask, and gets the same."""
        with torch.no_grad():
            figures = [list(self.objective.measure(params, photo)) for photo in self.photos]
        if self.world > 1:
            of_all: list[list[list[float]]] = [[] for _ in range(self.world)]
            dist.all_gather_object(of_all, figures)
            figures = [row for part in of_all for row in part]
        return self.objective.validation([math.fsum(column) / len(figures) for column in zip(*figures, strict=True)])
