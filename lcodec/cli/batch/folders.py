"""Inputs that are folders, or named in a list: what is found in them, and where each output goes.

Found are files with a fitting suffix, in sorted order, hidden ones left out; a file that the user names is always
tried. Symbolic links to folders are not followed, which is also why loops of them end; links to files are, where the
file lies in the same folder. What an earlier run wrote into the output folder is not taken as an input.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from lcodec.cli.batch import files
from lcodec.cli.batch.files import Job
from lcodec.cli.options import FolderOptions
from lcodec.errors import LcodecError, UsageError

__all__ = ["plan"]


@dataclass(frozen=True)
class _Found:
    """An input, and the name that an output is made of."""

    source: Path
    name: PurePath  #: relative, below the root
    root: Path | None  #: the folder that outputs go to; None: beside the input, unrecorded


def plan(
    inputs: Sequence[str],
    output: str | None,
    folder: Path | None,
    options: FolderOptions,
    name: Callable[[Path], str],
    suffixes: set[str],
) -> list[Job]:
    """Pair inputs with outputs, as `files.plan` does for files that are named on the command line alone.

    An output of a file in a folder goes to the same place below `folder`, or beside its input; so does that of a file
    in a list (`/a/b.png` to `folder/a/b.lcdc`). Raises UsageError where the request contradicts itself, or two
    outputs have one name.
    """
    if not inputs and options.files_from is None:
        raise UsageError("give an INPUT, or --files-from")
    if options.flat and folder is None:
        raise UsageError("--flat puts all outputs in one folder: -O names it")
    folders = [item for item in inputs if item != files.STREAM and os.path.isdir(item)]  # noqa: PTH112
    if not folders and options.files_from is None:
        return _shard(files.plan(inputs, output, folder, name), options.shard)
    if output is not None:
        raise UsageError("-o names the output of one file; -O names a folder")
    listed = _read_list(options.files_from, null=options.null) if options.files_from is not None else []
    if files.STREAM in inputs:
        raise UsageError("standard input (-) must be the only input")
    found = [
        *_find(inputs, folder, suffixes, recursive=options.recursive, keep=False),
        *_find(listed, folder, suffixes, recursive=options.recursive, keep=not options.flat),
    ]
    jobs = []
    for item in found:
        parent = item.source.parent if item.root is None else item.root
        inside = item.name.name if options.flat or item.root is None else item.name
        path = Path(parent / inside)
        jobs.append(Job(item.source, path.with_name(name(path)), item.root))
    files.refuse_collisions(jobs)  # before sharding, so that every machine refuses alike
    return _shard(jobs, options.shard, [item.name.as_posix() for item in found])


def _find(
    items: Sequence[str], folder: Path | None, suffixes: set[str], *, recursive: bool, keep: bool
) -> Iterator[_Found]:
    """Find the files that `items` name; `keep` the folders in a file's name for its output's."""
    for item in items:
        path = Path(item)
        if path.is_dir():
            if not recursive:
                raise UsageError(f"{item} is a folder (-r takes what is in it)")
            below = PurePath(_relative(path)) if keep else PurePath()
            root = path if folder is None else folder
            inner = PurePath() if folder is None else below
            yield from (_Found(path / inside, inner / inside, root) for inside in _walk(path, folder, suffixes))
        else:
            yield _Found(path, _relative(path) if keep and folder is not None else PurePath(path.name), folder)


def _relative(path: Path) -> PurePath:
    """Return the name of a listed file below the output folder."""
    inside = path.relative_to(path.anchor)
    if ".." in inside.parts:
        raise UsageError(f"{path}: a listed name must not hold '..', for its output would leave the output folder")
    return inside


def _walk(top: Path, output: Path | None, suffixes: set[str]) -> Iterator[PurePath]:
    """Yield the files in a folder, relative to it, sorted."""
    real_top = Path(os.path.realpath(top))
    real_output = Path(os.path.realpath(output)) if output is not None else None
    if real_output is not None and real_top.is_relative_to(real_output):
        real_output = None  # the output folder is, or is around, the input: then what is in the input is meant

    found: list[PurePath] = []
    # A folder that cannot be read stands for what is in it: opening it fails, and is reported like that of a file.
    for parent, folders, names in os.walk(top, onerror=lambda error: found.append(_inside(error.filename, top))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if real_output is not None:
            folders[:] = [name for name in folders if Path(os.path.realpath(Path(parent, name))) != real_output]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_top):
                continue
            if _is_file(path):
                found.append(_inside(path, top))
    yield from sorted(found)


def _inside(path: str | Path, top: Path) -> PurePath:
    return PurePath(path).relative_to(top)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # reading it will say so
        return True
    except OSError:  # a symbolic link to itself
        return False


def _read_list(name: str, *, null: bool) -> list[str]:
    """Return the names in a list of files, a line each, or each ended by a null byte."""
    try:
        data = sys.stdin.buffer.read() if name == files.STREAM else Path(name).read_bytes()
    except OSError as error:
        raise LcodecError(f"cannot read the list {name}: {error.strerror or error}") from error
    if b"\0" in data and not null:
        raise UsageError(f"the list {name} holds null bytes (-0 takes them as ends of names)")
    items = data.split(b"\0") if null else data.replace(b"\r\n", b"\n").split(b"\n")
    return [os.fsdecode(item) for item in items if item]


def _shard(jobs: list[Job], shard: tuple[int, int] | None, names: Sequence[str] | None = None) -> list[Job]:
    """Keep the share I of N: by a hash of each name, so that it depends on no other file and no order."""
    if shard is None:
        return jobs
    index, count = shard

    def share(name: str) -> int:
        return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") % count

    names = [job.source_name for job in jobs] if names is None else names
    return [job for job, name in zip(jobs, names, strict=True) if share(name) == index - 1]
