"""A data set of .lcdc files, in a module that the workers of a DataLoader can import at little cost."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import Dataset

from lcodec import codec
from lcodec.zoo import Zoo


class Coded(Dataset[torch.Tensor]):
    """Decodes with a zoo of its own, which travels to the workers."""

    def __init__(self, paths: list[Path], zoo: Zoo) -> None:
        self.paths, self.zoo = paths, zoo

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(codec.decode(self.paths[index].read_bytes(), self.zoo, device="cpu").pixels)
