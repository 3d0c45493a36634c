"""What the talk's figures share: how one is described, what it is given, how it is drawn and written.

A figure is a module `benchmarks/talk/NAME.py` with `FIGURE = Figure("NAME", ...)`; `python -m benchmarks.talk` calls
its `make`, which writes NAME.svg, and NAME.csv with what the picture shows. matplotlib and torch are imported only
where a figure is made: `--help` and the page need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS
from lcodec.extras import has

OUT = RESULTS / "talk"
#: Width of every picture, in pixels of a screen (1/96 inch).
WIDTH = 700
#: Colours that the colour-blind can tell apart (Okabe and Ito 2008), to be taken in this order.
COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
#: Marks of curves: shape tells apart what colour does not.
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")

#: matplotlib's settings while a figure is made.
STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.hashsalt": "lcodec",  # else ids differ every time
}

_FOLDERS = {
    "photos": "--photos DIR, a folder of test photos",
    "train": "--train DIR..., photos to train on",
    "pairs": "--pairs DIR..., frames a moment apart",
}


@dataclass(frozen=True)
class Given:
    """What a figure is made from, and where it is written."""

    out: Path  #: folder of the results
    photos: Path | None = None  #: folder of test photos, such as Kodak's 24; never trained on
    train: tuple[Path, ...] = ()  #: photos to train on: folders, or tar files
    pairs: tuple[Path, ...] = ()  #: frames a moment apart, NAME-a.jpg and NAME-b.jpg: likewise


@dataclass(frozen=True)
class Figure:
    """One of the talk's figures."""

    name: str  #: of its module and of its files
    title: str
    text: str  #: three sentences for a person who knows the talk
    make: Callable[[Given], None]  #: writes NAME.svg and NAME.csv
    needs: tuple[str, ...] = ()  #: "photos", "train", "pairs", or modules that an extra installs

    @property
    def command(self) -> str:
        """The command that makes it, from the repository."""
        options = {"photos": " --photos DIR", "train": " --train DIR", "pairs": " --pairs DIR"}
        return f"python -m benchmarks.talk {self.name}" + "".join(options.get(need, "") for need in self.needs)

    def run(self, given: Given) -> None:
        """Make it, in the style of all of them."""
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            self.make(given)

    def lacks(self, given: Given) -> list[str]:
        """Return what is missing to make it, in the user's words."""
        found = {"photos": given.photos is not None, "train": bool(given.train), "pairs": bool(given.pairs)}
        return [
            _FOLDERS.get(need, f"{need}, which `pip install 'lcodec[eval,torch]'` brings")
            for need in ("matplotlib", *self.needs)
            if not (found[need] if need in found else has(need))
        ]


# ------------------------------------------------------------------------------------------------------------- progress


def steps(count: int, what: str) -> Iterator[int]:
    """Count from 0 to `count` - 1, with a bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(range(count), f"  {what}", console=console, transient=True, disable=not console.is_terminal)


# -------------------------------------------------------------------------------------------------------------- drawing


def panels(
    count: int = 1, height: int = 380, *, columns: int | None = None, widths: Sequence[float] | None = None
) -> tuple[Any, list[Any]]:
    """Return a matplotlib figure 700 pixels wide and so many high, and the axes of its panels, row by row.

    Args:
        count: of panels.
        height: of the whole figure, in pixels.
        columns: panels in a row; all of them without it.
        widths: of the columns, relative to each other.
    """
    from matplotlib.figure import Figure as Drawing

    columns = columns or count
    figure = Drawing(figsize=(WIDTH / 96, height / 96), layout="constrained")
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, gridspec_kw={"width_ratios": widths})
    shown = [each for row in axes for each in row]
    for unused in shown[count:]:
        unused.remove()
    return figure, shown[:count]


def save(figure: Any, given: Given, name: str) -> None:
    """Write NAME.svg into the folder of the results, the same bytes for the same picture."""
    given.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out / f"{name}.svg", format="svg", metadata={"Date": None})
