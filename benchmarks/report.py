"""`python -m benchmarks.report`: put the committed Kodak results into the README and the models' cards, and draw them.

They go between the texts' markers: each model's into its card, those of the large networks into the README.
(`benchmarks.effort` puts its own table there.)

No figure of that table is written by hand, and the picture's curves are drawn from the same results: a test fails while
one of them differs from the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import MODELS, README, read_rows, results_of, shipped, splice
from benchmarks.figure import FIGURE, write_figure
from benchmarks.published import Curve, Metric, rival
from lcodec.compare import BdRate

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
    effort: int  #: 0..9, as given to `lcodec encode -e`
    quality: float  #: 0..100, as given to `lcodec encode -q`
    bytes: float  #: size of the whole file
    bpp: float  #: bits per pixel, of the whole file
    psnr: float  #: dB
    ms_ssim: float  #: 0..1
    encode_s: float  #: picture in memory -> file
    decode_s: float  #: file -> picture in memory


def in_readme() -> list[str]:
    """Models in the README and the picture: those of the small networks would hide the others, and have their cards."""
    return [model for model in shipped() if not model.endswith("-fast")]


def texts() -> dict[Path, list[str]]:
    """Texts with the markers, and the models whose results each shows."""
    cards = {MODELS / f"{model}.md": [model] for model in shipped()}
    return {README: in_readme(), **cards}


def read_results(path: Path) -> list[Row]:
    """Read the rows of a results file."""
    rows = [list(row.values()) for row in read_rows(path)]
    return [Row(model, photo, int(effort), *map(float, numbers)) for model, photo, effort, *numbers in rows]


def name_of(rows: list[Row]) -> str:
    """Name of the model that made the results."""
    return rows[0].model.partition(" ")[0]


def curve(rows: list[Row]) -> Curve:
    """Make the rate-distortion curve of the rows of means."""
    means = [row for row in rows if row.photo == MEAN]
    return Curve(
        f"lcodec {name_of(rows)}",
        bpp=tuple(row.bpp for row in means),
        psnr=tuple(row.psnr for row in means),
        ms_ssim=tuple(row.ms_ssim for row in means),
    )


def comparisons(tested: Curve) -> Iterator[tuple[Curve, BdRate | None, BdRate | None]]:
    """Yield each rival and the delta rates of `tested` against it, by PSNR and by MS-SSIM; None: no common range."""
    for name in RIVALS:
        anchor = rival(name)
        yield anchor, _delta(tested, anchor, "psnr"), _delta(tested, anchor, "ms_ssim")


def table(*results: list[Row]) -> str:
    """Format the results of one or several models as Markdown: the means for each quality, then the delta rates."""
    photos = len({row.photo for rows in results for row in rows} - {MEAN})
    efforts = {name_of(rows): rows[0].effort for rows in results}
    said = (
        f"effort {efforts.popitem()[1]}"
        if len(set(efforts.values())) == 1
        else "efforts " + ", ".join(f"{effort} ({name})" for name, effort in efforts.items())
    )
    names = [f"{name_of(rows)}: " if len(results) > 1 else "" for rows in results]
    means = [{row.quality: row for row in rows if row.photo == MEAN} for rows in results]
    lines = [
        f"Means over {photos} photos, whole files of {said}:",
        "",
        "| quality |" + "".join(f" {name}bits/pixel | PSNR, dB | MS-SSIM |" for name in names),
        "|---:|" + "---:|---:|---:|" * len(names),
    ]
    for quality in sorted(set().union(*means)):
        rows = [by_quality[quality] for by_quality in means]
        lines.append(f"| {quality:g} |" + "".join(f" {r.bpp:.3f} | {r.psnr:.2f} | {r.ms_ssim:.4f} |" for r in rows))
    lines += [
        "",
        "Bits that lcodec needs for the same quality (BD-rate; negative: fewer), and the range of qualities in dB:",
        "",
        "| against |" + "".join(f" {name}by PSNR | by MS-SSIM |" for name in names),
        "|---|" + "---:|---:|" * len(names),
    ]
    for compared in zip(*(comparisons(curve(rows)) for rows in results), strict=True):
        cells = "".join(f" {describe(psnr)} | {describe(ms_ssim)} |" for _, psnr, ms_ssim in compared)
        lines.append(f"| {compared[0][0].title} |{cells}")
    return "\n".join(lines)


def describe(delta: BdRate | None) -> str:
    """Format a delta rate with its range, or the lack of one."""
    return "no common range" if delta is None else str(delta)


def _delta(tested: Curve, anchor: Curve, metric: Metric) -> BdRate | None:
    try:
        return tested.bd_rate_against(anchor, metric)
    except ValueError:  # no MS-SSIM published, or no common range; broken results have failed as a `Curve` before
        return None


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.parse_args()
    results = {model: read_results(results_of(model)) for model in shipped()}
    for path, models in texts().items():
        old = path.read_text(encoding="utf-8")
        new = splice(old, table(*(results[model] for model in models)))
        path.write_text(new, encoding="utf-8")
        print(f"{path.name}: {'already up to date' if new == old else 'updated'}")
    write_figure([curve(results[model]) for model in in_readme()], FIGURE)
    print(f"{FIGURE.name}: drawn")


if __name__ == "__main__":
    main()
