"""Codes pictures with codecs at settings, through real files, and keeps every result as it comes.

A result is one line of JSON in `results.jsonl`, filed under the picture's samples, the codec with its version, and the
setting; so a run that was interrupted goes on where it was, and a wider one computes only what is new.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from lcodec.atomic import naming
from lcodec.compare.codecs import Codec, open_codec
from lcodec.compare.pictures import Photo
from lcodec.defaults import MAX_PIXELS
from lcodec.errors import LcodecError
from lcodec.legible import to_json
from lcodec.metrics import MEASURES
from lcodec.picture import Picture, read_picture
from lcodec.processes import as_finished

__all__ = ["Result", "Store", "Task", "Work", "code_once", "evaluate", "finish", "read", "reason_of", "run_tasks"]

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W", bound="Work")
#: The error of a task that killed the processes that worked on it.
DIED = "the process died (out of memory?)"

Tick = Callable[[int, int], None]  #: called with how many tasks are done, and how many there are
Note = Callable[[str], None]  #: told what the user should know


class Work(Protocol):
    """What a result is the answer to."""

    @property
    def digest(self) -> str:
        """Of the picture, or of all pictures of a set: results are filed under it."""

    @property
    def codec(self) -> str:
        """Name of a codec."""

    @property
    def setting(self) -> float:
        """One of its settings."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the figures that a result must have."""


@dataclass(frozen=True)
class Task:
    """A picture to be coded by a codec at a setting, and what to measure."""

    photo: Photo
    codec: str
    setting: float
    metrics: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of the picture."""
        return self.photo.digest


@dataclass(frozen=True)
class Result:
    """What came of a task."""

    digest: str  #: of the picture, or of a set of them
    codec: str
    version: str  #: of the codec
    setting: float
    bytes: int = 0  #: size of the whole file
    bpp: float = 0  #: bits per pixel, of the whole file
    encode_s: float = 0  #: seconds, picture in memory -> file on the disk
    decode_s: float = 0  #: seconds, file on the disk -> picture in memory
    metrics: dict[str, float | None] = field(default_factory=dict)  #: None: not defined for this picture
    error: str | None = None  #: why there is nothing above

    @property
    def key(self) -> tuple[str, str, str, float]:
        """What the result is filed under."""
        return self.digest, self.codec, self.version, self.setting


class Store:
    """The results on the disk; without a file, in memory alone."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.results: dict[tuple[str, str, str, float], Result] = {}
        if path is not None and path.exists():
            for result in _read_results(path):
                self.results[result.key] = result
            # A line that an interruption cut short must not spoil the next.
            with naming(path), path.open("rb+") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read() != b"\n":
                        file.write(b"\n")

    def add(self, result: Result) -> None:
        """Keep a result, with the metrics that were measured before of the same file."""
        old = self.results.get(result.key)
        if old is not None and old.bytes == result.bytes:
            result = replace(result, metrics=old.metrics | result.metrics)
        self.results[result.key] = result
        if self.path is not None:
            with naming(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(to_json(asdict(result)) + "\n")

    def find(self, task: Work) -> Result | None:
        """Return the finished result of a task, if it has all metrics that the task asks for."""
        result = self.results.get((task.digest, task.codec, open_codec(task.codec).version(), task.setting))
        if result is None or result.error is not None or not set(task.metrics) <= result.metrics.keys():
            return None
        return result


def _read_results(path: Path) -> Iterator[Result]:
    names = {entry.name for entry in fields(Result)}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.keys() == names:
            yield Result(**record)


def evaluate(tasks: Sequence[Task], store: Store, jobs: int, tick: Tick, note: Note) -> list[Result]:
    """Return the results of all tasks, in their order; those that the store has are not computed again."""
    return finish(_measure, tasks, store, jobs, tick, note)


def finish(
    work: Callable[[W], Result], tasks: Sequence[W], store: Store, jobs: int, tick: Tick, note: Note
) -> list[Result]:
    """Return `work` of all tasks, in their order: from the store, or done now and kept there."""
    found: dict[tuple[str, str, float], Result] = {}
    missing = []
    for task in tasks:
        result = store.find(task)
        if result is None:
            missing.append(task)
        else:
            found[result.digest, result.codec, result.setting] = result
    tick(len(found), len(tasks))
    with closing(run_tasks(work, missing, jobs, _lost, note)) as results:
        for result in results:
            store.add(result)
            found[result.digest, result.codec, result.setting] = result
            tick(len(found), len(tasks))
    return [found[task.digest, task.codec, task.setting] for task in tasks]


def run_tasks(
    work: Callable[[T], R], tasks: Iterable[T], jobs: int, lost: Callable[[T], R], note: Note
) -> Generator[R, None, None]:
    """Yield `work` of each task as it is finished, here or in `jobs` other processes; `lost` of one that kills them."""
    if jobs == 1:
        yield from map(work, tasks)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from as_finished(_Inside(folder, work), tasks, jobs, lost=lost, note=note)


@dataclass(frozen=True)
class _Inside(Generic[T, R]):
    """Work with temporary files in a folder, so that they are removed even where the process is killed."""

    folder: str
    work: Callable[[T], R]

    def __call__(self, task: T) -> R:
        before, tempfile.tempdir = tempfile.tempdir, self.folder
        try:
            return self.work(task)
        finally:
            tempfile.tempdir = before


# ------------------------------------------------------------------------------------------------------ one result


def _lost(task: Work) -> Result:
    return Result(task.digest, task.codec, open_codec(task.codec).version(), task.setting, error=DIED)


def _measure(task: Task) -> Result:
    codec = open_codec(task.codec)
    result = Result(task.photo.digest, task.codec, codec.version(), task.setting)
    try:
        original = read(task.photo)
        size, decoded, encode_s, decode_s = code_once(codec, original, task.setting)
        metrics = {name: MEASURES[name](original.pixels, decoded.pixels) for name in task.metrics}
    except Exception as error:  # whatever a foreign encoder raises must not cost the other results
        return replace(result, error=reason_of(error))
    bpp = 8 * size / task.photo.pixels
    numbers = {"bytes": size, "bpp": bpp, "encode_s": encode_s, "decode_s": decode_s, "metrics": metrics}
    return Result(**asdict(result) | numbers)


def reason_of(error: Exception) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@lru_cache(maxsize=2)  # tasks come picture by picture
def read(photo: Photo) -> Picture:
    """Read a picture's samples; metadata are left out of every codec's files, and alpha is flattened on white."""
    return read_picture(photo.path, max_pixels=max(MAX_PIXELS, photo.pixels), alpha="flatten", metadata=())


def code_once(codec: Codec, original: Picture, setting: float) -> tuple[int, Picture, float, float]:
    """Encode to a file and decode that file: bytes, the decoded picture, and the seconds of both ways.

    Raises:
        LcodecError: the decoded picture is not of the original's size.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coded"
        start = time.perf_counter()
        file.write_bytes(codec.encode(original, setting))
        encoded = time.perf_counter()
        decoded = codec.decode(file.read_bytes())
        end = time.perf_counter()
        size = file.stat().st_size
    decoded = _alike(decoded, original)
    return size, decoded, encoded - start, end - encoded


def _alike(decoded: Picture, original: Picture) -> Picture:
    """Give a decoded picture the channels of its original: some formats have no grey."""
    pixels: Any = decoded.pixels
    if original.grey and not decoded.grey:
        pixels = np.rint(pixels.mean(axis=2, keepdims=True)).astype(np.uint8)
    elif decoded.grey and not original.grey:
        pixels = np.repeat(pixels, 3, axis=2)
    if pixels.shape != original.pixels.shape:
        raise LcodecError(f"the decoded picture is {decoded.width}x{decoded.height}")
    return Picture(pixels)
