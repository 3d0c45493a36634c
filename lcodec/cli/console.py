"""What the commands print while they work: bars, JSON, sizes, notes, and the inputs that failed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click

from lcodec.cli.batch.files import Job
from lcodec.errors import LcodecError, LimitError
from lcodec.legible import legible, to_json

__all__ = [
    "PATIENCE",
    "Failures",
    "Progress",
    "Tick",
    "as_lcodec_error",
    "counted",
    "counter",
    "human_size",
    "no_progress",
    "print_json",
    "progress",
    "run",
    "say",
]

#: Seconds before a bar is shown: quick jobs have none.
PATIENCE = 2.0

#: Told how many are done, how many there are, and what is said beside the bar.
Tick = Callable[[int, int, str], None]


def human_size(count: int) -> str:
    """Return a number of bytes with three digits or so, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    value = count / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95 or unit == "GB":
            break
        value /= 1000
    return f"{value:.1f} {unit}"


def say(message: str) -> None:
    """Tell people something on standard error."""
    click.echo(f"lcodec: {legible(message)}", err=True)


def print_json(record: dict[str, Any], *, err: bool = False) -> None:
    """Print one JSON object on one line."""
    click.echo(to_json(record), err=err)


class Progress(Protocol):
    """Told how much of something is done."""

    def __call__(self, part: float, said: str = "") -> None:
        """A part of it is done, 0 to 1; `said` stands beside the bar."""


def no_progress(part: float, said: str = "") -> None:
    """Show nothing."""


@contextmanager
def progress(title: str, *, show: bool = True) -> Iterator[Progress]:
    """Show, on a terminal, the part of something that is done; what this yields is told it.

    Nothing is shown in the first PATIENCE seconds. The bar runs to and fro until the first part is known.
    """
    if not (show and sys.stderr.isatty()):
        yield no_progress
        return
    bar = _LateBar(title)
    try:
        yield bar
    finally:
        bar.close()


class _LateBar:
    """A bar that another thread shows when the time has come."""

    def __init__(self, title: str) -> None:
        self._title, self._said = legible(title), ""
        self._part: float | None = None
        self._bar: Any = None
        self._lock, self._closed = threading.Lock(), False
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, part: float, said: str = "") -> None:
        self._part, self._said = part, said
        self._update()

    def close(self) -> None:
        """Take the bar away, and show none any more."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._bar is not None:
                self._bar.stop()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        plain = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[said]}", markup=False)
        columns = plain[0], BarColumn(), TaskProgressColumn(), plain[1], TimeElapsedColumn()
        with self._lock:
            if not self._closed:
                self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
                self._bar.add_task(self._title, total=None, said="")
                self._bar.start()
        self._update()

    def _update(self) -> None:
        if self._bar is not None and self._part is not None:
            self._bar.update(0, total=1.0, completed=self._part, said=self._said)


@contextmanager
def counter(title: str = "") -> Iterator[Tick]:
    """Show on a terminal how many of many are done, what is said besides, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn()
    titled = [TextColumn(title)] if title else []
    with Progress(*titled, *columns, console=Console(stderr=True)) as bar:
        item = bar.add_task("", said="")
        yield lambda done, total, said: bar.update(item, completed=done, total=total, said=said)


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of many are done and the time left: a `counter` on a terminal, else a line every minute."""
    if sys.stderr.isatty():
        with counter(title) as shown:
            yield lambda done, total: shown(done, total, "")
        return
    begun: list[int] = []
    start = told = time.monotonic()

    def tick(done: int, total: int) -> None:
        nonlocal told
        begun.append(done)
        now = time.monotonic()
        if now - told >= 60 and done > begun[0]:
            told = now
            left = (now - start) / (done - begun[0]) * (total - done)
            say(f"{title}: {done} of {total}, {left / 60:.0f} min left")

    yield tick


class Failures:
    """The inputs that failed, each named when it does, and what that makes of the exit code."""

    def __init__(self, *, as_json: bool, json_err: bool) -> None:
        self._as_json, self._json_err = as_json, json_err
        self._found: list[tuple[str, int]] = []

    def add(self, name: str, message: str, exit_code: int) -> None:
        """Name an input that failed; as JSON as well, if so asked, on standard error with `json_err`."""
        self._found.append((name, exit_code))
        say(f"{name}: {message}")
        if self._as_json:
            print_json({"input": name, "error": message, "exit_code": exit_code}, err=self._json_err)

    def close(self, inputs: int) -> int:
        """Name all that failed of so many inputs once more, and return the exit code."""
        if not self._found:
            return 0
        if inputs > 1:
            names = ", ".join(name for name, _ in self._found)
            say(f"{len(self._found)} of {inputs} inputs failed: {names}")
        codes = {code for _, code in self._found}
        return codes.pop() if len(self._found) == inputs and len(codes) == 1 else LcodecError.exit_code


def run(jobs: Sequence[Job], work: Callable[[Job], None], *, as_json: bool, json_err: bool = False) -> int:
    """Do `work`, which also reports, for each job, name those that fail, and return the exit code."""
    failures = Failures(as_json=as_json, json_err=json_err)
    for job in jobs:
        try:
            work(job)
        except (BrokenPipeError, click.ClickException, click.Abort):
            raise
        except Exception as caught:  # also a fault of the program: one input must not cost the others
            error = as_lcodec_error(caught, job)
            failures.add(job.source_name, str(error), error.exit_code)
    return failures.close(len(jobs))


def as_lcodec_error(error: Exception, job: Job) -> LcodecError:
    """Return what is reported of an error of one input; it names any other file that it is about."""
    if isinstance(error, LcodecError):
        return error
    if isinstance(error, MemoryError):
        return LimitError("not enough memory")
    if not isinstance(error, OSError):
        import traceback

        at = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {' '.join(str(error).split())} ({Path(at.filename).name}:{at.lineno})"
        return LcodecError(f"a fault of lcodec, please report it: {what}")
    reason = error.strerror or str(error)
    if error.filename is None or os.fsdecode(error.filename) == job.source_name:
        return LcodecError(reason)
    return LcodecError(f"{os.fsdecode(error.filename)}: {reason}")
