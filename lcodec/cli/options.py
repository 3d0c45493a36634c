"""Options that commands share, each declared once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["FORMATS", "Size", "as_json", "background", "inputs", "metadata", "quality", "run_options", "write_options"]

#: Formats that `decode` writes.
FORMATS = ("png", "jpg", "webp", "tiff", "ppm", "bmp", "npy")

#: `lcodec.picture.METADATA`, which is not imported for it.
_METADATA = ("icc", "exif", "xmp")

#: Pixels; `lcodec.codec.MAX_PIXELS`, which is not imported for it.
_MAX_PIXELS = 1 << 28

F = TypeVar("F", bound=Callable[..., Any])


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


#: Suffixes of sizes, and their powers of 1000 (of 1024 with an i).
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Size(click.ParamType):  # type: ignore[type-arg]  # generic only in click's latest
    """A number of bytes: 4096, 40k (or 40kB) of 1000, 40KiB of 1024, 1.5M, 2GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", value.strip().lower())
        if match is None or (match[3] and not match[2]):
            self.fail(f"{value!r} is no size; sizes are like 40000, 40k, 40KiB, 1.5M.", param, ctx)
        unit: int = (1024 if match[3] else 1000) ** _POWERS[match[2]]
        return round(float(match[1]) * unit)


def _finite(_: click.Context, __: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which passes click's check of the range
        raise click.BadParameter("nan is not a number.")
    return value


def _named(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    words = {"all": _METADATA, "none": ()}.get(value, tuple(value.split(",")))
    for word in words:
        if word not in _METADATA:
            raise click.BadParameter(f"{word!r} is none of {', '.join(_METADATA)}, nor all or none.")
    return words


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

#: --metadata, as a tuple of names.
metadata = click.option(
    "--metadata",
    default="all",
    show_default=True,
    metavar="LIST",
    callback=_named,
    help="What to keep: all, none, or some of icc,exif,xmp.",
)

#: --background, for transparent pictures.
background = click.option(
    "--background", default="white", show_default=True, metavar="COLOUR", help="Colour behind a flattened picture."
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
