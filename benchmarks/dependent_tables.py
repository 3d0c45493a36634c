"""`python -m benchmarks.dependent_tables --photos DIR_OR_TAR... --out FILE`: the tables of dependent quantisation.

Which symbol a trellis search chooses is no matter of nearness alone, so there is no formula: with tables of the bins
around the values that symbols stand for, files are 0.2 % larger. Here training photos are coded at several qualities
with all models that code, at effort 1, with tables that were counted before, and what each table's symbols are is
counted, on both sides of 0 together. The bins have a share (PRIOR) where there is little to count.

The result belongs into `lcodec/entropy/dependent.npy`, and its hash into `lcodec/entropy/tables.py`. It is normative:
files that exist are coded with it. Nothing of it can be made better any more without a new flag in `FORMAT.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import open_model, shipped
from lcodec.effort.encoder import Encoder
from lcodec.entropy.bits import SCALE_MIN, SCALE_STEP_LN
from lcodec.entropy.dependent import GRID, Lanes
from lcodec.entropy.model import Choice
from lcodec.entropy.section import MEAN_STEPS
from lcodec.entropy.tables import DEPENDENT, DEPENDENT_REACH, TOTAL
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Layout
from lcodec.metrics.differentiable import MIN_CROP
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.networks.steps import Place
from lcodec.training.data import load_photos
from lcodec.training.run import examples

QUALITIES = (0, 15, 30, 45, 60, 75, 90, 100)
#: Symbols of a table that the bins count as.
PRIOR = 200.0

Doubles = npt.NDArray[np.float64]


class _Counting:
    """A choice that counts its symbols: (tables of both quantisers, magnitudes, and what is beyond)."""

    dependent = True

    def __init__(self, choose: Choice, counts: Doubles) -> None:
        self._choose, self._counts = choose, counts

    def __call__(
        self, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        symbols = self._choose(indexes, means, where)
        lanes = Lanes(indexes)
        dependent = symbols[lanes.chosen]

        def count(tables: npt.NDArray[np.intp], at: slice) -> npt.NDArray[np.int32]:
            magnitudes = np.minimum(np.abs(dependent[at]), DEPENDENT_REACH + 1)
            np.add.at(self._counts, (tables, magnitudes), 1)
            return dependent[at]

        lanes.walk(count)
        return symbols


def bins() -> Doubles:
    """Probability of each magnitude, and of what is beyond: that of the bin around its values, in each table."""
    magnitudes = np.arange(DEPENDENT_REACH + 2)
    rows = []
    for second in (0, 1):
        values = 2 * magnitudes - second * (magnitudes > 0)
        edges = (values[1:] + values[:-1]) / 2 * (GRID / MEAN_STEPS)
        for table in DEPENDENT:
            root = SCALE_MIN * math.exp(SCALE_STEP_LN * table) * math.sqrt(2)
            inside = np.array([0, *(math.erf(edge / root) for edge in edges), 1])
            rows.append(np.diff(inside))
    return np.array(rows)


def frequencies(counts: Doubles) -> npt.NDArray[np.uint16]:
    """Tables of counts: (tables, symbols -reach..reach and the escape), each at least 1, TOTAL together."""
    shares = counts + PRIOR * bins()
    sides = shares[:, 1:-1] / 2
    shares = np.concatenate((sides[:, ::-1], shares[:, :1], sides, shares[:, -1:]), axis=1)
    shares *= (TOTAL - shares.shape[1]) / shares.sum(axis=1, keepdims=True)
    found = np.floor(shares).astype(np.int64) + 1
    found[:, DEPENDENT_REACH] += TOTAL - found.sum(axis=1)  # to 0, so that both sides stay the same
    return found.astype(np.uint16)


def count(name: str, photos: list[npt.NDArray[np.uint8]], counts: Doubles) -> None:
    """Add the symbols of photos, as a model codes them."""
    model = open_model(name)[1]
    for pixels in examples(photos, MIN_CROP[model.goal.aim]):
        engine = Engine("cpu", "numpy", pixels[..., 0].size)
        entropy = engine.entropy(model)
        drafting = cache(lambda entropy=entropy: entropy)
        (region,) = Layout.of(*pixels.shape[:2]).regions
        for quality in QUALITIES:
            encoder = Encoder(engine, model, entropy, drafting, quality * QUALITY_STEPS // 100, dependent=True)
            latents, hyper_latents = encoder.analyse(pixels, region)
            if choose := encoder.choice(latents):
                entropy.encode(latents, hyper_latents, encoder.quality_step, _Counting(choose, counts))
    print(f"{name}: {counts.sum():.0f} symbols")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dependent_tables", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders or tar files of training photos")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".npy file to write")
    arguments = parser.parse_args()
    photos = load_photos(arguments.photos)
    counts = np.zeros((2 * len(DEPENDENT), DEPENDENT_REACH + 2))
    for name in shipped():
        count(name, photos, counts)
    tables = frequencies(counts)
    np.save(arguments.out, tables)
    print(f"{arguments.out}: SHA-256 {hashlib.sha256(tables.tobytes()).hexdigest()}")


if __name__ == "__main__":
    main()
