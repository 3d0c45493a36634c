"""Inputs that are folders, or named in a list: what is found in them, and where each output goes.

Found are files with a fitting suffix (`lcodec.walk`); a file that the user names is always tried. Links to files are
followed where the file lies in the same folder. What an earlier run wrote into the output folder is not taken as an
input. What else is there is counted, so that the run can say what it did not look at.
"""

from __future__ import annotations

import hashlib
import os
import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from lcodec.cli.batch import files
from lcodec.cli.batch.files import Job
from lcodec.cli.options import FolderOptions
from lcodec.defaults import PICTURE_SUFFIXES, SUFFIX, WRITABLE_SUFFIXES
from lcodec.errors import LcodecError, UsageError
from lcodec.walk import walk

__all__ = ["LookedOver", "Plan", "plan"]


@dataclass
class LookedOver:
    """What of the folders is not an input."""

    others: Counter[str] = field(default_factory=Counter)  #: suffix -> files that have it
    links: list[str] = field(default_factory=list)  #: that were not followed, and why

    def say(self, but: Collection[str] = ()) -> str:
        """Say it in a line, without files of the suffixes `but`; empty for nothing."""
        counts = sorted((suffix, count) for suffix, count in self.others.items() if suffix not in but)
        said = [f"{count} {suffix or 'without a suffix'}" for suffix, count in counts]
        return ", ".join([*said, *self.links])


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    jobs: list[Job]
    not_looked_at: str = ""  #: what else is in the folders, in words
    nothing_fits: bool = False  #: there is something in the folders, and all of it is of that kind


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
) -> Plan:
    """Pair inputs with outputs, as `files.plan` does for files that are named on the command line alone.

    An output of a file in a folder goes to the same place below `folder`, or beside its input; so does that of a file
    in a list (`/a/b.png` to `folder/a/b.lcdc`). Raises UsageError where the request contradicts itself.
    """
    if not inputs and options.files_from is None:
        raise UsageError("give an INPUT, or --files-from")
    if options.flat and folder is None:
        raise UsageError("--flat puts all outputs in one folder: -O names it")
    folders = [item for item in inputs if item != files.STREAM and os.path.isdir(item)]  # noqa: PTH112
    if not folders and options.files_from is None:
        return Plan(_shard(files.plan(inputs, output, folder, name), options.shard))
    if output is not None:
        raise UsageError("-o names the output of one file; -O names a folder")
    listed = _read_list(options.files_from, null=options.null) if options.files_from is not None else []
    if files.STREAM in inputs:
        raise UsageError("standard input (-) must be the only input")
    over = LookedOver()
    found = [
        *_find(inputs, folder, suffixes, over, recursive=options.recursive, keep=False),
        *_find(listed, folder, suffixes, over, recursive=options.recursive, keep=not options.flat),
    ]
    known: dict[object, tuple[Job, str]] = {}  # with the name that decides whose share it is
    for item in found:
        parent = item.source.parent if item.root is None else item.root
        inside = item.name.name if options.flat or item.root is None else item.name
        path = Path(parent / inside)
        job = Job(item.source, path.with_name(name(path)), item.root)
        known.setdefault(job.what, (job, item.name.as_posix()))
    jobs = files.apart([job for job, _ in known.values()])  # before sharding, so that every machine refuses alike
    # Outputs beside their inputs are not worth a word, unless there is nothing else.
    outputs = {SUFFIX} if SUFFIX not in suffixes else {*PICTURE_SUFFIXES, *WRITABLE_SUFFIXES}
    not_looked_at = over.say(outputs if found else ())
    return Plan(
        _shard(jobs, options.shard, [name for _, name in known.values()]),
        not_looked_at,
        nothing_fits=bool(not found and not_looked_at),
    )


def _find(
    items: Sequence[str],
    folder: Path | None,
    suffixes: Collection[str],
    over: LookedOver,
    *,
    recursive: bool,
    keep: bool,
) -> Iterator[_Found]:
    """Find the files that `items` name; `keep` the folders in a file's name for its output's."""
    for item in items:
        path = Path(item)
        alone = _Found(path, _relative(path) if keep and folder is not None else PurePath(path.name), folder)
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder may not be looked into
            if not recursive:
                raise UsageError(f"{item} is a folder (-r takes what is in it)")
            below = PurePath(_relative(path)) if keep else PurePath()
            root = path if folder is None else folder
            inner = PurePath() if folder is None else below
            seen = walk(path, suffixes, leave_out=folder)
            over.others += seen.others
            over.links += [f"{path / inside} ({why})" for inside, why in seen.links]
            # A folder that cannot be listed is its own only file, which opening will say.
            yield from (_Found(path / inside, inner / inside, root) if inside.parts else alone for inside in seen.files)
        else:
            yield alone


def _relative(path: Path) -> PurePath:
    """Return the name of a listed file below the output folder."""
    inside = path.relative_to(path.anchor)
    if ".." in inside.parts:
        raise UsageError(f"{path}: a listed name must not hold '..', for its output would leave the output folder")
    return inside


def _read_list(name: str, *, null: bool) -> list[str]:
    """Return the names in a list of files, a line each, or each ended by a null byte."""
    try:
        data = sys.stdin.buffer.read() if name == files.STREAM else Path(name).read_bytes()
    except OSError as error:
        raise LcodecError(f"cannot read the list {name}: {error.strerror or error}") from error
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # what some editors and shells of Windows write
        data = data.decode("utf-16", "replace").encode("utf-8", "surrogatepass")
    data = data.removeprefix(BOM_UTF8)
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
