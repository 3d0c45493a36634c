"""Transforms of photos: the KLT of 16x16x3 blocks beside the linear layer that training made of it.

The analysis is a linear layer over blocks of 16x16 pixels (`analysis.shortcut`) plus a nonlinear network
(`lcodec.networks.transforms`); training starts the layer as the Karhunen-Loeve transform of some photos, and the
network near zero (`lcodec.training.parameters.start`). Here are that KLT, of the photos given, and the layer of the
shipped model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import open_model, write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save
from lcodec.networks.transforms import LATENT_STRIDE
from lcodec.training.parameters import FIXED

CROPS, CROP = 1500, 128
#: Basis functions shown, in rows and columns.
SHOWN = 8

Matrix = NDArray[np.float64]


def measured(given: Given) -> tuple[Matrix, Matrix]:
    """Return the KLT of the photos, basis functions (320, 768) as rows, and deviations of its coefficients (320,)."""
    import torch

    from lcodec.training.data import load_photos
    from lcodec.training.parameters import start

    photos = load_photos(given.train)
    crops = photos.crops(photos.draw(CROPS, CROP, np.random.default_rng(0)))
    arrays = start(crops, torch.Generator(), open_model("mse")[1].architecture)
    return arrays["analysis.shortcut.weight"].double().numpy(), arrays[f"{FIXED}latent_std"].double().numpy()


def trained() -> tuple[Matrix, Matrix]:
    """Return the same of the shipped model: its rows were of length 1 when training began."""
    arrays = open_model("mse")[1].arrays
    deviations = arrays[f"{FIXED}latent_std"].astype(np.float64)
    return arrays["analysis.shortcut.weight"] * deviations[:, None], deviations


def mosaic(rows: Matrix) -> Matrix:
    """Return pictures of basis functions side by side, (H, W, 3) in 0..1, each at its own contrast."""
    side, gap = LATENT_STRIDE, 2
    canvas = np.ones((SHOWN * (side + gap) - gap, SHOWN * (side + gap) - gap, 3))
    for index, row in enumerate(rows[: SHOWN**2]):
        top, left = (place * (side + gap) for place in divmod(index, SHOWN))
        canvas[top : top + side, left : left + side] = row.reshape(side, side, 3) / np.abs(row).max() / 2 + 0.5
    return canvas


def coherence(rows: Matrix) -> Matrix:
    """Return how far each basis function is of one orientation, 0 to 1 (320,): the coherence of its structure tensor.

    |sum of E exp(2 i angle)| / sum of E over the spectrum E of its luma; two gratings that cross make it small.
    """
    side = LATENT_STRIDE
    luma = rows.reshape(-1, side, side, 3) @ np.array([0.299, 0.587, 0.114])
    energy = np.abs(np.fft.fft2(luma, (4 * side, 4 * side))) ** 2
    frequency = np.fft.fftfreq(4 * side)
    angle = np.arctan2(frequency[:, None], frequency)
    whole: Matrix = np.abs((energy * np.exp(2j * angle)).sum(axis=(1, 2))) / energy.sum(axis=(1, 2))
    return whole


def _show(axes: Any, rows: Matrix, title: str) -> None:
    axes.imshow(mosaic(rows), interpolation="none")
    axes.set_axis_off()
    axes.set_title(title)


def make(given: Given) -> None:
    """Draw both bases, and how they compare."""
    (klt, deviations), (layer, at_start) = measured(given), trained()
    klt *= np.sign((klt * layer).sum(axis=1))[:, None]  # a basis function may as well have the other sign
    length = np.linalg.norm(layer, axis=1)
    inside = ((layer @ klt.T) ** 2).sum(axis=1) / length**2
    oriented = coherence(klt), coherence(layer)
    rows = [
        {
            "channel": str(i),
            "klt_deviation": f"{deviations[i]:.5f}",
            "model_deviation": f"{at_start[i]:.5f}",
            "length": f"{length[i]:.4f}",
            "in_span_of_klt": f"{inside[i]:.4f}",
            "klt_coherence": f"{oriented[0][i]:.4f}",
            "layer_coherence": f"{oriented[1][i]:.4f}",
        }
        for i in range(len(layer))
    ]
    write_rows(given.out / "klt.csv", rows)
    figure, panel = panels(4, 640, columns=2)
    _show(panel[0], klt, f"KLT of 16x16x3 blocks: the first {SHOWN**2}")
    _show(panel[1], layer, "what training made of a KLT")
    panel[2].semilogy(deviations, color=COLOURS["blue"], label="KLT of these photos")
    panel[2].semilogy(at_start, "--", color=COLOURS["vermillion"], label="KLT that training began with")
    panel[2].set_ylabel("standard deviation\n(pixels from 0 to 1)")
    for values, colour, mark, words in zip(oriented, ("blue", "vermillion"), "xo", ("KLT", "layer"), strict=True):
        shown = values[: SHOWN**2]
        panel[3].plot(shown, mark, ms=4, color=COLOURS[colour], label=f"{words}, mean {shown.mean():.2f}")
    panel[3].set_ylim(-0.02, 1.3)
    panel[3].set_ylabel("coherence (1: one orientation alone)")
    for axes in panel[2:]:
        axes.set_xlabel("channel, by falling variance")
        axes.legend()
    save(figure, given, "klt")


FIGURE = Figure(
    "klt",
    "Transforms of photos: the KLT, and what training made of it",
    "On the left the Karhunen-Loève transform of photos, the best that a linear transform of blocks of 16x16 pixels "
    "can do; on the right the linear layer of the analysis, which training began as such a KLT and then changed "
    "together with the nonlinear network beside it. It still spans the same coefficients, and its low frequencies "
    "have grown. But the crossing waves of the KLT, which knows variances alone, have become gratings of one "
    "orientation, as the coherence of their spectra says: edges have orientations, and the network can use them.",
    make,
    ("train", "torch"),
)
