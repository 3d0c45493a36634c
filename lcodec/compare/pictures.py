"""The pictures of a comparison: found in folders, tried before any time is spent, and what is not used of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lcodec.errors import LcodecError, LimitError
from lcodec.legible import legible
from lcodec.picture import read_picture
from lcodec.walk import walk

__all__ = ["LeftOut", "Photo", "find_photos"]


@dataclass(frozen=True)
class Photo:
    """A picture that can be read."""

    name: str  #: in reports; unique among its fellows
    path: Path
    digest: str  #: of its 8-bit samples: results are filed under it
    width: int
    height: int
    note: str | None  #: what was not used of the file

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


@dataclass(frozen=True)
class LeftOut:
    """A file that is not a picture, or not one that lcodec reads."""

    name: str
    reason: str
    named: bool  #: on the command line, not found in a folder


def find_photos(
    inputs: Sequence[str], max_pixels: int, not_in: Path | None = None
) -> tuple[list[Photo], list[LeftOut]]:
    """Read all inputs once; a picture that is there twice, under whatever names, is kept once.

    Folders are searched recursively; hidden files in them are passed over, and so is `not_in`, where the report goes,
    if it lies in one of them.
    """
    photos: dict[str, Photo] = {}
    left_out: list[LeftOut] = []
    for name, path, named in _files(inputs, not_in, left_out):
        notes: list[str] = []
        try:
            picture = read_picture(path, max_pixels=max_pixels, metadata=(), note=notes.append)
        except LimitError:  # what it says names an option of other commands
            left_out.append(LeftOut(name, f"more than {max_pixels} pixels", named))
            continue
        except LcodecError as error:
            left_out.append(LeftOut(name, str(error), named))
            continue
        if picture.alpha is not None:  # not every codec keeps it
            notes.append("transparent, flattened on white")
            picture = picture.flattened()
        digest = hashlib.sha256(repr(picture.pixels.shape).encode() + picture.pixels.tobytes()).hexdigest()[:16]
        if digest in photos:
            left_out.append(LeftOut(name, f"the same picture as {photos[digest].name}", named=False))
            continue
        photos[digest] = Photo(name, path, digest, picture.width, picture.height, ", ".join(notes) or None)
    return list(photos.values()), left_out


def _files(inputs: Sequence[str], not_in: Path | None, left_out: list[LeftOut]) -> Iterator[tuple[str, Path, bool]]:
    for item in inputs:
        top = Path(item)
        if not top.is_dir():
            yield legible(item), top, True
            continue
        found = walk(top, None, leave_out=not_in, links_out=True)
        left_out += [LeftOut(legible(str(inside)), f"a link that {why}", named=False) for inside, why in found.links]
        yield from ((legible(str(inside)), top / inside, False) for inside in found.files)
