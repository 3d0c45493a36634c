"""Distortion against realism: a Gaussian source in closed form and by training, the banana, and photos.

Blau and Michaeli 2019, "Rethinking lossy compression: the rate-distortion-perception tradeoff": at one rate, a decoder
whose pictures are distributed more like originals has a larger error. Freirich, Michaeli and Meir 2021 give the law
D = D* + (P* - P)^2 for squared error and the Wasserstein distance W2, and reach its curve by interpolating between both
ends, as `lcodec decode --realism` does. The photos' part shows `benchmarks.realism`, where that was run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks import realism
from benchmarks.common import read_rows, write_rows
from benchmarks.talk.common import COLOURS, MARKS, Figure, Given, panels, save

if TYPE_CHECKING:
    from torch import Tensor

RATES = (0.5, 1.0, 2.0)
TOY_LAMBDA = 1.0


def least_distortion(rate: float, perception: float = math.inf) -> float:
    """Return that of a Gaussian source of variance 1 at so many bits, where W2 may be `perception` at most."""
    best = 2 ** (-2 * rate)
    return best + max(0.0, 1 - math.sqrt(1 - best) - perception) ** 2


def posterior_sampling(rate: float) -> float:
    """Return the distortion of a decoder that draws from all that could have been sent: as real, but random."""
    return 2 * least_distortion(rate)


def gaussian(rate: float, total: int | None = None) -> list[dict[str, Any]]:
    """Decoders for a Gaussian source that a channel of so many bits has passed on with Gaussian noise."""
    import torch

    from benchmarks.talk.decoders import STEPS, decoders

    kept = math.sqrt(1 - 2 ** (-2 * rate))

    def samples(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, noise = torch.randn(2, count, 1, generator=generator)
        return x, kept * x + math.sqrt(1 - kept**2) * noise

    return [
        {"source": "Gaussian", "bits": f"{rate:.3f}"} | row
        for row in decoders(samples, 1, f"Gaussian, {rate:g} bits", total or STEPS)
    ]


def banana() -> list[dict[str, Any]]:
    """Decoders for the banana: what a trained codec sends is theirs, and noise."""
    import torch

    from benchmarks.talk import toy
    from benchmarks.talk.decoders import STEPS, decoders
    from benchmarks.talk.one_model import trained

    codec = trained(TOY_LAMBDA)
    rate, _, _ = toy.measure(codec)

    @torch.no_grad()
    def samples(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = toy.banana(count, generator)
        sent = codec(x, torch.zeros(count))[2]
        return x, torch.cat((sent, torch.randn(count, 2, generator=generator)), 1)

    return [{"source": "banana", "bits": f"{rate:.3f}"} | row for row in decoders(samples, 2, "banana", STEPS)]


def draw(pane: Any, rows: list[dict[str, Any]], colour: str, label: str) -> None:
    """Draw trained decoders as marks, and interpolated ones as a line between the first and the last of those."""
    points = {
        kind: [(float(row["perception_w2"]), float(row["distortion"])) for row in rows if row["decoder"] == kind]
        for kind in ("trained", "interpolated")
    }
    trained = points["trained"]
    line = [trained[0], *points["interpolated"], trained[-1]]
    pane.plot(*zip(*line, strict=True), "--", color=colour, lw=1)
    pane.plot(*zip(*trained, strict=True), "o", color=colour, ms=5, label=label)


def draw_photos(pane: Any) -> None:
    """Draw what `benchmarks.realism` measured, a curve a quality, and what the law makes of its two ends."""
    rows = read_rows(realism.CSV)
    for quality, colour, mark in zip(
        dict.fromkeys(row["quality"] for row in rows), COLOURS.values(), MARKS, strict=False
    ):
        own = [row for row in rows if row["quality"] == quality and row["kid"]]
        distances = [float(row["kid"]) for row in own]
        for column, style in (("psnr", {"ls": "-", "marker": mark, "ms": 4}), ("law", {"ls": ":", "lw": 2})):
            errors = [255**2 * 10 ** (-float(row[column]) / 10) for row in own]
            label = f"q {quality}" if column == "psnr" else None
            pane.plot(distances, errors, color=colour, label=label, **style)
    pane.set_title("photos: mse to hific;\ndotted: D* + (P* - P)²")
    pane.set_xlabel("distance from originals, KID")
    pane.set_ylabel("mean squared error, levels²")
    pane.legend(loc="lower right")


def make(given: Given) -> None:
    """Train the decoders and draw them beside the closed form."""
    has_photos = realism.CSV.exists()
    figure, panes = panels(2 + has_photos, 340)
    rows = []
    for rate, colour in zip(RATES, COLOURS.values(), strict=False):
        rows += gaussian(rate)
        draw(panes[0], rows[-7:], colour, f"{rate:g} bit" + "s" * (rate != 1))
        places = [index / 100 for index in range(61)]
        panes[0].plot(places, [least_distortion(rate, place) for place in places], color=colour, lw=3, alpha=0.35)
        panes[0].plot(0, posterior_sampling(rate), "x", color=colour, ms=7, mew=2)
    panes[0].set_title("Gaussian source; wide: closed form,\ncross: samples of the posterior")
    rows += banana()
    draw(panes[1], rows[-7:], COLOURS["blue"], "trained")
    panes[1].set_title(f"banana, {float(rows[-1]['bits']):.2f} bits")
    for pane in panes[:2]:
        pane.set_xlabel("distance from originals, W2")
        pane.set_ylabel("squared error a sample")
        pane.legend()
        pane.set_ylim(bottom=0)
    write_rows(given.out / "realism_curve.csv", rows)
    if has_photos:
        draw_photos(panes[2])
    save(figure, given, "realism_curve")


FIGURE = Figure(
    "realism_curve",
    "Distortion against realism",
    "At one rate, the decoder of the least error decodes what is not distributed like originals (right end of each "
    "curve), and one that is made to do so has a larger error, in theory at most twice the least one. For a Gaussian "
    "source the curve is known in closed form, and decoders that are trained for error and realism together lie on it; "
    "those for the banana behave alike. The dashed lines interpolate between the two ends, which takes no further "
    "training, as the knob of realism of lcodec does with one file; on photos its curve lies below D* + (P* - P)², "
    "dotted.",
    make,
    needs=("torch",),
)
