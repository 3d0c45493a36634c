"""A fresh critic: a small network that is trained for a short fixed time to tell decoded patches from originals.

If it can, the set does not look real; what it finds on photos that it was not trained on is the measure. Trained by the
logistic loss, its logit comes near to log p/q, p and q being the densities of originals and decoded patches, and the
loss bounds the Jensen-Shannon divergence of the two: this is the f-divergence of Nowozin, Cseke, Tomioka, "f-GAN:
training generative neural samplers using variational divergence minimization" (NeurIPS 2016, equation 4), whose best
critic is T(x) = f'(p/q). Here T = log sigmoid(logit).

Its inputs are a patch and, amplified, what of it is finer than two pixels: coding shows there first, and a critic of
samples alone needs ten times the steps to find it. Training takes 0.1e12 multiply-adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.sets.estimate import Estimate, pair_mean, with_interval
from lcodec.metrics.sets.patches import Patches, Pixels

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["STEPS", "judged", "told_apart", "train_critic"]

#: Steps of training, and pairs of patches in each.
STEPS, _BATCH = 100, 16
_LEARNING_RATE, _BETAS = 3e-3, (0.9, 0.99)
#: Channels of its convolutions, 4x4, each at half the resolution; slope below 0.
_WIDTHS, _KERNEL, _SLOPE = (24, 48, 64), 4, 0.2
#: By how much what is finer than two pixels is amplified.
_GAIN = 16
#: Patches that are scored at a time.
_SCORED = 256

#: From patches (N, H, W, 3) to logits (N,): the greater, the more they look like originals.
Critic = Callable[[Pixels], NDArray[np.float64]]


def told_apart(patches: Patches, steps: int = STEPS) -> dict[str, Estimate]:
    """Return what fresh critics tell apart of a set: `auc`, and `jsd` in bits.

    The photos are dealt into two halves; a critic is trained on each and judges the other. `auc` is the chance that an
    original scores more than a decoded patch: 0.5, it cannot tell; 1, it always can. `jsd` is at least how much the
    distributions of patches differ, as Jensen-Shannon divergence: up to 1 bit; about 0 or below, nothing was found.

    Raises:
        ValueError: the patches are of fewer than 4 photos.
    """
    if patches.count < 4:
        raise ValueError("fresh critics need patches of at least 4 photos")
    half = patches.photos % 2
    originals, decoded = (np.zeros(len(half)) for _ in range(2))
    for fold in (0, 1):
        critic, own = train_critic(patches.only(half != fold), fold, steps), half == fold
        originals[own], decoded[own] = critic(patches.originals[own]), critic(patches.decoded[own])
    return judged(originals, decoded, patches.photos, np.arange(patches.count) % 2)


def judged(
    originals: NDArray[np.float64],
    decoded: NDArray[np.float64],
    photos: NDArray[np.int64],
    critics: NDArray[np.int64],
) -> dict[str, Estimate]:
    """Return `auc` and `jsd` of logits.

    Args:
        originals: logits of the original patches, (N,).
        decoded: logits of the decoded patches, (N,).
        photos: the photo of each patch, (N,), from 0.
        critics: which critic judged each photo, (photos,): only logits of one critic are compared.
    """
    member = np.eye(len(critics))[photos]
    wins = np.stack([_wins(originals[photos == photo], decoded).sum(axis=0) @ member for photo in range(len(critics))])
    alike = critics[:, None] == critics
    counts = np.outer(member.sum(axis=0), member.sum(axis=0)) * alike
    gains = (2 - (np.logaddexp(0, -originals) + np.logaddexp(0, decoded)) / math.log(2)) / 2 @ member

    def divergence(weights: NDArray[np.float64]) -> float:
        return float(gains @ weights / (member.sum(axis=0) @ weights))

    return {
        "auc": with_interval(lambda weights: pair_mean(wins * alike, counts, weights), len(critics)),
        "jsd": with_interval(divergence, len(critics)),
    }


def _wins(originals: NDArray[np.float64], decoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each original (N,) and each decoded patch (M,), 1 where the first scores more, 0.5 for a tie: (N, M)."""
    wins: NDArray[np.float64] = (np.sign(originals[:, None] - decoded) + 1) / 2
    return wins


def train_critic(patches: Patches, seed: int, steps: int = STEPS) -> Critic:
    """Train a critic; the same seed and patches make the same one, to within rounding.

    Each step takes originals and decoded patches of the same places, so that their content tells it nothing, and
    mirrors them by lot. It judges each patch alone.
    """
    import torch
    from torch.nn.functional import softplus

    arrays = _start(torch.Generator().manual_seed(seed))
    adam, rng = torch.optim.Adam(arrays, _LEARNING_RATE, betas=_BETAS), np.random.default_rng(seed)
    for step in range(steps):
        adam.param_groups[0]["lr"] = _LEARNING_RATE * min(1, 2 * (1 - step / steps))
        chosen = rng.integers(0, len(patches.photos), _BATCH)
        both = np.concatenate((patches.originals[chosen], patches.decoded[chosen]))
        rows, columns = (int(side) for side in rng.choice((-1, 1), 2))
        logits = _logits(arrays, both[:, ::rows, ::columns])
        loss = (softplus(-logits[:_BATCH]) + softplus(logits[_BATCH:])).mean()
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()

    def critic(shown: Pixels) -> NDArray[np.float64]:
        with torch.no_grad():
            parts = [_logits(arrays, shown[start : start + _SCORED]) for start in range(0, len(shown), _SCORED)]
        scores: NDArray[np.float64] = torch.cat(parts).double().numpy()
        return scores

    return critic


def _start(generator: Generator) -> list[Tensor]:
    """Weights and biases of the convolutions and of the logit, in turn."""
    import torch

    arrays, inputs = [], 6
    for width, kernel in (*((width, _KERNEL) for width in _WIDTHS), (1, 1)):
        deviation = math.sqrt(2 / (inputs * kernel**2))
        arrays += [torch.randn((width, inputs, kernel, kernel), generator=generator) * deviation, torch.zeros(width)]
        inputs = width
    return [array.requires_grad_() for array in arrays]


def _logits(arrays: list[Tensor], patches: Pixels) -> Tensor:
    """Logits (N,) of patches (N, H, W, 3): the means of maps of them."""
    import torch
    from torch.nn.functional import avg_pool2d, conv2d, leaky_relu, pad

    x = torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2).float() / 255 - 0.5
    smooth = x
    for _ in range(2):  # [1 2 1]^2 / 16
        smooth = avg_pool2d(smooth, 2, 1)
    x = torch.cat((2 * x, _GAIN * (x - pad(smooth, (1, 1, 1, 1), mode="replicate"))), dim=1)
    for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        x = leaky_relu(conv2d(x, weight, bias, stride=2, padding=1), _SLOPE)
    logits: Tensor = conv2d(x, arrays[-2], arrays[-1]).mean(dim=(1, 2, 3))
    return logits
