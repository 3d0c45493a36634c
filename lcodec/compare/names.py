"""How a codec is named: a model or its file, and a realism if wanted."""

from __future__ import annotations

from pathlib import Path

from lcodec.errors import UsageError

__all__ = ["REALISM", "is_file", "parted", "share"]

#: After the name of a model: how real its pictures are to look, as in mse:realism=0.5.
REALISM = ":realism="


def parted(name: str) -> tuple[str, str, str]:
    """Part a name at its last `:realism=`, unless a file has all of it for its name."""
    model, asked, number = name.rpartition(REALISM)
    return (model, asked, number) if asked and not Path(name).is_file() else (name, "", "")


def is_file(name: str) -> bool:
    """Whether this is the name of a file, with or without a realism: then no `@` in it begins settings."""
    model, _, number = parted(name)
    return "@" not in number and Path(model).is_file()


def share(number: str) -> float:
    """Read a realism.

    Raises:
        UsageError: it is no number from 0 to 1.
    """
    try:
        realism = float(number)
    except ValueError:
        realism = -1
    if not 0 <= realism <= 1:
        raise UsageError(f"realism is a number from 0 to 1, not {number!r}")
    return realism
