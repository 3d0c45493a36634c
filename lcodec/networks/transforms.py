"""Analysis and synthesis transforms: picture <-> latents (Balle et al. 2021, "Nonlinear transform coding").

    picture -+-> unshuffle 8, in, x gain -> fine blocks -> unshuffle 2, down -> coarse blocks -> out -+-> latents
             `-> unshuffle 16 ---------------------------- shortcut ----------------------------------'

The synthesis mirrors it. The linear shortcut starts as the KLT of the training photos, so training starts from
optimal linear transform coding and learns the nonlinear rest.
"""

from __future__ import annotations

from typing import TypeVar

from lcodec.networks.blocks import blocks
from lcodec.networks.ops import Ops

__all__ = [
    "ANALYSIS_BLOCKS",
    "ANALYSIS_HALO",
    "LATENT_STRIDE",
    "SYNTHESIS_BLOCKS",
    "SYNTHESIS_HALO",
    "analysis",
    "synthesis",
]

#: Pixels of the picture per latent, in each direction.
LATENT_STRIDE = 16
#: Blocks at each of the two resolutions. The decoder may spend more than the encoder: it is run more often.
ANALYSIS_BLOCKS = 2
SYNTHESIS_BLOCKS = 3
#: Latents that each side of a tile needs around it: one a coarse block, half a one a fine block.
ANALYSIS_HALO = ANALYSIS_BLOCKS + (ANALYSIS_BLOCKS + 1) // 2
SYNTHESIS_HALO = SYNTHESIS_BLOCKS + (SYNTHESIS_BLOCKS + 1) // 2

T = TypeVar("T")


def analysis(ops: Ops[T], picture: T, gain: T) -> T:
    """Latents of a picture.

    Args:
        picture: (N, H, W, 3), H and W multiples of 16, values in [-0.5, 0.5].
        gain: (N, 1, 1, 128) or (1, 1, 1, 128), factors of the fine features at the wanted quality.

    Returns:
        (N, H/16, W/16, 320), in units of each channel's standard deviation over the training photos.
    """
    t = ops.linear("analysis.in", ops.unshuffle(picture, 8)) * gain  # type: ignore[operator]
    t = blocks(ops, "analysis.fine", ANALYSIS_BLOCKS, t)
    t = ops.linear("analysis.down", ops.unshuffle(t, 2))
    t = blocks(ops, "analysis.coarse", ANALYSIS_BLOCKS, t)
    return ops.add(
        ops.linear("analysis.shortcut", ops.unshuffle(picture, LATENT_STRIDE)), ops.linear("analysis.out", t)
    )


def synthesis(ops: Ops[T], latents: T, gain: T) -> T:
    """Picture of decoded latents, the mirror of `analysis`.

    Args:
        latents: (N, H, W, 320), in units of each channel's standard deviation.
        gain: (N, 1, 1, 128) or (1, 1, 1, 128), factors of the fine features at the quality coded.

    Returns:
        (N, 16 H, 16 W, 3), about [-0.5, 0.5], not clipped.
    """
    t = blocks(ops, "synthesis.coarse", SYNTHESIS_BLOCKS, ops.linear("synthesis.in", latents))
    t = ops.shuffle(ops.linear("synthesis.up", t), 2) * gain  # type: ignore[operator]
    t = ops.linear("synthesis.out", blocks(ops, "synthesis.fine", SYNTHESIS_BLOCKS, t))
    return ops.add(ops.shuffle(ops.linear("synthesis.shortcut", latents), LATENT_STRIDE), ops.shuffle(t, 8))
