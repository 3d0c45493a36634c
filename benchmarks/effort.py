"""`python -m benchmarks.effort --photos DIR`: what each level of effort buys, and what it takes.

BD-rates, by PSNR or by MS-SSIM as the model was trained for, are those of each photo over effort 0, averaged: over the
photos that an effort was measured on, and over those that every effort was. Beside them stands what people read: how
much smaller the files are at equal quality, and how their distortion differs. Time is that of a CPU, for `encode` in a
warm process, in multiples of effort 0's on the same photos. Real bytes, decoded by the normal decoder. A run that was
cut off goes on where it was. The table of the default model goes into the README, and a test compares it with the
committed CSV.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean

from benchmarks import common
from benchmarks.common import (
    README,
    RESULTS,
    add_out,
    append_rows,
    label_of,
    open_model,
    parser_of,
    photos_of,
    read_rows,
    shipped,
    splice,
    spread,
)
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.compare.bd_rate import bd_rate
from lcodec.defaults import MODEL
from lcodec.effort import EFFORT_MAX
from lcodec.metrics import ms_ssim, ms_ssim_db, psnr
from lcodec.picture import Picture, read_picture

CSV = RESULTS / "effort.csv"
QUALITIES = (15, 50, 85)

Task = tuple[str, Path, int, float]
Key = tuple[str, str, int, float]


def _measure(task: Task) -> dict[str, str]:
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
    decoded = decode(data, zoo).pixels
    by_psnr = loaded.goal.aim == "mse"
    db = psnr(picture.pixels, decoded) if by_psnr else ms_ssim_db(ms_ssim(picture.pixels, decoded))
    return {
        "model": label_of(loaded),
        "photo": photo.name,
        "effort": str(effort),
        "quality": f"{quality:g}",
        "bytes": str(len(data)),
        "bpp": f"{bpp:.6f}",
        "db": f"{db:.4f}",
        "encode_s": f"{seconds:.3f}",
    }


def read_results(path: Path) -> dict[Key, dict[str, str]]:
    """Return what is measured already."""
    return {(row["model"], row["photo"], int(row["effort"]), float(row["quality"])): row for row in read_rows(path)}


@dataclass(frozen=True)
class Line:
    """What a level of effort buys."""

    effort: int
    photos: int  #: that it was measured on
    seconds: float  #: of a CPU, mean
    times: float  #: in multiples of effort 0's, over the same codings
    size: float  #: change of the files' sizes over effort 0 at equal quality, in percent, mean
    db: float  #: change of their distortion likewise, in dB, mean
    delta: float  #: BD-rate over effort 0 in percent, mean over the photos
    on_shared: float  #: likewise, over those that every level was measured on


def lines(rows: dict[Key, dict[str, str]], label: str) -> tuple[list[Line], int]:
    """Return a line for each effort measured on a model, and how many photos all of them share."""
    curves: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    pairs: dict[int, list[tuple[dict[str, str], dict[str, str]]]] = defaultdict(list)
    for (model, photo, effort, quality), row in rows.items():
        if model == label:
            curves[effort, photo].append((float(row["bpp"]), float(row["db"])))
            pairs[effort].append((row, rows[model, photo, 0, quality]))
    deltas: dict[int, dict[str, float]] = defaultdict(dict)
    for (effort, photo), points in curves.items():
        if len(points) == len(curves[0, photo]) > 1:
            plain = zip(*curves[0, photo], strict=True)
            deltas[effort][photo] = bd_rate(*zip(*points, strict=True), *plain).percent
    shared = set.intersection(*map(set, deltas.values()))
    found = []
    for effort, own in sorted(deltas.items()):
        seconds, plain_seconds = (
            mean(float(row["encode_s"]) for row in side) for side in zip(*pairs[effort], strict=True)
        )
        size = mean(100 * (int(row["bytes"]) / int(plain["bytes"]) - 1) for row, plain in pairs[effort])
        db = mean(float(row["db"]) - float(plain["db"]) for row, plain in pairs[effort])
        on_shared = mean(own[photo] for photo in shared)
        times = seconds / plain_seconds
        found.append(Line(effort, len(own), seconds, times, size, db, mean(own.values()), on_shared))
    return found, len(shared)


def table(rows: dict[Key, dict[str, str]], label: str) -> str:
    """Format what was measured on a model as Markdown."""
    found, shared = lines(rows, label)
    most = max(line.photos for line in found)
    counts = [most] if shared == most else [most, shared]
    columns = ("effort", "time, effort 0 = 1", "bytes at equal -q", "dB at equal -q")
    heads = "| " + " | ".join([*columns, *(f"BD-rate, {count} photos" for count in counts)]) + " |"
    cells = []
    for line in found:
        if line.effort:
            deltas = [f"{line.delta:+.2f} %" if line.photos == most else "", f"{line.on_shared:+.2f} %"]
            figures = [str(line.effort), f"{line.times:.1f}", f"{line.size:+.2f} %", f"{line.db:+.3f}"]
            cells.append("| " + " | ".join(figures + deltas[: len(counts)]) + " |")
    heads += "\n|" + "---:|" * (len(columns) + len(counts))
    return "\n".join([f"BD-rate over effort 0, `{label}`:", "", heads, *cells])


def show(rows: dict[Key, dict[str, str]], label: str) -> None:
    """Print a row for each effort."""
    found, shared = lines(rows, label)
    heads = {name: name for name in ("effort", "photos", "seconds", "times")} | {"size": "bytes, %", "db": "dB"}
    shown = {"seconds": ".2f", "times": ".2f", "size": "+.2f", "db": "+.3f", "delta": "+.2f", "on_shared": "+.2f"}
    figures = [
        asdict(line) | {name: format(getattr(line, name), form) for name, form in shown.items()} for line in found
    ]
    common.show(figures, heads | {"delta": "BD-rate, %", "on_shared": f"on {shared} photos"}, label)


def main() -> None:
    """Run the command."""
    parser = parser_of("effort", __doc__, jobs=True)
    parser.add_argument("--efforts", type=int, nargs="+", default=range(EFFORT_MAX + 1), metavar="N")
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, metavar="Q")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th photo")
    add_out(parser, CSV, "CSV file to add to")
    arguments = parser.parse_args()
    label, done = label_of(open_model(arguments.model)[1]), read_results(arguments.out)
    efforts, photos = sorted({0, *arguments.efforts}), photos_of(arguments.photos, arguments.every)
    tasks = [
        (arguments.model, photo, effort, quality)
        for effort, photo, quality in product(efforts, photos, arguments.qualities)
        if (label, photo.name, effort, quality) not in done
    ]
    append_rows(arguments.out, spread(_measure, tasks, arguments.jobs))
    rows = read_results(arguments.out)
    show(rows, label)
    if arguments.out == CSV and label == shipped().get(MODEL):
        README.write_text(splice(README.read_text(encoding="utf-8"), table(rows, label), "effort"), encoding="utf-8")


if __name__ == "__main__":
    main()
