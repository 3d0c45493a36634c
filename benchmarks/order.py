"""`python -m benchmarks.order --photos DIR`: whether each step up in quality takes more bits and shows more.

Real files at every whole quality from 0 to 100, at effort 0, through the normal decoder. The CSV has a line for each
photo: how many of the 100 steps lower the rate, and how many PSNR and MS-SSIM, with the largest fall of each.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.effort import photos_of
from benchmarks.kodak import label_of, open_model
from benchmarks.report import results_of
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.defaults import MODEL
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import read_picture
from lcodec.processes import in_order

QUALITIES = range(101)
MEASURES = ("bytes", "psnr", "ms_ssim")
COLUMNS = ("model", "photo", *(f"{measure}_{what}" for measure in MEASURES for what in ("falls", "largest")))


def _falls(values: Sequence[float]) -> list[str]:
    falls = [before - after for before, after in pairwise(values) if after < before]
    return [str(len(falls)), f"{max(falls, default=0):.3g}"]


def _measure(task: tuple[str, Path]) -> list[str]:
    wanted, photo = task
    zoo, model = open_model(wanted)
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    points = []
    for quality in QUALITIES:
        data = encode(picture, model, quality)
        decoded = decode(data, zoo).pixels
        points.append((len(data), psnr(picture.pixels, decoded), ms_ssim(picture.pixels, decoded)))
    return [label_of(model), photo.name, *(cell for values in zip(*points, strict=True) for cell in _falls(values))]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default=MODEL, help="name, or path of a model file")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="CSV file to write; by default order-MODEL.csv in benchmarks/results")
    arguments = parser.parse_args()
    tasks = [(arguments.model, photo) for photo in photos_of(arguments.photos)]
    results = in_order(_measure, tasks, arguments.jobs)
    rows = list(track(results, "photos", len(tasks), console=Console(stderr=True)))
    out = arguments.out or results_of(Path(arguments.model).stem, "order")
    with out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    steps = len(rows) * (len(QUALITIES) - 1)
    for place, measure in enumerate(MEASURES):
        falls = [int(row[2 + 2 * place]) for row in rows]
        print(f"{measure}: {sum(falls)} of {steps} steps fall, on {sum(map(bool, falls))} photos")


if __name__ == "__main__":
    main()
