"""The command line: `lcodec COMMAND`. One module a command, imported when that command runs.

Standard output carries data only; all talk goes to standard error. Only this package prints.
Importing it loads click and nothing heavier, so that `lcodec --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from lcodec import __version__
from lcodec.cli import streams
from lcodec.errors import LcodecError
from lcodec.threads import let_idle_threads_sleep

__all__ = ["COMMANDS", "Terminated", "group", "main"]

#: Commands in the order of the help. Each is the function of its name in the module of its name here.
COMMANDS = {
    "encode": "Encode pictures to .lcdc files.",
    "decode": "Decode .lcdc files to pictures.",
    "info": "Show the size, quality and model of .lcdc files.",
    "models": "List or check the installed models.",
    "train": "Train a model.",
    "eval": "Compare codecs on pictures.",
    "completion": "Print a script that completes lcodec in a shell.",
}

#: Distributions whose versions matter in a bug report.
_REPORTED = ("numpy", "torch", "pillow", "constriction")

_INTERRUPTED = 128 + signal.SIGINT

_EPILOG = """\b
Examples:
  lcodec encode photo.jpg                  writes photo.lcdc, quality 50
  lcodec encode -q 30 -O small *.png       writes small/*.lcdc
  lcodec decode photo.lcdc                 writes photo.png
  lcodec decode photo.lcdc -o photo.webp   in another format
  curl URL | lcodec encode - > photo.lcdc  from and to pipes
  lcodec info photo.lcdc

\b
Exit codes:
    0  done
    1  an input failed (the others were still processed)
    2  the request makes no sense, or the output exists
    3  not an lcodec file, or a damaged or truncated one
    4  the model that the file names is missing, or differs
    5  a limit or a target is out of reach
    6  this machine's arithmetic failed its self-test
  130  interrupted (129: the terminal closed; 143: terminated)
A single input gives its own code. Of several, each that fails is named; the
code is 1, unless all of them failed with the same one.

\b
Environment:
  LCODEC_MODELS                  more folders of models
  LCODEC_MODEL, LCODEC_QUALITY,  defaults of these options
  LCODEC_DEVICE
  LCODEC_COMMAND_OPTION          default of any option, by its long name:
                                 LCODEC_DECODE_FORMAT=webp, LCODEC_ENCODE_MAX_SIZE=40k
"""


class Terminated(BaseException):
    """A signal asked the process to end; raised so that temporary files are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class _LazyGroup(click.Group):
    """Knows its commands by name; imports the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"lcodec.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            return None
        from lcodec.cli.parameters import name_variables

        name_variables(command, f"LCODEC_{cmd_name.upper()}")
        if not any("--version" in parameter.opts for parameter in command.params):
            command.params.append(click.Option(["-V", "--version"], hidden=True, **_VERSION))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches
            from pathlib import Path

            near = get_close_matches(name.lower(), COMMANDS, 1)
            from lcodec.defaults import PICTURE_SUFFIXES, SUFFIX

            if not near and Path(name).suffix.lower() in {*PICTURE_SUFFIXES, SUFFIX}:
                near = [f"{'decode' if name.lower().endswith(SUFFIX) else 'encode'} {name}"]
            raise click.UsageError(f"{name!r} is not a command" + (f" (lcodec {near[0]}?)" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib import metadata

    from lcodec.zoo import Zoo

    def version(name: str) -> str:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            return f"{name} missing"

    python = "python {}.{}.{}".format(*sys.version_info)
    try:
        models = ", ".join(f"{entry.name} {entry.entropy_id}-{entry.synthesis_id}" for entry in Zoo().entries())
    except LcodecError as error:
        models = str(error)
    click.echo(f"lcodec {__version__}")
    click.echo(", ".join([python, *map(version, _REPORTED)]))
    click.echo(f"models: {models or 'none'}")
    ctx.exit()


#: --version, which every command takes.
_VERSION: dict[str, Any] = {
    "is_flag": True,
    "is_eager": True,
    "expose_value": False,
    "allow_from_autoenv": False,
    "callback": _show_version,
}


@click.command(
    cls=_LazyGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-V", "--version", help="Show the versions of lcodec, its parts and its models.", **_VERSION)
def group() -> None:
    """Compress photos with a learned image codec.

    A file written on one machine decodes on every other.
    """
    if os.environ.get("LCODEC_MODELS"):
        from lcodec.zoo import Zoo

        for folder in Zoo().without_index():
            from lcodec.legible import legible

            click.echo(f"lcodec: note: LCODEC_MODELS names {legible(str(folder))}, which has no index.json", err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `arguments` are the process's own unless given."""
    let_idle_threads_sleep()
    streams.mend()
    try:
        with _signals_raised():
            code = group.main(arguments, prog_name="lcodec", standalone_mode=False)
    except LcodecError as error:
        code = _complain(str(error), error.exit_code)
    except click.UsageError as error:
        code = _explain_usage(error)
    except click.ClickException as error:
        code = _complain(error.format_message(), error.exit_code)
    except click.Abort:  # click's name for KeyboardInterrupt
        code = _complain("interrupted", _INTERRUPTED)
    except Terminated as error:
        code = _complain("terminated", error.exit_code)
    except SystemExit as error:  # a reader closed the pipe, or the shell asked for completions
        code = error.code
    except OSError as error:  # all others are reported with their files
        code = _complain(_what_failed(error), LcodecError.exit_code)
    try:
        sys.stdout.flush()
    except OSError as error:
        streams.abandon_stdout()
        if not code and error.errno != errno.EPIPE:
            code = _complain(f"cannot write to standard output: {error.strerror or error}", LcodecError.exit_code)
    return code if isinstance(code, int) else 0


def _what_failed(error: OSError) -> str:
    """Say what an error of the system is about; one that names no file may be about standard output."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {reason}"
    try:
        sys.stdout.flush()  # what could not be written is still to be written
    except OSError:
        streams.abandon_stdout()
        return f"cannot write to standard output: {reason}"
    from pathlib import Path

    try:
        Path.cwd()
    except OSError as gone:
        return f"the folder that the command runs in is gone: {gone.strerror}"
    return reason


def _complain(message: str, code: int) -> int:
    from lcodec.legible import legible

    click.echo(f"lcodec: {legible(message)}", err=True)
    return code


def _explain_usage(error: click.UsageError) -> int:
    path = error.ctx.command_path if error.ctx else "lcodec"
    if type(error).__name__ == "NoArgsIsHelpError":  # `lcodec` alone
        click.echo(error.format_message(), err=True)
        return error.exit_code
    # click lists choices on lines of their own
    _complain(re.sub(r"\n\s*", " ", error.format_message()), error.exit_code)
    click.echo(f"Try '{path} --help'.", err=True)
    return error.exit_code


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the process through its `finally` clauses, as SIGINT does."""

    def end(number: int, _: FrameType | None) -> None:
        raise Terminated(number)

    old = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        try:
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                old[number] = signal.signal(number, end)
        except ValueError:  # not the main thread
            break
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
