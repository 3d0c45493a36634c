"""From the names on the command line to files: what is read, what is written where, and how.

An output appears whole or not at all: it is written under a temporary name in its folder, flushed to the disk and
renamed. What exists is not overwritten unasked, and an input never.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lcodec.container import read_header
from lcodec.errors import LcodecError, UsageError

__all__ = [
    "PICTURES",
    "STREAM",
    "SUFFIX",
    "Job",
    "coded_name",
    "copy_status",
    "drop_unfinished",
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
}

#: Suffixes that make a file in a folder a picture, and that an output name loses. Any other may be part of the name
#: ("holiday 2026.08").
PICTURES = {*_FORMATS, ".gif", ".avif", ".jpe", ".jfif", ".dib", ".pbm"}


@dataclass(frozen=True)
class Job:
    """One input and its output; None stands for a standard stream."""

    source: Path | None
    target: Path | None
    root: Path | None = None  #: in a run over a folder: where the output must stay, and where it is recorded

    @property
    def name(self) -> str:
        """The output below the root, with / between folders on every system."""
        return "" if self.root is None or self.target is None else self.target.relative_to(self.root).as_posix()

    def absolute(self) -> Job:
        """Return the same for a process that stands in another folder."""
        return replace(self, **{key: path.absolute() for key, path in vars(self).items() if path is not None})

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
        return Job(source, None if output == STREAM else Path(output))
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
def open_input(job: Job) -> Iterator[BinaryIO]:
    """Open the input, seekable; of what is not, standard input for one, all is read first."""
    if job.source is None:
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal; give a file, or pipe one in")
        yield BytesIO(sys.stdin.buffer.read())
        return
    with job.source.open("rb") as file:
        yield file if file.seekable() else BytesIO(file.read())


def read_coded(file: BinaryIO) -> bytes:
    """Read a coded file; of a file that is none, no more than it takes to see that."""
    start = file.read(_HEADER_SIZE)
    read_header(start)
    return start + file.read()


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
    if job.target.is_file() and not force:
        raise UsageError(f"{job.target} exists (-f overwrites)")
    if job.root is None and not job.target.parent.is_dir():
        raise LcodecError(f"cannot write {job.target}: no such folder")


def write(job: Job, data: bytes | memoryview, *, force: bool, preserve: bool = False) -> None:
    """Write the output: whole, or not at all. With `preserve` it gets the input's times and mode."""
    refuse_target(job, force=force)  # once more: it may have come into being meanwhile
    if job.target is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        if job.root is not None:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.target.exists() and not job.target.is_file():  # a device or a named pipe, not to be replaced
            with job.target.open("wb") as file:
                file.write(data)
        else:  # the file behind a symbolic link
            _replace(Path(os.path.realpath(job.target)), data, job.source if preserve else None)
    except OSError as error:
        raise LcodecError(f"cannot write {job.target}: {error.strerror or error}") from error


#: Temporary files of this process, for a signal handler that ends it on the spot.
_unfinished: set[Path] = set()


def drop_unfinished() -> None:
    """Remove the temporary files of this process."""
    for path in list(_unfinished):
        path.unlink(missing_ok=True)


def _replace(target: Path, data: bytes | memoryview, status_from: Path | None) -> None:
    temporary = target.with_name(f".lcodec-{os.urandom(6).hex()}.part")
    _unfinished.add(temporary)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if status_from is not None:
            copy_status(status_from, temporary)
        elif target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except BaseException:  # KeyboardInterrupt and SIGTERM too
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(temporary)


def copy_status(source: Path, target: Path) -> None:
    """Give a file the times and the mode of another, less its set-user-id and like bits."""
    status = source.stat()
    target.chmod(status.st_mode & 0o777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
