"""Directories of tags, as TIFF files, EXIF and the index of JPEG's further pictures (MPF) all have them.

Read from bytes, without Pillow: `exif` changes single bytes in such a block, `tiff` looks at pages before one is
chosen, and `kinds` names what Pillow does not open. TIFF 6.0, section 2; BigTIFF as in libtiff.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["Directory", "Entry", "TagReader"]

#: Bytes of a value of each type, from BYTE (1) on.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_PAIRS = {5: "I", 10: "i"}
#: Values of one entry, and pages of one file, that are looked at.
_MOST = 1 << 16


class Entry(NamedTuple):
    """One tag of a directory."""

    place: int  #: where its twelve (or twenty) bytes stand
    kind: int  #: type of its values
    number: int  #: of values
    values_at: int  #: where they stand

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return _SIZES.get(self.kind, 1) * self.number


class Directory(NamedTuple):
    """The entries of a directory by tag, where they begin, and where the place of the next directory is written."""

    entries: dict[int, Entry]
    start: int
    link_at: int


class TagReader:
    """Reads directories through `at(offset, size)`, which returns the bytes there, or fewer at the end.

    Everything raises ValueError where the bytes are none of a TIFF structure, or end too early.

    Args:
        at: gives bytes, at any offset and of any size of 64 bits.
        tags: those that directories keep; None for all.
        most: bytes of all directories together, repeated ones included; None for any number. Those of a sound file do
            not overlap, so that they have no more than the file.
    """

    def __init__(
        self, at: Callable[[int, int], bytes], *, tags: Collection[int] | None = None, most: int | None = None
    ) -> None:
        self._at, self._tags, self._left = at, tags, most
        self.head = at(0, 16)
        order = {b"II": "<", b"MM": ">"}.get(self.head[:2])
        if order is None:
            raise ValueError("no byte order")
        self.order = order
        (version,) = self._unpack("H", 2)
        if version not in {42, 43}:
            raise ValueError("no TIFF structure")
        self.big = version == 43
        (self.first,) = self._unpack("Q", 8) if self.big else self._unpack("I", 4)

    @classmethod
    def of(cls, file: BinaryIO, tags: Collection[int] | None = None) -> TagReader:
        """Return a reader of a file, which moves the place in it, for these tags."""
        end = file.seek(0, 2)

        def at(place: int, size: int) -> bytes:
            if place >= end:  # in BigTIFF perhaps where nothing can be sought
                return b""
            file.seek(place)
            return file.read(min(size, end - place))

        return cls(at, tags=tags, most=end)

    def directory(self, start: int) -> Directory:
        """Read the directory at an offset."""
        (count,) = self._unpack("Q" if self.big else "H", start)
        size, head = (20, 8) if self.big else (12, 2)
        if count > _MOST:
            raise ValueError("a directory of too many tags")
        if self._left is not None:
            self._left -= head + size * count
            if self._left < 0:
                raise ValueError("directories that overlap")
        entries: dict[int, Entry] = {}
        body = self._read(start + head, size * count)
        form = struct.Struct(f"{self.order}HH{'Q8x' if self.big else 'I4x'}")
        inline, offset = (8, f"{self.order}Q") if self.big else (4, f"{self.order}I")
        for index, (tag, kind, number) in enumerate(form.iter_unpack(body)):
            if tag in entries or (self._tags is not None and tag not in self._tags):
                continue
            place = start + head + size * index
            entry = Entry(place, kind, number, place + size - inline)
            if entry.size > inline:
                (values_at,) = struct.unpack_from(offset, body, size * (index + 1) - inline)
                entry = entry._replace(values_at=values_at)
            entries[tag] = entry
        return Directory(entries, start, start + head + size * count)

    def following(self, directory: Directory) -> int:
        """Return the offset of the next directory; 0 where there is none."""
        (place,) = self._unpack("Q" if self.big else "I", directory.link_at)
        return int(place)

    def pages(self) -> Iterator[Directory]:
        """Yield the directories of a file in turn; ends where one is damaged, or where there are too many."""
        seen: set[int] = set()
        place = self.first
        while place and place not in seen and len(seen) < _MOST:
            seen.add(place)
            try:
                page = self.directory(place)
                place = self.following(page)
            except ValueError:
                return
            yield page

    def integers(self, directory: Directory, tag: int) -> tuple[int, ...]:
        """Return the values of a tag of integers; none where it is missing, or something else."""
        entry = directory.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS or entry.number > _MOST:
            return ()
        return self._unpack(f"{entry.number}{_INTEGERS[entry.kind]}", entry.values_at)

    def integer(self, directory: Directory, tag: int, default: int = 0) -> int:
        """Return the first value of a tag of integers; a default where it is missing, or something else."""
        entry = directory.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS or not entry.number:
            return default
        return self._unpack(_INTEGERS[entry.kind], entry.values_at)[0]

    def rationals(self, directory: Directory, tag: int) -> tuple[float, ...]:
        """Return the values of a tag of fractions; none where it is missing, something else, or divided by zero."""
        entry = directory.entries.get(tag)
        if entry is None or entry.kind not in _PAIRS or entry.number > _MOST:
            return ()
        parts = self._unpack(f"{2 * entry.number}{_PAIRS[entry.kind]}", entry.values_at)
        if 0 in parts[1::2]:
            return ()
        return tuple(above / below for above, below in zip(parts[::2], parts[1::2], strict=True))

    def body(self, directory: Directory, tag: int) -> bytes:
        """Return the bytes of a tag's values; none where it is missing."""
        entry = directory.entries.get(tag)
        return b"" if entry is None else self._read(entry.values_at, entry.size)

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{form}", self._read(place, struct.calcsize(f"={form}")))

    def _read(self, place: int, size: int) -> bytes:
        body = self._at(place, size)
        if len(body) != size:
            raise ValueError("the structure ends too early")
        return body
