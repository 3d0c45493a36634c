"""Hyperprior and context: what predicts the mean and scale of every latent.

    latents -> hyper-analysis -> hyper-latents z (coded first) -> hyper-synthesis -> features, base parameters
    step 1: base parameters | steps 2-4: base + context(features, latents decoded so far)

Hyperprior: Balle et al. 2018; means: Minnen et al. 2018; four steps over 2x2 positions x 4 channel groups: the
quadtree partition of Li, Li and Lu, "Neural video compression with diverse contexts" (2023, section 3.3).
`hyper_synthesis`, `context` and `correction` also run in exact fixed point (`lcodec.entropy.integer`).
"""

from __future__ import annotations

from typing import TypeVar

from lcodec.networks.blocks import block
from lcodec.networks.ops import Ops

__all__ = [
    "CONTEXT_HALO",
    "GROUPS",
    "HYPER_HALO",
    "HYPER_STRIDE",
    "STEPS",
    "context",
    "correction",
    "hyper_analysis",
    "hyper_synthesis",
]

#: Latents per hyper-latent, in each direction.
HYPER_STRIDE = 4
#: Hyper-latents that a tile needs around it, in the hyper-analysis (3 latents) and in the hyper-synthesis (likewise).
HYPER_HALO = 1
#: Latents that a tile needs around it in `context`.
CONTEXT_HALO = 1
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

T = TypeVar("T")


def hyper_analysis(ops: Ops[T], latents: T) -> T:
    """Hyper-latents of latents: (N, H, W, 320), H and W multiples of 4 -> (N, H/4, W/4, 96), not yet scaled."""
    t = block(ops, "hyper_analysis.block16", ops.linear("hyper_analysis.in", latents))
    t = block(ops, "hyper_analysis.block32", ops.linear("hyper_analysis.down", ops.unshuffle(t, 2)))
    return ops.linear("hyper_analysis.out", ops.unshuffle(t, 2))


def hyper_synthesis(ops: Ops[T], hyper_latents: T) -> T:
    """Features for predicting latents: (N, H, W, 96) -> (N, 4 H, 4 W, 192)."""
    t = block(ops, "hyper_synthesis.block32", ops.shuffle(ops.linear("hyper_synthesis.in", hyper_latents), 2))
    return block(ops, "hyper_synthesis.block16", ops.shuffle(ops.linear("hyper_synthesis.up", t), 2))


def context(ops: Ops[T], step: int, latents: T, features: T) -> T:
    """Hidden state of step 1, 2 or 3 (the first step, 0, has no context).

    Args:
        latents: (N, H, W, 320), decoded so far, in units of standard deviation; 0 where not decoded yet.
        features: (N, H, W, 192), of `hyper_synthesis`.

    Returns:
        (N, H, W, 192).
    """
    return block(ops, "context.block", ops.linear(f"context.enter.{step}", ops.concat(latents, features)))


def correction(ops: Ops[T], group: int, hidden: T, *, base: bool) -> T:
    """Parameters of one channel group: (N, h, w, 192) -> (N, h, w, 160), log-scales then means of its 80 channels.

    With `base`, of the features, for all steps; else the correction that a step's hidden state adds to it.
    Only the positions at which the group is coded in a step need computing, so the caller picks them first.
    """
    return ops.linear(f"{'base' if base else 'context'}.out.{group}", hidden)
