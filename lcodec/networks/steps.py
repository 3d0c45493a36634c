"""Latents taken apart into what is coded at a time: 2x2 positions by channel groups (see `hyperprior.STEPS`), in torch.

Taken apart once and put together with `whole`, each part gets its gradient without a copy of all the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lcodec.networks.hyperprior import GROUPS

__all__ = ["cells", "positions", "whole"]


def cells(x: Tensor) -> list[list[Tensor]]:
    """(N, H, W, C), H and W even -> [position of the 2x2 cell][channel group], each (N, H/2, W/2, C/4)."""
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // 2, 2, width // 2, 2, GROUPS, channels // GROUPS)
    return [list(split[:, :, row, :, column].unbind(3)) for row in (0, 1) for column in (0, 1)]


def positions(x: Tensor) -> list[Tensor]:
    """(N, H, W, C), H and W even -> the four positions of the 2x2 cell, each (N, H/2, W/2, C)."""
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return [half for row in split.unbind(2) for half in row.unbind(3)]


def whole(parts: list[list[Tensor]]) -> Tensor:
    """The inverse of `cells`: (N, H, W, C)."""
    joined = [torch.cat(groups, dim=-1) for groups in parts]
    batch, height, width, channels = joined[0].shape
    stacked = torch.stack(joined, dim=3).reshape(batch, height, width, 2, 2, channels)
    return stacked.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels)
