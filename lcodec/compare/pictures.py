"""The pictures of a comparison: found in folders, tried before any time is spent, and what is not used of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lcodec.errors import LcodecError
from lcodec.picture import read_picture

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
    for name, path, named in _files(inputs, not_in):
        notes: list[str] = []
        try:
            picture = read_picture(path, max_pixels=max_pixels, metadata=(), note=notes.append)
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


def _files(inputs: Sequence[str], not_in: Path | None) -> Iterator[tuple[str, Path, bool]]:
    for item in inputs:
        top = Path(item)
        if not top.is_dir():
            yield item, top, True
            continue
        # A report inside the folder is passed over; one around it has the folder inside, and that is meant.
        passed_over = not_in.resolve() if not_in is not None else None
        if passed_over is not None and top.resolve().is_relative_to(passed_over):
            passed_over = None
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top)
            if passed_over is not None and path.resolve().is_relative_to(passed_over):
                continue
            if path.is_file() and not any(part.startswith(".") for part in inside.parts):
                yield str(inside), path, False
