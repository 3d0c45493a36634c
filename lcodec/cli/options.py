"""Options that commands share, each declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lcodec import defaults
from lcodec.cli.completion import files_of
from lcodec.cli.parameters import FileName, FolderName, Number, Size, WholeNumber, files_only
from lcodec.cores import cores
from lcodec.errors import UsageError

if TYPE_CHECKING:
    from lcodec.targets import Name

__all__ = [
    "FolderOptions",
    "as_json",
    "background",
    "coded_inputs",
    "effort",
    "folder_options",
    "metadata",
    "one_target",
    "picture_inputs",
    "quality",
    "realism",
    "recursive",
    "run_options",
    "targets",
    "write_options",
]

#: Processes; Windows waits for no more.
_MOST_JOBS = 60

F = TypeVar("F", bound=Callable[..., Any])


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _named(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    words = {"all": defaults.METADATA, "none": ()}.get(value, tuple(value.split(",")))
    for word in words:
        if word not in defaults.METADATA:
            known = ", ".join(defaults.METADATA)
            raise click.BadParameter(f"{word!r} is not one of {known}, all and none.")
    return words


def _inputs(suffixes: Iterable[str], *, required: bool) -> Callable[[F], F]:
    complete = files_of(*suffixes)
    return click.argument(
        "inputs",
        nargs=-1,
        required=required,
        metavar="INPUT...",
        type=FileName(),
        shell_complete=complete,
        callback=files_only,
    )


def picture_inputs(*, required: bool) -> Callable[[F], F]:
    """The pictures to process; not required where --files-from may name them."""
    return _inputs(sorted(suffix[1:] for suffix in defaults.PICTURE_SUFFIXES), required=required)


def coded_inputs(*, required: bool) -> Callable[[F], F]:
    """The coded files to process; not required where --files-from may name them."""
    return _inputs([defaults.SUFFIX[1:]], required=required)


#: -q, on the scale of every model.
quality = click.option(
    "-q",
    "--quality",
    type=Number(0, 100),
    default=defaults.QUALITY,
    show_default=True,
    metavar="Q",
    envvar="LCODEC_QUALITY",
    help="0 (smallest) to 100 (best).",
)

#: What to meet instead of a quality.
targets = _stack(
    click.option(
        "--bpp",
        type=Number(0, min_open=True),
        metavar="B",
        help="Best quality in at most B bits per pixel.",
    ),
    click.option("--max-size", type=Size(), metavar="SIZE", help="Best quality in at most SIZE (40k, 40KiB, 1.5M)."),
    click.option(
        "--min-psnr",
        type=Number(0, min_open=True),
        metavar="DB",
        help="Smallest file with at least this PSNR.",
    ),
    click.option(
        "--min-ms-ssim",
        type=Number(0, 1, min_open=True, max_open=True),
        metavar="X",
        help="Smallest file with at least this MS-SSIM.",
    ),
)


def one_target(context: click.Context, targets: dict[Name, float | None]) -> tuple[Name, float] | None:
    """Return the one of the targets that is to be met, by name; None means the quality.

    What the command line says overrides the environment, a quality there as well.

    Raises:
        UsageError: two things are asked for.
    """
    from click.core import ParameterSource

    def given(name: str, source: ParameterSource) -> bool:
        return context.get_parameter_source(name.replace("-", "_")) is source

    wanted = {name: value for name, value in targets.items() if value is not None}
    asked = [name for name in wanted if given(name, ParameterSource.COMMANDLINE)]
    fixed = given("quality", ParameterSource.COMMANDLINE)
    if not asked and not fixed:
        asked = [name for name in wanted if given(name, ParameterSource.ENVIRONMENT)]
    if len(asked) + fixed > 1:
        names = [f"--{name}" for name in asked] + ["-q"] * fixed
        raise UsageError(f"{' and '.join(names)} exclude each other")
    return (asked[0], wanted[asked[0]]) if asked else None


#: -e, on the scale of cjxl.
effort = click.option(
    "-e",
    "--effort",
    type=WholeNumber(0, defaults.EFFORT_MAX),
    default=defaults.EFFORT,
    show_default=True,
    metavar="N",
    help="0 (fastest) to 9 (smallest file, minutes); quality stays the same. From 6 on with torch.",
)

#: --metadata, as a tuple of names.
metadata = click.option(
    "--metadata",
    default="all",
    show_default=True,
    metavar="LIST",
    callback=_named,
    help="What to keep: all, none, or some of icc,exif,xmp.",
)

#: --realism, for files that a generative model can show.
realism = click.option(
    "--realism",
    type=Number(0, 1),
    metavar="R",
    help="0 (most exact) to 1 (looks most real), by a generative model.  [default: as the file asks]",
)

#: --background, for transparent pictures.
background = click.option(
    "--background", default="white", show_default=True, metavar="COLOUR", help="Colour behind a flattened picture."
)


def recursive(what: str) -> Callable[[F], F]:
    """-r, and what it does."""
    return click.option("-r", "--recursive", is_flag=True, help=what)


#: --json.
as_json = click.option("--json", "as_json", is_flag=True, help="Report JSON, one object a line.")

#: Where output goes.
write_options = _stack(
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=FileName(),
        help="Output of a single input; - is stdout.",
    ),
    click.option(
        "-O",
        "--output-dir",
        "folder",
        metavar="DIR",
        type=FolderName(),
        help="Write there, not beside the inputs.",
    ),
    click.option("-f", "--force", is_flag=True, help="Overwrite; write binary data to a terminal."),
)


#: How a command runs and reports.
run_options = _stack(
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        envvar="LCODEC_DEVICE",
        help="Where networks run. auto: on a GPU from 10 megapixels on, if torch is there.",
    ),
    click.option(
        "--max-pixels",
        type=WholeNumber(min=1),
        default=defaults.MAX_PIXELS,
        show_default=True,
        metavar="N",
        help="Refuse larger pictures.",
    ),
    click.option(
        "--memory",
        default=f"{defaults.MEMORY >> 30}GiB",
        show_default=True,
        metavar="SIZE",
        type=Size(),
        help="Hold no more than this besides the picture: 512M, 2G.",
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
    keep_suffix: bool = False  #: the input's suffix is part of the output's name
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
        return 1 if device == "cuda" else max(1, min(cores(), inputs // 4, _MOST_JOBS))


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


def folder_options(*, smaller: bool, kept: str) -> Callable[[F], F]:
    """Options of commands that take whole folders. They come as `many: FolderOptions`.

    Args:
        smaller: with --if-smaller.
        kept: what --keep-suffix makes of which name.
    """
    if_smaller = click.option(
        "--if-smaller", is_flag=True, help="Write only what is smaller than its input; say what is not."
    )
    return _stack(
        recursive("Take folders, and mirror them."),
        click.option(
            "--files-from",
            metavar="FILE",
            type=FileName(),
            help="More inputs, one a line; - is stdin.",
        ),
        click.option("-0", "--null", is_flag=True, help="Those names end in null bytes ('find -print0')."),
        click.option("--flat", is_flag=True, help="All outputs into the folder of -O itself."),
        click.option("--keep-suffix", is_flag=True, help=f"Keep the input's suffix: {kept}."),
        click.option(
            "--shard", metavar="I/N", callback=_parse_shard, help="Only the I-th of N shares, the same in any order."
        ),
        click.option("--skip-existing", is_flag=True, help="Skip inputs whose output exists, whatever it holds."),
        *([if_smaller] if smaller else []),
        click.option("-p", "--preserve", is_flag=True, help="Give outputs the times and modes of their inputs."),
        click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and write nothing."),
        click.option(
            "-j",
            "--jobs",
            type=WholeNumber(min=1),
            metavar="N",
            help="Processes.  [default: one a core, but 4 inputs or more each; 1 for cuda]",
        ),
        click.option(
            "--scheduler", metavar="ADDRESS", help="Work on the Dask cluster there (needs lcodec[dask], shared paths)."
        ),
        _collect,
    )
