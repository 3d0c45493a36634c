"""One model for many points of the rate-distortion curve, against models that are trained for one point each.

Only the steps of quantisation depend on lambda, and are interpolated between the lambdas of training, as the gains of
lcodec's models are (Cui et al. 2021, "Asymmetric gained deep image compression"). Left the toy source, where all else
can be equal; right photos, from committed results.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmarks.common import results_of, write_rows
from benchmarks.published import rival
from benchmarks.report import curve, read_results
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save, steps
from lcodec.defaults import MODEL

if TYPE_CHECKING:
    from benchmarks.talk.toy import TransformCodec

LAMBDAS = (1.0, 8.0, 64.0)
#: Of training, for the one model as for each of the others: what is compared has had the same.
STEPS = 3000
#: Points of the one model: so many from each lambda of training to the next.
BETWEEN = 4
#: Learned codecs of one model a point, published with as many models as points.
OTHERS = ("bmshj2018-hyperprior", "mbt2018-mean")


@cache
def trained(*lambdas: float) -> TransformCodec:
    """Return the nonlinear codec trained for these lambdas; `realism_curve` takes one too."""
    import torch

    from benchmarks.talk import toy

    torch.manual_seed(0)
    codec = toy.TransformCodec(lambdas)
    toy.train(codec, steps(STEPS, f"lambda {', '.join(f'{each:g}' for each in lambdas)}"), STEPS, 4e-3)
    return codec


def points() -> list[dict[str, str]]:
    """Train the models of the toy source and measure them: columns model, lambda, bits, squared_error, loss."""
    from benchmarks.talk import toy

    places = [index / BETWEEN for index in range((len(LAMBDAS) - 1) * BETWEEN + 1)]
    measured = [("one for all", trained(*LAMBDAS), place) for place in places]
    measured += [(f"for lambda {each:g} alone", trained(each), 0.0) for each in LAMBDAS]
    rows = []
    for name, codec, place in measured:
        rate, error, cost = toy.measure(codec, place, 200_000)
        weight = (cost - rate) / error  # lambda, as it is interpolated
        numbers = {"lambda": weight, "bits": rate, "squared_error": error, "loss": cost}
        rows.append({"model": name} | {key: f"{value:.4f}" for key, value in numbers.items()})
    return rows


def make(given: Given) -> None:
    """Draw both."""
    rows = points()
    write_rows(given.out / "one_model.csv", rows)
    figure, (toy_source, photos) = panels(2, 360)
    bits, errors = ([float(row[key]) for row in rows] for key in ("bits", "squared_error"))
    count = len(rows) - len(LAMBDAS)
    style = {"color": COLOURS["blue"], "marker": "o", "ms": 4}
    toy_source.plot(bits[:count], errors[:count], **style, label="one model")
    style = {"color": COLOURS["vermillion"], "marker": "s", "ms": 9, "mfc": "none", "ls": "none"}
    toy_source.plot(bits[count:], errors[count:], **style, label="a model for each point")
    toy_source.set_yscale("log")
    toy_source.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"])
    toy_source.set_title("toy source")
    toy_source.set_xlabel("bits a sample")
    toy_source.set_ylabel("squared error a sample")
    ours = curve(read_results(results_of(MODEL)))
    photos.plot(ours.bpp, ours.psnr, "o-", color=COLOURS["blue"], ms=4, label=f"{ours.title}: one model")
    for name, mark, colour in zip(OTHERS, "sD", ("vermillion", "green"), strict=True):
        other = rival(name)
        models = f"{name}: {len(other.bpp)} models"
        photos.plot(other.bpp, other.psnr, mark, color=COLOURS[colour], ms=6, mfc="none", label=models)
    photos.set_xscale("log")
    photos.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
    photos.set_title("Kodak")
    photos.set_xlabel("bits a pixel")
    photos.set_ylabel("PSNR, dB")
    for pane in (toy_source, photos):
        pane.legend()
    save(figure, given, "one_model")


FIGURE = Figure(
    "one_model",
    "One model for many rates",
    "Learned codecs were first trained for one lambda each, so that every point of a curve took a model of its own. "
    "Where only the steps of quantisation depend on lambda, one model serves a whole range of them, also between those "
    "that it was trained for: on the toy source, after equally many steps of training, it costs half a bit where the "
    "steps are coarse, and nothing where they are fine. The model of lcodec does so for photos, and one file covers "
    "what others take eight for.",
    make,
    needs=("torch",),
)
