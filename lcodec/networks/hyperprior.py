"""Hyperprior and context: what predicts the mean and scale of every latent.

    latents -> hyper-analysis -> hyper-latents z (coded first) -> hyper-synthesis -> features, base parameters
    step 1: base parameters | steps 2-4: base + context(features, latents decoded so far)

Hyperprior: Balle et al. 2018; means: Minnen et al. 2018; steps: `lcodec.networks.steps`. Hyper-latents are coded in
such steps too: with fixed scales alone they were 5 to 20 % of a small file, and with what is known of their
neighbours they take a seventh to a sixth less (`benchmarks.hyper_context`).

Below, C is the number of latents, Z that of hyper-latents, H the width of the hyperprior's networks, K that of the
context network and L that of the context network of the hyper-latents. `hyper_synthesis`, both contexts and their
corrections also run in exact fixed point (`lcodec.entropy.integer`).
"""

from __future__ import annotations

from itertools import count
from typing import TypeVar

from lcodec.networks.blocks import blocks
from lcodec.networks.ops import Ops

__all__ = [
    "HYPER_CONTEXT_BLOCK",
    "HYPER_HALO",
    "HYPER_STRIDE",
    "context",
    "context_block",
    "correction",
    "has_hyper_context",
    "hyper_analysis",
    "hyper_context",
    "hyper_correction",
    "hyper_synthesis",
]

#: Latents per hyper-latent, in each direction.
HYPER_STRIDE = 4
#: Hyper-latents that a tile needs around it, in the hyper-analysis (3 latents) and in the hyper-synthesis (likewise).
HYPER_HALO = 1
#: The block of the context network of the hyper-latents.
HYPER_CONTEXT_BLOCK = "hyper_context.block"

T = TypeVar("T")


def hyper_analysis(ops: Ops[T], latents: T) -> T:
    """Hyper-latents of latents: (N, h, w, C), h and w multiples of 4 -> (N, h/4, w/4, Z), not yet scaled."""
    t = ops.block("hyper_analysis.block16", ops.linear("hyper_analysis.in", latents))
    t = ops.block("hyper_analysis.block32", ops.linear("hyper_analysis.down", ops.unshuffle(t, 2)))
    return ops.linear("hyper_analysis.out", ops.unshuffle(t, 2))


def hyper_synthesis(ops: Ops[T], hyper_latents: T) -> T:
    """Features for predicting latents: (N, h, w, Z) -> (N, 4 h, 4 w, H)."""
    t = ops.block("hyper_synthesis.block32", ops.shuffle(ops.linear("hyper_synthesis.in", hyper_latents), 2))
    return ops.block("hyper_synthesis.block16", ops.shuffle(ops.linear("hyper_synthesis.up", t), 2))


def context(ops: Ops[T], step: int, latents: T, features: T) -> T:
    """Hidden state of step 1, 2 or 3 (the first step, 0, has no context).

    Args:
        latents: (N, h, w, C), decoded so far, in units of standard deviation; 0 where not decoded yet.
        features: (N, h, w, H), of `hyper_synthesis`.

    Returns:
        (N, h, w, K).
    """
    t = ops.linear(f"context.enter.{step}", ops.concat(latents, features))
    return blocks(ops, map(context_block, count()), t)[0]


def context_block(index: int) -> str:
    """Name of a block of the context network, from 0: the first had no number when it was the only one."""
    return f"context.block{index + 1}" if index else "context.block"


def correction(ops: Ops[T], group: int, hidden: T, *, base: bool) -> T:
    """Parameters of one channel group: (N, h, w, H or K) -> (N, h, w, C/2), log-scales, then means, of C/4 channels.

    With `base`, of the features, for all steps; else the correction that a step's hidden state adds to it.
    Only the positions at which the group is coded in a step need computing, so the caller picks them first.
    """
    return ops.linear(f"{'base' if base else 'context'}.out.{group}", hidden)


def has_hyper_context(ops: Ops[T]) -> bool:
    """Whether the model predicts hyper-latents by their context; if not, each channel has a fixed scale alone."""
    return ops.has(f"{HYPER_CONTEXT_BLOCK}.mix")


def hyper_context(ops: Ops[T], step: int, hyper_latents: T) -> T:
    """Hidden state of step 1, 2 or 3 of the hyper-latents: the first step, 0, has no context.

    Args:
        ops: the backend.
        step: of coding.
        hyper_latents: (N, h, w, Z), decoded so far, not scaled; 0 where not decoded yet.

    Returns:
        (N, h, w, L).
    """
    return ops.block(HYPER_CONTEXT_BLOCK, ops.linear(f"hyper_context.enter.{step}", hyper_latents))


def hyper_correction(ops: Ops[T], group: int, hidden: T) -> T:
    """What the hidden state says of one channel group of the hyper-latents: (N, h, w, L) -> (N, h, w, Z/2).

    Log-scales, to be added to the fixed ones, then means, of Z/4 channels.
    """
    return ops.linear(f"hyper_context.out.{group}", hidden)
