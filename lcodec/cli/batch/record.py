"""The record of a folder of outputs: which input, and which settings, each was made of.

An output's own checksum could prove it whole, but not that it is of this input as it is now, and of these settings; a
time proves neither. So each root of a run has lines in `.lcodec/HOST.jsonl`, and an output is *current* if the line
that would be written for it, now, is there: the output's name, SHA-256 of the input and of the output, the settings.
A changed input, other settings, a truncated or flipped output: each gives another line, and the output is made again.
But an output that is whole and has no line was changed by someone, whose work is not overwritten without -f.

Lines are only ever added, each in one write, *before* its output takes its name: a run that is killed in between leaves
a line that nothing matches, and that is harmless. So are a torn line, a line lost with the machine's power, two runs at
once, and two with different settings, for whichever output is there has its line. Each machine has a file of its own,
for adding to one file from several is not safe on network file systems. An output whose name has no line is the user's:
it needs -f, unless what would be written is the same.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from lcodec.cli.batch import files
from lcodec.cli.batch.files import Job
from lcodec.errors import LcodecError

__all__ = ["add", "digest", "digest_file", "line", "read", "refuse"]

#: Below the root; hidden, so never an input.
_FOLDER = ".lcodec"


def digest(pieces: Iterable[bytes | memoryview]) -> str:
    """Return the SHA-256 of an output."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def digest_file(file: BinaryIO) -> str:
    """Return the SHA-256 of a file, and go back to its start."""
    found = hashlib.file_digest(cast("BytesIO", file), "sha256").hexdigest()  # all that is asked for is there
    file.seek(0)
    return found


def line(job: Job, source: str, settings: dict[str, Any], made: str | None) -> str:
    """Return the line for an output; `made` is None where --if-smaller left it out."""
    return json.dumps({"output": job.name, "source": source, "settings": settings, "made": made}, sort_keys=True)


def read(root: Path) -> dict[str, frozenset[str]]:
    """Return the lines of a root, by the name of their output; damaged lines are skipped.

    Raises:
        LcodecError: a file of the record cannot be read.
    """
    found: dict[str, set[str]] = {}
    for path in sorted((root / _FOLDER).glob("*.jsonl")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise LcodecError(f"cannot read the record {path}: {error.strerror or error}") from error
        for item in lines:
            try:
                name = json.loads(item)["output"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(name, str):
                found.setdefault(name, set()).add(item)
    return {name: frozenset(items) for name, items in found.items()}


def refuse(root: Path) -> None:
    """Refuse a root where no line can be added, before time is spent on an output. Raises LcodecError."""
    files.refuse_folder(root / _FOLDER, f"write the record {root / _FOLDER}")


def add(root: Path, item: str) -> None:
    """Add a line.

    Raises:
        LcodecError: it cannot be written.
    """
    folder = root / _FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _append(folder, item)
    except OSError as error:
        raise LcodecError(f"cannot write the record {folder}: {error.strerror or error}") from error


def _append(folder: Path, item: str) -> None:
    host = re.sub(r"[^\w.-]", "_", platform.node()) or "host"
    # A line break in front, too: what an interruption cut short must not spoil this line.
    data = f"\n{item}\n".encode()
    file = os.open(folder / f"{host}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)
