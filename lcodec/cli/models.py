"""`lcodec models`: the models that are installed, and whether their files are whole."""

from __future__ import annotations

import click

from lcodec import defaults
from lcodec.cli import completion, console, options
from lcodec.errors import ModelError
from lcodec.index import Entry, Metric
from lcodec.legible import legible
from lcodec.zoo import METRIC, Zoo

__all__ = ["models"]

_EPILOG = """\b
Examples:
  lcodec models
  lcodec models check
  LCODEC_MODELS=~/mine lcodec models list --json

Metrics that were trained (eval --metric) are listed as well; they code nothing.
Folders named in LCODEC_MODELS (each with an index.json) come first, then the models that lcodec brought along.
"""


@click.group(invoke_without_command=True, epilog=_EPILOG)
@click.pass_context
def models(context: click.Context) -> int:
    """List or check the installed models. `lcodec models` alone lists them."""
    return _list(as_json=False) if context.invoked_subcommand is None else 0


@models.command("list")
@options.as_json
def list_(*, as_json: bool) -> int:
    """List the installed models."""
    return _list(as_json=as_json)


@models.command(short_help="Check that the models' files are whole.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completion.models_and())
def check(*, names: tuple[str, ...]) -> int:
    """Compare model files with their index, and prove their arithmetic exact.

    All of them unless some are named. Exit code 4 if one is missing or differs.
    """
    zoo = Zoo()
    known: dict[str, Entry | Metric] = {metric.name: metric for metric in zoo.metrics()}
    known |= {entry.name: entry for entry in zoo.entries()}
    for name in names:
        if name not in known:
            raise ModelError(f"no model named {name!r} (known: {', '.join(known) or 'none'})")
    if not known:
        raise ModelError("no model is installed")
    code = 0
    for name in names or known:
        try:
            with console.progress(name):
                zoo.check(known[name])
        except ModelError as error:
            console.say(f"{name}: {error}")
            code = error.exit_code
        else:
            click.echo(f"{legible(name)}: ok")
    return code


def _list(*, as_json: bool) -> int:
    zoo = Zoo()
    entries: list[Entry | Metric] = [*zoo.entries(), *zoo.metrics()]
    if as_json:
        for entry in entries:
            console.print_json(_record(entry))
        return 0
    rows = [("name", "aim", "size", "id", "")]
    rows += [
        (
            entry.name,
            METRIC if isinstance(entry, Metric) else entry.aim,
            console.human_size(entry.size),
            entry.identity if isinstance(entry, Metric) else f"{entry.entropy_id}-{entry.synthesis_id}",
            entry.summary,
        )
        for entry in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo(legible("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))
    if not entries:
        click.echo("no model is installed", err=True)
    return 0


def _record(entry: Entry | Metric) -> dict[str, object]:
    if isinstance(entry, Metric):
        said: dict[str, object] = {"aim": METRIC, "summary": entry.summary, "bytes": entry.size, "id": entry.identity}
    else:
        said = {
            "default": entry.name == defaults.MODEL,
            "aim": entry.aim,
            "summary": entry.summary,
            "bytes": entry.size,
            "entropy_id": entry.entropy_id,
            "synthesis_id": entry.synthesis_id,
        }
    return {"name": entry.name, **said, "sha256": entry.sha256, "path": str(entry.path)}
