"""Finds, for each picture and codec, the setting whose file is nearest to one size: what a fair look needs."""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lcodec.atomic import write_whole
from lcodec.compare.codecs import Codec, open_codec
from lcodec.compare.evaluate import DIED, Note, Tick, code_once, read, reason_of, run_tasks
from lcodec.compare.pictures import Photo
from lcodec.legible import to_json
from lcodec.picture import Picture, to_image

__all__ = ["MATCH_BPP", "SHOWN", "Match", "MatchTask", "find_matches", "match", "nearest_file", "view_of"]

#: Bits per pixel at which pictures are shown side by side: where codecs differ for the eye.
MATCH_BPP = 0.25
#: How many pictures are shown side by side: a page with those of a large set would open in no browser.
SHOWN = 24
_CLOSE = 0.005  # of the wanted size; nearer need not be looked for
_VIEW_PX = 1 << 20  # pixels; of larger pictures the middle is shown


@dataclass(frozen=True)
class MatchTask:
    """A picture to be coded by a codec to about MATCH_BPP, and the folder to keep it in."""

    photo: Photo
    codec: str
    folder: Path
    known: tuple[tuple[float, int], ...]  #: settings that were tried already, and the bytes of their files

    @property
    def stem(self) -> Path:
        """The files of the result, less their suffix."""
        name = re.sub(r"[^\w.-]", "-", Path(self.codec).stem)
        return self.folder / f"{self.photo.digest}-{name}-{zlib.crc32(os.fsencode(self.codec)):08x}"


@dataclass(frozen=True)
class Match:
    """The file nearest to the wanted size."""

    digest: str
    codec: str
    version: str
    setting: float = 0
    bytes: int = 0  #: of the file
    type: str = ""  #: of `file`, for a browser
    file: str = ""  #: the coded file where browsers show that, else the decoded picture as lossless WebP
    error: str | None = None


def find_matches(tasks: Sequence[MatchTask], jobs: int, tick: Tick, note: Note) -> list[Match]:
    """Return the matches of all tasks, as they were finished."""
    found: list[Match] = []
    tick(0, len(tasks))
    with closing(run_tasks(match, tasks, jobs, _lost, note)) as matches:
        for item in matches:
            found.append(item)
            tick(len(found), len(tasks))
    return found


def _lost(task: MatchTask) -> Match:
    return Match(task.photo.digest, task.codec, open_codec(task.codec).version(), error=DIED)


def match(task: MatchTask) -> Match:
    """Find the file nearest to the wanted size, and keep what a browser needs to show it."""
    codec = open_codec(task.codec)
    found = _kept(task, codec)
    if found is not None:
        return found
    found = Match(task.photo.digest, task.codec, codec.version())
    try:
        original = read(task.photo)
        setting, data = nearest_file(codec, original, MATCH_BPP * task.photo.pixels / 8, task.known)
        whole = view_of(original.pixels) is original.pixels
        if codec.browser and whole:
            kind, shown = codec.browser, data
        else:
            kind, shown = "image/webp", lossless(view_of(code_once(codec, original, setting)[1].pixels))
    except Exception as error:  # as in `evaluate`
        return replace(found, error=reason_of(error))
    file = task.stem.with_name(f"{task.stem.name}.{kind.partition('/')[2]}")
    write_whole(file, shown, replace=True)
    found = replace(found, setting=setting, bytes=len(data), type=kind, file=file.name)
    write_whole(task.stem.with_name(f"{task.stem.name}.json"), to_json(asdict(found)).encode(), replace=True)
    return found


def _kept(task: MatchTask, codec: Codec) -> Match | None:
    try:
        found = Match(**json.loads(task.stem.with_name(f"{task.stem.name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    same = (found.codec, found.version) == (task.codec, codec.version())
    return found if same and (task.folder / found.file).is_file() else None


def nearest_file(
    codec: Codec, original: Picture, wanted: float, known: Iterable[tuple[float, int]] = ()
) -> tuple[float, bytes]:
    """Return the setting whose file is nearest to `wanted` bytes, and that file.

    Sizes grow from `codec.first` to `codec.last`; `known` are some settings with their sizes, which spare a part of the
    search. Between two known settings the logarithm of the size is taken as linear.
    """
    sign = 1 if codec.last > codec.first else -1
    last = round(abs(codec.last - codec.first) / codec.step)
    sizes = {round(abs(setting - codec.first) / codec.step): size for setting, size in known}  # by steps from the first
    data: dict[int, bytes] = {}

    def code(place: int) -> int:
        data[place] = codec.encode(original, round(codec.first + sign * place * codec.step, 6))
        sizes[place] = len(data[place])
        return sizes[place]

    low = max((place for place, size in sizes.items() if size < wanted), default=-1)
    high = min((place for place, size in sizes.items() if size >= wanted and place > low), default=last + 1)
    while high - low > 1 and all(abs(size - wanted) > _CLOSE * wanted for size in sizes.values()):
        middle = (low + high) // 2
        if low in sizes and high in sizes:
            share = math.log(wanted / sizes[low]) / math.log(sizes[high] / sizes[low])
            middle = min(max(round(low + share * (high - low)), low + 1), high - 1)
        if code(middle) < wanted:
            low = middle
        else:
            high = middle
    best = min(sizes, key=lambda place: abs(sizes[place] - wanted))
    if best not in data:
        code(best)
    return round(codec.first + sign * best * codec.step, 6), data[best]


def view_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is shown of a picture (H, W, C): all of it, or of a large one the middle, of some _VIEW_PX."""
    height, width = pixels.shape[:2]
    if height * width <= 1.5 * _VIEW_PX:
        return pixels
    share = (_VIEW_PX / (height * width)) ** 0.5
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def lossless(pixels: NDArray[np.uint8]) -> bytes:
    """Return samples (H, W, 1 or 3) as a lossless WebP file."""
    file = BytesIO()
    to_image(Picture(pixels)).save(file, "WEBP", lossless=True, quality=50, method=4)
    return file.getvalue()
