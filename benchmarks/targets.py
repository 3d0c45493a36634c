"""`python -m benchmarks.targets --photos DIR`: whether targets hold, how closely, and after how many codings.

Sizes are those of the bytes, PSNR that of a decoding of its own, not what the search says of itself. A target that
`lcodec.targets` calls out of reach counts as such only where quality 0 or 100, coded here, shows that it is.
"""

from __future__ import annotations

import argparse
import csv
import time
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.effort import photos_of
from benchmarks.kodak import open_model
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.defaults import MODEL
from lcodec.errors import LimitError
from lcodec.metrics import psnr
from lcodec.picture import Picture, read_picture
from lcodec.processes import in_order
from lcodec.targets import Target, encode_to
from lcodec.zoo import Zoo

RESULTS = Path(__file__).parent / "results" / "targets.csv"
TARGETS = (
    Target("bpp", 0.1),
    Target("bpp", 0.3),
    Target("bpp", 0.8),
    Target("max-size", 20_000),
    Target("min-psnr", 30),
    Target("min-psnr", 36),
)
COLUMNS = ("photo", "target", "value", "verdict", "reached", "slack", "codings", "seconds")


def _reached(target: Target, picture: Picture, data: bytes, zoo: Zoo) -> float:
    if target.name == "bpp":
        return 8 * len(data) / (picture.width * picture.height)
    return len(data) if target.name == "max-size" else psnr(picture.pixels, decode(data, zoo).pixels)


def _measure(task: tuple[str, int, Path, Target]) -> list[str]:
    model, effort, photo, target = task
    zoo, loaded = open_model(model)
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    start = time.perf_counter()
    try:
        found = encode_to(picture, loaded, target, zoo=zoo, code=partial(encode, effort=effort))
    except LimitError:
        seconds = time.perf_counter() - start
        extreme = encode(picture, loaded, 0 if target.is_size else 100, effort=effort)
        reached = _reached(target, picture, extreme, zoo)
        met = reached <= target.value if target.is_size else reached >= target.value
        verdict, slack, codings = "WRONGLY REFUSED" if met else "out of reach", "", ""
    else:
        seconds = time.perf_counter() - start
        reached = _reached(target, picture, found.data, zoo)
        met = reached <= target.value if target.is_size else reached >= target.value
        verdict, slack, codings = "held" if met else "MISSED", f"{found.slack:.5f}", str(found.codings)
    return [photo.name, target.name, f"{target.value:g}", verdict, f"{reached:.5g}", slack, codings, f"{seconds:.2f}"]


def show(rows: list[list[str]]) -> None:
    """Print a row for each target."""
    table = Table("target", "held", "out of reach", "neither", "mean slack", "largest slack", "most codings")
    for target in TARGETS:
        mine = [row for row in rows if row[1:3] == [target.name, f"{target.value:g}"]]
        held = [row for row in mine if row[3] == "held"]
        away = sum(row[3] == "out of reach" for row in mine)
        slacks = [float(row[5]) for row in held] or [0.0]
        unit = (lambda value: f"{value:.2%}") if target.is_size else (lambda value: f"{value:.3f} dB")
        most = max((int(row[6]) for row in held), default=0)
        counts = (str(count) for count in (len(held), away, len(mine) - len(held) - away))
        table.add_row(target.say(target.value), *counts, unit(sum(slacks) / len(slacks)), unit(max(slacks)), str(most))
    Console().print(table)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--model", default=MODEL, help="name, or path of a model file")
    parser.add_argument("--effort", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="CSV file to write")
    arguments = parser.parse_args()
    pairs = product(photos_of(arguments.photos), TARGETS)
    tasks = [(arguments.model, arguments.effort, photo, target) for photo, target in pairs]
    results = in_order(_measure, tasks, arguments.jobs)
    rows = list(track(results, "coding", len(tasks), console=Console(stderr=True)))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    show(rows)


if __name__ == "__main__":
    main()
