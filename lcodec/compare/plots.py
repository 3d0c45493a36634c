"""Rate-distortion curves as SVG and PNG, by matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from lcodec.atomic import write_whole
from lcodec.compare.codecs import RIVALS, open_codec
from lcodec.compare.report import Report, point
from lcodec.metrics import MEASURES

__all__ = ["COLOURS", "Line", "colour", "draw", "draw_lines", "missing"]


@dataclass(frozen=True)
class Line:
    """A curve as it is drawn."""

    title: str
    points: tuple[tuple[float, float], ...]  #: (bits per pixel, quality), smallest files first
    colour: str
    dashed: bool
    ours: bool  #: drawn thicker, above the others


#: One for each family of codecs; ours is the first, and stands out.
COLOURS = {
    "lcodec": "#d6336c",
    "jpeg": "#868e96",
    "mozjpeg": "#495057",
    "webp": "#2f9e44",
    "jpeg2000": "#ae7a2d",
    "jxl": "#7048e8",
    "heic": "#1c7ed6",
    "avif": "#f08c00",
    "bpg": "#0b7285",
}
#: For models after the first.
_MORE = ("#a61e4d", "#e8590c", "#c2255c", "#862e9c")


def missing() -> str | None:
    """Say how to get matplotlib, where it is not at hand."""
    return None if find_spec("matplotlib") else "pip install 'lcodec[eval]'"


def colour(codec: str, codecs: list[str]) -> tuple[str, bool]:
    """Return the colour of a codec's curve, and whether it is dashed, as those of 4:2:0 are beside 4:4:4."""
    if codec in RIVALS:
        return COLOURS[codec.partition("-")[0]], codec.endswith("-420")
    models = [name for name in codecs if name not in RIVALS]
    return (COLOURS["lcodec"], *_MORE)[models.index(codec) % (len(_MORE) + 1)], False


def draw(report: Report, folder: Path) -> None:
    """Write curves-METRIC.svg and .png for each metric."""
    from matplotlib.figure import Figure

    means = report.means()
    for metric in report.metrics:
        lines = []
        for codec in report.codecs:
            points = [found for m in means if m.codec == codec and (found := point(m, metric)) is not None]
            whole = tuple(sorted(points))  # settings may be asked for in any order
            lines.append(Line(open_codec(codec).title, whole, *colour(codec, report.codecs), ours=codec not in RIVALS))
        figure = Figure(figsize=(8, 6), layout="constrained")
        axes = figure.add_subplot()
        draw_lines(axes, lines, MEASURES[metric].axis or MEASURES[metric].title)
        pictures = len(report.photos) - len(report.without(metric))
        axes.set_title(f"Means over the pictures ({pictures}), whole files")
        if axes.lines:
            axes.legend(fontsize=8, loc="lower right")  # where no curve comes: more bits are never worse
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of names in a script that the font lacks
            for suffix in ("svg", "png"):
                image = BytesIO()
                figure.savefig(image, format=suffix, dpi=150)
                write_whole(folder / f"curves-{metric}.{suffix}", image.getvalue(), replace=True)


def draw_lines(axes: Any, lines: Sequence[Line], quality: str) -> None:
    """Draw curves into matplotlib's axes, rates on a logarithmic scale: there, equal savings are equal distances."""
    drawn = [line for line in lines if line.points]
    for line in drawn:
        axes.plot(
            *zip(*line.points, strict=True),
            color=line.colour,
            linestyle="--" if line.dashed else "-",
            linewidth=2.4 if line.ours else 1.3,
            marker="o",
            markersize=3.5,
            label=line.title.replace("$", r"\$"),  # a pair of them would be a formula
            zorder=3 if line.ours else 2,
        )
    if drawn:
        axes.set_xscale("log")
        rates = [bpp for line in drawn for bpp, _ in line.points]
        steps = [digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5)]
        axes.set_xticks(steps, [f"{step:g}" for step in steps])
        axes.set_xticks([], minor=True)
        axes.set_xlim(min(rates) / 1.1, max(rates) * 1.1)
        axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(quality)
    axes.grid(alpha=0.3)
