"""Analysis and synthesis transforms: picture <-> latents (Balle et al. 2021, "Nonlinear transform coding").

    picture -+-> unshuffle 8, in, x gain -> fine blocks -> unshuffle 2, down -> coarse blocks -> out -+-> latents
             `-> unshuffle 16 ---------------------------- shortcut ----------------------------------'

The synthesis mirrors it. The linear shortcut starts as the KLT of the training photos, so training starts from
optimal linear transform coding and learns the nonlinear rest. Widths and numbers of blocks are the model's
(`lcodec.networks.architecture`): below, F is the width of the fine blocks and C the number of latents.
"""

from __future__ import annotations

from typing import TypeVar

from lcodec.networks.blocks import NO_EDGES, blocks, numbered, present
from lcodec.networks.ops import Edges, Ops

__all__ = ["FINE_STRIDE", "LATENT_STRIDE", "NOISE", "analysis", "synthesis"]

#: Pixels of the picture per latent, in each direction.
LATENT_STRIDE = 16
#: Pixels of the picture per position of the fine blocks, in each direction.
FINE_STRIDE = 8
#: The layer by which noise enters a generative synthesis (`lcodec.networks.generator`).
NOISE = "synthesis.noise"

T = TypeVar("T")


def analysis(ops: Ops[T], picture: T, gain: T, edges: Edges = NO_EDGES) -> T:
    """Latents of a picture, or of a tile of one.

    Args:
        ops: the backend.
        picture: (N, H, W, 3), H and W multiples of 16, values in [-0.5, 0.5].
        gain: (F,) or (N, 1, 1, F), factors of the fine features at the wanted quality.
        edges: latents of a tile at each of its sides that are not asked for: its halo.

    Returns:
        (N, H/16, W/16, C) without the edges, in units of each channel's standard deviation over the training photos.
    """
    t = ops.linear("analysis.in", ops.unshuffle(picture, FINE_STRIDE)) * gain  # type: ignore[operator]
    reach = len(present(ops, numbered("analysis.coarse")))
    t, left = blocks(ops, numbered("analysis.fine"), t, _scaled(edges, 2), 2 * reach)
    t = ops.linear("analysis.down", ops.unshuffle(t, 2))
    t, _ = blocks(ops, numbered("analysis.coarse"), t, _scaled(left, 0.5))
    shortcut = ops.unshuffle(ops.crop(picture, _scaled(edges, LATENT_STRIDE)), LATENT_STRIDE)
    return ops.add(ops.linear("analysis.shortcut", shortcut), ops.linear("analysis.out", t))


def synthesis(ops: Ops[T], latents: T, gain: T, noise: T | None = None, edges: Edges = NO_EDGES) -> T:
    """Picture of decoded latents, or a tile of it: the mirror of `analysis`.

    Args:
        ops: the backend.
        latents: (N, H, W, C), in units of each channel's standard deviation.
        gain: (F,) or (N, 1, 1, F), factors of the fine features at the quality coded.
        noise: (N, 2 H, 2 W, channels), for a generative synthesis, which has a layer for it.
        edges: latents of a tile at each of its sides that are not asked for: its halo.

    Returns:
        (N, 16 H, 16 W, 3) without the edges, about [-0.5, 0.5], not clipped.
    """
    reach = -(-len(present(ops, numbered("synthesis.fine"))) // 2)
    t, left = blocks(ops, numbered("synthesis.coarse"), ops.linear("synthesis.in", latents), edges, reach)
    t = ops.shuffle(ops.linear("synthesis.up", t), 2) * gain  # type: ignore[operator]
    if noise is not None:
        top, bottom, before, after = (had - has for had, has in zip(edges, left, strict=True))  # shed so far
        t = ops.add(t, ops.linear(NOISE, ops.crop(noise, _scaled((top, bottom, before, after), 2))))
    t, _ = blocks(ops, numbered("synthesis.fine"), t, _scaled(left, 2))
    t = ops.shuffle(ops.linear("synthesis.out", t), FINE_STRIDE)
    shortcut = ops.linear("synthesis.shortcut", ops.crop(latents, edges))
    return ops.add(ops.shuffle(shortcut, LATENT_STRIDE), t)


def _scaled(edges: Edges, factor: float) -> Edges:
    top, bottom, left, right = (int(edge * factor) for edge in edges)
    return top, bottom, left, right
