"""From the names on the command line to files: what is read, what is written where, and how.

An output appears whole or not at all (`atomic`). What exists is not overwritten unasked, and an input never. A symbolic
link is followed where the user named it (-o); under a name made here it is replaced, for it may lead anywhere.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePath
from typing import BinaryIO

from lcodec.atomic import whole_file
from lcodec.cli.streams import descriptor, to_stdout
from lcodec.container import read_header
from lcodec.defaults import HEADER_MAX, PICTURE_SUFFIXES, SUFFIX, WRITABLE_SUFFIXES
from lcodec.errors import LcodecError, UsageError

__all__ = [
    "STREAM",
    "Job",
    "Pieces",
    "apart",
    "coded_name",
    "make_folder",
    "open_input",
    "picture_format",
    "picture_name",
    "plan",
    "read_coded",
    "refuse_folder",
    "refuse_target",
    "write",
]

#: Standard input or output.
STREAM = "-"

_STDOUT = 1
#: Inputs that a message names; the others are counted.
_NAMED = 3
#: Bytes read at a time.
_READ_SIZE = 1 << 20


@dataclass(frozen=True)
class Job:
    """One input and its output; None stands for a standard stream."""

    source: Path | None
    target: Path | None
    root: Path | None = None  #: in a run over a folder: where the output must stay, and where it is recorded
    named: bool = False  #: the user named the output itself: links are followed, and devices written to
    refused: str = ""  #: why it is not done: what it would write is an input, or another's output

    @property
    def name(self) -> str:
        """The output below the root, with / between folders on every system."""
        return "" if self.root is None or self.target is None else self.target.relative_to(self.root).as_posix()

    def absolute(self) -> Job:
        """Return the same for a process that stands in another folder."""
        source, target, root = (path and path.absolute() for path in (self.source, self.target, self.root))
        return replace(self, source=source, target=target, root=root)

    @property
    def what(self) -> tuple[str, ...]:
        """What tells it from another job: an input that is named twice is worked on once."""
        return tuple(os.path.realpath(path) for path in (self.source, self.target) if path is not None)

    @property
    def source_name(self) -> str:
        """The input as reports name it."""
        return STREAM if self.source is None else str(self.source)

    @property
    def target_name(self) -> str:
        """The output as reports name it."""
        return STREAM if self.target is None else str(self.target)


def coded_name(source: Path, *, keep_suffix: bool = False) -> str:
    """Name of the coded file: photo.png -> photo.lcdc, or photo.png.lcdc to keep the suffix."""
    return (source.name if keep_suffix else _without(source.name, PICTURE_SUFFIXES)) + SUFFIX


def picture_name(source: Path, format: str, *, keep_suffix: bool = False) -> str:  # noqa: A002
    """Name of the decoded picture: photo.lcdc and photo.jpg.lcdc -> photo.png; to keep the suffix, photo.jpg.png."""
    name = _without(source.name, {SUFFIX})
    return f"{name if keep_suffix or name == source.name else _without(name, PICTURE_SUFFIXES)}.{format}"


def _without(name: str, suffixes: Collection[str]) -> str:
    path = PurePath(name)
    return path.stem if path.suffix.lower() in suffixes else name


def picture_format(output: str | None) -> str:
    """Return the format that an output's suffix names; PNG where there is no suffix.

    Raises UsageError for one that names none.
    """
    suffix = Path(output or "").suffix
    if not suffix:
        return "png"
    if suffix.lower() not in WRITABLE_SUFFIXES:
        raise UsageError(f"{output}: {suffix!r} is not the suffix of a format; choose one with --format")
    return WRITABLE_SUFFIXES[suffix.lower()]


# ------------------------------------------------------------------------------------------------------ what to do


def plan(inputs: Sequence[str], output: str | None, folder: Path | None, name: Callable[[Path], str]) -> list[Job]:
    """Pair inputs with outputs, and mark what would lose data, before anything is read.

    `inputs` are names of files, or `-` alone; `output` is the name of the only output, or `-`. Otherwise `name` makes
    an output's name of the input's path, and it goes to `folder`, or beside its input. Raises UsageError where these
    contradict each other.
    """
    if output is not None and folder is not None:
        raise UsageError("-o and -O exclude each other")
    if output is not None and len(inputs) > 1:
        raise UsageError(f"-o names the output of a single input, but there are {len(inputs)} (-O names a folder)")
    if STREAM in inputs and len(inputs) > 1:
        raise UsageError("standard input (-) must be the only input")
    if inputs[0] == STREAM and folder is not None:
        raise UsageError("standard input (-) has no name to use in a folder; use -o")
    jobs: dict[object, Job] = {}
    for item in inputs:
        job = _job(item, output, folder, name)
        jobs.setdefault(job.what, job)
    return apart(list(jobs.values()))


def _job(item: str, output: str | None, folder: Path | None, name: Callable[[Path], str]) -> Job:
    source = None if item == STREAM else Path(item)
    if output is not None:
        if output.endswith(("/", os.sep)):
            raise UsageError(f"{output} is the name of a folder (-O names one)")
        stream = output == STREAM or descriptor(output) == _STDOUT
        return Job(source, None if stream else Path(output), named=True)
    if source is None:
        return Job(None, None)
    return Job(source, (source.parent if folder is None else folder) / name(source))


def apart(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs, those marked as refused whose output is an input, or has the name of another one's output."""
    sources = {identity: job.source for job in jobs if (identity := _identity(job.source)) is not None}
    writers: dict[str, list[Job]] = {}
    for job in jobs:
        if job.target is not None:
            writers.setdefault(os.path.realpath(job.target), []).append(job)

    def refused(job: Job) -> str:
        if job.target is None:
            return ""
        own = _identity(job.target)
        if own in sources:
            return f"the output {job.target} is the input {sources[own]} (-o names another output)"
        others = [other.source for other in writers[os.path.realpath(job.target)] if other is not job]
        if not others:
            return ""
        names = {path.name for path in [job.source, *others] if path is not None}
        hint = " (--keep-suffix keeps them apart)" if len(names) > len(others) else ""
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        named = ", ".join(map(str, others[:_NAMED]))
        return f"its output {job.target} would also be that of {named}{more}{hint}"

    return [replace(job, refused=why) if (why := refused(job)) else job for job in jobs]


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
    data = bytearray(file.read(HEADER_MAX))
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


def refuse_folder(folder: Path, what: str) -> None:
    """Refuse to write to a folder where that will fail, before time is spent on it: it, or what is there of it."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        reason = errno.ENOTDIR
    elif not os.access(there, os.W_OK | os.X_OK):
        reason = errno.EROFS if _is_read_only(there) else errno.EACCES
    else:
        return
    raise LcodecError(f"cannot {what}: {there}: {os.strerror(reason)}")


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def refuse_target(job: Job, *, force: bool, folder_to_come: bool = False) -> None:
    """Refuse an output that cannot or should not be written, before time is spent on it.

    Raises UsageError if it exists, or is a terminal, without `force`; LcodecError if its folder does not exist, unless
    it is one that would be made.
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
        if folder_to_come:
            return
        raise LcodecError(f"cannot write {job.target}: no such folder")
    if job.root is None and not (job.named and _is_device(job.target)):
        refuse_folder(job.target.parent, f"write {job.target}")


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


def write(job: Job, pieces: Iterable[bytes | memoryview], *, force: bool, preserve: bool = False) -> list[str]:
    """Write the output: whole, or not at all. With `preserve` it gets the input's times and mode.

    Returns:
        What could not be kept.
    """
    refuse_target(job, force=force)  # once more: it may have come into being meanwhile
    notes: list[str] = []
    if job.target is None:
        with to_stdout():
            sys.stdout.buffer.writelines(pieces)
            sys.stdout.buffer.flush()
        return notes
    try:
        if job.root is not None:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.named and _is_device(job.target):
            number = descriptor(str(job.target))
            with open(job.target if number is None else number, "wb", closefd=number is None) as file:
                file.writelines(pieces)
        else:
            target = Path(os.path.realpath(job.target)) if job.named else job.target
            source = job.source if preserve else None
            with whole_file(target, replace=force, status_from=source, note=notes.append) as file:
                file.writelines(pieces)
    except FileExistsError:
        raise UsageError(f"{job.target} exists (-f overwrites)") from None
    except OSError as error:
        raise LcodecError(f"cannot write {job.target}: {error.strerror or error}") from error
    return notes


def _is_device(path: Path) -> bool:
    """Whether it is a device, a named pipe, or a file that is open already (/dev/fd/3)."""
    return descriptor(str(path)) is not None or (path.exists() and not path.is_file())


def _exists(job: Job) -> bool:
    """Whether there is a file to lose. A device that the user named loses nothing."""
    if job.target is None:
        return False
    if job.named:
        return job.target.is_file() and not _is_device(job.target)
    return os.path.lexists(job.target)
