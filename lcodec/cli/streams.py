"""The standard streams of the process: closed ones (cron, daemons, pythonw), and names that their encoding lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, RawIOBase, TextIOWrapper
from typing import IO

from lcodec.errors import LcodecError

__all__ = ["abandon_stdout", "descriptor", "mend", "to_stdout"]

_NAMES = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_FOLDERS = ("/dev/fd/", "/proc/self/fd/")


def mend() -> None:
    """Put something in the place of standard streams that are closed, and let the others write any text.

    Where a descriptor is free, the next file that is opened gets it, and what a library says would go into that file.
    What stands there now fails like a closed one when it is read or written, but for standard error: that is silent.
    """
    for number, (name, flags, mode) in enumerate(
        [("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_RDWR, "w")]
    ):
        stream: IO[str] | None = getattr(sys, name)
        if stream is None:
            try:
                os.fstat(number)
            except OSError:
                opened = os.open(os.devnull, flags)
                os.dup2(opened, number)  # also where it is the same: to be inherited
                os.set_inheritable(number, True)
                if opened != number:
                    os.close(opened)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            if isinstance(stream.buffer, RawIOBase):
                stream = _buffered(stream)
                setattr(sys, name, stream)
                setattr(sys, f"__{name}__", stream)  # what Python flushes at exit
            if stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")


def _buffered(stream: TextIOWrapper) -> TextIOWrapper:
    """A stream in the place of one without a buffer (PYTHONUNBUFFERED), which would drop what one write does not take.

    It still shows each line at once.
    """
    buffer = BufferedWriter(open(stream.fileno(), "wb", buffering=0, closefd=False))  # noqa: SIM115 - for good
    return TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=True)


def descriptor(path: str) -> int | None:
    """Return the number of the open file that a name such as /dev/stdout or /dev/fd/3 stands for."""
    if path in _NAMES:
        return _NAMES[path]
    for folder in _FOLDERS:
        if path.startswith(folder) and path.removeprefix(folder).isdecimal():
            return int(path.removeprefix(folder))
    return None


@contextmanager
def to_stdout() -> Iterator[None]:
    """Say of what is written to standard output, and of no input, that it cannot be written. Raises LcodecError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LcodecError(f"cannot write to standard output: {error.strerror or error}") from error


def abandon_stdout() -> None:
    """Keep Python from trying, at exit, to write what could not be written."""
    if sys.stdout is sys.__stdout__ or sys.__stdout__ is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
