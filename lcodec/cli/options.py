"""Options that commands share, each declared once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["FORMATS", "as_json", "inputs", "quality", "run_options", "write_options"]

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


def _size(_: click.Context, __: click.Parameter, value: str) -> int:
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", value.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{value!r} is no size (such as 512M or 2GiB, in powers of 1024).")
    return int(match[1]) << 10 * " KMGT".index(match[2].upper() or " ")


#: The files to process.
inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(path_type=str))

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
        click.option(
            "--memory",
            default="1GiB",
            show_default=True,
            metavar="SIZE",
            callback=_size,
            help="Hold no more than this besides the picture: 512M, 2G.",
        ),
        click.option("--quiet", is_flag=True, help="Report errors only."),
        as_json,
    )
