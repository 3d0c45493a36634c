"""Three codecs for a toy source, the banana: a linear transform, a nonlinear one, and vector quantisation.

Ballé et al. 2020, "Nonlinear transform coding", Fig. 3: what a codec decodes to (its codebook) and the cells of the
plane that it decodes so. A linear transform has a lattice of parallelograms, which the source does not fit; learned
transforms bend the lattice after the source, and come close to what only a search through a codebook can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.common import write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save, steps

if TYPE_CHECKING:
    from benchmarks.talk.toy import Codec

#: R + lambda D on the talk's slide.
SLIDE = {"linear transform coding": 6.87, "nonlinear transform coding": 5.97, "vector quantisation": 5.95}
#: The part of the plane that is drawn, in both directions, and the side of its picture in pixels.
LOW, HIGH, SIDE = -5.5, 5.5, 520
#: Codewords that take more bits are not drawn: they are hardly ever met.
RARE = 14.0


def trained(total: int | None = None) -> dict[str, Codec]:
    """Return the codecs of the slide, trained for so many steps (without it, all that the figure takes)."""
    import torch

    from benchmarks.talk import toy

    codecs: dict[str, Codec] = {}
    for name, learning_rate in zip(SLIDE, (3e-3, 2e-3, 1e-2), strict=True):
        torch.manual_seed(0)
        vectors = name.startswith("vector")
        codec = toy.VectorCodec(toy.LAMBDA) if vectors else toy.TransformCodec([toy.LAMBDA], linear="non" not in name)
        toy.train(codec, steps(total or toy.STEPS, name), total or toy.STEPS, learning_rate)
        codecs[name] = codec
    return codecs


def draw(pane: Any, codec: Codec) -> None:
    """Draw the source's density, the cells, and what each cell decodes to, the larger the likelier."""
    import torch

    from benchmarks.talk import toy

    places = LOW + (torch.arange(SIDE) + 0.5) / SIDE * (HIGH - LOW)
    x = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
    with torch.no_grad():
        bits, _, decoded = codec(x.reshape(-1, 2), torch.zeros(SIDE * SIDE))
    # Rounded, for the same latents may decode to values that differ in the last bit.
    words, cell = decoded.mul(1e3).round().unique(dim=0, return_inverse=True)
    cell = cell.reshape(SIDE, SIDE)
    edge = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for shift in ((1, 0), (0, 1), (-1, 0), (0, -1)):  # two pixels wide
        edge |= cell != cell.roll(shift, (0, 1))
    shade = (12 * (toy.density(x) / toy.density(x).max()).sqrt()).round() / 12  # few shades: a small file
    paper, ink = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.34, 0.71, 0.91])
    shown = torch.lerp(paper, ink, shade[..., None])
    shown[edge] *= 0.65
    pane.imshow((255 * shown).byte().numpy(), origin="lower", extent=(LOW, HIGH, LOW, HIGH), interpolation="none")
    rates = torch.zeros(len(words)).scatter_(0, cell.flatten(), bits)
    common = rates < RARE
    sizes = 60 * 2 ** (-rates[common])
    pane.scatter(*words[common].T / 1e3, s=6 + sizes, color=COLOURS["vermillion"], linewidths=0, zorder=3)
    pane.set_xlim(LOW, HIGH)
    pane.set_ylim(LOW, HIGH)
    pane.set_xlabel("first dimension")
    pane.set_ylabel("second dimension")
    pane.grid(visible=False)


def make(given: Given) -> None:
    """Train the codecs, measure them on new samples, draw their cells."""
    from benchmarks.talk import toy

    rows = []
    figure, panes = panels(4, 690, columns=2)
    for (name, codec), pane in zip(trained().items(), panes, strict=False):
        rate, error, cost = toy.measure(codec)
        numbers = {"bits": rate, "squared_error": error, "loss": cost}
        rows.append({"codec": name} | {key: f"{each:.3f}" for key, each in numbers.items()} | {"slide": SLIDE[name]})
        draw(pane, codec)
        pane.set_title(f"{name}\n{rate:.2f} bits + {toy.LAMBDA:g} x {error:.3f} = {cost:.2f}")
    write_rows(given.out / "banana.csv", rows)
    last, names = panes[3], [row["codec"].replace(" transform coding", "").replace(" ", "\n") for row in rows]
    rates, errors = ([float(row[key]) for row in rows] for key in ("bits", "squared_error"))
    last.bar(names, rates, 0.5, color=COLOURS["blue"], label="R, bits")
    last.bar(names, [toy.LAMBDA * each for each in errors], 0.5, rates, color=COLOURS["orange"], label="λD")
    last.hlines(SLIDE.values(), [-0.35, 0.65, 1.65], [0.35, 1.35, 2.35], color="black", lw=1.5, label="slide")
    for place, row in enumerate(rows):
        last.annotate(row["loss"], (place, float(row["loss"])), (0, 6), textcoords="offset points", ha="center")
    last.set_ylim(0, 9)
    last.set_ylabel("R + λD a sample, bits")
    last.legend(loc="upper right", ncols=3)
    save(figure, given, "banana")


FIGURE = Figure(
    "banana",
    "A toy source: linear and nonlinear transform coding",
    "Each cell of the plane is decoded to the dot in it, and a likely cell takes few bits; the source is the shaded "
    "banana. A linear transform can only lay a skewed grid over it, a nonlinear one bends its grid along the source, "
    "and vector quantisation has no grid at all, but has to search a codebook that grows exponentially with the "
    "dimension. By rate plus lambda times squared error, nonlinear transform coding is as good as the codebook, within "
    "two percent.",
    make,
    needs=("torch",),
)
