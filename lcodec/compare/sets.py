"""Judges the pictures of each codec and setting as a set: codes all photos again, and takes their patches together.

Decoded pictures are not kept, so coding is done twice where measures of sets are asked for. A result is filed as those
of single pictures are, under all photos of the set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from lcodec.compare.codecs import open_codec
from lcodec.compare.evaluate import Note, Result, Store, Tick, code_once, finish, read, reason_of
from lcodec.compare.pictures import Photo
from lcodec.metrics.sets import SET_MEASURES, Estimate, Pixels, patches_of, room

__all__ = ["ENDS", "Judged", "SetTask", "fitting", "judge", "judged", "patches_in"]

#: Part of what results are filed under: to be raised where a measure changes.
_DEFINITION = 1
#: Ends of the names that an estimate is filed under: of its value, and of its interval.
ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class SetTask:
    """Photos to be coded by a codec at a setting, and how to judge them together."""

    photos: tuple[Photo, ...]  #: each with room for a patch
    codec: str
    setting: float
    measures: tuple[str, ...]  #: names of `SET_MEASURES`

    @property
    def digest(self) -> str:
        """Of all photos."""
        names = [f"sets {_DEFINITION}", *(photo.digest for photo in self.photos)]
        return hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all figures, and of the ends of their intervals."""
        figures = [figure.name for name in self.measures for figure in SET_MEASURES[name].figures]
        return tuple(f"{figure}{end}" for figure in figures for end in ENDS)


@dataclass(frozen=True)
class Judged:
    """A figure of a codec at a setting, and its 95 % interval."""

    figure: str
    value: float
    low: float
    high: float

    def record(self) -> dict[str, float]:
        """Return the value and its interval as JSON would have them."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def shown(self, digits: int) -> str:
        """Return for example `0.404 (0.298..0.510)`."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}..{self.high:.{digits}f})"


def patches_in(photos: Sequence[Photo]) -> tuple[Photo, ...]:
    """Return the photos that are large enough for a patch, in an order that does not depend on their names."""
    return tuple(sorted((photo for photo in photos if room(photo.height, photo.width)), key=lambda photo: photo.digest))


def fitting(measures: Iterable[str], photos: Sequence[Photo]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the measures that can be had of the photos, and why others cannot."""
    patches = sum(room(photo.height, photo.width) for photo in photos)
    reasons = {}
    for name in measures:
        reasons[name] = SET_MEASURES[name].missing() or SET_MEASURES[name].refused(len(photos), patches)
    return tuple(name for name in reasons if not reasons[name]), {name: why for name, why in reasons.items() if why}


def judge(tasks: Sequence[SetTask], store: Store, jobs: int, tick: Tick, note: Note) -> list[Result]:
    """Return the results of all tasks, in their order; those that the store has are not computed again."""
    return finish(_judge, tasks, store, jobs, tick, note)


def judged(result: Result, figures: Sequence[str]) -> list[Judged]:
    """Return the figures that a result has."""
    found = []
    for figure in figures:
        values = [result.metrics.get(f"{figure}{end}") for end in ENDS]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(ENDS):
            found.append(Judged(figure, *numbers))
    return found


def _judge(task: SetTask) -> Result:
    codec = open_codec(task.codec)
    result = Result(task.digest, task.codec, codec.version(), task.setting)
    sizes = []

    def coded() -> Iterator[tuple[Pixels, Pixels]]:
        for photo in task.photos:
            original = read(photo)
            size, decoded, *_ = code_once(codec, original, task.setting)
            sizes.append(size)
            yield original.pixels, decoded.pixels

    try:
        patches = patches_of(coded())
        estimates: dict[str, Estimate] = {}
        for name in task.measures:
            estimates |= SET_MEASURES[name].function(patches)
    except Exception as error:  # whatever a foreign encoder raises must not cost the other results
        return replace(result, error=reason_of(error))
    bpp = fmean(8 * size / photo.pixels for size, photo in zip(sizes, task.photos, strict=True))
    metrics: dict[str, float | None] = {}
    for name, estimate in estimates.items():
        values = (estimate.value, estimate.low, estimate.high)
        metrics |= {f"{name}{end}": float(value) for end, value in zip(ENDS, values, strict=True)}
    return replace(result, bytes=sum(sizes), bpp=bpp, metrics=metrics)
