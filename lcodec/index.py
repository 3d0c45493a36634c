"""What an `index.json` says of the files in its folder: the models, which code, and the metrics, which measure.

Written by training (`lcodec.training.export`), read by the zoo.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from lcodec.errors import ModelError

__all__ = ["Entry", "Kind", "Metric", "listed"]

#: The lists of an index; one of before metrics has models alone.
Kind = Literal["models", "metrics"]


@dataclass(frozen=True)
class _File:
    """What an index says of any file."""

    name: str
    path: Path
    size: int  #: bytes
    sha256: str  #: of the file


@dataclass(frozen=True)
class Entry(_File):
    """One model of an index."""

    entropy_id: str  #: hexadecimal, 8 bytes
    synthesis_id: str  #: hexadecimal, 4 bytes
    aim: str  #: what it was trained for
    summary: str  #: one line
    synthesis_only: bool = False  #: the file is a synthesis for the model of this entropy id


@dataclass(frozen=True)
class Metric(_File):
    """One metric of an index."""

    identity: str  #: of its arrays, hexadecimal, 8 bytes
    summary: str  #: one line


T = TypeVar("T", Entry, Metric)


def listed(folders: Iterable[Path], kind: Kind, entry: type[T]) -> Iterator[T]:
    """Entries of one kind in the indexes of folders; folders without an index have none.

    Raises:
        ModelError: an index cannot be read, or says of a file what is not of the right type.
    """
    for folder in folders:
        index = folder / "index.json"
        try:
            found = json.loads(index.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or not isinstance(found.get("models"), list):
                raise ValueError("it is not an index of models")
            for item in found["models"] if kind == "models" else found.get(kind, ()):
                yield _entry(folder, item, entry)
        except FileNotFoundError:
            continue
        except RecursionError as error:
            raise ModelError(f"cannot read {index}: it is nested too deeply") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"cannot read {index}: {error}") from error


def _entry(folder: Path, item: dict[str, Any], entry: type[T]) -> T:
    """An entry of what an index says of it. Raises ValueError, KeyError, TypeError or AttributeError for garbage."""
    file = item.pop("file")
    # An index may come with models from anywhere: it names files beside it, and none that paths cannot name.
    if not isinstance(file, str) or not file.isprintable() or Path(file).name != file or file in {"", ".."}:
        raise ValueError(f"{file!r} is no name of a file in its folder")
    made = entry(path=folder / file, **item)
    for field in fields(made):
        kind = type(getattr(made, field.name)).__name__
        if field.name != "path" and kind != field.type:
            raise ValueError(f"{field.name} of {file} is of type {kind}, not {field.type}")
    return made
