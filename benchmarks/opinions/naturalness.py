"""Votes of naturalness: which of two pictures looks more natural, with no original beside them.

31 people, 456 pairs: eight photos, coded by HiFiC and HEVC and restored by ESRGAN and ArNet, at three qualities each.
Two repositories have it, without a licence: `martafilipa/subjective_test` on GitHub the pictures, and
`martafilipa/gan-image-database` the votes. A user fetches both into one folder; nothing of them is copied here.

A metric sees the original, which those who voted did not: it chooses the picture that is nearer to it. So the votes say
whether what is near by a metric is what people call natural.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.opinions.agreement import bootstrap, one_voter, shares
from benchmarks.opinions.scores import columns, load, score

__all__ = ["SETS", "Pair", "judges", "originals", "pairs", "rows", "scores_of"]

REPOSITORIES = ("subjective_test", "gan-image-database")
PICTURES = "public/images/test/*.png"
VOTES = "results/jdg.csv"
ORIGINAL = "original"


@dataclass(frozen=True)
class Shown:
    """One of the two pictures of a pair."""

    content: int  #: number of the photo
    method: str  #: in lower case; "original" for none
    path: Path


@dataclass(frozen=True)
class Pair:
    """Two pictures of one photo, and the votes."""

    first: Shown
    second: Shown
    for_second: int  #: votes that the second is the more natural
    voters: int


def _all(pair: Pair) -> bool:
    return pair.first.content == pair.second.content


def _between_methods(pair: Pair) -> bool:
    return pair.first.method != pair.second.method and ORIGINAL not in (pair.first.method, pair.second.method)


def _hific_hevc(pair: Pair) -> bool:
    return {pair.first.method, pair.second.method} == {"hific", "hevc"}


#: Sets of pairs by their names in results.
SETS = {"same-content": _all, "between-methods": _between_methods, "hific-hevc": _hific_hevc}


def pairs(folder: Path) -> list[Pair]:
    """Read the pairs of one photo each: those across photos ask something else.

    Raises:
        SystemExit: a repository is not in the folder, or a picture is missing.
    """
    pictures = {path.name.lower(): path for path in (folder / REPOSITORIES[0]).glob(PICTURES)}
    votes = folder / REPOSITORIES[1] / VOTES
    if not pictures or not votes.exists():
        clones = " && ".join(f"git clone https://github.com/martafilipa/{name}" for name in REPOSITORIES)
        raise SystemExit(f"{folder} has not both repositories: cd {folder} && {clones}")
    with votes.open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    found = []
    for line in lines:
        first, second = (_shown(line, side, pictures) for side in "AB")
        cast = [int(vote) for voter, vote in line.items() if voter.isdigit() and vote]
        if first.content == second.content:
            found.append(Pair(first, second, sum(cast), len(cast)))
    return found


def _shown(line: Mapping[str, str], side: str, pictures: Mapping[str, Path]) -> Shown:
    content, method = int(line[f"Image_{side}"]), line[f"Model_{side}"].lower()
    name = "_".join(part for part in (f"{content:05d}", method, line[f"Quality_{side}"].lower()) if part) + ".png"
    if name not in pictures:
        raise SystemExit(f"the votes name {name}, which is not among the pictures")
    return Shown(content, method, pictures[name])


def originals(compared: Iterable[Pair]) -> dict[Path, Path]:
    """Every picture shown, and the original that it was made from."""
    shown = {each.path: each for pair in compared for each in (pair.first, pair.second)}
    return {path: path.with_name(re.sub(r"^(\d+)_.*", rf"\1_{ORIGINAL}.png", path.name)) for path in sorted(shown)}


def scores_of(task: tuple[Path, Path, list[str]]) -> dict[str, float]:
    """Score a picture against its original by the metrics named, higher being better."""
    shown, original = load(task[0]), load(task[1])
    return {name: score(name, original, shown) for name in task[2]}


def judges(compared: list[Pair], scores: Mapping[Path, Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Share of the votes that agree with each judge, of each pair: two figures of the people, then the metrics.

    "ceiling" chooses what most people chose; "one-voter" is one person, drawn at random, among the others.
    """
    for_second = np.array([pair.for_second for pair in compared])
    voters = np.array([pair.voters for pair in compared])
    ratio = for_second / voters
    found = {"ceiling": np.maximum(ratio, 1 - ratio), "one-voter": one_voter(for_second, voters)}
    for name in next(iter(scores.values())):
        first, second = ([scores[each][name] for each in side] for side in _sides(compared))
        found[name] = shares(first, second, ratio)
    return found


def _sides(compared: list[Pair]) -> tuple[list[Path], list[Path]]:
    return [pair.first.path for pair in compared], [pair.second.path for pair in compared]


def rows(compared: list[Pair], agreement: Mapping[str, NDArray[np.float64]]) -> Iterator[dict[str, str]]:
    """Rows of results: the 2AFC score of each judge on each set of pairs, with intervals over the photos."""
    for judge, found in agreement.items():
        for name, belongs in SETS.items():
            chosen = np.array([belongs(pair) for pair in compared])
            contents = [pair.first.content for pair in compared if belongs(pair)]
            score_of = found[chosen]
            interval = bootstrap(np.mean, contents, score_of)
            row = {"metric": judge, "set": name, "pairs": str(len(contents)), "contents": str(len(set(contents)))}
            yield row | columns("score", float(score_of.mean()), interval)
