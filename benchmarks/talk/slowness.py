"""Slowness: frames a moment apart beside distortions of equal squared error, by pixels and by PIM.

What the world shows changes slowly, while its pixels may change at once: a metric that learns what is predictable of
one frame from the next (`lcodec.metrics.pim`) finds frames near that squared error calls far apart. Noise, blur and
JPEG of the first frame have the squared error of the second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import write_rows
from benchmarks.panel import as_jpeg, blurred, noisy, scaled, searched, squared_error
from benchmarks.talk.common import COLOURS, MARKS, Figure, Given, panels, save, steps
from lcodec.metrics import psnr

#: Pairs at most, evenly spread, and the side of the square in the middle that is taken of each.
COUNT, SIDE = 48, 192
#: Frames that differ by less tell nothing, in squared levels; of a clip's cut nothing is predictable.
LEAST, MOST = 20.0, 2500.0
VERSIONS = ("next frame", "noise", "blur", "jpeg")

Pixels = NDArray[np.uint8]


def middle(frames: NDArray[np.uint8]) -> tuple[Pixels, Pixels]:
    """Return the squares in the middle of two frames (H, W, 6), (SIDE, SIDE, 3) each."""
    top, left = ((side - SIDE) // 2 for side in frames.shape[:2])
    cut = frames[top : top + SIDE, left : left + SIDE]
    return np.ascontiguousarray(cut[..., :3]), np.ascontiguousarray(cut[..., 3:])


def versions(first: Pixels, second: Pixels) -> dict[str, Pixels]:
    """Return the second frame, and distortions of the first as far from it in squared error."""
    mse = squared_error(first, second)
    made = {
        "noise": searched(noisy, first, mse, 128),
        "blur": searched(blurred, first, mse, 32),
        "jpeg": as_jpeg(first, mse),
    }
    return {"next frame": second} | {name: scaled(first, version, mse)[0] for name, version in made.items()}


def measure(given: Given) -> list[dict[str, str]]:
    """Return a row for each version of each pair: PSNR and PIM to the first frame."""
    from lcodec.metrics.pim import pim
    from lcodec.training.data import load_pairs

    pairs = load_pairs(given.pairs)
    large = np.flatnonzero((pairs.sizes >= SIDE).all(axis=1))
    chosen = large[np.linspace(0, len(large) - 1, min(COUNT, len(large))).round().astype(int)]
    rows = []
    for place in steps(len(chosen), "pairs"):
        first, second = middle(pairs.photo(int(chosen[place])))
        if not LEAST <= squared_error(first, second) <= MOST:
            continue
        for name, version in versions(first, second).items():
            figures = {"psnr": f"{psnr(first, version):.2f}", "pim": f"{pim(first, version):.4f}"}
            rows.append({"pair": str(place), "version": name} | figures)
    return rows


def make(given: Given) -> None:
    """Measure and draw."""
    rows = measure(given)
    write_rows(given.out / "slowness.csv", rows)
    figure, (axes,) = panels(1, 420)
    for name, colour, mark in zip(VERSIONS, COLOURS.values(), MARKS, strict=False):
        own = [(float(row["psnr"]), float(row["pim"])) for row in rows if row["version"] == name]
        axes.plot(*zip(*own, strict=True), mark, color=colour, ms=5, alpha=0.75, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("PSNR to the first frame, dB")
    axes.set_ylabel("PIM to the first frame")
    axes.legend()
    save(figure, given, "slowness")


FIGURE = Figure(
    "slowness",
    "Slowness: near in a metric that learns what stays, far in pixels",
    "Two frames a moment apart show the same things, and PIM, which learned without ratings what one frame tells of "
    "the other, finds them near. Noise, blur and JPEG of the first frame with the squared error of the second are "
    "further away, although PSNR calls all four alike. The frames are of the set that PIM was trained on, so this "
    "shows what it learned, and not how well it generalises.",
    make,
    needs=("pairs", "torch"),
)
