"""`python -m benchmarks.effort --photos DIR`: what each level of effort buys, and what it takes.

BD-rates by PSNR are those of each photo over effort 0, averaged: over the photos that an effort was measured on, and
over those that every effort was. Seconds are those of a CPU, for `encode` in a warm process, so that other work counts
little. Real bytes, decoded by the normal decoder. A run that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.kodak import open_model
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.compare.bd_rate import bd_rate
from lcodec.effort import EFFORT_MAX
from lcodec.metrics import psnr
from lcodec.picture import Picture, read_picture
from lcodec.zoo import DEFAULT

RESULTS = Path(__file__).parent / "results" / "effort.csv"
QUALITIES = (15, 50, 85)
COLUMNS = ("model", "photo", "effort", "quality", "bytes", "bpp", "psnr", "encode_s")
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}

Task = tuple[str, Path, int, float]
Key = tuple[str, str, int, float]


def photos_of(folder: Path) -> list[Path]:
    """Return the photos of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def label_of(model: str) -> str:
    """Return the name and the identity of a model, as results name it."""
    loaded = open_model(model)[1]
    return f"{loaded.name} {loaded.entropy_id.hex()}-{loaded.synthesis_id.hex()}"


def one_thread_each(jobs: int) -> None:
    """Keep `jobs` processes from starting a thread for each core each."""
    if jobs > 1:
        os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))


def _measure(task: Task) -> list[str]:
    model, photo, effort, quality = task
    zoo, loaded = open_model(model)
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    encode(picture, loaded, quality)  # imports and tables
    if effort:
        encode(Picture(picture.pixels[:64, :64]), loaded, quality, effort=effort)
    start = time.process_time()
    data = encode(picture, loaded, quality, effort=effort)
    seconds = time.process_time() - start
    bpp = 8 * len(data) / (picture.width * picture.height)
    distortion = psnr(picture.pixels, decode(data, zoo).pixels)
    row = (label_of(model), photo.name, effort, f"{quality:g}", len(data), f"{bpp:.6f}", f"{distortion:.4f}")
    return [*map(str, row), f"{seconds:.3f}"]


def read_rows(path: Path) -> dict[Key, dict[str, str]]:
    """Return what is measured already."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["model"], row["photo"], int(row["effort"]), float(row["quality"])): row for row in rows}


def show(rows: dict[Key, dict[str, str]], label: str) -> None:
    """Print a row for each effort."""
    curves: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    seconds: dict[int, list[float]] = defaultdict(list)
    for (model, photo, effort, _), row in rows.items():
        if model == label:
            curves[effort, photo].append((float(row["bpp"]), float(row["psnr"])))
            seconds[effort].append(float(row["encode_s"]))
    deltas: dict[int, dict[str, float]] = defaultdict(dict)
    for (effort, photo), points in curves.items():
        if len(points) == len(curves[0, photo]) > 1:
            plain = zip(*curves[0, photo], strict=True)
            deltas[effort][photo] = bd_rate(*zip(*points, strict=True), *plain).percent  # type: ignore[misc]
    shared = set.intersection(*(set(by_photo) for by_photo in deltas.values()))
    table = Table("effort", "photos", "seconds", "BD-rate, %", f"on {len(shared)} photos", title=label)
    for effort, by_photo in sorted(deltas.items()):
        on_shared = f"{mean(by_photo[photo] for photo in shared):+.2f}" if shared else "-"
        figures = f"{mean(seconds[effort]):.2f}", f"{mean(by_photo.values()):+.2f}", on_shared
        table.add_row(str(effort), str(len(by_photo)), *figures)
    Console().print(table)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effort", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default=DEFAULT, help="name, or path of a model file")
    parser.add_argument("--efforts", type=int, nargs="+", default=range(EFFORT_MAX + 1), metavar="N")
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, metavar="Q")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th photo")
    parser.add_argument("--jobs", type=int, default=1, help="processes; from 2 on, of one thread each")
    parser.add_argument("--out", type=Path, default=RESULTS, help="CSV file to add to")
    arguments = parser.parse_args()
    label, done = label_of(arguments.model), read_rows(arguments.out)
    efforts, photos = sorted({0, *arguments.efforts}), photos_of(arguments.photos)[:: arguments.every]
    tasks = [
        (arguments.model, photo, effort, quality)
        for effort, photo, quality in product(efforts, photos, arguments.qualities)
        if (label, photo.name, effort, quality) not in done
    ]
    one_thread_each(arguments.jobs)
    context = multiprocessing.get_context("spawn")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    fresh = not arguments.out.exists()
    with (
        arguments.out.open("a", newline="", encoding="utf-8") as file,
        ProcessPoolExecutor(arguments.jobs, context) as pool,
    ):
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(COLUMNS)
        results = pool.map(_measure, tasks)
        for row in track(results, "coding", len(tasks), console=Console(stderr=True)):
            writer.writerow(row)
            file.flush()
    show(read_rows(arguments.out), label)


if __name__ == "__main__":
    main()
