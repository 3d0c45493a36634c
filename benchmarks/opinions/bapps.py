"""BAPPS (Berkeley-Adobe perceptual patch similarity), where a user has the folder: 2AFC and JND, as its authors score.

Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric" (CVPR
2018). Of the validation patches, 64 pixels a side: `2afc/val/SUBSET/{ref,p0,p1}/*.png` with `judge/*.npy`, the share of
people who found p1 nearer to the reference; `jnd/val/SUBSET/{p0,p1}/*.png` with `same/*.npy`, the share who took a pair
for the same. A figure of the whole is the mean of the subsets'.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.opinions.agreement import average_precision, shares
from benchmarks.opinions.scores import load, score

__all__ = ["FOLDERS", "people_said", "rate", "scores_of", "subsets", "tasks"]

#: Kind of question -> folders of its patches, and of what people said.
FOLDERS = {"2afc": (("ref", "p0", "p1"), "judge"), "jnd": (("p0", "p1"), "same")}

#: Patches of a question: (reference, p0, p1) or (p0, p1).
Patches = tuple[Path, ...]


def subsets(folder: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each subset there is.

    Raises:
        SystemExit: there is none.
    """
    found = [
        (kind, subset) for kind in FOLDERS for subset in sorted((folder / kind / "val").glob("*")) if subset.is_dir()
    ]
    if not found:
        raise SystemExit(f"{folder} has neither 2afc/val/SUBSET nor jnd/val/SUBSET")
    return found


def tasks(kind: str, subset: Path, names: list[str]) -> list[tuple[Patches, list[str]]]:
    """All questions of a subset, for `scores_of`, in the order of their names.

    Raises:
        SystemExit: a patch, or what people said of it, is missing.
    """
    folders, said = FOLDERS[kind]
    found = []
    for path in sorted((subset / folders[0]).glob("*.png")):
        patches = tuple(subset / each / path.name for each in folders)
        for needed in (*patches, subset / said / f"{path.stem}.npy"):
            if not needed.exists():
                raise SystemExit(f"{needed} is missing")
        found.append((patches, names))
    return found


def people_said(kind: str, subset: Path) -> list[float]:
    """Share of people of each question, in the order of `tasks`: for p1 (2AFC), or for "the same" (JND)."""
    folders, said = FOLDERS[kind]
    stems = sorted(path.stem for path in (subset / folders[0]).glob("*.png"))
    return [float(np.load(subset / said / f"{stem}.npy", allow_pickle=False).item()) for stem in stems]


def scores_of(task: tuple[Patches, list[str]]) -> dict[str, tuple[float, ...]]:
    """Scores of all but the first patch against the first, by the metrics named, higher being better."""
    (first, *others), names = task
    original = load(first)
    return {name: tuple(score(name, original, load(other)) for other in others) for name in names}


def rate(kind: str, scores: list[tuple[float, ...]], said: list[float]) -> float:
    """Rate a metric's scores of all questions of a subset by what people said: 0..1, NaN where it has none of some."""
    if np.isnan(scores).any():
        return float("nan")
    if kind == "jnd":
        return average_precision([each for (each,) in scores], said)
    first, second = zip(*scores, strict=True)
    return float(shares(first, second, said).mean())
