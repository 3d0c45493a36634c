"""`python -m benchmarks.kodak --photos DIR`: rate and distortion on the Kodak photos, through real files.

Each photo is encoded and decoded at every quality by the functions behind `lcodec encode` and `lcodec decode`, with
the command's own effort unless told otherwise; rates count whole files, headers included, and distortions are those of
the decoded 8-bit pictures. Results are the same in every run but for the seconds, which are those of a warm process
(`benchmarks.startup` measures cold ones).
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import astuple, fields
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import MEAN, Row, comparisons, curve, describe, results_of
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.defaults import EFFORT, MODEL
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import Picture, read_picture
from lcodec.processes import in_order
from lcodec.zoo import Model, Zoo

QUALITIES = (0, 14, 28, 42, 57, 71, 85, 100)
KODAK_PHOTOS = 24
DIGITS = {"bpp": 6, "psnr": 4, "ms_ssim": 6, "encode_s": 3, "decode_s": 3}  # decimals written, by column


def open_model(wanted: str) -> tuple[Zoo, Model]:
    """Load a model by its name or the path of its file, and a zoo in which the decoder finds it again.

    The folder of a model file needs the `index.json` that the export writes beside it.
    """
    path = Path(wanted)
    zoo = Zoo([path.parent]) if path.suffix else Zoo()
    return zoo, zoo.load(wanted)


def label_of(model: Model) -> str:
    """Return the name and the identity of a model, as results name it."""
    return f"{model.name} {model.entropy_id.hex()}-{model.synthesis_id.hex()}"


class Worker:
    """Measures photos in one process; the model is loaded, and everything imported, before any clock starts."""

    def __init__(self, model: str, effort: int) -> None:
        self.zoo, self.model = open_model(model)
        self.label, self.effort = label_of(self.model), effort
        grey = Picture(np.full((64, 64, 3), 128, np.uint8))
        decode(encode(grey, self.model, 50, effort=effort), self.zoo)

    def measure(self, photo: Path, quality: float) -> Row:
        """Encode a photo to a file, decode that file, and compare."""
        picture = read_picture(photo, max_pixels=MAX_PIXELS)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "photo.lcdc"
            start = time.perf_counter()
            file.write_bytes(encode(picture, self.model, quality, effort=self.effort))
            encoded = time.perf_counter()
            decoded = decode(file.read_bytes(), self.zoo)
            end = time.perf_counter()
            size = file.stat().st_size
        return Row(
            self.label,
            photo.name,
            self.effort,
            quality,
            size,
            bpp=8 * size / (picture.width * picture.height),
            psnr=psnr(picture.pixels, decoded.pixels),
            ms_ssim=ms_ssim(picture.pixels, decoded.pixels),
            encode_s=encoded - start,
            decode_s=end - encoded,
        )


_worker = lru_cache(maxsize=1)(Worker)  # that of this process


def _measure(task: tuple[str, int, Path, float]) -> Row:
    model, effort, photo, quality = task
    return _worker(model, effort).measure(photo, quality)


def measure_all(photos: list[Path], qualities: Iterable[float], model: str, effort: int, jobs: int) -> list[Row]:
    """Return a row for each photo and quality, in that order, measured in `jobs` processes."""
    tasks = list(product([model], [effort], photos, qualities))
    # Even one job gets a process of its own, so that every row is measured in the same way.
    return list(track(in_order(_measure, tasks, jobs), "coding", len(tasks), console=Console(stderr=True)))


def means(rows: list[Row]) -> list[Row]:
    """Return a row of means over the photos for each quality."""
    averaged = []
    for quality in sorted({row.quality for row in rows}):
        group = [astuple(row)[4:] for row in rows if row.quality == quality]
        averaged.append(
            Row(rows[0].model, MEAN, rows[0].effort, quality, *(float(value) for value in np.mean(group, axis=0)))
        )
    return averaged


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a results file."""
    names = [field.name for field in fields(Row)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            cells = zip(names, astuple(row), strict=True)
            writer.writerow(f"{value:.{DIGITS[name]}f}" if name in DIGITS else _short(value) for name, value in cells)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.8g}"


def show(rows: list[Row]) -> None:
    """Print the means and the delta rates."""
    console = Console()
    table = Table(
        "quality",
        "bits/pixel",
        "PSNR, dB",
        "MS-SSIM",
        "encode, s",
        "decode, s",
        title=f"{rows[0].model}, effort {rows[0].effort}",
    )
    for row in rows:
        if row.photo == MEAN:
            rate, quality = f"{row.bpp:.3f}", (f"{row.psnr:.2f}", f"{row.ms_ssim:.4f}")
            table.add_row(f"{row.quality:g}", rate, *quality, f"{row.encode_s:.2f}", f"{row.decode_s:.2f}")
    console.print(table)
    deltas = Table("against", "by PSNR (range, dB)", "by MS-SSIM (range, dB)", title="BD-rate; negative: fewer bits")
    for anchor, by_psnr, by_ms_ssim in comparisons(curve(rows)):
        deltas.add_row(anchor.title, describe(by_psnr), describe(by_ms_ssim))
    console.print(deltas)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kodak", description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder of the Kodak PNGs; without it, that of LCODEC_KODAK")
    parser.add_argument("--model", default=MODEL, help="name, or path of a model file")
    parser.add_argument("--effort", type=int, default=EFFORT)
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, metavar="Q")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="CSV file to write; by default the model's in benchmarks/results")
    arguments = parser.parse_args()
    folder = arguments.photos or os.environ.get("LCODEC_KODAK")
    if not folder:
        parser.error("where are the photos? (--photos or LCODEC_KODAK)")
    photos = sorted(Path(folder).glob("*.png"), key=lambda photo: (len(photo.name), photo.name))  # 2.png before 10.png
    if not photos:
        parser.error(f"no PNG files in {folder}")
    if len(photos) != KODAK_PHOTOS:
        print(f"{len(photos)} photos, not the {KODAK_PHOTOS} of Kodak: not comparable with the rivals' curves")
    qualities, jobs = sorted(set(arguments.qualities)), max(1, arguments.jobs)
    rows = measure_all(photos, qualities, arguments.model, arguments.effort, jobs)
    rows += means(rows)
    write_rows(arguments.out or results_of(Path(arguments.model).stem), rows)
    show(rows)


if __name__ == "__main__":
    main()
