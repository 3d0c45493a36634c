"""Quantisation in training: uniform noise, rounding, and what lies between; bias and variance of the gradient.

Agustsson and Theis 2020, "Universally quantized neural compression", section 4: a latent y is rounded softly, noise u
is added, and the decoder takes the soft rounding back, s^-1(s(y) + u - 1/2) + 1/2. A sharpness of 0 is plain noise
(Ballé et al. 2017), an infinite one rounds. The codec is the smallest there is: a Gaussian source times a gain, which
is to be learned; the loss is R + lambda D, and all means are integrals over the source and the noise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.common import write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save

if TYPE_CHECKING:
    from torch import Tensor

#: Standard deviation of the latent, in steps: at few bits the ways of training differ most.
GAIN, LAMBDA = 0.35, 4.0
SHARPNESSES = (0.01, 1, 2, 3, 4, 5, 6, 7, 8)
#: Places at which the source and the noise are taken; the source ends at EDGE standard deviations.
SOURCE, NOISE, EDGE = 1500, 256, 6.0


def soft_round(y: Tensor, sharpness: float) -> Tensor:
    """Return s(y), between the identity and rounding (equation 9 of the paper)."""
    middle = y.detach().floor() + 0.5
    return middle + (sharpness * (y - middle)).tanh() / (2 * math.tanh(sharpness / 2))


def soft_unround(z: Tensor, sharpness: float) -> Tensor:
    """Return the inverse of `soft_round`."""
    middle = z.detach().floor() + 0.5
    inside = (2 * math.tanh(sharpness / 2) * (z - middle)).clamp(-1 + 1e-12, 1 - 1e-12)
    return middle + inside.atanh() / sharpness


def source() -> tuple[Tensor, Tensor]:
    """Return values of the source and their weights, in sum 1."""
    import torch

    x = torch.linspace(-EDGE, EDGE, SOURCE + 1, dtype=torch.float64)[1:] - EDGE / SOURCE
    weights = (-(x**2) / 2).exp()
    return x, weights / weights.sum()


def bits(low: Tensor, high: Tensor) -> Tensor:
    """Bits of an interval of latents under the prior, which fits the gain as it is."""
    import torch

    inside = torch.special.ndtr(high / GAIN) - torch.special.ndtr(low / GAIN)
    return -torch.log2(inside.clamp(min=1e-300))


def rounded(gain: Tensor) -> Tensor:
    """Return R + lambda D of real rounding: what is wanted, exact and differentiable in the gain."""
    import torch

    k = torch.arange(-12, 13, dtype=torch.float64)
    low, high = (k - 0.5) / gain, (k + 0.5) / gain
    chance = torch.special.ndtr(high) - torch.special.ndtr(low)
    bell_low, bell_high = (torch.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi) for edge in (low, high))
    first = bell_low - bell_high  # the integral of x, and that of x^2, over the bin
    second = chance + low * bell_low - high * bell_high
    squared = second - 2 * k / gain * first + (k / gain) ** 2 * chance
    return (chance * bits(k - 0.5, k + 0.5) + LAMBDA * squared).sum()


def gradients(sharpness: float | None) -> tuple[Tensor, Tensor]:
    """Return the gradient by the gain for each pair of source and noise, and the weights of the pairs.

    `None` rounds and takes the rounding's gradient for 1 (straight through), in the rate and in the distortion.
    """
    import torch

    x, weights = source()
    u = (torch.arange(NOISE, dtype=torch.float64) + 0.5) / NOISE - 0.5
    gain = torch.full((SOURCE, NOISE), GAIN, dtype=torch.float64, requires_grad=True)
    y = gain * x[:, None]
    if sharpness is None:
        decoded = y + (y.round() - y).detach()
        cost = bits(decoded - 0.5, decoded + 0.5)
    else:
        z = soft_round(y, sharpness) + u
        decoded = soft_unround(z - 0.5, sharpness) + 0.5
        cost = bits(soft_unround(z - 0.5, sharpness), soft_unround(z + 0.5, sharpness))
    loss = cost + LAMBDA * (x[:, None] - decoded / gain) ** 2
    (found,) = torch.autograd.grad(loss.sum(), gain)
    return found, (weights[:, None] / NOISE).expand_as(found)


def bias_and_deviation(sharpness: float | None) -> tuple[float, float]:
    """Return how far the mean gradient is from that of rounding, and the standard deviation for one sample."""
    import torch

    gain = torch.tensor(GAIN, dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad(rounded(gain), gain)
    found, weights = gradients(sharpness)
    mean = (weights * found).sum()
    return float(mean - wanted), float((weights * (found - mean) ** 2).sum().sqrt())


def make(given: Given) -> None:
    """Draw soft rounding, the bias and the deviation."""
    import torch

    found = {f"{sharpness:g}": bias_and_deviation(sharpness) for sharpness in SHARPNESSES}
    straight = bias_and_deviation(None)
    rows = [
        {"sharpness": name, "bias": f"{bias:.4f}", "deviation": f"{deviation:.4f}"}
        for name, (bias, deviation) in (found | {"straight through": straight}).items()
    ]
    write_rows(given.out / "quantisation.csv", rows)
    figure, (curves, *measured) = panels(3, 300)
    y = torch.linspace(-1.5, 1.5, 601)
    for sharpness, colour in zip((0.01, 4, 8), COLOURS.values(), strict=False):
        curves.plot(y, soft_round(y, sharpness), color=colour, label=f"sharpness {sharpness:g}")
    curves.set_xlabel("latent y, steps")
    curves.set_ylabel("softly rounded s(y), steps")
    curves.legend(loc="upper left")
    for pane, which, what in zip(measured, (0, 1), ("bias", "standard deviation"), strict=True):
        values = [abs(each[which]) for each in found.values()]
        pane.plot(SHARPNESSES, values, "o-", color=COLOURS["blue"], ms=4, label="noise and soft rounding")
        pane.axhline(abs(straight[which]), color=COLOURS["vermillion"], ls="--", label="straight through")
        pane.set_xlabel("sharpness (0: noise alone)")
        pane.set_ylabel(f"{what} of the gradient, bits")
        pane.set_ylim(bottom=0)
    measured[0].legend()
    save(figure, given, "quantisation")


FIGURE = Figure(
    "quantisation",
    "Quantisation in training: between noise and rounding",
    "A codec rounds, but rounding has no gradient, and so training replaces it: by uniform noise, or by soft rounding "
    "with noise, which a sharpness takes from noise alone to rounding. What is gained in bias, against the gradient of "
    "the loss with real rounding, is lost in variance, which grows with the sharpness. Rounding with the gradient of "
    "the identity (straight through) has a low variance and a bias that no sharpness removes.",
    make,
    needs=("torch",),
)
