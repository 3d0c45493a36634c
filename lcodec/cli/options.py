"""Options that commands share, each declared once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lcodec.errors import UsageError

if TYPE_CHECKING:
    from lcodec.rate import Name

__all__ = ["FORMATS", "as_json", "effort", "inputs", "quality", "run_options", "target", "targets", "write_options"]

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


def _finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):  # nan passes click's check of the range
        raise click.BadParameter(f"{value} is not a number.")
    return value


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


class _Size(click.ParamType[int]):
    """A number of bytes: 40000, 40k, 40kB, 40KiB, 1.5M."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+\.?\d*|\.\d+) *(?:([kmg])(i?))?b?", value.strip().lower())
        size = 0
        if found:
            number, prefix, binary = found.groups()
            size = int(Decimal(number) * (1024 if binary else 1000) ** " kmg".index(prefix or " "))
        if size < 1:
            self.fail(f"{value!r} is no size in bytes; sizes are 40000, 40k, 40KiB or 1.5M.", param, ctx)
        return size


#: Options that name a target, by the target's name; at most one is given, and without -q.
_TARGETS: dict[Name, str] = {"bpp": "bpp", "max-size": "max_size", "min-psnr": "min_psnr", "min-ms-ssim": "min_ms_ssim"}

#: What to meet instead of a quality.
targets = _stack(
    click.option(
        "--bpp",
        type=click.FloatRange(0, min_open=True),
        metavar="B",
        callback=_finite,
        help="Best quality in at most B bits per pixel.",
    ),
    click.option("--max-size", type=_Size(), metavar="SIZE", help="Best quality in at most SIZE (40k, 40KiB, 1.5M)."),
    click.option(
        "--min-psnr",
        type=click.FloatRange(0, min_open=True),
        metavar="DB",
        callback=_finite,
        help="Smallest file with at least this PSNR.",
    ),
    click.option(
        "--min-ms-ssim",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="X",
        callback=_finite,
        help="Smallest file with at least this MS-SSIM.",
    ),
)


def target() -> tuple[Name, float] | None:
    """Return the name and value of the target that was asked for; None means the quality.

    What the command line says overrides the environment. Raises UsageError where two things are asked for.
    """
    from click.core import ParameterSource

    ctx = click.get_current_context()

    def given(parameter: str, source: ParameterSource) -> bool:
        return ctx.params[parameter] is not None and ctx.get_parameter_source(parameter) is source

    asked = [name for name, parameter in _TARGETS.items() if given(parameter, ParameterSource.COMMANDLINE)]
    fixed = given("quality", ParameterSource.COMMANDLINE)
    if not asked and not fixed:
        asked = [name for name, parameter in _TARGETS.items() if given(parameter, ParameterSource.ENVIRONMENT)]
    if len(asked) + fixed > 1:
        names = [f"--{name}" for name in asked] + ["-q"] * fixed
        raise UsageError(f"{' and '.join(names)} exclude each other")
    return (asked[0], ctx.params[_TARGETS[asked[0]]]) if asked else None


#: -e, on the scale of cjxl.
effort = click.option(
    "-e",
    "--effort",
    type=click.IntRange(0, 9),
    default=2,
    show_default=True,
    metavar="N",
    help="0 (fastest) to 9 (fewest bits, minutes).",
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
