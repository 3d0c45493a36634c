"""`python -m benchmarks.throughput --photos DIR`: photos a second, and processor time, over a folder of 100 photos.

Compared are `lcodec encode -r` as it is run by default, with `-e 0`, and with `-e 0 -j 1` (one process, with a BLAS
thread a core), `cwebp -m 6` and `avifenc -s 4` (Debian's packages `webp` and `libavif-bin`), the latter two a process a
photo, as many at a time as there are cores. All at their default quality: this compares speeds, and the bits per pixel
say at what.

The photos are cuts of 768x512, as Kodak's, of the pictures in DIR, which must be that large; where they are too few,
several are cut of each. They are made as PNG in a temporary folder. Runs are interleaved (A B C A B C ...), so that a
machine that is busy for a while slows all alike; figures are medians.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, ROOT, add_out, keeping_bytecode, of_times, parser_of, shipped, show, write_rows
from lcodec.defaults import MODEL

CSV = RESULTS / "throughput.csv"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LONG, SHORT = 768, 512


@dataclass(frozen=True)
class Contender:
    """A way to encode a folder into another one."""

    name: str
    encode: Callable[[Path, Path], None]


@dataclass(frozen=True)
class Figures:
    """What one run over the folder took."""

    seconds: float  #: wall time
    cpu_seconds: float  #: of all its processes
    bytes: int  #: of all files


def cut_photos(source: Path, count: int, folder: Path) -> None:
    """Cut `count` photos out of the pictures below `source`.

    Raises:
        SystemExit: none is large enough.
    """
    from PIL import Image, UnidentifiedImageError

    large = []
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        try:
            with Image.open(path) as image:
                if max(image.size) >= LONG and min(image.size) >= SHORT:
                    large.append(path)
        except (UnidentifiedImageError, OSError):
            continue
    if not large:
        raise SystemExit(f"no picture in {source} is of {LONG}x{SHORT} or more")
    print(f"{count} photos, cut of {min(count, len(large))} pictures", file=sys.stderr)
    per_picture = -(-count // len(large))
    for index in range(count):
        with Image.open(large[index % len(large)]) as image:
            width, height = (LONG, SHORT) if image.width >= image.height else (SHORT, LONG)
            place = (index // len(large) + 0.5) / per_picture  # cuts lie side by side, from corner to corner
            left, top = int((image.width - width) * place), int((image.height - height) * place)
            image.convert("RGB").crop((left, top, left + width, top + height)).save(folder / f"{index:03}.png")


def lcodec(*options: str) -> Callable[[Path, Path], None]:
    """`lcodec encode` over the folder, with these options."""

    def encode(photos: Path, out: Path) -> None:
        command = [sys.executable, "-m", "lcodec.cli", "encode", "--quiet", "-r", str(photos), "-O", str(out), *options]
        subprocess.run(command, check=True, cwd=ROOT, env=keeping_bytecode())

    return encode


def a_process_each(*command: str, suffix: str) -> Callable[[Path, Path], None]:
    """Run `command PHOTO -o OUTPUT` for each photo, as many at a time as there are cores."""

    def encode(photos: Path, out: Path) -> None:
        def one(photo: Path) -> None:
            target = out / (photo.stem + suffix)
            subprocess.run([*command, str(photo), "-o", str(target)], check=True, stdout=subprocess.DEVNULL)

        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(one, sorted(photos.iterdir())))

    return encode


def contenders() -> list[Contender]:
    """Return those that are compared; a rival that is not installed is left out, and named."""
    found = [
        Contender("lcodec", lcodec()),
        Contender("lcodec -e 0", lcodec("-e", "0")),
        Contender("lcodec -e 0 -j 1", lcodec("-e", "0", "-j", "1")),
    ]
    for name, encode in (
        ("cwebp -m 6", a_process_each("cwebp", "-quiet", "-m", "6", suffix=".webp")),
        ("avifenc -s 4", a_process_each("avifenc", "-s", "4", suffix=".avif")),
    ):
        if shutil.which(name.split()[0]):
            found.append(Contender(name, encode))
        else:
            print(f"{name.split()[0]} is not on the PATH: left out", file=sys.stderr)
    return found


def run(contender: Contender, photos: Path) -> Figures:
    """Encode all photos once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        contender.encode(photos, out)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Figures(seconds, cpu, sum(path.stat().st_size for path in out.iterdir() if path.is_file()))


def table(figures: dict[str, list[Figures]], count: int) -> list[dict[str, str]]:
    """Return a row for each contender: medians, and the spread of the times."""
    rows = []
    for name, results in figures.items():
        times = [result.seconds for result in results]
        seconds = statistics.median(times)
        cpu = statistics.median(result.cpu_seconds for result in results)
        rows.append(
            {
                "codec": name,
                "model": shipped()[MODEL] if name.startswith("lcodec") else "",
                "photos": str(count),
                "cores": str(CORES),
                "photos_per_s": f"{count / seconds:.2f}",
                **of_times(times, 2),
                "cpu_s_per_photo": f"{cpu / count:.3f}",
                "cores_used": f"{statistics.median(result.cpu_seconds / result.seconds for result in results):.2f}",
                "bits_per_pixel": f"{results[0].bytes * 8 / (count * LONG * SHORT):.3f}",
            }
        )
    return rows


def main() -> None:
    """Run the command."""
    parser = parser_of("throughput", __doc__, model=False)
    parser.add_argument("--count", type=int, default=100, help="photos")
    parser.add_argument("--repeats", type=int, default=5, help="measured runs of each command")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    found = contenders()
    figures: dict[str, list[Figures]] = {contender.name: [] for contender in found}
    with tempfile.TemporaryDirectory() as folder:
        cut_photos(arguments.photos, arguments.count, Path(folder))
        for repeat in range(arguments.repeats):
            for contender in found:
                figures[contender.name].append(run(contender, Path(folder)))
            print(f"round {repeat + 1} of {arguments.repeats}", file=sys.stderr)
    rows = table(figures, arguments.count)
    write_rows(arguments.out, rows)
    shown = {"codec": "codec", "photos_per_s": "photos/s", "cpu_s_per_photo": "CPU s a photo"}
    shown |= {"cores_used": "cores used", "bits_per_pixel": "bits/pixel"}
    show(rows, shown, f"{arguments.count} photos of {LONG}x{SHORT}, {CORES} cores, medians of {arguments.repeats} runs")


if __name__ == "__main__":
    main()
