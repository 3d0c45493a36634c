"""Decoders trained for distortion and realism together, and judged by both: what `realism_curve` draws.

Realism is the Wasserstein distance W2 between what is decoded and originals: exact in one dimension, where sorted
samples are each other's nearest, and sliced (a mean over directions) in two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.talk.common import steps

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Weights of W2 squared beside the squared error; the first leaves realism out, the last leaves little else.
WEIGHTS = (0.0, 0.5, 2.0, 50.0)
STEPS, BATCH, DIRECTIONS, JUDGED = 800, 1024, 24, 100_000

Row = dict[str, Any]


class Samples(Protocol):
    """A source and what a decoder gets of it."""

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples of the source, (count, d), and for each what the decoder gets, (count, inputs)."""


def wasserstein(decoded: Tensor, originals: Tensor, directions: Tensor) -> Tensor:
    """Return W2 squared, sliced: both (N, d), seen along directions (d, K) of length 1, their mean times d."""
    first, second = ((each @ directions).sort(dim=0).values for each in (decoded, originals))
    return (first - second).square().mean() * decoded.shape[1]


def judged(decoded: Tensor, x: Tensor, originals: Tensor, directions: Tensor) -> Row:
    """Return both axes of the curve, as strings."""
    distortion = float((decoded - x).square().sum(1).mean())
    perception = math.sqrt(float(wasserstein(decoded, originals, directions)))
    return {"perception_w2": f"{perception:.4f}", "distortion": f"{distortion:.4f}"}


def decoders(samples: Samples, size: int, what: str, total: int = STEPS) -> list[Row]:
    """Train a decoder for each weight and judge them, and the interpolations between the first and the last."""
    import torch

    from benchmarks.talk.toy import mlp

    def spread(count: int, generator: torch.Generator) -> Tensor:
        found = torch.randn(size, count, generator=generator)
        return found / found.norm(dim=0)

    test = torch.Generator().manual_seed(1)
    (x, sent), (originals, _), directions = samples(JUDGED, test), samples(JUDGED, test), spread(DIRECTIONS, test)
    rows, ends = [], []
    torch.manual_seed(0)
    # Each goes on from the one before: from scratch, some stay at the mirror image of a Gaussian, which is as real.
    decoder = mlp(sent.shape[1], size, 64)
    for weight in WEIGHTS:
        generator = torch.Generator().manual_seed(0)
        adam = torch.optim.Adam(decoder.parameters(), 3e-3, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, total)
        for _ in steps(total, f"{what}, weight {weight:g}"):
            (wanted, given), (others, _) = samples(BATCH, generator), samples(BATCH, generator)
            decoded = decoder(given)
            loss = (decoded - wanted).square().sum(1).mean()
            if weight:
                loss = loss + weight * wasserstein(decoded, others, spread(DIRECTIONS, generator))
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        with torch.no_grad():
            ends.append(decoder(sent))
        rows.append({"decoder": "trained", "weight": weight} | judged(ends[-1], x, originals, directions))
    for share in (0.25, 0.5, 0.75):
        mixed = torch.lerp(ends[0], ends[-1], share)
        rows.append({"decoder": "interpolated", "weight": share} | judged(mixed, x, originals, directions))
    return rows
