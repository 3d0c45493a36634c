"""The training objective: rate + lambda x distortion of a batch, each picture at a random quality.

Rates are those of the coder to come: Gaussian probability of a quantisation bin, with additive uniform noise
(Balle et al. 2017, section 3) in place of rounding; what the decoder's networks see is rounded, with
straight-through gradients (Minnen and Singh 2020, section 3.3). Loss: (bits/pixel + lambda distortion) lambda^-1/2,
which gives all qualities gradients of about equal size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lcodec.entropy.bits import bin_bits
from lcodec.goal import UNSAID, Goal
from lcodec.metrics.differentiable import distortion
from lcodec.networks.hyperprior import has_hyper_context, hyper_analysis, hyper_synthesis
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.steps import GROUPS, Cell, cells, inside, walk, walk_hyper
from lcodec.networks.transforms import analysis, synthesis
from lcodec.training.parameters import FIXED, at_quality, effective

__all__ = ["Coded", "Objective", "coded", "coded_hyper", "objective"]


class Objective(NamedTuple):
    """Loss of a batch, with what it is made of for each picture."""

    loss: Tensor  #: scalar
    bpp: Tensor  #: (N,) bits per pixel, all latents
    mse: Tensor  #: (N,) on the 0..255 scale, not clipped


class Coded(NamedTuple):
    """What comes of coding a batch."""

    latents: Tensor  #: (N, H/16, W/16, C), decoded, in units of each channel's standard deviation
    bits: Tensor  #: (N,) of the latents
    hyper_bits: Tensor  #: (N,) of the hyper-latents


def _round(x: Tensor) -> Tensor:
    """Round to the nearest integer, with the gradient of the identity."""
    return x + (x.round() - x).detach()


def _deviation(x: Tensor, noise: torch.Generator | None) -> Tensor:
    """What bits are estimated of: x rounded, or with noise in its place."""
    if noise is None:
        return _round(x)
    return x + torch.rand(x.shape, generator=noise, device=x.device) - 0.5


def coded(
    ops: TorchOps,
    params: Mapping[str, Tensor],
    pictures: Tensor,
    quality: Tensor,
    noise: torch.Generator | None,
) -> Coded:
    """Code pictures (N, H, W, 3) in [-0.5, 0.5] as far as the decoded latents, as in `objective`.

    Args:
        ops: over `effective` parameters.
        params: trained parameters.
        pictures: sides multiples of 64.
        quality: (N,) in [0, 1].
        noise: of what bits are estimated with; None for those of the rounded symbols.
    """
    deviation_log = params[f"{FIXED}latent_std"].log()

    def gain(name: str) -> Tensor:
        return at_quality(params[name], quality)

    latents = analysis(ops, pictures, gain("gain.analysis").exp()).float()
    hyper, hyper_bits = coded_hyper(ops, params, hyper_analysis(ops, latents), quality, noise)
    features = hyper_synthesis(ops, hyper)
    step_log = gain("gain.latents") + deviation_log  # log of quantisation steps per standard deviation
    steps = step_log.exp()
    coder = _Coder(latents * steps, step_log + gain("gain.scale"), noise)
    decoded = walk(ops, features, steps, coder)
    return Coded(decoded * (gain("gain.inverse") - deviation_log).exp(), coder.bits, hyper_bits)


def coded_hyper(
    ops: TorchOps,
    params: Mapping[str, Tensor],
    hyper_latents: Tensor,
    quality: Tensor,
    noise: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Code hyper-latents (N, h, w, Z) as `hyper_analysis` gives them: what they decode to, likewise, and bits (N,).

    The other arguments are those of `coded`.
    """
    steps = at_quality(params["gain.hyper"], quality).exp()
    values, log_scale = hyper_latents.float() * steps, at_quality(params["prior.scale"], quality)
    if not has_hyper_context(ops):
        return _round(values) / steps, bin_bits(_deviation(values, noise), log_scale).sum(dim=(1, 2, 3))
    coder = _Coder(values, log_scale, noise)
    return walk_hyper(ops, values.shape[:3], steps, coder, hyper_latents.dtype) / steps, coder.bits


class _Coder:
    """Codes cells of a walk over latents, and counts their bits."""

    def __init__(self, values: Tensor, log_scale: Tensor, noise: torch.Generator | None) -> None:
        """Take latents (N, h, w, C), in quantisation steps, and what is added to predicted log-scales, (N, 1, 1, C)."""
        self._parts = cells(values)
        # Latents fill their cells, for crops are of whole hyper-latents; to ask each would be kernels for nothing.
        self._there = inside(values) if values.shape[1] % 2 or values.shape[2] % 2 else None
        self._scales, self._noise = log_scale.chunk(GROUPS, dim=-1), noise
        self.bits = values.new_zeros(len(values))  #: (N,)

    def __call__(self, cell: Cell, log_scale: Tensor, mean: Tensor) -> Tensor:
        """Code a cell: `lcodec.networks.steps.Code`."""
        at, group = cell
        distance = self._parts[at][group] - mean
        bits = bin_bits(_deviation(distance, self._noise), log_scale + self._scales[group])
        if self._there is not None:
            bits = bits * self._there[at]
        self.bits = self.bits + bits.sum(dim=(1, 2, 3))
        return _round(distance) + mean


def objective(
    params: Mapping[str, Tensor],
    pictures: Tensor,
    quality: Tensor,
    noise: torch.Generator | None,
    goal: Goal = UNSAID,
    weight: Tensor | float = 1.0,
) -> Objective:
    """Objective of pictures (N, H, W, 3) uint8, H and W multiples of 64, at qualities (N,) in [0, 1].

    The loss is the mean over the pictures, each times its `weight` (N,). With `noise` None the rate is that of the
    rounded symbols: what a coder will spend, not differentiable in the symbols. Under autocast the networks run in its
    type; weights are folded, and rates and distortions computed, in float32.
    """
    with torch.autocast(pictures.device.type, enabled=False):
        ops = TorchOps(effective(params))
    target = pictures.to(torch.float32)
    latents, bits, hyper_bits = coded(ops, params, target / 255 - 0.5, quality, noise)
    decoded_picture = synthesis(ops, latents, at_quality(params["gain.synthesis"], quality).exp()).float()
    decoded_pixels = (decoded_picture + 0.5) * 255
    mse = (decoded_pixels - target).square().mean(dim=(1, 2, 3))
    pixels = pictures.shape[1] * pictures.shape[2]
    bpp = (bits + hyper_bits) / pixels
    multiplier = goal.multiplier(quality)
    loss = ((bpp + multiplier * distortion(goal.aim, decoded_pixels, target, mse)) * multiplier.rsqrt() * weight).mean()
    return Objective(loss, bpp.detach(), mse.detach())
