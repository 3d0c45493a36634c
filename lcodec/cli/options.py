"""Options that commands share, each declared once."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "FORMATS",
    "FolderOptions",
    "as_json",
    "folder_options",
    "inputs",
    "inputs_or_list",
    "quality",
    "run_options",
    "write_options",
]

#: Formats that `decode` writes.
FORMATS = ("png", "jpg", "webp", "tiff", "ppm", "bmp")

#: Pixels; `lcodec.codec.MAX_PIXELS`, which is not imported for it.
_MAX_PIXELS = 1 << 28

F = TypeVar("F", bound=Callable[..., Any])


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _finite(_: click.Context, __: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which passes click's check of the range
        raise click.BadParameter("nan is not a number.")
    return value


#: Processes; Windows waits for no more.
_MOST_JOBS = 60

#: The files to process.
inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(path_type=str))

#: The same where --files-from may name them.
inputs_or_list = click.argument("inputs", nargs=-1, metavar="INPUT...", type=click.Path(path_type=str))

#: -q, on the scale of every model.
quality = click.option(
    "-q",
    "--quality",
    type=click.FloatRange(0, 100),
    default=50,
    show_default=True,
    metavar="Q",
    callback=_finite,
    envvar=["LCODEC_ENCODE_QUALITY", "LCODEC_QUALITY"],
    help="0 (smallest) to 100 (best).",
)

#: --json.
as_json = click.option("--json", "as_json", is_flag=True, help="Report one JSON object a file.")

#: Where output goes.
write_options = _stack(
    click.option(
        "-o", "--output", metavar="FILE", type=click.Path(path_type=str), help="Output of a single input; - is stdout."
    ),
    click.option(
        "-O",
        "--output-dir",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write there, not beside the inputs.",
    ),
    click.option("-f", "--force", is_flag=True, help="Overwrite; write binary data to a terminal."),
)


def run_options(command: str) -> Callable[[F], F]:
    """How `command` runs and reports."""
    return _stack(
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            envvar=[f"LCODEC_{command.upper()}_DEVICE", "LCODEC_DEVICE"],
            help="Where networks run.",
        ),
        click.option(
            "--max-pixels",
            type=click.IntRange(min=1),
            default=_MAX_PIXELS,
            show_default=True,
            metavar="N",
            help="Refuse larger pictures.",
        ),
        click.option("--quiet", is_flag=True, help="Report errors only."),
        as_json,
    )


@dataclass(frozen=True)
class FolderOptions:
    """How many inputs are found and worked through."""

    recursive: bool = False
    files_from: str | None = None  #: a file with a name a line, or -
    null: bool = False  #: a null byte ends each of those names
    flat: bool = False
    shard: tuple[int, int] | None = None  #: I of N, from 1
    skip_existing: bool = False
    if_smaller: bool = False
    preserve: bool = False
    dry_run: bool = False
    jobs: int | None = None  #: processes; None: as `worker_count` says
    scheduler: str | None = None  #: address of a Dask scheduler

    def worker_count(self, inputs: int, device: str) -> int:
        """Processes for so many inputs.

        A process with one BLAS thread on each core: 8 photos of 768x512 took one process with one thread 2.4 s of
        processor time, two such processes 2.9 s (starting one costs as much as encoding a photo, so each gets four at
        least), and one process with two threads over 7 s on a busy machine, for its threads wait for each other
        (`benchmarks/throughput.py` compares them). A GPU is not shared out unless asked for.
        """
        if self.jobs is not None:
            return min(self.jobs, max(inputs, 1))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return 1 if device == "cuda" else max(1, min(cores, inputs // 4, _MOST_JOBS))


def _parse_shard(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    index, slash, count = value.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise click.BadParameter(f"{value!r} is not I/N with I from 1 to N (2/4).")
    return int(index), int(count)


def _collect(function: F) -> F:
    """Hand the options below to `function` as one argument, `many`."""
    names = [field.name for field in fields(FolderOptions)]

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        many = FolderOptions(**{name: arguments.pop(name) for name in names if name in arguments})
        return function(many=many, **arguments)

    return call  # type: ignore[return-value]


def folder_options(*, smaller: bool) -> Callable[[F], F]:
    """Options of commands that take whole folders; `smaller`: with --if-smaller. They come as `many: FolderOptions`."""
    if_smaller = click.option(
        "--if-smaller", is_flag=True, help="Write only what is smaller than its input; say what is not."
    )
    return _stack(
        click.option("-r", "--recursive", is_flag=True, help="Take folders, and mirror them."),
        click.option(
            "--files-from", metavar="FILE", type=click.Path(path_type=str), help="More inputs, one a line; - is stdin."
        ),
        click.option("-0", "--null", is_flag=True, help="Those names end in null bytes ('find -print0')."),
        click.option("--flat", is_flag=True, help="All outputs into the folder of -O itself."),
        click.option(
            "--shard", metavar="I/N", callback=_parse_shard, help="Only the I-th of N shares, the same in any order."
        ),
        click.option("--skip-existing", is_flag=True, help="Pass over inputs whose output exists, whatever it holds."),
        *([if_smaller] if smaller else []),
        click.option("-p", "--preserve", is_flag=True, help="Give outputs the times and modes of their inputs."),
        click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and write nothing."),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Processes.  [default: one a core, but 4 inputs or more each; 1 for cuda]",
        ),
        click.option(
            "--scheduler", metavar="ADDRESS", help="Work on the Dask cluster there (needs lcodec[dask], shared paths)."
        ),
        _collect,
    )
