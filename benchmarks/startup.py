"""`python -m benchmarks.startup PHOTO`: wall time and peak memory of whole processes, from nothing to a written file.

Compared are `lcodec encode`, by default and with `-e 0`, and `lcodec decode`, with each --model, `cwebp -m 6` and
`dwebp` (Debian's package `webp`), and, where `--compressai-python` names a Python that has it, CompressAI's
bmshj2018-hyperprior (`benchmarks.compressai_process`).
Runs are interleaved (A B C A B C ...), so that a machine that is busy for a while slows all alike; figures are medians,
and ratios are of medians of the same run, to the first model by default.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, ROOT, add_out, keeping_bytecode, of_times, shipped, show, write_rows
from lcodec.defaults import MODEL

# The standard library alone, as long as anything is measured: on Linux, the peak memory of a child counts that of the
# process that started it, up to the moment the child's program is loaded. A peak at this floor, the 15 MiB of bare
# Python, is written as "<15".

CSV = RESULTS / "startup.csv"
LCODEC = "lcodec"  # what the ratios are taken against
PLAIN = "lcodec -e 0"
WEBP = "WebP (cwebp -m 6)"
COMPRESSAI = "bmshj2018-hyperprior (CompressAI)"


@dataclass(frozen=True)
class Contender:
    """A codec and its two commands, each a whole process."""

    name: str
    encode: list[str]
    decode: list[str]
    model: str = ""  #: name and ids of lcodec's


@dataclass(frozen=True)
class Figures:
    """What one process took."""

    seconds: float  #: wall time, from its start to its end
    mebibytes: float  #: peak resident memory


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add --model, of which there may be several."""
    parser.add_argument("--model", nargs="+", default=[MODEL], help="names of installed models, or paths")


def own(photo: Path, folder: Path, models: list[str], options: list[str], decoded: str) -> list[Contender]:
    """Return the commands of lcodec, by default and without effort, with each model; only the others are named."""
    lcodec, coded = [sys.executable, "-m", "lcodec.cli"], str(folder / "photo.lcdc")
    options = ["--force", "--quiet", *options]
    return [
        Contender(
            name if index == 0 else name.replace(LCODEC, f"{LCODEC} -m {Path(model).stem}"),
            [*lcodec, "encode", *effort, "-m", model, *options, str(photo), "-o", coded],
            [*lcodec, "decode", *options, coded, "-o", str(folder / decoded)],
            shipped().get(model, model),
        )
        for index, model in enumerate(models)
        for name, effort in ((LCODEC, []), (PLAIN, ["-e", "0"]))
    ]


def contenders(photo: Path, folder: Path, models: list[str], compressai_python: Path | None) -> list[Contender]:
    """Return the commands that are compared; those of a codec hand their stream on through a file in `folder`."""

    def file(name: str) -> str:
        return str(folder / name)

    found = own(photo, folder, models, [], "lcodec.png")
    if shutil.which("cwebp") and shutil.which("dwebp"):
        encode = ["cwebp", "-quiet", "-m", "6", str(photo), "-o", file("photo.webp")]
        found.append(Contender(WEBP, encode, ["dwebp", "-quiet", file("photo.webp"), "-o", file("webp.png")]))
    else:
        print("cwebp and dwebp are not on the PATH: left out", file=sys.stderr)
    if compressai_python is not None:
        script = [str(compressai_python), str(ROOT / "benchmarks" / "compressai_process.py")]
        encode = [*script, "encode", str(photo), file("photo.cai")]
        found.append(Contender(COMPRESSAI, encode, [*script, "decode", file("photo.cai"), file("cai.png")]))
    return found


def run(command: list[str]) -> Figures:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=keeping_bytecode())
    _, status, usage = os.wait4(process.pid, 0)  # Popen.wait would drop the usage
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return Figures(seconds, peak_mebibytes(usage))


def peak_mebibytes(usage: resource.struct_rusage) -> float:
    """Return the peak resident memory, which macOS gives in bytes and Linux in KiB."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20


def measure(found: list[Contender], repeats: int) -> dict[tuple[str, str], list[Figures]]:
    """Run every command `repeats` times, interleaved, after a round that fills caches: of the disk, of bytecode."""
    figures: dict[tuple[str, str], list[Figures]] = {}
    for repeat in range(repeats + 1):
        for contender in found:
            for direction, command in (("encode", contender.encode), ("decode", contender.decode)):
                result = run(command)
                if repeat > 0:
                    figures.setdefault((direction, contender.name), []).append(result)
        print(f"round {repeat} of {repeats}", file=sys.stderr)
    return figures


def table(figures: dict[tuple[str, str], list[Figures]], models: dict[str, str]) -> list[dict[str, str]]:
    """Return a row for each command: medians, the spread of the times, and ratios to lcodec (over 1: it takes more).

    Args:
        figures: of each direction and contender.
        models: of each contender, by its name.
    """
    floor = peak_mebibytes(resource.getrusage(resource.RUSAGE_SELF))
    rows = []
    for (direction, name), results in sorted(figures.items(), reverse=True):
        own = figures[direction, LCODEC]
        times = [result.seconds for result in results]
        memory = statistics.median(result.mebibytes for result in results)
        ratio = statistics.median(times) / statistics.median(result.seconds for result in own)
        below = "<" if memory <= floor else ""
        memory_ratio = memory / statistics.median(result.mebibytes for result in own)
        rows.append(
            {
                "direction": direction,
                "codec": name,
                "model": models[name],
                **of_times(times, 3),
                "peak_mib": f"{below}{memory:.0f}",
                "seconds_to_lcodec": f"{ratio:.3f}",
                "peak_to_lcodec": f"{below}{memory_ratio:.3f}",
            }
        )
    return rows


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("photo", type=Path, help="PNG or JPEG; both sides multiples of 64 for CompressAI (Kodak's are)")
    parser.add_argument("--repeats", type=int, default=7, help="measured runs of each command")
    parser.add_argument("--compressai-python", type=Path, metavar="PATH", help="Python that can import compressai")
    add_models(parser)
    add_out(parser, CSV)
    arguments = parser.parse_args()
    photo = arguments.photo.resolve()
    with tempfile.TemporaryDirectory() as folder:
        found = contenders(photo, Path(folder), arguments.model, arguments.compressai_python)
        models = {contender.name: contender.model for contender in found}
        rows = table(measure(found, arguments.repeats), models)
    write_rows(arguments.out, rows)
    shown = {"direction": "", "codec": "codec", "seconds": "s", "peak_mib": "MiB"}
    shown |= {"seconds_to_lcodec": "s, to lcodec's", "peak_to_lcodec": "MiB, to lcodec's"}
    show(rows, shown, f"whole processes, {photo.name}, medians of {rows[0]['runs']} runs")


if __name__ == "__main__":
    main()
