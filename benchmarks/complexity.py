"""`python -m benchmarks.complexity`: rate, distortion and complexity of the shipped models, among published codecs.

Across: multiply-adds a pixel that a decoder takes, as the sizes of a model say. Up: bits for the same PSNR on Kodak,
against VTM. Both from committed results: `kodak-MODEL.csv`, for the effort that it was measured with; the other efforts
of the same model stand to it as `effort.csv` says, in which each level was compared with level 0. They take other
seconds to encode (the second panel), never to decode.

What others take stands in `published-complexity.csv`, each point with its sources. VTM, BPG and AVIF have no
multiply-adds, and are lines. Writes `results/complexity.csv` and `results/complexity.svg`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import effort
from benchmarks.common import RESULTS, open_model, read_rows, results_of, shipped, show, write_rows
from benchmarks.published import rival
from benchmarks.report import curve, read_results
from lcodec.networks.architecture import Architecture

PUBLISHED = Path(__file__).with_name("published-complexity.csv")
CSV = RESULTS / "complexity.csv"
FIGURE = RESULTS / "complexity.svg"
ANCHOR = "vtm"
#: Codecs that are lines, and how to draw them.
LINES = {"vtm": "-", "avif-444": "--", "bpg-444": ":"}
#: Colours and marks that stay apart for the colour-blind (Okabe and Ito), for the shipped models in their order.
STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
#: Where a name stands beside its point, in points of 1/72 inch; above it unless told otherwise.
ABOVE = (0, 7, "center")
PLACES = {
    "DCVC-UF intra": (-6, -3, "right"),
    "DCVC-RT intra": (-2, -14, "center"),
    "ELIC": (6, -3, "left"),
    "EVC-L": (-6, -3, "right"),
    "EVC-S": (-6, -3, "right"),
    "cheng2020-anchor": (10, 7, "right"),
}


@dataclass(frozen=True)
class Point:
    """A codec, with the effort it was run with where it has any."""

    codec: str
    effort: str  #: "" for a published one
    encoder_kmac: float | None  #: thousands of multiply-adds a pixel, without effort; None: not known
    decoder_kmac: float
    encode_s: float | None  #: seconds of a CPU for a photo of 768x512; None: not measured here
    bd_rate: float  #: percent of bits over VTM at the same PSNR

    def row(self) -> dict[str, str]:
        """Return it as it is written."""
        return {
            "codec": self.codec,
            "effort": self.effort,
            "encoder_kmac": "" if self.encoder_kmac is None else f"{self.encoder_kmac:.1f}",
            "decoder_kmac": f"{self.decoder_kmac:.1f}",
            "encode_cpu_s": "" if self.encode_s is None else f"{self.encode_s:.2f}",
            "bd_rate_vtm": f"{self.bd_rate:+.1f}",
        }


def parts(arrays: Any) -> dict[str, float]:
    """Return the thousands of multiply-adds a pixel of each network of a model."""
    sums: dict[str, float] = defaultdict(float)
    for layer in Architecture.of(arrays).layers():
        sums[layer.name.partition(".")[0]] += layer.multiply_adds / 1000
    return dict(sums)


def over_anchor(percent: float, effort_of_it: int, wanted: effort.Line, found: list[effort.Line]) -> float:
    """Return the BD-rate of another effort, in percent, from that of one and from how both stand to effort 0."""
    measured = next(line for line in found if line.effort == effort_of_it)
    return 100 * ((1 + percent / 100) * (1 + wanted.on_shared / 100) / (1 + measured.on_shared / 100) - 1)


def ours() -> list[Point]:
    """Return the points of the shipped models that were trained for MSE."""
    points = []
    efforts = effort.read_results(effort.CSV)
    for name, label in shipped().items():
        model = open_model(name)[1]
        if model.goal.aim != "mse":
            continue
        kmacs = [count / 1000 for count in model.architecture.multiply_adds()]
        rows = read_results(results_of(name))
        percent = curve(rows).bd_rate_against(rival(ANCHOR), "psnr").percent
        if label not in {key[0] for key in efforts}:
            points.append(Point(f"lcodec {name}", str(rows[0].effort), *kmacs, None, percent))
            continue
        found, _ = effort.lines(efforts, label)
        for line in found:
            bd_rate = over_anchor(percent, rows[0].effort, line, found)
            points.append(Point(f"lcodec {name}", str(line.effort), *kmacs, line.seconds, bd_rate))
    return points


def published() -> list[Point]:
    """Return the published points; BD-rates are ours where the curve is known, and else the source's."""
    points = []
    for row in read_rows(PUBLISHED):
        found = rival(row["curve"]).bd_rate_against(rival(ANCHOR), "psnr").percent if row["curve"] else None
        bd_rate = float(row["bd_rate_vtm"]) if found is None else found
        encoder = float(row["encoder_kmac"]) if row["encoder_kmac"] else None
        points.append(Point(row["codec"], "", encoder, float(row["decoder_kmac"]), None, bd_rate))
    return points


def draw(points: list[Point], others: list[Point], target: Path) -> None:
    """Write the picture, the same bytes for the same points."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    seconds = [point.encode_s for point in points if point.encode_s is not None]
    figure = Figure(figsize=(8, 4.4) if seconds else (6.6, 4.4))
    macs = figure.add_axes((0.09, 0.12, 0.55, 0.84) if seconds else (0.11, 0.12, 0.86, 0.84))
    panels = [macs]
    if seconds:
        panels.append(figure.add_axes((0.71, 0.12, 0.27, 0.84), sharey=macs))
        panels[1].set_xlabel("encoder: CPU seconds, 768x512")
        panels[1].margins(x=0.14)  # room for the first points' labels
    for axes in panels:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.grid(which="major", alpha=0.25)
        for name, style in LINES.items():
            axes.axhline(rival(name).bd_rate_against(rival(ANCHOR), "psnr").percent, color="0.35", ls=style, lw=1)
    if seconds:
        few = max(seconds) > 100 * min(seconds)  # of many, labels would overlap
        panels[1].xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1,) if few else (1, 2, 5)))
    for name in LINES:
        height = rival(name).bd_rate_against(rival(ANCHOR), "psnr").percent
        words = rival(name).title.partition(",")[0].partition(" (")[0]
        macs.annotate(words, (0.008, height), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                      fontsize=9, color="0.25")  # fmt: skip
    for point in others:
        macs.plot(point.decoder_kmac, point.bd_rate, "D", color="0.25", markersize=5, gid=point.codec)
        x, y, side = PLACES.get(point.codec, ABOVE)
        macs.annotate(point.codec, (point.decoder_kmac, point.bd_rate), (x, y), textcoords="offset points", ha=side,
                      fontsize=9, color="0.1")  # fmt: skip
    codecs = list(dict.fromkeys(point.codec for point in points))
    for codec, (colour, mark) in zip(codecs, STYLES, strict=False):
        own = [point for point in points if point.codec == codec]
        heights = [point.bd_rate for point in own]
        style = {"color": colour, "marker": mark, "markersize": 5, "gid": codec, "lw": 1.5}
        macs.plot([point.decoder_kmac for point in own], heights, **style)
        efforts = f"effort {own[0].effort}" + (f" to {own[-1].effort}" if len(own) > 1 else "")
        macs.annotate(f"{codec}\n{efforts}", (own[0].decoder_kmac, max(heights)), (0, 8), textcoords="offset points",
                      ha="center", fontsize=9, fontweight="bold", color=colour,
                      bbox={"color": "white", "pad": 1}, zorder=2.5)  # fmt: skip
        if own[0].encode_s is not None:
            panels[1].plot([point.encode_s for point in own], heights, **style | {"gid": f"{codec}, seconds"})
            for point, at in ((own[0], (-9, -3)), (own[-1], (0, 7))):
                panels[1].annotate(point.effort, (point.encode_s, point.bd_rate), at, textcoords="offset points",
                                   ha="center", fontsize=9, color=colour)  # fmt: skip
    macs.set_xlim(1, 900)
    macs.margins(y=0.12)
    macs.set_xlabel("decoder: thousands of multiply-adds a pixel")
    macs.set_ylabel("bits for the same PSNR over VTM, % (Kodak)")
    with mpl.rc_context({"svg.hashsalt": "lcodec"}):
        figure.savefig(target, format="svg", metadata={"Date": None})


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(prog="python -m benchmarks.complexity", description=__doc__).parse_args()
    for name in shipped():
        arrays = open_model(name)[1].arrays
        rows = [{"part": part, "kmac": f"{count:.2f}"} for part, count in parts(arrays).items()]
        show(rows, {"part": name, "kmac": "kMAC/pixel"}, f"{Architecture.of(arrays).parameters:,} parameters")
    points, others = ours(), published()
    rows = [point.row() for point in points + others]
    show(rows, dict(zip(rows[0], rows[0], strict=True)))
    write_rows(CSV, rows)
    draw(points, others, FIGURE)
    print(f"{CSV.name}, {FIGURE.name}: written")


if __name__ == "__main__":
    main()
