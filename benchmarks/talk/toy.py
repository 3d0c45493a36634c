"""The banana, a source of two dimensions, and codecs for it that train in minutes: what several figures are made with.

Source and sizes are those of Ballé et al. 2020, "Nonlinear transform coding", section III; a codec is the image codec
in small: transforms, one step size for each latent and lambda, a prior for each latent. Needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

STEPS, BATCH = 10_000, 1024
#: That of the talk's slide: with it, the loss of each of its codecs is the slide's.
LAMBDA = 8.0
_COMPONENTS = 8
_SCALES = (3.0, 0.5)
_TURN = math.radians(240)
_ROTATION = ((math.cos(_TURN), -math.sin(_TURN)), (math.sin(_TURN), math.cos(_TURN)))


def bend(latent: Tensor) -> Tensor:
    """Turn Gaussian samples, shape (..., 2), into the banana's: bent by a parabola, turned and moved, areas kept."""
    first, second = latent.unbind(-1)
    bent = torch.stack((first, second - 0.1 * first**2), -1)
    return bent @ torch.tensor(_ROTATION) - 1  # times the rotation's transpose from the left: the inverse


def banana(count: int, generator: torch.Generator) -> Tensor:
    """Return samples of the source, shape (count, 2)."""
    return bend(torch.randn(count, 2, generator=generator) * torch.tensor(_SCALES))


def density(x: Tensor) -> Tensor:
    """Return the probability density at places of shape (..., 2)."""
    first, bent = ((x + 1) @ torch.tensor(_ROTATION).T).unbind(-1)
    normal = torch.distributions.Normal(0.0, torch.tensor(_SCALES))
    return normal.log_prob(torch.stack((first, bent + 0.1 * first**2), -1)).sum(-1).exp()


def mlp(inputs: int, outputs: int, width: int = 100) -> nn.Sequential:
    """Return a network of two hidden layers with softplus."""
    layers = (nn.Linear(inputs, width), nn.Softplus(), nn.Linear(width, width), nn.Softplus())
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Prior(nn.Module):
    """Factorised: a mixture of logistic densities for each latent."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(latents, _COMPONENTS))
        self.means = nn.Parameter(torch.linspace(-6, 6, _COMPONENTS).repeat(latents, 1))
        self.log_scales = nn.Parameter(torch.zeros(latents, _COMPONENTS))

    def bits(self, values: Tensor, step: Tensor) -> Tensor:
        """Bits of the bins of a width `step` around values, both (N, latents) -> (N,)."""
        deviation, half = (values[..., None] - self.means).abs(), step[..., None] / 2
        scale = self.log_scales.exp()
        inside = torch.sigmoid((half - deviation) / scale) - torch.sigmoid((-half - deviation) / scale)
        chance = (inside * self.logits.softmax(-1)).sum(-1)
        return -torch.log2(chance.clamp(min=1e-9)).sum(-1)


class TransformCodec(nn.Module):
    """Transform coding of two dimensions, for one lambda or for many."""

    def __init__(self, lambdas: Sequence[float], *, linear: bool = False) -> None:
        super().__init__()
        self.analysis, self.synthesis = (nn.Linear(2, 2), nn.Linear(2, 2)) if linear else (mlp(2, 2), mlp(2, 2))
        self.prior = Prior(2)
        self.lambdas = torch.tensor(lambdas)
        #: Of the steps of quantisation, the one thing that depends on lambda; between lambdas they are interpolated.
        self.log_steps = nn.Parameter(-0.5 * self.lambdas.log()[:, None].repeat(1, 2))

    def at(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """Lambdas, (N,), and steps, (N, 2), at places between 0, the first lambda, and the last one."""
        low = place.floor().clamp(max=max(0, len(self.lambdas) - 2)).long()
        high, share = (low + 1).clamp(max=len(self.lambdas) - 1), place - low
        logs = self.lambdas.log()
        steps = torch.lerp(self.log_steps[low], self.log_steps[high], share[:, None])
        return torch.lerp(logs[low], logs[high], share).exp(), steps.exp()

    def forward(self, x: Tensor, place: Tensor, *, hard: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Code samples, (N, 2): quantised, or with uniform noise in the place of that (Ballé et al. 2017).

        Returns:
            Bits and R + lambda D, both (N,), and what is decoded, (N, 2).
        """
        lambdas, steps = self.at(place)
        y = self.analysis(x)
        values = (y / steps).round() * steps if hard else y + (torch.rand(y.shape) - 0.5) * steps
        decoded, bits = self.synthesis(values), self.prior.bits(values, steps)
        return bits, bits + lambdas * (x - decoded).square().sum(-1), decoded


class VectorCodec(nn.Module):
    """Rate-constrained vector quantisation: each sample takes the codeword of the least R + lambda D."""

    def __init__(self, weight: float, size: int = 256) -> None:
        super().__init__()
        self.codebook = nn.Parameter(banana(size, torch.Generator().manual_seed(1)))
        self.logits = nn.Parameter(torch.zeros(size))
        self.lambdas = torch.tensor([weight])

    def forward(self, x: Tensor, place: Tensor, *, hard: bool = True) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002
        """As `TransformCodec.forward`."""
        bits = -self.logits.log_softmax(0) / math.log(2)
        with torch.no_grad():
            costs = bits + self.lambdas * torch.cdist(x, self.codebook).square()
            chosen = costs.argmin(1)
        decoded = self.codebook[chosen]
        return bits[chosen], bits[chosen] + self.lambdas * (x - decoded).square().sum(-1), decoded


Codec = TransformCodec | VectorCodec


def train(codec: Codec, count: Iterable[int], total: int, learning_rate: float) -> None:
    """Train for `total` steps, which `count` counts (it may show them); the learning rate falls at 1/2, 3/4, 7/8."""
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(codec.parameters(), learning_rate, fused=True)
    falls = [total // 2, total * 3 // 4, total * 7 // 8]
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, falls, 0.1)
    for _ in count:
        place = torch.rand(BATCH, generator=generator) * (len(codec.lambdas) - 1)
        loss = codec(banana(BATCH, generator), place, hard=False)[1].mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()


@torch.no_grad()
def measure(codec: Codec, place: float = 0.0, count: int = 1_000_000) -> tuple[float, float, float]:
    """Return bits and squared error a sample, and R + lambda D, of new samples, all quantised."""
    generator, sums = torch.Generator().manual_seed(2), torch.zeros(3, dtype=torch.float64)
    for _ in range(count // 10_000):
        x = banana(10_000, generator)
        bits, cost, decoded = codec(x, torch.full((10_000,), place))
        sums += torch.stack((bits.double().sum(), (x - decoded).double().square().sum(), cost.double().sum()))
    return tuple((sums / (count // 10_000 * 10_000)).tolist())
