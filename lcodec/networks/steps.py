"""The order in which latents are coded: four steps over 2x2 positions and four groups of channels, and a walk over it.

The quadtree partition of Li, Li and Lu, "Neural video compression with diverse contexts" (2023, section 3.3). The exact
walk, in integers, is `lcodec.entropy.model`; that here, in floating point and differentiable, is what training and the
refinement of latents share. Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lcodec.networks.hyperprior import context, correction

if TYPE_CHECKING:
    from torch import Tensor

    from lcodec.networks.ops_torch import TorchOps

__all__ = ["GROUPS", "STEPS", "Cell", "Place", "cells", "places", "walk"]

#: The latents' channels are cut into this many equal groups.
GROUPS = 4
#: STEPS[s][g] is the (row, column) of the 2x2 cell that group g codes in step s: every (position, group) comes
#: once, each step codes a quarter of the latents, and each position sees another group at every step.
STEPS = (
    ((0, 0), (1, 1), (0, 1), (1, 0)),
    ((1, 1), (0, 0), (1, 0), (0, 1)),
    ((0, 1), (1, 0), (0, 0), (1, 1)),
    ((1, 0), (0, 1), (1, 1), (0, 0)),
)

#: Rows, columns and channels of latents.
Place = tuple[slice, slice, slice]
#: Position in the 2x2 cell, 0 to 3 in rows, and channel group.
Cell = tuple[int, int]


def places(step: int, channels: int) -> list[Place]:
    """Where `step`, 0 to 3, codes: the places of the channel groups, in the order of coding."""
    width = channels // GROUPS
    return [
        (slice(row, None, 2), slice(column, None, 2), slice(group * width, (group + 1) * width))
        for group, (row, column) in enumerate(STEPS[step])
    ]


def walk(
    ops: TorchOps,
    features: Tensor,
    steps: Tensor,
    code: Callable[[Cell, Tensor, Tensor], Tensor],
) -> Tensor:
    """Go through the latents in the order of coding, each step seeing what those before it decoded.

    Args:
        ops: the entropy networks.
        features: (N, h, w, H), of `hyper_synthesis`.
        steps: (N or 1, 1, 1, C), quantisation steps in a latent's standard deviation.
        code: given a cell, its predicted log-scales and its means in quantisation steps, both (N, ceil(h/2),
            ceil(w/2), C/4) in float32, returns its decoded latents, of that shape, in quantisation steps.

    Returns:
        Decoded latents (N, h, w, C), in quantisation steps.
    """
    height, width = features.shape[1:3]
    feature_cells, gains = _positions(features), steps.chunk(GROUPS, dim=-1)
    empty = feature_cells[0].new_zeros((*feature_cells[0].shape[:3], gains[0].shape[-1]), dtype=steps.dtype)
    decoded = [[empty] * GROUPS for _ in feature_cells]
    for step, positions in enumerate(STEPS):
        hidden = None
        if step:
            known = (_whole(decoded)[:, :height, :width] / steps).to(features.dtype)
            hidden = _positions(context(ops, step, known, features))
        for group, (row, column) in enumerate(positions):
            at = 2 * row + column
            predicted = correction(ops, group, feature_cells[at], base=True).float()
            if hidden is not None:
                predicted = predicted + correction(ops, group, hidden[at], base=False).float()
            log_scale, mean = predicted.chunk(2, dim=-1)
            decoded[at][group] = code((at, group), log_scale, mean * gains[group])
    return _whole(decoded)[:, :height, :width]


def cells(x: Tensor) -> list[list[Tensor]]:
    """(N, h, w, C) -> [position of the 2x2 cell][channel group], each (N, ceil(h/2), ceil(w/2), C/4), 0 past an edge.

    Taken apart once and put together by `walk`, each part gets its gradient without a copy of all the others.
    """
    x = _even(x)
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // 2, 2, width // 2, 2, GROUPS, channels // GROUPS)
    return [list(split[:, :, row, :, column].unbind(3)) for row in (0, 1) for column in (0, 1)]


def _positions(x: Tensor) -> list[Tensor]:
    """(N, h, w, C) -> the four positions of the 2x2 cell, each (N, ceil(h/2), ceil(w/2), C)."""
    x = _even(x)
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return [half for row in split.unbind(2) for half in row.unbind(3)]


def _whole(parts: list[list[Tensor]]) -> Tensor:
    """The inverse of `cells`, with even sides: (N, h, w, C)."""
    import torch

    joined = [torch.cat(groups, dim=-1) for groups in parts]
    batch, height, width, channels = joined[0].shape
    stacked = torch.stack(joined, dim=3).reshape(batch, height, width, 2, 2, channels)
    return stacked.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels)


def _even(x: Tensor) -> Tensor:
    """Append zeros to (N, h, w, C) until h and w are even."""
    from torch.nn.functional import pad

    below, after = x.shape[1] % 2, x.shape[2] % 2
    return pad(x, (0, 0, 0, after, 0, below)) if below or after else x
