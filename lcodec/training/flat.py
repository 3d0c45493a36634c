"""Named tensors as one vector: cast, averaged and added over processes by one kernel each, and seen by their names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Flat"]


class Flat:
    """A float32 vector that named tensors are views of."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy `tensors` into a vector on their device, in their order."""
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self.vector = torch.cat([tensor.detach().reshape(-1) for tensor in tensors.values()])
        self.tensors = self.views(self.vector)

    def __len__(self) -> int:
        return len(self.vector)

    def views(self, vector: Tensor) -> dict[str, Tensor]:
        """Parts of another vector of this length, of any type, by name."""
        parts = torch.split(vector, [shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
