"""The manual page, made of what `--help` says: `python -m lcodec.cli.manual` writes it anew.

One page holds all commands, so that it can be searched. click-man makes a page a command, but leaves out the epilogs,
where the examples, the exit codes and the environment are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from lcodec import __version__
from lcodec.cli import group

__all__ = ["PAGE", "manual"]

#: The page, as it is in the wheel's shared data.
PAGE = Path(__file__).parents[1] / "share" / "man" / "man1" / "lcodec.1"


def manual() -> str:
    """The page, as man(7) macros."""
    root = click.Context(group, info_name="lcodec", **group.context_settings)
    summary = group.get_short_help_str(200).rstrip(".")
    lines = [
        f'.TH LCODEC 1 "" "lcodec {__version__}"',
        ".SH NAME",
        f"lcodec \\- {_escape(summary[0].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        _synopsis(root),
        ".SH DESCRIPTION",
        *_paragraphs(group.help),
        ".SH OPTIONS",
        *_options(root),
        ".SH COMMANDS",
        *_commands(root),
        *_epilog(group.epilog, ".SH"),
    ]
    return "\n".join(lines) + "\n"


def _commands(context: click.Context) -> Iterator[str]:
    """All commands below one, each in a subsection."""
    parent = context.command
    if not isinstance(parent, click.Group):
        return
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        yield f'.SS "{_escape(inner.command_path)}"'
        yield _synopsis(inner)
        yield ".PP"
        yield from _paragraphs(command.help)
        yield from _options(inner)
        yield from _epilog(command.epilog, ".PP\n.I")
        yield from _commands(inner)


def _synopsis(context: click.Context) -> str:
    usage = " ".join(context.command.collect_usage_pieces(context))
    return f"\\fB{_escape(context.command_path)}\\fR {_escape(usage)}"


def _paragraphs(text: str | None) -> list[str]:
    blocks = [" ".join(block.split()) for block in (text or "").split("\n\n")]
    return "\n.PP\n".join(_escape(block) for block in blocks).splitlines()


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            names, text = record
            variables = parameter.envvar or []
            said = f" Variable: {', '.join(variables)}." if variables else ""
            yield f".TP\n\\fB{_escape(names)}\\fR\n{_escape(' '.join(text.split()) + said)}"


def _epilog(text: str | None, heading: str) -> Iterator[str]:
    """Blocks that click leaves as they are, each below its first line, and paragraphs."""
    for block in (text or "").strip().split("\n\n"):
        lines = block.splitlines()
        if lines[:1] != ["\b"]:
            yield ".PP"
            yield from _paragraphs(block)
            continue
        if lines[1].endswith(":"):
            title = lines[1].rstrip(":")
            yield f'{heading} "{_escape(title.upper() if heading == ".SH" else title)}"'
            lines = lines[1:]
        else:
            yield ".PP"
        yield ".nf"
        yield from map(_escape, lines[1:])
        yield ".fi"


def _escape(text: str) -> str:
    """Text that roff shows as it is: no escapes, no requests, and hyphens that can be copied."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("'", "\\(aq").replace("~", "\\(ti")
    )
    return "\\&" + text if text.startswith(".") else text


if __name__ == "__main__":
    PAGE.write_text(manual())
