"""Analysis and synthesis transforms: picture <-> latents (Balle et al. 2021, "Nonlinear transform coding").

    picture -+-> unshuffle 8, in, x gain -> fine blocks -> unshuffle 2, down -> coarse blocks -> out -+-> latents
             `-> unshuffle 16 ---------------------------- shortcut ----------------------------------'

The synthesis mirrors it. The linear shortcut starts as the KLT of the training photos, so training starts from
optimal linear transform coding and learns the nonlinear rest. Widths and numbers of blocks are the model's
(`lcodec.networks.architecture`): below, F is the width of the fine blocks and C the number of latents.
"""

from __future__ import annotations

from typing import TypeVar

from lcodec.networks.blocks import blocks, numbered
from lcodec.networks.ops import Ops

__all__ = ["FINE_STRIDE", "LATENT_STRIDE", "NOISE", "analysis", "synthesis"]

#: Pixels of the picture per latent, in each direction.
LATENT_STRIDE = 16
#: Pixels of the picture per position of the fine blocks, in each direction.
FINE_STRIDE = 8
#: The layer by which noise enters a generative synthesis (`lcodec.networks.generator`).
NOISE = "synthesis.noise"

T = TypeVar("T")


def analysis(ops: Ops[T], picture: T, gain: T) -> T:
    """Latents of a picture.

    Args:
        picture: (N, H, W, 3), H and W multiples of 16, values in [-0.5, 0.5].
        gain: (N, 1, 1, F) or (1, 1, 1, F), factors of the fine features at the wanted quality.

    Returns:
        (N, H/16, W/16, C), in units of each channel's standard deviation over the training photos.
    """
    t = ops.linear("analysis.in", ops.unshuffle(picture, FINE_STRIDE)) * gain  # type: ignore[operator]
    t = blocks(ops, numbered("analysis.fine"), t)
    t = ops.linear("analysis.down", ops.unshuffle(t, 2))
    t = blocks(ops, numbered("analysis.coarse"), t)
    return ops.add(
        ops.linear("analysis.shortcut", ops.unshuffle(picture, LATENT_STRIDE)), ops.linear("analysis.out", t)
    )


def synthesis(ops: Ops[T], latents: T, gain: T, noise: T | None = None) -> T:
    """Picture of decoded latents, the mirror of `analysis`.

    Args:
        latents: (N, H, W, C), in units of each channel's standard deviation.
        gain: (N, 1, 1, F) or (1, 1, 1, F), factors of the fine features at the quality coded.
        noise: (N, 2 H, 2 W, channels), for a generative synthesis, which has a layer for it.

    Returns:
        (N, 16 H, 16 W, 3), about [-0.5, 0.5], not clipped.
    """
    t = blocks(ops, numbered("synthesis.coarse"), ops.linear("synthesis.in", latents))
    t = ops.shuffle(ops.linear("synthesis.up", t), 2) * gain  # type: ignore[operator]
    if noise is not None:
        t = ops.add(t, ops.linear(NOISE, noise))
    t = ops.linear("synthesis.out", blocks(ops, numbered("synthesis.fine"), t))
    return ops.add(ops.shuffle(ops.linear("synthesis.shortcut", latents), LATENT_STRIDE), ops.shuffle(t, FINE_STRIDE))
