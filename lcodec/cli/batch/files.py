"""From the names on the command line to files: what is read, what is written where, and how.

An output appears whole or not at all (`atomic`). What exists is not overwritten unasked, and an input never. A symbolic
link is followed where the user named it (-o); under a name made here it is replaced, for it may lead anywhere.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lcodec.atomic import whole_file
from lcodec.container import read_header
from lcodec.errors import LcodecError, UsageError

__all__ = [
    "PICTURES",
    "STREAM",
    "SUFFIX",
    "Job",
    "Pieces",
    "coded_name",
    "make_folder",
    "open_input",
    "picture_format",
    "picture_name",
    "plan",
    "read_coded",
    "refuse_collisions",
    "refuse_target",
    "write",
]

#: Suffix of coded files.
SUFFIX = ".lcdc"

#: Standard input or output.
STREAM = "-"

#: Bytes; an lcodec header is never longer.
_HEADER_SIZE = 1024

#: Bytes read at a time.
_READ_SIZE = 1 << 20

#: Suffixes of the formats written.
_FORMATS = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".ppm": "ppm",
    ".pgm": "ppm",
    ".pnm": "ppm",
    ".bmp": "bmp",
    ".npy": "npy",
}

#: Suffixes that make a file in a folder a picture, and that an output name loses. Any other may be part of the name
#: ("holiday 2026.08").
PICTURES = {*_FORMATS, ".gif", ".avif", ".heic", ".heif", ".hif", ".jxl", ".jpe", ".jfif", ".dib", ".pbm"}


@dataclass(frozen=True)
class Job:
    """One input and its output; None stands for a standard stream."""

    source: Path | None
    target: Path | None
    root: Path | None = None  #: in a run over a folder: where the output must stay, and where it is recorded
    named: bool = False  #: the user named the output itself: links are followed, and devices written to

    @property
    def name(self) -> str:
        """The output below the root, with / between folders on every system."""
        return "" if self.root is None or self.target is None else self.target.relative_to(self.root).as_posix()

    def absolute(self) -> Job:
        """Return the same for a process that stands in another folder."""
        source, target, root = (path and path.absolute() for path in (self.source, self.target, self.root))
        return Job(source, target, root, self.named)

    @property
    def source_name(self) -> str:
        """The input as reports name it."""
        return STREAM if self.source is None else str(self.source)

    @property
    def target_name(self) -> str:
        """The output as reports name it."""
        return STREAM if self.target is None else str(self.target)


def coded_name(source: Path) -> str:
    """Name of the coded file: photo.png -> photo.lcdc."""
    return (source.stem if source.suffix.lower() in PICTURES else source.name) + SUFFIX


def picture_name(source: Path, format: str) -> str:  # noqa: A002
    """Name of the decoded picture: photo.lcdc -> photo.png."""
    return (source.stem if source.suffix.lower() == SUFFIX else source.name) + "." + format


def picture_format(output: str | None) -> str:
    """Return the format that an output's suffix names; PNG where there is no suffix.

    Raises UsageError for one that names none.
    """
    suffix = Path(output or "").suffix
    if not suffix:
        return "png"
    if suffix.lower() not in _FORMATS:
        raise UsageError(f"{output}: no format is called {suffix!r}; choose one with --format")
    return _FORMATS[suffix.lower()]


# ------------------------------------------------------------------------------------------------------ what to do


def plan(inputs: Sequence[str], output: str | None, folder: Path | None, name: Callable[[Path], str]) -> list[Job]:
    """Pair inputs with outputs, and refuse all that would lose data, before anything is read.

    `inputs` are names of files, or `-` alone; `output` is the name of the only output, or `-`. Otherwise `name` makes
    an output's name of the input's path, and it goes to `folder`, or beside its input. Raises UsageError where these
    contradict each other.
    """
    if output is not None and folder is not None:
        raise UsageError("-o and -O exclude each other")
    if output is not None and len(inputs) > 1:
        raise UsageError(f"-o names the output of one input, and here are {len(inputs)}; -O names a folder")
    if STREAM in inputs and len(inputs) > 1:
        raise UsageError("standard input (-) must be the only input")
    if inputs[0] == STREAM and folder is not None:
        raise UsageError("standard input (-) has no name to use in a folder; use -o")
    jobs = [_job(item, output, folder, name) for item in inputs]
    refuse_collisions(jobs)
    return jobs


def _job(item: str, output: str | None, folder: Path | None, name: Callable[[Path], str]) -> Job:
    source = None if item == STREAM else Path(item)
    if output is not None:
        return Job(source, None if output == STREAM else Path(output), named=True)
    if source is None:
        return Job(None, None)
    return Job(source, (source.parent if folder is None else folder) / name(source))


def refuse_collisions(jobs: Sequence[Job]) -> None:
    """Raise UsageError where an output is an input, or the output of another input."""
    sources = {identity: job.source for job in jobs if (identity := _identity(job.source)) is not None}
    seen: dict[str, Job] = {}
    for job in jobs:
        if job.target is None:
            continue
        target = _identity(job.target)
        if target in sources:
            raise UsageError(f"the output {job.target} is the input {sources[target]} (-o names another output)")
        other = seen.setdefault(os.path.realpath(job.target), job)
        if other is not job:
            raise UsageError(f"{other.source} and {job.source} would both be written to {job.target}")


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a regular file from all others, whatever its names; None where there is no such file."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status is not None and stat.S_ISREG(status.st_mode) else None


# --------------------------------------------------------------------------------------------------------- reading


@contextmanager
def open_input(job: Job, drain: Callable[[BinaryIO], bytes]) -> Iterator[BinaryIO]:
    """Open the input, seekable; of what is not, standard input for one, `drain` reads what is wanted of it first."""
    if job.source is None:
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal; give a file, or pipe one in")
        yield BytesIO(drain(sys.stdin.buffer))
        return
    with job.source.open("rb") as file:
        yield file if file.seekable() else BytesIO(drain(file))


def read_coded(file: BinaryIO) -> bytes:
    """Read a coded file, and no more than its header says (and a byte, so that `unpack` sees that more follow)."""
    data = bytearray(file.read(_HEADER_SIZE))
    total = read_header(bytes(data)).total
    while len(data) <= total and (part := file.read(min(total + 1 - len(data), _READ_SIZE))):
        data += part  # piece by piece: the header may promise gigabytes that are not there
    return bytes(data)


# --------------------------------------------------------------------------------------------------------- writing


def make_folder(folder: Path | None) -> None:
    """Make the folder of -O where there is none."""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LcodecError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def refuse_target(job: Job, *, force: bool) -> None:
    """Refuse an output that cannot or should not be written, before time is spent on it.

    Raises UsageError if it exists, or is a terminal, without `force`; LcodecError if its folder does not exist.
    """
    if job.target is None:
        if sys.stdout.isatty() and not force:
            raise UsageError("binary data is not written to a terminal (-f does)")
        return
    if job.root is not None and not Path(os.path.realpath(job.target)).is_relative_to(os.path.realpath(job.root)):
        raise UsageError(f"the output {job.target} leads out of {job.root} through a symbolic link")
    if job.target.is_dir():
        raise UsageError(f"the output {job.target} is a folder (-O names one)")
    if _exists(job) and not force:
        raise UsageError(f"{job.target} exists (-f overwrites)")
    if job.root is None and not job.target.parent.is_dir():
        raise LcodecError(f"cannot write {job.target}: no such folder")


class Pieces:
    """The bytes of an output, in the pieces that something wrote to this as to a file; none of them is copied."""

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self._pieces = list(pieces)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return sum(memoryview(piece).nbytes for piece in self._pieces)

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece, which must not change any more."""
        self._pieces.append(piece)


def write(job: Job, pieces: Iterable[bytes | memoryview], *, force: bool, preserve: bool = False) -> None:
    """Write the output: whole, or not at all. With `preserve` it gets the input's times and mode."""
    refuse_target(job, force=force)  # once more: it may have come into being meanwhile
    if job.target is None:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return
    try:
        if job.root is not None:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.named and job.target.exists() and not job.target.is_file():  # a device or a named pipe
            with job.target.open("wb") as file:
                file.writelines(pieces)
        else:
            target = Path(os.path.realpath(job.target)) if job.named else job.target
            with whole_file(target, replace=force, status_from=job.source if preserve else None) as file:
                file.writelines(pieces)
    except FileExistsError:
        raise UsageError(f"{job.target} exists (-f overwrites)") from None
    except OSError as error:
        raise LcodecError(f"cannot write {job.target}: {error.strerror or error}") from error


def _exists(job: Job) -> bool:
    """Whether there is a file to lose. A device that the user named loses nothing."""
    if job.target is None:
        return False
    return job.target.is_file() if job.named else os.path.lexists(job.target)
