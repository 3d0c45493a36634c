"""The order of coding, of latents and of hyper-latents: four steps over 2x2 positions and four groups of channels.

The quadtree partition of Li, Li and Lu, "Neural video compression with diverse contexts" (2023, section 3.3). The exact
walk, in integers, is `lcodec.entropy.model`; those here, in floating point and differentiable, are what training and
the refinement of latents share. Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lcodec.networks.hyperprior import context, correction, has_hyper_context, hyper_context, hyper_correction

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lcodec.networks.ops_torch import TorchOps

__all__ = ["GROUPS", "STEPS", "Cell", "Code", "Place", "cells", "inside", "places", "walk", "walk_hyper"]

#: The channels are cut into this many equal groups.
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


#: Given a cell and the hidden states of the four positions, or None in the first step: (N, ceil(h/2), ceil(w/2), C/2),
#: log-scales, then means, of the cell's channels.
_Predict = Callable[[Cell, "list[Tensor] | None"], "Tensor"]
#: Given a cell, its predicted log-scales and its means in quantisation steps, both (N, ceil(h/2), ceil(w/2), C/4) in
#: float32: its decoded latents, of that shape, in quantisation steps.
Code = Callable[[Cell, "Tensor", "Tensor"], "Tensor"]


def walk(ops: TorchOps, features: Tensor, steps: Tensor, code: Code) -> Tensor:
    """Go through the latents in the order of coding, each step seeing what those before it decoded.

    Args:
        ops: the entropy networks.
        features: (N, h, w, H), of `hyper_synthesis`.
        steps: (N or 1, 1, 1, C), quantisation steps in a latent's standard deviation.
        code: codes a cell.

    Returns:
        Decoded latents (N, h, w, C), in quantisation steps.
    """
    feature_cells = _positions(features)

    def predict(cell: Cell, hidden: list[Tensor] | None) -> Tensor:
        at, group = cell
        base = correction(ops, group, feature_cells[at], base=True).float()
        return base if hidden is None else base + correction(ops, group, hidden[at], base=False).float()

    def state(step: int, known: Tensor) -> Tensor:
        return context(ops, step, known.to(features.dtype), features)

    return _walk(features.shape[:3], steps, state, predict, code)


def walk_hyper(ops: TorchOps, size: Sequence[int], steps: Tensor, code: Code, kind: torch.dtype) -> Tensor:
    """Go through the hyper-latents likewise; where the model has no context for them, predictions are 0.

    Args:
        ops: the entropy networks.
        size: N, h and w.
        steps: (N or 1, 1, 1, Z), quantisation steps in a unit of a hyper-latent.
        code: codes a cell; what is predicted of log-scales is to be added to the fixed ones.
        kind: of number, in which the networks run.

    Returns:
        Decoded hyper-latents (N, h, w, Z), in quantisation steps.
    """
    contextual = has_hyper_context(ops)

    def predict(cell: Cell, hidden: list[Tensor] | None) -> Tensor:
        at, group = cell
        if hidden is None or not contextual:
            count, height, width = size
            return steps.new_zeros((count, -(-height // 2), -(-width // 2), 2 * steps.shape[-1] // GROUPS))
        return hyper_correction(ops, group, hidden[at]).float()

    def state(step: int, known: Tensor) -> Tensor:
        return hyper_context(ops, step, known.to(kind)) if contextual else known

    return _walk(size, steps, state, predict, code)


def _walk(
    size: Sequence[int], steps: Tensor, state: Callable[[int, Tensor], Tensor], predict: _Predict, code: Code
) -> Tensor:
    """Walk over (N, h, w, C): `state` gives a step's hidden state of what is known, not in quantisation steps."""
    count, height, width = size
    gains = steps.chunk(GROUPS, dim=-1)
    empty = steps.new_zeros((count, -(-height // 2), -(-width // 2), gains[0].shape[-1]))
    decoded = [[empty] * GROUPS for _ in range(4)]
    for step, positions in enumerate(STEPS):
        hidden = _positions(state(step, _whole(decoded)[:, :height, :width] / steps)) if step else None
        for group, (row, column) in enumerate(positions):
            at = 2 * row + column
            log_scale, mean = predict((at, group), hidden).chunk(2, dim=-1)
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


def inside(x: Tensor) -> list[Tensor]:
    """Of the four positions of `cells`: 1 where (N, h, w, C) has such a place, 0 past an edge; each (N, .., .., 1)."""
    return [groups[0] for groups in cells(x.new_ones((*x.shape[:3], GROUPS)))]


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
