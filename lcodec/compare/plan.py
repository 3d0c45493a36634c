"""What is to be done: from names on the command line to codecs, settings and metrics, and what of them is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lcodec.compare.codecs import RIVALS, open_codec
from lcodec.compare.evaluate import Task
from lcodec.compare.names import is_file
from lcodec.compare.pictures import Photo
from lcodec.defaults import MODEL
from lcodec.errors import UsageError
from lcodec.metrics import MEASURES

__all__ = ["Plan", "choose", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Codecs with their settings, metrics, and what was asked for in vain."""

    settings: dict[str, tuple[float, ...]]  #: by the names of codecs, in the order of reports
    metrics: tuple[str, ...]
    missing: dict[str, str]  #: codecs and metrics that are not at hand -> how to get them

    def tasks(self, photos: Sequence[Photo]) -> list[Task]:
        """Return a task for each picture, codec and setting, picture by picture."""
        return [Task(photo, codec, setting, self.metrics) for photo in photos for codec, setting in self.points()]

    def points(self) -> list[tuple[str, float]]:
        """Return each codec with each of its settings."""
        return [(codec, setting) for codec, settings in self.settings.items() for setting in settings]


def make_plan(codecs: Sequence[str], metrics: Sequence[str]) -> Plan:
    """Open what is named; all codecs and all metrics where none is.

    Raises:
        UsageError: a name or a setting makes no sense, or no codec or no metric of those named is installed.
        ModelError: a model file is damaged.
    """
    settings: dict[str, tuple[float, ...]] = {}
    missing: dict[str, str] = {}
    for wanted in codecs or (MODEL, *RIVALS):
        for name, chosen in choose(wanted):
            codec = open_codec(name)
            for setting in chosen or ():
                codec.check(setting)
            how = codec.missing()
            if how is None:
                # Named again, a codec gets more settings: each repetition of --codec asks for something.
                settings[name] = tuple(dict.fromkeys((*settings.get(name, ()), *(chosen or codec.settings))))
            else:
                missing[name] = how
    measures = []
    for name in dict.fromkeys(metrics or MEASURES):
        how = MEASURES[name].missing()
        if how is None:
            measures.append(name)
        else:
            missing[name] = how
    if not settings or not measures:
        what = "; ".join(f"{name}: {how}" for name, how in missing.items())
        raise UsageError(f"none of the codecs or none of the metrics asked for is installed ({what})")
    return Plan(settings, tuple(measures), missing)


def choose(wanted: str) -> list[tuple[str, tuple[float, ...] | None]]:
    """Read `NAME[@q1,q2,...]`: names of codecs, and the settings where any are given.

    `jpeg` stands for all that begin with `jpeg-`; a name that no rival has is that of a model, or its file. An `@` in
    what is the name of a file belongs to that.

    Raises:
        UsageError: the settings are not numbers.
    """
    name, at, tail = wanted.rpartition("@")
    if not at or is_file(wanted):
        name, at = wanted, ""
    try:
        settings = tuple(dict.fromkeys(float(item) for item in tail.split(","))) if at else None
    except ValueError:
        raise UsageError(f"{wanted}: settings are numbers, as in {name}@10,30,50") from None
    family = [rival for rival in RIVALS if rival.startswith(f"{name}-")]
    return [(member, settings) for member in family or [name]]
