"""Picture files to train on: found in folders and tar files, and read as `encode` reads its inputs.

Pictures of more pixels than MAX_PIXELS are passed over.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from lcodec.defaults import MAX_PIXELS, PICTURE_SUFFIXES
from lcodec.errors import LimitError, PictureError
from lcodec.picture import picture_size, read_picture
from lcodec.walk import walk

__all__ = ["Pixels", "Source", "Still", "find", "find_pairs"]

#: What ends the stem of the first and the second frame of a pair.
_ENDS = ("-a", "-b")

Pixels = npt.NDArray[np.uint8]


class Source(Protocol):
    """What one entry of `Photos` is read from."""

    @property
    def name(self) -> str:
        """For messages."""

    def stored(self) -> int:
        """Bytes that it takes."""

    def size(self) -> tuple[int, int] | None:
        """Height and width, without decoding a pixel; None if it cannot be read."""

    def decode(self) -> Pixels | None:
        """Pixels (H, W, C); None if it cannot be read."""


@dataclass(frozen=True)
class _File:
    """A picture file, or a member of a tar file."""

    name: str
    path: Path
    offset: int = 0
    length: int = -1  #: bytes; -1: the whole file

    def stored(self) -> int:
        return self.length if self.length >= 0 else self.path.stat().st_size

    def _open(self) -> BinaryIO:
        if self.length < 0:
            return self.path.open("rb")
        with self.path.open("rb") as handle:
            handle.seek(self.offset)
            return io.BytesIO(handle.read(self.length))

    def size(self) -> tuple[int, int] | None:
        try:
            with self._open() as file:
                return picture_size(file, max_pixels=MAX_PIXELS)
        except (OSError, PictureError, LimitError):
            return None

    def decode(self) -> Pixels | None:
        """RGB; transparency is dropped."""
        try:
            with self._open() as file:
                pixels = read_picture(file, max_pixels=MAX_PIXELS, alpha="drop", metadata=()).pixels
        except (OSError, PictureError, LimitError):
            return None
        return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


@dataclass(frozen=True)
class _Pair:
    """Two frames of one size; their channels stand one behind the other."""

    first: Source
    second: Source

    @property
    def name(self) -> str:
        return self.first.name

    def stored(self) -> int:
        return self.first.stored() + self.second.stored()

    def size(self) -> tuple[int, int] | None:
        size = self.first.size()
        return size if size == self.second.size() else None

    def decode(self) -> Pixels | None:
        first, second = self.first.decode(), self.second.decode()
        if first is None or second is None or first.shape != second.shape:
            return None
        return np.concatenate((first, second), axis=2)


@dataclass(frozen=True)
class Still:
    """A photo as a pair of frames: it stands twice in its channels."""

    photo: Source

    @property
    def name(self) -> str:
        return self.photo.name

    def stored(self) -> int:
        return self.photo.stored()

    def size(self) -> tuple[int, int] | None:
        return self.photo.size()

    def decode(self) -> Pixels | None:
        pixels = self.photo.decode()
        return None if pixels is None else np.concatenate((pixels, pixels), axis=2)


def find(sources: Iterable[Path]) -> Iterator[_File]:
    """Every picture file in folders (recursively), tar files and plain files, in a stable order.

    Raises:
        PictureError: a tar file cannot be read.
    """
    for source in sources:
        if source.is_dir():
            found = walk(source, PICTURE_SUFFIXES, links_out=True)
            dangling = [inside for inside, _ in found.links if inside.suffix.lower() in PICTURE_SUFFIXES]
            yield from (_File(str(source / inside), source / inside) for inside in sorted(found.files + dangling))
        elif source.suffix == ".tar":
            try:
                with tarfile.open(source, "r:") as archive:  # members of a compressed one have no place in the file
                    for member in archive:
                        if member.isfile() and Path(member.name).suffix.lower() in PICTURE_SUFFIXES:
                            yield _File(f"{source}:{member.name}", source, member.offset_data, member.size)
            except tarfile.TarError as error:
                raise PictureError(f"{source} is not a tar file, or is compressed or damaged") from error
            except OSError as error:
                raise PictureError(f"{source} cannot be read: {error.strerror or error}") from error
        else:
            yield _File(str(source), source)


def find_pairs(sources: Iterable[Path]) -> tuple[list[_Pair], list[str]]:
    """Pairs of frames named NAME-a and NAME-b with a suffix, in a stable order, and names of files without partner."""
    frames: dict[tuple[str, str], dict[str, _File]] = {}
    alone = []
    for file in find(sources):
        stem, _, suffix = file.name.rpartition(".")
        if stem[-2:] in _ENDS:
            frames.setdefault((stem[:-2], suffix), {})[stem[-2:]] = file
        else:
            alone.append(file.name)
    alone += [file.name for found in frames.values() if len(found) == 1 for file in found.values()]
    return [_Pair(*(found[end] for end in _ENDS)) for found in frames.values() if len(found) == 2], alone
