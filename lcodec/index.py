"""What an `index.json` says of the files in its folder: the models, which code, and the metrics, which measure.

Written by training (`lcodec.training.export`), read by the zoo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from lcodec.errors import ModelError

__all__ = ["Entry", "Kind", "Metric", "listed"]

#: The lists of an index; one of before metrics has models alone.
Kind = Literal["models", "metrics"]

T = TypeVar("T")


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


def listed(folders: Iterable[Path], kind: Kind, entry: Callable[..., T]) -> Iterator[T]:
    """Entries of one kind in the indexes of folders; folders without an index have none.

    Raises:
        ModelError: an index cannot be read.
    """
    for folder in folders:
        index = folder / "index.json"
        try:
            found = json.loads(index.read_text())
            for item in found["models"] if kind == "models" else found.get(kind, ()):
                yield entry(path=folder / item.pop("file"), **item)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"cannot read {index}: {error}") from error
