"""Made `v1/` and its like, once: a small model of random weights, its streams, what they decode to.

`python -m tests.golden.make FOLDER` writes a new set of the first kind, `python -m tests.golden.make FOLDER --regions`
streams cut into regions by the model of `v1/`, `--exact` streams with exact parts, some of them cut, `--context` a
set with a model that has a context for its hyper-latents, and `--dependent` one of effort 1. A set that is committed
is never made again: it stands for the files that people have.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lcodec import codec
from lcodec.arrays import EFFORT
from lcodec.container import unpack
from lcodec.execution import regions
from lcodec.goal import UNSAID
from lcodec.networks.architecture import Architecture
from lcodec.picture import Picture
from lcodec.training.export import model_arrays, write_model
from lcodec.training.parameters import FIXED
from lcodec.zoo import Zoo
from tests.support.golden import CONTEXTUAL, GOLDEN, SMALL, parameters, symbols
from tests.support.pictures import page, picture

Case = tuple[int, int, int, float, int, float | None]

#: Arrays of effort, as logarithms: bits that a squared error is worth, and no stretch.
CHOSEN = {"weight": np.float32(3), "stretch": np.float32(0)}
#: (height, width, channels, quality)
CASES = [
    (1, 1, 3, 0), (1, 1, 3, 100), (1, 1, 1, 50), (1, 7, 3, 50), (7, 1, 3, 75), (2, 2, 1, 100), (16, 16, 3, 33.33),
    (17, 23, 3, 0.01), (17, 23, 3, 50), (17, 23, 3, 99.99), (17, 23, 1, 60), (15, 33, 3, 14.29), (33, 15, 3, 14.28),
    (64, 64, 3, 50), (65, 63, 3, 85.71), (63, 65, 1, 0), (96, 128, 3, 77.77), (1, 300, 3, 40), (300, 1, 1, 40),
    (130, 70, 3, 100), (70, 130, 3, 0), (511, 769, 3, 50), (257, 255, 3, 95), (131_090, 1, 1, 0),
]  # fmt: skip
#: (height, width, channels, quality, latents in the side of a region)
REGION_CASES = [
    (1, 130, 3, 60, 4), (65, 64, 1, 50, 4), (100, 150, 3, 75, 4), (130, 200, 3, 30, 8), (64, 129, 3, 100, 8),
]  # fmt: skip
#: (height, width, channels, quality, latents in the side of a region, part of the page that is a photo)
EXACT_CASES = [
    (40, 37, 3, 50, 0, 0), (33, 52, 1, 100, 0, 0), (96, 120, 3, 30, 0, 0.4), (70, 90, 1, 0, 0, 0.5),
    (200, 340, 3, 20, 4, 0.3), (130, 250, 1, 10, 4, 0.2), (100, 140, 3, 75, 4, 0),
]  # fmt: skip
#: (height, width, channels, quality, latents in the side of a region, None)
CONTEXT_CASES: list[Case] = [
    (1, 1, 3, 50, 0, None), (17, 23, 1, 0.01, 0, None), (65, 63, 3, 60, 0, None), (1, 300, 3, 40, 0, None),
    (70, 130, 3, 99.99, 0, None), (130, 200, 3, 30, 4, None), (193, 129, 1, 0, 0, None),
]  # fmt: skip


#: Likewise.
DEPENDENT_CASES: list[Case] = [
    (1, 1, 3, 50, 0, None), (17, 23, 1, 90, 0, None), (65, 63, 3, 60, 0, None), (300, 20, 3, 99.99, 0, None),
    (70, 130, 3, 0, 0, None), (130, 200, 3, 80, 4, None), (193, 129, 1, 30, 0, None),
]  # fmt: skip


def main(folder: Path, sizes: Architecture = SMALL, effort: int = 0) -> None:
    """Write the model, the streams and `expected.json`."""
    arrays = {name: value for name, value in model_arrays(parameters(sizes)).items() if not name.startswith(FIXED)}
    if effort:  # weights of errors, without which it would do nothing
        arrays |= {f"{EFFORT}{name}": np.full((2, sizes.latents), value) for name, value in CHOSEN.items()}
    card = "# golden\n\nRandom weights, for tests.\n"
    write_model(folder, "golden", UNSAID, "random weights, for tests", arrays, card)
    cases: list[Case] = CONTEXT_CASES if sizes.hyper_context else [(*case, 0, None) for case in CASES]
    write_streams(folder, Zoo([folder]), DEPENDENT_CASES if effort else cases, effort)


def write_streams(folder: Path, zoo: Zoo, cases: Sequence[Case], effort: int = 0) -> None:
    """Write streams and `expected.json`.

    A case is one of EXACT_CASES: the side is 0 where nothing is cut, the last value None where there is no page.
    """
    model = zoo.load("golden")
    expected = {}
    for index, (height, width, channels, quality, side, photo) in enumerate(cases):
        icc = b"a profile" * 9 if index == 3 else None
        regions.REGION, regions.WHOLE = side, 0 if side else 1 << 40
        drawn = photo is not None
        pixels = page(height, width, channels, index, photo) if drawn else picture(height, width, channels, index)
        data = codec.encode(Picture(pixels, icc), model, quality, effort=effort, exact=drawn)
        name = f"{index:02d}-{width}x{height}-{'grey' if channels == 1 else 'rgb'}-q{quality}.lcdc"
        (folder / name).write_bytes(data)
        pixels = codec.decode(data, zoo).pixels
        expected[name] = {
            "symbols": symbols(unpack(data), model.entropy),
            "corner": pixels[:2, :2].ravel().tolist(),
            "mean": float(pixels.mean()),
        }
        if drawn:
            columns = (width - round(photo * width)) // 16 * 16  # whole blocks of the page
            digest = hashlib.sha256(pixels[:, :columns].tobytes()).hexdigest()
            expected[name] |= {"exact_columns": columns, "exact": digest}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[2:] == ["--regions"]:
        write_streams(Path(sys.argv[1]), Zoo([GOLDEN / "v1"]), [(*case, None) for case in REGION_CASES])
    elif sys.argv[2:] == ["--exact"]:
        write_streams(Path(sys.argv[1]), Zoo([GOLDEN / "v1"]), EXACT_CASES)
    elif sys.argv[2:] == ["--context"]:
        main(Path(sys.argv[1]), CONTEXTUAL)
    elif sys.argv[2:] == ["--dependent"]:
        main(Path(sys.argv[1]), CONTEXTUAL, effort=1)
    else:
        main(Path(sys.argv[1]))
