"""Scores of a pair of pictures by every metric at hand, for the parts of `benchmarks.people`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics import MEASURES

__all__ = ["at_hand", "columns", "defined", "load", "score"]

Pixels = NDArray[np.uint8]


def at_hand(wanted: Iterable[str] = ()) -> list[str]:
    """Names of the metrics to measure by: those wanted, or all; only those that are installed.

    Raises:
        SystemExit: one that is wanted is not there.
    """
    names = list(wanted) or list(MEASURES)
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise SystemExit(f"no metric is called {', '.join(unknown)}: there are {', '.join(MEASURES)}")
    missing = {name: how for name in names if (how := MEASURES[name].missing())}
    for name, how in missing.items():
        print(f"not measured: {name}: {how}")
    return [name for name in names if name not in missing]


def load(path: Path) -> Pixels:
    """Read a picture: uint8, (H, W, 3)."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def score(name: str, original: Pixels, shown: Pixels) -> float:
    """Score a picture, higher being better: infinite where it equals the original, NaN where it is too small."""
    measure = MEASURES[name]
    if np.array_equal(original, shown):
        return math.inf
    value = measure(original, shown)
    return math.nan if value is None else measure.scale(value)


def defined(names: Iterable[str], scores: Iterable[Mapping[str, float]]) -> Iterator[str]:
    """Yield the metrics that have a value for every picture, and say which have not."""
    scores = list(scores)
    for name in names:
        if any(math.isnan(each[name]) for each in scores):
            print(f"not measured: {name}: it is not defined for pictures so small")
        else:
            yield name


def columns(name: str, value: float, interval: tuple[float, float]) -> dict[str, str]:
    """Columns of results for a figure and its interval."""
    return {name: f"{value:.4f}", f"{name}_low": f"{interval[0]:.4f}", f"{name}_high": f"{interval[1]:.4f}"}
