"""Ends lcodec at random moments and looks at what is left in its folder.

`python -m tests.support.faults --count 200` ends 200 runs of `encode -f`, and as many processes that do nothing but
write, by SIGKILL, and a tenth of that by SIGINT and by SIGTERM. tests/cli/test_faults.py does a few.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from PIL import Image

from tests.support import command
from tests.support.command import COMMAND, PHOTO

ENVIRONMENT = {**command.ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1"}
TARGET = "photo.lcdc"

#: Writes the same file for ever, two contents in turn, as the commands do.
WRITER = """
import itertools, pathlib, sys
from lcodec.cli import Terminated
from lcodec.cli.app import _signals_raised
from lcodec.cli.batch.files import Job, write
job = Job(None, pathlib.Path(sys.argv[1]))
try:
    with _signals_raised():
        for letter in itertools.cycle(b"ab"):
            write(job, [bytes([letter]) * (1 << 20)], force=True)
            print(flush=True)
except (KeyboardInterrupt, Terminated):
    pass
"""


def end_runs(
    command: list[str],
    folder: Path,
    old: bytes,
    new: set[bytes],
    number: signal.Signals,
    count: int,
    seed: int,
    span: float,
    *,
    after_output: bool,
) -> Counter[str]:
    """Start `command` in `folder` `count` times and end each by `number`, at random within `span` seconds.

    The span begins at once, or with `after_output` when the command prints a line.

    Asserts that the folder's TARGET, which is `old` at first each time, is that or one of `new` after it, that nothing
    but temporary files is there besides, and not even those after a signal that can be handled. Returns a tally.
    """
    moments, seen = random.Random(seed), Counter[str]()
    inputs = {path.name for path in folder.iterdir()}
    for _ in range(count):
        (folder / TARGET).write_bytes(old)
        kept = temporaries(folder)
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        assert process.stdout is not None
        if after_output:
            process.stdout.readline()
        time.sleep(moments.uniform(0, span))
        process.send_signal(number)
        process.communicate()
        code = process.returncode
        assert code in {0, -number, 128 + number}, f"exit code {code}: it did not run until it was ended"
        after = (folder / TARGET).read_bytes()
        assert after in {old, *new}, f"a partial file of {len(after)} bytes"
        left = temporaries(folder)
        assert {path.name for path in folder.iterdir()} - inputs == left
        assert number == signal.SIGKILL or not left - kept, f"{number.name} left {left - kept}"
        seen[f"exit code {code}"] += 1
        seen["target replaced" if after != old else "target as before"] += 1
        seen["temporary file left"] += bool(left - kept)
    return seen


def temporaries(folder: Path) -> set[str]:
    """Names of temporary files in a folder."""
    return {path.name for path in folder.iterdir() if path.name.startswith(".lcodec-")}


def prepare(folder: Path) -> tuple[bytes, float]:
    """Put a photo and its coded file into a folder: the latter's bytes, and a run's seconds."""
    with Image.open(PHOTO) as image:
        image.crop((300, 200, 396, 264)).save(folder / "photo.png")
    encode(folder)
    begun = time.monotonic()
    encode(folder)
    seconds = time.monotonic() - begun
    return (folder / TARGET).read_bytes(), seconds


def encode(folder: Path) -> None:
    """Encode the photo of a folder."""
    subprocess.run([*COMMAND, "encode", "--quiet", "-f", "photo.png"], cwd=folder, env=ENVIRONMENT, check=True)


def end_encoders(folder: Path, number: signal.Signals, count: int, seed: int) -> Counter[str]:
    """End runs of the command line; a last one, left alone, must clean up."""
    new, seconds = prepare(folder)
    command = [*COMMAND, "encode", "--quiet", "-f", "photo.png"]
    seen = end_runs(command, folder, b"old", {new}, number, count, seed, 1.1 * seconds, after_output=False)
    encode(folder)
    assert not temporaries(folder)
    return seen


def end_writers(folder: Path, number: signal.Signals, count: int, seed: int) -> Counter[str]:
    """The same with processes that write all the time, so that most are ended while they write."""
    prepare(folder)
    contents = {letter * (1 << 20) for letter in (b"a", b"b")}
    command = [sys.executable, "-c", WRITER, TARGET]
    seen = end_runs(command, folder, b"old", contents, number, count, seed, 0.1, after_output=True)
    encode(folder)
    assert not temporaries(folder)
    return seen


def main() -> None:
    """Report what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process that a shell put aside ignores it
    for number, share in ((signal.SIGKILL, 1), (signal.SIGINT, 10), (signal.SIGTERM, 10)):
        for trial in (end_encoders, end_writers):
            with tempfile.TemporaryDirectory() as folder:
                seen = trial(Path(folder), number, arguments.count // share, arguments.seed)
            print(f"{trial.__name__} {number.name}: {dict(sorted(seen.items()))}")  # noqa: T201


if __name__ == "__main__":
    main()
