"""Runs a command over its inputs: one failing does not keep the others from being processed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lcodec.cli.files import Job
from lcodec.errors import LcodecError, LimitError

if TYPE_CHECKING:
    from lcodec.container import Header
    from lcodec.rate import Found
    from lcodec.zoo import Zoo

__all__ = ["Report", "human_size", "model_name", "print_json", "progress", "run", "tell"]


@dataclass(frozen=True)
class Report:
    """What is said of a file that was encoded or decoded."""

    header: Header
    model: str
    output_bytes: int
    seconds: float
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
    ids = header.entropy_id.hex(), header.synthesis_id.hex()
    return next((entry.name for entry in zoo.entries() if (entry.entropy_id, entry.synthesis_id) == ids), None)


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


def tell(job: Job, report: Report, *, quiet: bool, as_json: bool, json_err: bool) -> None:
    """Report a file that is done."""
    if as_json:
        print_json(report.record(job), err=json_err)
    elif not quiet:
        click.echo(report.line(job), err=True)


def run(jobs: Sequence[Job], work: Callable[[Job], None], *, as_json: bool, json_err: bool = False) -> int:
    """Do `work` for each job, name those that fail, and return the exit code.

    `work` also reports what it did. With `as_json` failures are reported as JSON as well, on standard error with
    `json_err`.
    """
    failed: list[tuple[str, int]] = []
    for job in jobs:
        try:
            work(job)
        except BrokenPipeError:
            raise
        except (LcodecError, OSError, MemoryError) as caught:
            error = _as_lcodec_error(caught)
            failed.append((job.source_name, error.exit_code))
            click.echo(f"lcodec: {job.source_name}: {error}", err=True)
            if as_json:
                print_json({"input": job.source_name, "error": str(error), "exit_code": error.exit_code}, err=json_err)
    if not failed:
        return 0
    if len(jobs) > 1:
        names = ", ".join(name for name, _ in failed)
        click.echo(f"lcodec: {len(failed)} of {len(jobs)} inputs failed: {names}", err=True)
    codes = {code for _, code in failed}
    return codes.pop() if len(failed) == len(jobs) and len(codes) == 1 else LcodecError.exit_code


def _as_lcodec_error(error: LcodecError | OSError | MemoryError) -> LcodecError:
    if isinstance(error, LcodecError):
        return error
    if isinstance(error, MemoryError):
        return LimitError("not enough memory")
    return LcodecError(error.strerror or str(error))
