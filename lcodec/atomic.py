"""Files that appear whole or not at all: written under a temporary name in their folder, flushed, and moved into place.

A process that is killed cannot remove its temporary file; the next one that writes to the folder does. A temporary
file is its writer's as long as that holds the lock on it (flock), which ends with the process however it ends. Its name
tells the machine, for locks do not reach other machines on every shared folder: each removes its own files only.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and nothing swept
    fcntl = None  # type: ignore[assignment]

__all__ = ["copy_status", "drop_unfinished", "naming", "sweep", "whole_file", "write_whole"]

_MACHINE_ID = Path("/etc/machine-id")
#: How fsync says that there is nothing of the kind here, which does not cost the file.
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EROFS}

Note = Callable[[str], None]


def _ignore(_: str) -> None:
    pass


#: Temporary files of this process, for a signal handler that ends it on the spot.
_unfinished: set[Path] = set()


def write_whole(target: Path, data: bytes, *, replace: bool) -> None:
    """Write a file of these bytes; see `whole_file`."""
    with whole_file(target, replace=replace) as file:
        file.write(data)


@contextmanager
def whole_file(
    target: Path, *, replace: bool, status_from: Path | None = None, note: Note = _ignore
) -> Iterator[BinaryIO]:
    """Open a file to write; on any failure or interruption what was there before is there still, and nothing besides.

    Sweeps the folder first. A file that is replaced keeps its mode; a symbolic link is itself replaced. Times and mode
    are those of `status_from`, if it is given. Where the file system refuses times or modes (CIFS, exFAT, many in user
    space), `note` is told, and the file is written.

    Raises:
        FileExistsError: the target exists, or came into being meanwhile, and is not to be replaced.
        OSError: it cannot be written; its `filename` is the target.
    """
    sweep(target.parent)
    with naming(target), _temporary(target.parent) as (file, path):
        yield file
        file.flush()
        _sync(file.fileno())
        if fcntl is None:
            file.close()  # Windows moves no open file
        if status_from is not None:
            copy_status(status_from, path, note)
        elif replace and target.exists() and not target.is_symlink():
            _change_mode(path, target.stat().st_mode & 0o7777, note)
        if replace:
            path.replace(target)
        else:
            _move_to_new(path, target)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Give an error of writing a file that file's name: one of a write has none, others that of the temporary file."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(_prefix()):
            error.filename, error.filename2 = os.fspath(target), None
        raise


def copy_status(source: Path, target: Path, note: Note = _ignore) -> None:
    """Give a file the times and the mode of another, less its set-user-id and like bits, or tell `note` why not."""
    status = source.stat()
    _change_mode(target, status.st_mode & 0o777, note)
    try:
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        note(f"the time is not kept: {error.strerror or error}")


def _change_mode(path: Path, mode: int, note: Note) -> None:
    if path.stat().st_mode & 0o7777 == mode:
        return
    try:
        path.chmod(mode)
    except OSError as error:
        note(f"the mode is not kept: {error.strerror or error}")


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def drop_unfinished() -> None:
    """Remove the temporary files of this process."""
    for path in list(_unfinished):
        path.unlink(missing_ok=True)


def _move_to_new(path: Path, target: Path) -> None:
    """Move a file to a name that must not exist: of two writers one gets it."""
    try:
        target.hardlink_to(path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the best that is left
        if os.path.lexists(target):
            raise FileExistsError from None
        path.replace(target)


@cache
def _prefix() -> str:
    """What this machine's temporary files begin with. Containers may share a host name, and hosts a cloned id."""
    try:
        machine = _MACHINE_ID.read_bytes()
    except OSError:
        machine = b""
    return f".lcodec-{hashlib.sha256(os.fsencode(platform.node()) + b' ' + machine).hexdigest()[:8]}-"


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new, locked file, gone afterwards unless it was moved."""
    path = folder / f"{_prefix()}{os.urandom(6).hex()}.part"
    _unfinished.add(path)
    try:
        with path.open("xb") as file:
            if fcntl is not None:
                # Whoever sweeps may have been faster; it holds the lock until the file is gone.
                with suppress(OSError):  # no locks on this file system: then no one can take the file for abandoned
                    fcntl.flock(file, fcntl.LOCK_EX)
                if not os.fstat(file.fileno()).st_nlink:
                    with _temporary(folder) as another:
                        yield another
                    return
            yield file, path
    finally:  # KeyboardInterrupt and SIGTERM too
        path.unlink(missing_ok=True)
        _unfinished.discard(path)


@cache
def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes of this machine left in a folder; once for each folder."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            ours = entry.name.startswith(_prefix()) and entry.name.endswith(".part")
            if ours and entry.is_file(follow_symlinks=False):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(path: Path) -> None:
    with suppress(OSError), path.open("r+b") as file:  # to lock for writing, NFS wants it open for writing
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
