"""Runs a command over its inputs: one failing does not keep the others from being processed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lcodec.cli.batch.files import Job
from lcodec.errors import LcodecError, LimitError

if TYPE_CHECKING:
    from lcodec.container import Header
    from lcodec.targets import Found
    from lcodec.zoo import Zoo

__all__ = ["Failures", "Report", "as_lcodec_error", "human_size", "model_name", "print_json", "progress", "run"]


@dataclass(frozen=True)
class Report:
    """What is said of a file that was encoded or decoded."""

    header: Header
    model: str
    output_bytes: int
    seconds: float
    notes: Sequence[str] = ()  #: what was not kept as it was
    found: Found | None = None  #: how a target was met

    def line(self, job: Job) -> str:
        """One line for people."""
        header = self.header
        met = f"  {_met(self.found)}" if self.found else ""
        size, bpp = human_size(header.total), header.total * 8 / (header.width * header.height)
        return (
            f"{job.source_name} -> {job.target_name}  {header.width}x{header.height}  {size}  {bpp:.3f} bpp  "
            f"q{header.quality / 100:g} {self.model}  {self.seconds:.2f} s{met}"
        )

    def record(self, job: Job) -> dict[str, Any]:
        """Return the same for programs."""
        header, found = self.header, self.found
        met = (
            {
                "target": found.target.name,
                "target_value": found.target.value,
                "reached": found.reached,
                "slack": found.slack,
                "codings": found.codings,
            }
            if found
            else {}
        )
        return {
            "input": job.source_name,
            "output": job.target_name,
            "width": header.width,
            "height": header.height,
            "grey": header.grey,
            "bytes": header.total,
            "bpp": header.total * 8 / (header.width * header.height),
            "quality": header.quality / 100,
            "model": self.model,
            "output_bytes": self.output_bytes,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            **met,
        }


def _met(found: Found) -> str:
    """Say how a target was met."""
    target, slack = found.target, found.slack
    if target.is_size:
        return f"{slack:.1%} under {target.say(target.value)}, {found.codings} codings"
    return f"{target.say(found.reached)}, {slack:.2g} over {target.say(target.value)}, {found.codings} codings"


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


def model_name(zoo: Zoo, header: Header) -> str | None:
    """Return the name, in the indexes, of the model that a file names."""
    return zoo.name_of(header.entropy_id, header.synthesis_id)


def print_json(record: dict[str, Any], *, err: bool = False) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(record), err=err)


@contextmanager
def progress(job: Job, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Show, on a terminal, the part of a job that is done; what this yields is told it, 0 to 1.

    Nothing is shown before it is told the first time: quick jobs never are.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(job.source_name), total=1.0, visible=False)
        yield lambda part: bar.update(task, completed=part, visible=True)


class Failures:
    """The inputs that failed, each named when it does, and what that makes of the exit code."""

    def __init__(self, *, as_json: bool, json_err: bool) -> None:
        self._as_json, self._json_err = as_json, json_err
        self._found: list[tuple[str, int]] = []

    def add(self, name: str, message: str, exit_code: int) -> None:
        """Name an input that failed; as JSON as well, if so asked, on standard error with `json_err`."""
        self._found.append((name, exit_code))
        click.echo(f"lcodec: {name}: {message}", err=True)
        if self._as_json:
            print_json({"input": name, "error": message, "exit_code": exit_code}, err=self._json_err)

    def close(self, inputs: int) -> int:
        """Name all that failed of so many inputs once more, and return the exit code."""
        if not self._found:
            return 0
        if inputs > 1:
            names = ", ".join(name for name, _ in self._found)
            click.echo(f"lcodec: {len(self._found)} of {inputs} inputs failed: {names}", err=True)
        codes = {code for _, code in self._found}
        return codes.pop() if len(self._found) == inputs and len(codes) == 1 else LcodecError.exit_code


def run(jobs: Sequence[Job], work: Callable[[Job], None], *, as_json: bool, json_err: bool = False) -> int:
    """Do `work`, which also reports, for each job, name those that fail, and return the exit code."""
    failures = Failures(as_json=as_json, json_err=json_err)
    for job in jobs:
        try:
            work(job)
        except BrokenPipeError:
            raise
        except (LcodecError, OSError, MemoryError) as caught:
            error = as_lcodec_error(caught)
            failures.add(job.source_name, str(error), error.exit_code)
    return failures.close(len(jobs))


def as_lcodec_error(error: LcodecError | OSError | MemoryError) -> LcodecError:
    """Return what is reported of an error of one input."""
    if isinstance(error, LcodecError):
        return error
    if isinstance(error, MemoryError):
        return LimitError("not enough memory")
    return LcodecError(error.strerror or str(error))
