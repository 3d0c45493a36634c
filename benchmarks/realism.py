"""`python -m benchmarks.realism --photos DIR --train PATH...`: how real generative pictures look, and at what price.

At each quality and realism, of the photos: PSNR, Wasserstein distortion; of what is added, the share that repeats every
16 pixels, and how unevenly its strength is spread over the places of 16x16 pixels (its relative variance); and the
measures of whole sets (`lcodec.metrics.sets`) with their 95 % intervals: energy of three octaves relative to the
originals', distance of sub-band marginals, KID, and whether *fresh* critics tell patches from those of the originals.
Here critics are trained on other photos (`--train`: folders of photos or of tar files, or such files), for each quality
and realism anew; AUC and JSD are means of three seeds, `auc_least` and `auc_most` their range. A set that is too small
for a measure, or a package that is missing, leaves its columns empty. The last column is PSNR as it would be if
distortion were D* + (P* - P)^2 (Freirich, Michaeli, Meir 2021), P falling linearly with realism.

What it costs: `--count` photos of each kind, of their middle 768x768 at most, are coded once and decoded five times at
each quality (720 decodings and 144 encodings, by default); three critics of 0.1e12 multiply-adds for each row (4.5e12,
for 15 rows) are trained besides. Rows are written after each quality, and at the end into the card of `hific`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import (
    MODELS,
    RESULTS,
    add_out,
    label_of,
    open_model,
    parser_of,
    photos_of,
    show,
    splice,
    spread,
    write_rows,
)
from lcodec.codec import decode, encode
from lcodec.metrics import psnr, wasserstein
from lcodec.metrics.sets import SET_MEASURES, Estimate, Patches, patches_of
from lcodec.metrics.sets.critic import STEPS, judged, train_critic
from lcodec.picture import Picture
from lcodec.training.data.files import find

CSV = RESULTS / "realism.csv"
QUALITIES = (5.0, 20.0, 40.0)
REALISMS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEEDS = 3
#: Photos of each kind, and the longest side that is used of one.
COUNT, MAX_SIDE = 24, 768

#: Columns that are shown, and what they are called in the card.
SHOWN = {
    "quality": "quality",
    "realism": "realism",
    "bpp": "bits/pixel",
    "psnr": "PSNR, dB",
    "law": "by the law",
    "octave-1": "top octave",
    "marginals": "marginals",
    "kid": "KID",
    "kid-pim": "KID, PIM",
    "auc": "AUC",
    "locked": "repeats",
    "uneven": "uneven",
}
CARD = MODELS / "hific.md"

T = TypeVar("T")
R = TypeVar("R")

Pixels = NDArray[np.uint8]
#: A photo, what it decodes to at each realism, and the bytes of its file.
Coded = tuple[Pixels, list[Pixels], int]


class Photo(Protocol):
    """What a photo is read from."""

    def decode(self) -> Pixels | None:
        """RGB samples (H, W, 3); None if it cannot be read."""


def photos_in(paths: Sequence[Path], count: int) -> list[Photo]:
    """Return so many photos, evenly spread over those of folders, tar files and folders of tar files.

    Raises:
        SystemExit: there is none.
    """
    found: list[Photo] = []
    for path in filter(Path.exists, paths):
        found += find([path, *(sorted(path.glob("*.tar")) if path.is_dir() else ())])
    if not found:
        raise SystemExit(f"no photos in {', '.join(map(str, paths))}")
    return [found[index * len(found) // count] for index in range(count)] if count < len(found) else found


def middle_of(photo: Photo) -> Pixels | None:
    """Return at most MAX_SIDE x MAX_SIDE samples of a photo; None if it cannot be read."""
    original = photo.decode()
    if original is None:
        return None
    for axis in (0, 1):
        spare = max(original.shape[axis] - MAX_SIDE, 0)
        original = original.take(range(spare // 2, original.shape[axis] - (spare - spare // 2)), axis)
    return original


def _decoded(task: tuple[str, Photo, float]) -> Coded | None:
    """Code a photo at effort 0, and decode it at each realism; None if it cannot be read."""
    model, photo, quality = task
    zoo, plain = open_model(model)
    original = middle_of(photo)
    if original is None:
        return None
    data = encode(Picture(original), plain, quality)
    return original, [decode(data, zoo, realism=realism).pixels for realism in REALISMS], len(data)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is judged as a set: other photos, how many, and how long critics are trained."""
    parser.add_argument(
        "--train", type=Path, nargs="+", required=True, metavar="PATH", help="other photos, for the fresh critics"
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"photos of each kind at most ({COUNT})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training each critic ({STEPS})")


def coded_sets(work: Callable[[T], R | None], kinds: Sequence[Sequence[T]], jobs: int, what: str) -> list[list[R]]:
    """Do the work on the tasks of each kind of photos; those that cannot be read are left out."""
    return [[each for each in spread(work, tasks, jobs, what) if each is not None] for tasks in kinds]


def rate_and_psnr(coded: Sequence[Coded], index: int) -> dict[str, str]:
    """Columns of the bits of a pixel, and of the mean PSNR of what is decoded first, second and so on."""
    pixels = sum(original.shape[0] * original.shape[1] for original, _, _ in coded)
    return {
        "bpp": f"{8 * sum(size for _, _, size in coded) / pixels:.4f}",
        "psnr": f"{np.mean([psnr(original, decoded[index]) for original, decoded, _ in coded]):.3f}",
    }


def main() -> None:
    """Run the command."""
    parser = parser_of("realism", __doc__, jobs=True)
    add_sets(parser)
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, help="of the files (5 20 40)")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    photos_of(arguments.photos)  # says so where there is none
    zoo, plain = open_model(arguments.model)
    label = label_of(zoo.find(plain.entropy_id, plain.synthesis_id, realism=1.0))
    kinds = [photos_in(paths, arguments.count) for paths in ([arguments.photos], arguments.train)]
    told: set[str] = set()
    rows: list[dict[str, str]] = []
    for quality in arguments.qualities:
        tasks = [[(arguments.model, photo, quality) for photo in photos] for photos in kinds]
        judged_on, others = coded_sets(_decoded, tasks, arguments.jobs, f"quality {quality:g}")
        curve = [_row(quality, index, judged_on, others, arguments.steps, told) for index in range(len(REALISMS))]
        rows += [{"model": label} | row | {"law": f"{_law(row, curve):.3f}"} for row in curve]
        write_rows(arguments.out, rows)
    show(rows, SHOWN)
    if arguments.out == CSV:
        CARD.write_text(splice(CARD.read_text(encoding="utf-8"), table(rows), "realism"), encoding="utf-8")


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Format rows as Markdown."""
    lines = ["| " + " | ".join(SHOWN.values()) + " |", "|" + "---:|" * len(SHOWN)]
    return "\n".join(lines + ["| " + " | ".join(row[name] for name in SHOWN) + " |" for row in rows])


def _row(
    quality: float, index: int, coded: list[Coded], others: list[Coded], steps: int, told: set[str]
) -> dict[str, str]:
    """Figures of the photos at one quality and realism; `told` holds what was said of measures that are left out."""
    import torch

    from lcodec.training.adversarial import WINDOW, locked_energy, uneven_energy

    pairs = [(original, decoded[index]) for original, decoded, _ in coded]
    added = [torch.from_numpy(decoded[index].astype(np.float32) - decoded[0]) for _, decoded, _ in coded]
    whole = [each[None, : len(each) // WINDOW * WINDOW, : each.shape[1] // WINDOW * WINDOW] for each in added]
    sets = [patches_of((original, decoded[index]) for original, decoded, _ in each) for each in (coded, others)]
    return {
        "quality": f"{quality:g}",
        "realism": f"{REALISMS[index]:g}",
        **rate_and_psnr(coded, index),
        "wasserstein": f"{np.mean([wasserstein(*pair) for pair in pairs]):.4f}",
        "locked": f"{np.mean([float(locked_energy(each)) for each in whole]):.3f}",
        "uneven": f"{np.mean([float(uneven_energy(each)) for each in whole]):.3f}",
        **of_set(*sets, steps, told),
    }


def of_set(patches: Patches, others: Patches, steps: int, told: set[str]) -> dict[str, str]:
    """Columns of the measures of whole sets: figures and the ends of their intervals."""
    columns: dict[str, str] = {}
    for measure in SET_MEASURES.values():
        why = measure.missing() or measure.refused(patches.count, len(patches.photos))
        if why is not None and measure.name not in told:
            told.add(measure.name)
            print(f"{measure.name} is left out: {why}")
        if why is not None:
            found: dict[str, Estimate] = {}
        elif measure.name == "auc":
            found, least, most = told_apart(patches, others, steps)
            columns |= {"auc_least": f"{least:.3f}", "auc_most": f"{most:.3f}"}
        else:
            found = measure.function(patches)
        for figure in measure.figures:
            estimate = found.get(figure.name)
            ends = ("", "", "") if estimate is None else (estimate.value, estimate.low, estimate.high)
            for end, value in zip(("", "_low", "_high"), ends, strict=True):
                columns[f"{figure.name}{end}"] = value if isinstance(value, str) else f"{value:.{figure.digits}f}"
    return {"auc_least": "", "auc_most": ""} | columns


def told_apart(judged_on: Patches, others: Patches, steps: int) -> tuple[dict[str, Estimate], float, float]:
    """Return the figures of critics that were trained on other photos, means of SEEDS, and the least and most AUC."""
    found = []
    for seed in range(SEEDS):
        critic = train_critic(others, seed, steps)
        logits = [critic(each) for each in (judged_on.originals, judged_on.decoded)]
        found.append(judged(logits[0], logits[1], judged_on.photos, np.zeros(judged_on.count, np.int64)))
    areas = [each["auc"].value for each in found]
    return {name: _mean([each[name] for each in found]) for name in found[0]}, min(areas), max(areas)


def _mean(estimates: list[Estimate]) -> Estimate:
    values = np.mean([(each.value, each.low, each.high) for each in estimates], axis=0)
    return Estimate(*map(float, values))


def _law(row: dict[str, str], curve: list[dict[str, str]]) -> float:
    """PSNR by the law, through both ends of the measured curve."""
    errors = [10 ** (-float(each["psnr"]) / 10) for each in curve]
    share = float(row["realism"])
    return -10 * math.log10(errors[0] + share**2 * (errors[-1] - errors[0]))


if __name__ == "__main__":
    main()
