"""`python -m benchmarks.report`: put the committed Kodak results into the README and the model's card, and draw them.

They go between the texts' markers.

No figure of that table is written by hand, and the picture's curves are drawn from the same results: a test fails while
one of them differs from the results.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import FIGURE, write_figure
from lcodec.compare import BdRate, Curve, Metric, rival

ROOT = Path(__file__).parents[1]
#: Texts with the markers: the README, and the model's card.
TEXTS = (ROOT / "README.md", ROOT / "models" / "mse.md")
RESULTS = ROOT / "benchmarks" / "results" / "kodak-mse.csv"
BEGIN, END = "<!-- kodak:begin -->", "<!-- kodak:end -->"
MEAN = "mean"  # stands in the place of a photo's name in the rows of means

#: What lcodec is compared with, from the oldest format to the strongest.
RIVALS = (
    "jpeg-420",
    "mozjpeg-420",
    "webp",
    "jpeg2000",
    "jxl",
    "heic-444",
    "avif-444",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    "bpg-444",
    "vtm",
)


@dataclass(frozen=True)
class Row:
    """One line of a results file: a photo at a quality, or the mean over the photos."""

    model: str  #: name and ids of the model that coded it
    photo: str  #: name of its file, or MEAN
    quality: float  #: 0..100, as given to `lcodec encode -q`
    bytes: float  #: size of the whole file
    bpp: float  #: bits per pixel, of the whole file
    psnr: float  #: dB
    ms_ssim: float  #: 0..1
    encode_s: float  #: picture in memory -> file
    decode_s: float  #: file -> picture in memory


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a results file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(model, photo, *map(float, numbers)) for model, photo, *numbers in list(csv.reader(file))[1:]]


def curve(rows: list[Row]) -> Curve:
    """Make the rate-distortion curve of the rows of means."""
    means = [row for row in rows if row.photo == MEAN]
    return Curve(
        "lcodec",
        bpp=tuple(row.bpp for row in means),
        psnr=tuple(row.psnr for row in means),
        ms_ssim=tuple(row.ms_ssim for row in means),
    )


def comparisons(tested: Curve) -> Iterator[tuple[Curve, BdRate | None, BdRate | None]]:
    """Yield each rival and the delta rates of `tested` against it, by PSNR and by MS-SSIM; None: no common range."""
    for name in RIVALS:
        anchor = rival(name)
        yield anchor, _delta(tested, anchor, "psnr"), _delta(tested, anchor, "ms_ssim")


def table(rows: list[Row]) -> str:
    """Format the results as Markdown: the means for each quality, then the delta rates."""
    photos = len({row.photo for row in rows} - {MEAN})
    lines = [
        f"Means over {photos} photos, whole files:",
        "",
        "| quality | bits/pixel | PSNR, dB | MS-SSIM |",
        "|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.photo == MEAN:
            lines.append(f"| {row.quality:g} | {row.bpp:.3f} | {row.psnr:.2f} | {row.ms_ssim:.4f} |")
    lines += [
        "",
        "Bits that lcodec needs for the same quality (BD-rate; negative: fewer), and the range of qualities in dB:",
        "",
        "| against | by PSNR | by MS-SSIM |",
        "|---|---:|---:|",
    ]
    for anchor, psnr, ms_ssim in comparisons(curve(rows)):
        lines.append(f"| {anchor.title} | {describe(psnr)} | {describe(ms_ssim)} |")
    return "\n".join(lines)


def describe(delta: BdRate | None) -> str:
    """Format a delta rate with its range, or the lack of one."""
    return "no common range" if delta is None else str(delta)


def splice(text: str, between: str) -> str:
    """Return `text` with what stands between the markers replaced.

    Raises:
        ValueError: the markers do not stand there exactly once each, in their order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the text needs {BEGIN} and then {END}, once each")
    before, after = text.split(BEGIN, maxsplit=1)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{between}\n{END}{after}"


def _delta(tested: Curve, anchor: Curve, metric: Metric) -> BdRate | None:
    try:
        return tested.bd_rate_against(anchor, metric)
    except ValueError:  # no MS-SSIM published, or no common range; broken results have failed as a `Curve` before
        return None


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that benchmarks.kodak wrote")
    parser.add_argument("--text", type=Path, nargs="+", default=TEXTS, help="with the markers")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="SVG to draw")
    arguments = parser.parse_args()
    rows = read_rows(arguments.results)
    for path in arguments.text:
        old = path.read_text(encoding="utf-8")
        new = splice(old, table(rows))
        path.write_text(new, encoding="utf-8")
        print(f"{path.name}: {'already up to date' if new == old else 'updated'}")
    write_figure(curve(rows), arguments.figure)
    print(f"{arguments.figure.name}: drawn")


if __name__ == "__main__":
    main()
