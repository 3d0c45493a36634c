"""The README's picture of the Kodak results: curves of the shipped models and of others, as one SVG.

It is made of the committed results and `benchmarks.published` alone, by `python -m benchmarks.report`; a test compares
its curves with those of a new one.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common import RESULTS
from benchmarks.published import Curve, Metric, rival
from lcodec.compare.plots import COLOURS, Line, draw_lines

FIGURE = RESULTS / "kodak.svg"

#: The rivals that are drawn: all of the table would hide one another.
DRAWN = {
    "vtm": "#343a40",
    "bpg-444": COLOURS["bpg"],
    "avif-444": COLOURS["avif"],
    "mbt2018-mean": "#1c7ed6",
    "jpeg2000": COLOURS["jpeg2000"],
    "webp": COLOURS["webp"],
    "jxl": COLOURS["jxl"],
    "jpeg-420": COLOURS["jpeg"],
}
#: For our models, in their order.
MODEL_COLOURS = (COLOURS["lcodec"], "#862e9c", "#e8590c")
PANELS: dict[Metric, str] = {"psnr": "PSNR of R, G, B, dB", "ms_ssim": "MS-SSIM, dB: -10 log10(1 - m)"}


def lines(tested: list[Curve], metric: Metric) -> list[Line]:
    """Return the curves of a panel, ours first."""
    rates = [bpp for curve in tested for bpp in curve.bpp]

    def line(curve: Curve, colour: str, *, ours: bool) -> Line:
        points = tuple(zip(curve.bpp, curve.quality(metric), strict=True))
        # As far as ours go, and a little on: what lies beyond is nothing to compare with.
        shown = tuple(point for point in points if 0.8 * min(rates) <= point[0] <= 1.25 * max(rates))
        return Line(curve.title, shown, colour, dashed=False, ours=ours)

    ours = [line(curve, colour, ours=True) for curve, colour in zip(tested, MODEL_COLOURS, strict=False)]
    return ours + [line(rival(name), colour, ours=False) for name, colour in DRAWN.items()]


def write_figure(tested: list[Curve], target: Path) -> None:
    """Draw the curves of the results and their rivals': by PSNR on the left, by MS-SSIM on the right."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = [*(curve.title for curve in tested), *DRAWN]
    figure = Figure(figsize=(11, 4.8))
    for i, (metric, title) in enumerate(PANELS.items()):
        # Fixed places, not a layout engine's: the curves' coordinates must not depend on a font.
        axes = figure.add_axes((0.055 + 0.39 * i, 0.115, 0.33, 0.85))
        draw_lines(axes, lines(tested, metric), title)
        for drawn, name in zip(axes.lines, names, strict=True):
            drawn.set_gid(f"{metric}-{name}")  # its name in the SVG
    figure.legend(handles=axes.lines, loc="center left", bbox_to_anchor=(0.785, 0.54), fontsize=9, frameon=False)
    with mpl.rc_context({"svg.hashsalt": "lcodec"}):  # else its ids differ every time
        figure.savefig(target, format="svg", metadata={"Date": None})
