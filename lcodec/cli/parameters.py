"""Values of options, refused in plain words, and the variable of the environment of each option."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lcodec import defaults
from lcodec.errors import UsageError

if TYPE_CHECKING:
    _Bytes = click.ParamType[int]
    _Name = click.Choice[str]
    _Box = click.ParamType[tuple[int, ...]]
    _Shape = click.ParamType[tuple[int, int] | float]
else:
    _Bytes = _Box = _Shape = click.ParamType  # not generic in older versions
    _Name = click.Choice

__all__ = [
    "Crop",
    "FileName",
    "FolderName",
    "Format",
    "Number",
    "Resize",
    "Size",
    "WholeNumber",
    "files_only",
    "name_variables",
]

#: Other names of formats.
_ALIASES = {suffix[1:]: form for suffix, form in defaults.WRITABLE_SUFFIXES.items()}


class Size(_Bytes):
    """A number of bytes: 40000, 40k, 40kB, 40KiB, 1.5M."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+\.?\d*|\.\d+) *(?:([kmg])(i?))?b?", value.strip().lower())
        size = 0
        if found:
            number, prefix, binary = found.groups()
            from decimal import Decimal

            size = int(Decimal(number) * (1024 if binary else 1000) ** " kmg".index(prefix or " "))
        if size < 1:
            self.fail(f"{value!r} is not a size in bytes (40000, 40k, 40KiB, 1.5M).", param, ctx)
        return size


class Number(click.FloatRange):
    """A number in a range, and finite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if not math.isfinite(number):  # nan passes click's check of the range
            self.fail(f"{value!r} is not a number{_range(self)}.", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number{_range(self)}.", param, ctx)


def _range(kind: click.FloatRange | click.IntRange) -> str:
    """Say the range: from 0 to 100, over 0, under 1."""
    if kind.min is not None and kind.max is not None and not (kind.min_open or kind.max_open):
        return f" from {kind.min:g} to {kind.max:g}"
    said = []
    if kind.min is not None:
        said.append(f"{'over' if kind.min_open else 'of at least'} {kind.min:g}")
    if kind.max is not None:
        said.append(f"{'under' if kind.max_open else 'of at most'} {kind.max:g}")
    return " " + " and ".join(said) if said else ""


class FileName(click.Path):
    """A name of a file or a folder, and not an empty one: that would stand for the folder that the command runs in.

    What cannot be read is said with its file: click would refuse all inputs for the sake of one, and an output that
    need not be read.
    """

    def __init__(self, **kind: Any) -> None:
        super().__init__(readable=False, **{"path_type": str} | kind)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("the name is empty.", param, ctx)
        return super().convert(value, param, ctx)


class FolderName(FileName):
    """A name of a folder for outputs, which is made where there is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if os.fspath(value) == "-":
            self.fail("- is standard output, and no folder (./- names a folder of that name).", param, ctx)
        return super().convert(value, param, ctx)


class Format(_Name):
    """A format that is written, by its name or by a suffix of its files."""

    def __init__(self) -> None:
        super().__init__(defaults.FORMATS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name = value.lower().removeprefix(".")
        return super().convert(_ALIASES.get(name, name), param, ctx)


class Crop(_Box):
    """A part of a picture, WxH+X+Y."""

    name = "crop"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        found = re.fullmatch(r"(\d{1,9})x(\d{1,9})\+(\d{1,9})\+(\d{1,9})", str(value).strip().lower())
        box = tuple(map(int, found.groups())) if found else (0, 0)
        if 0 in box[:2]:
            self.fail(f"{value!r} is not WxH+X+Y in pixels (640x480+100+0).", param, ctx)
        return box


class Resize(_Shape):
    """A size of a picture: WxH, Wx or xH, where 0 stands for the side that is left out; or percent."""

    name = "resize"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int] | float:
        text = str(value).strip().lower()
        if found := re.fullmatch(r"([1-9]\d{0,8})?x([1-9]\d{0,8})?", text):
            width, height = (int(side or 0) for side in found.groups())
            if width or height:
                return width, height
        if (found := re.fullmatch(r"(\d+\.?\d*|\.\d+)%", text)) and 0 < float(found[1]) <= 1e6:
            return float(found[1])
        message = f"{value!r} is not WxH in pixels, Wx, xH or N% (1280x, 50%)."
        raise click.BadParameter(message, ctx=ctx, param=param)


def files_only(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse addresses among the inputs."""
    for item in value:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", item):
            raise UsageError(f"{item} is not a file (lcodec does not download)")
    return value


def name_variables(command: click.Command, prefix: str) -> None:
    """Let each option be given by the variable of its own long name, before those that it shares with others.

    click's own way makes them of the names that the options have in the program.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.allow_from_autoenv and not option.hidden:
            long = next(name for name in option.opts if name.startswith("--"))
            own = f"{prefix}_{long[2:].replace('-', '_').upper()}"
            shared = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
            option.envvar = list(dict.fromkeys([own, *shared]))
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            name_variables(inner, f"{prefix}_{name.upper()}")
