"""Perceptual spaces: MacAdam's 25 ellipses of colours that look alike, in xy, CIELAB and Oklab.

MacAdam 1942, "Visual sensitivities to color differences in daylight": the spread of one observer's colour matches. In a
space of perception all of them would be circles of one size. `macadam.csv` has the observed values (Wyszecki and Stiles
2000, table 2(5.4.1)), as the package colour-science 0.4.7 has them (BSD-3-Clause): centre, 1,000 times both half-axes,
and the angle of the longer one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import read_rows, write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save

DATA = Path(__file__).with_name("macadam.csv")
#: Luminance of all the colours, relative to white, and white itself (D65) as X, Y, Z.
LUMINANCE = 0.5
WHITE = np.array([0.95047, 1.0, 1.08883])
#: How many times their size ellipses are drawn.
ENLARGED = 10

Array = NDArray[np.float64]


def xyz(xy: Array) -> Array:
    """Return X, Y, Z of chromaticities at the one luminance: (..., 2) -> (..., 3)."""
    x, y = xy[..., 0], xy[..., 1]
    return np.stack((x / y, np.ones_like(x), (1 - x - y) / y), -1) * LUMINANCE


def lab(xy: Array) -> Array:
    """Return CIELAB (CIE 15:2004, 8.2.1): (..., 2) -> (..., 3), L first."""
    ratio, edge = xyz(xy) / WHITE, 6 / 29
    f = np.where(ratio > edge**3, np.cbrt(ratio), ratio / (3 * edge**2) + 4 / 29)
    return np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), -1)


def oklab(xy: Array) -> Array:
    """Return Oklab (Ottosson 2020, "A perceptual color space for image processing"): (..., 2) -> (..., 3)."""
    to_cones = [
        [0.8189330101, 0.3618667424, -0.1288597137],
        [0.0329845436, 0.9293118715, 0.0361456387],
        [0.0482003018, 0.2643662691, 0.6338517070],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.cbrt(xyz(xy) @ np.array(to_cones).T) @ np.array(to_lab).T


SPACES: dict[str, Callable[[Array], Array]] = {"xy": lambda xy: xy, "CIELAB": lab, "Oklab": oklab}


def ellipses() -> tuple[Array, Array]:
    """Return centres, (25, 2), and axes, (25, 2, 2): the columns are the vectors of the half-axes, the longer first."""
    rows = [[float(value) for value in row.values()] for row in read_rows(DATA)]
    x, y, a, b, theta = np.array(rows).T
    cos, sin = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    return np.stack((x, y), -1), np.array([[a * cos, -b * sin], [a * sin, b * cos]]).transpose(2, 0, 1) / 1000


def half_axes(space: Callable[[Array], Array]) -> Array:
    """Return the half-axes in a space, (25, 2), the longer first, for ellipses so small that they remain ellipses."""
    centres, axes = ellipses()
    steps = 1e-3 * axes.transpose(0, 2, 1)  # (25, axis, 2)
    moved = (space(centres[:, None] + steps) - space(centres[:, None] - steps)) / 2e-3
    return np.linalg.svd(moved, compute_uv=False)


def measures(half: Array) -> dict[str, float]:
    """Return how far half-axes are from circles, and from one size: 1 would be both."""
    ratios, areas = half[:, 0] / half[:, 1], half.prod(1)
    return {
        "mean_ratio_of_axes": float(ratios.mean()),
        "largest_ratio_of_axes": float(ratios.max()),
        "largest_over_smallest_area": float(areas.max() / areas.min()),
        "deviation_of_area": float(np.exp(np.log(areas).std())),
    }


def make(given: Given) -> None:
    """Draw the ellipses in each space, in the plane of chroma, and write the measures."""
    found = {name: measures(half_axes(space)) for name, space in SPACES.items()}
    rows = [{"space": name} | {key: f"{value:.3f}" for key, value in each.items()} for name, each in found.items()]
    write_rows(given.out / "macadam.csv", rows)
    centres, axes = ellipses()
    turn = np.linspace(0, 2 * math.pi, 61)
    circle = np.stack((np.cos(turn), np.sin(turn)), -1)
    outlines = centres[:, None] + ENLARGED * np.einsum("nij,tj->nti", axes, circle)
    figure, panes = panels(3, 330)
    labels = {"xy": ("x", "y"), "CIELAB": ("a*", "b*"), "Oklab": ("a", "b")}
    for pane, (name, space), colour in zip(panes, SPACES.items(), COLOURS.values(), strict=False):
        middle, shown = space(centres)[:, None, -2:], space(centres[:, None] + (outlines - centres[:, None]) / 100)
        for outline, centre in zip(shown[..., -2:], middle, strict=True):
            pane.fill(*(centre + 100 * (outline - centre)).T, facecolor=colour, alpha=0.35, edgecolor=colour)
        pane.set_aspect("equal", "datalim")
        pane.set_xlabel(labels[name][0])
        pane.set_ylabel(labels[name][1])
        each = found[name]
        pane.set_title(
            f"{name}\nmean ratio of axes {each['mean_ratio_of_axes']:.2f}\n"
            f"largest ratio of areas {each['largest_over_smallest_area']:.0f}"
        )
    save(figure, given, "macadam")


FIGURE = Figure(
    "macadam",
    "Perceptual spaces: MacAdam's ellipses",
    "Within each of MacAdam's ellipses (here ten times their size) one observer hardly told the colours apart, so that "
    "in a perceptual space all of them would be circles of one size. CIELAB makes their areas more equal than the "
    "chromaticities x and y do, but draws them out towards blue; Oklab does better in both. A metric that is learned "
    "from people's votes, such as LPIPS, or from what persists in the world, such as PIM, is meant to do for pictures "
    "what these spaces do for colours.",
    make,
)
