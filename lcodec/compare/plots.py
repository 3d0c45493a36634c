"""Rate-distortion curves as SVG and PNG, by matplotlib."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lcodec.compare.codecs import RIVALS, open_codec
from lcodec.compare.report import Report, axis_value
from lcodec.metrics import MEASURES

__all__ = ["COLOURS", "colour", "draw", "missing"]

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
        figure = Figure(figsize=(8, 6), layout="constrained")
        axes = figure.add_subplot()
        for codec in report.codecs:
            points = [(m.bpp, axis_value(metric, m.metrics[metric])) for m in means if m.codec == codec]
            whole = [(bpp, value) for bpp, value in points if value is not None]
            if not whole:
                continue
            paint, dashed = colour(codec, report.codecs)
            axes.plot(
                *zip(*whole, strict=True),
                color=paint,
                linestyle="--" if dashed else "-",
                linewidth=1.3 if codec in RIVALS else 2.4,
                marker="o",
                markersize=3.5,
                label=open_codec(codec).title,
            )
        axes.set_xlabel("bits per pixel, whole files")
        axes.set_ylabel(MEASURES[metric].axis or MEASURES[metric].title)
        axes.set_title(f"Means over the pictures ({len(report.photos)})")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
        for suffix in ("svg", "png"):
            figure.savefig(folder / f"curves-{metric}.{suffix}", dpi=150)
