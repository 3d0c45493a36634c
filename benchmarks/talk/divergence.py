"""Realism as an f-divergence: a critic that is trained on samples of two known densities recovers f'(p/q).

Nguyen, Wainwright and Jordan 2010; Nowozin et al. 2016, "f-GAN": for a convex f with f(1) = 0 and its conjugate f*,

    D_f(p, q) = E_q f(p/q) >= E_p T - E_q f*(T), with equality for T = f'(p/q).

The critic's logit v stands for ln(p/q), through which every f has its own T. For Kullback and Leibler T = 1 + v; for
Jensen and Shannon the bound is the objective of Goodfellow et al. 2014, up to a factor and a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.common import write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save, steps

if TYPE_CHECKING:
    from torch import Tensor

STEPS, BATCH = 2000, 1024
#: Weight, mean and standard deviation of the normal parts of each density: p is of originals, q of what is decoded.
P = ((0.5, -1.2, 0.5), (0.5, 1.5, 0.8))
Q = ((1.0, 0.0, 1.6),)
#: The critic is judged by integrals over this interval.
EDGE, PLACES = 9.0, 6001


@dataclass(frozen=True)
class Divergence:
    """One of them, as what its bound takes from the critic's logit v."""

    title: str
    of_p: Callable[[Tensor], Tensor]  #: T, which at the optimum is f'(p/q)
    of_q: Callable[[Tensor], Tensor]  #: f*(T)


def divergences() -> tuple[Divergence, ...]:
    """Return those that are drawn."""
    from torch.nn.functional import softplus

    return (
        Divergence("Kullback-Leibler", lambda v: 1 + v, lambda v: v.exp()),
        Divergence(
            "Jensen-Shannon", lambda v: (math.log(2) - softplus(-v)) / 2, lambda v: (softplus(v) - math.log(2)) / 2
        ),
    )


def log_density(parts: Iterable[tuple[float, float, float]], x: Tensor) -> Tensor:
    """Natural logarithm of a density."""
    import torch

    logs = [math.log(w / s / math.sqrt(2 * math.pi)) - ((x - m) / s) ** 2 / 2 for w, m, s in parts]
    return torch.stack(logs).logsumexp(0)


def sample(parts: Iterable[tuple[float, float, float]], generator: object) -> Tensor:
    """Return BATCH samples, the parts by turns according to their weights."""
    import torch

    drawn = [m + s * torch.randn(round(w * BATCH), generator=generator) for w, m, s in parts]
    return torch.cat(drawn)[:, None]


def bound(divergence: Divergence, logits: Tensor, x: Tensor) -> float:
    """Return E_p T - E_q f*(T), in nats, by an integral over evenly spaced places."""
    p, q = (log_density(parts, x).exp() for parts in (P, Q))
    values = p * divergence.of_p(logits) - q * divergence.of_q(logits)
    return float(values.sum() * (x[1] - x[0]))


def train(divergence: Divergence, count: Iterable[int], total: int = STEPS) -> tuple[Tensor, list[tuple[int, float]]]:
    """Train a critic on samples; return its logits at the places, and the bound after some steps."""
    import torch

    from benchmarks.talk.toy import mlp

    torch.manual_seed(0)
    generator, critic = torch.Generator().manual_seed(0), mlp(1, 1, 64)
    adam = torch.optim.Adam(critic.parameters(), 3e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, total)
    x, curve = torch.linspace(-EDGE, EDGE, PLACES), []
    for step in count:
        if step in {round(1.35**power) for power in range(40)}:
            curve.append((step, bound(divergence, critic(x[:, None])[:, 0].detach(), x)))
        of_p, of_q = (critic(sample(parts, generator)) for parts in (P, Q))
        loss = divergence.of_q(of_q).mean() - divergence.of_p(of_p).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    logits = critic(x[:, None])[:, 0].detach()
    return logits, [*curve, (total, bound(divergence, logits, x))]


def make(given: Given) -> None:
    """Train a critic for each divergence and draw it beside f'(p/q)."""
    import torch

    x = torch.linspace(-EDGE, EDGE, PLACES)
    ratio = log_density(P, x) - log_density(Q, x)
    figure, panes = panels(3, 300)
    below: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25), "frameon": False}
    rows = []
    for divergence, pane, colour in zip(divergences(), panes, COLOURS.values(), strict=False):
        logits, curve = train(divergence, steps(STEPS, divergence.title))
        true = bound(divergence, ratio, x)
        rows += [
            {"divergence": divergence.title, "steps": step, "bound_nats": f"{value:.5f}", "true_nats": f"{true:.5f}"}
            for step, value in curve
        ]
        shown = (x > -3.2) & (x < 4.4)
        pane.plot(x[shown], divergence.of_p(ratio)[shown], color=COLOURS["black"], lw=3, alpha=0.35, label="f '(p/q)")
        pane.plot(x[shown], divergence.of_p(logits)[shown], color=colour, label="critic T")
        for parts, style, name in ((P, "-", "p"), (Q, ":", "q")):
            low, high = pane.get_ylim()
            curve_of = log_density(parts, x).exp()[shown]
            pane.plot(x[shown], low + (high - low) * curve_of, color="0.5", ls=style, lw=1, label=f"{name}, scaled")
        pane.set_title(divergence.title)
        pane.set_xlabel("x")
        pane.set_ylabel("T, nats")
        pane.legend(**below, ncols=2)
        panes[2].axhline(true, color=colour, ls="--", lw=1)
        panes[2].plot(*zip(*curve, strict=True), color=colour, label=f"{divergence.title}: {true:.3f}")
    write_rows(given.out / "divergence.csv", rows)
    panes[2].set_xscale("log")
    panes[2].set_ylim(0, 1.15 * max(float(row["true_nats"]) for row in rows))
    panes[2].set_xlabel("training steps")
    panes[2].set_ylabel("bound, nats (dashed: true)")
    panes[2].legend(**below)
    save(figure, given, "divergence")


FIGURE = Figure(
    "divergence",
    "Realism as an f-divergence",
    "A critic that is trained to tell samples of p (originals) from samples of q (what is decoded) maximises a lower "
    "bound of an f-divergence between them, and ends as a function of nothing but their ratio, f'(p/q). Here both "
    "densities are known, so that this can be checked: the critic lies on the curve that theory gives, and the bound "
    "rises to the true divergence. A decoder that is trained against it therefore lowers a divergence between pictures "
    "and decoded pictures, and which one is a matter of the loss.",
    make,
    needs=("torch",),
)
