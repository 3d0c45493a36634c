"""Why the DCT: rate against distortion of six block transforms of a first-order autoregressive source.

Ahmed, Natarajan and Rao 1974, "Discrete cosine transform", Fig. 5: the source has a correlation of .9 between
neighbours, the blocks have 16 samples. The coefficients of a Gaussian source have known variances; reverse
water-filling (Cover and Thomas 2006, section 10.3) shares distortion among them, as if each were coded on its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save

RHO, SIZE = 0.9, 16
DISTORTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)

Matrix = NDArray[np.float64]


def covariance() -> Matrix:
    """Return that of a block of the source, of variance 1."""
    places = np.arange(SIZE)
    return RHO ** np.abs(places[:, None] - places)


def haar(size: int) -> Matrix:
    """Return the orthonormal Haar transform, basis vectors as rows."""
    if size == 1:
        return np.ones((1, 1))
    coarse, fine = np.kron(haar(size // 2), [1, 1]), np.kron(np.eye(size // 2), [1, -1])
    return np.concatenate((coarse, fine)) / np.sqrt(2)


def bases() -> dict[str, Matrix]:
    """Return the transforms by name: orthonormal basis vectors as rows, in real form for the DFT."""
    k, n = np.mgrid[:SIZE, :SIZE]
    cosine = np.where(k == 0, 1, np.sqrt(2)) * np.cos(np.pi * k * (2 * n + 1) / (2 * SIZE)) / np.sqrt(SIZE)
    waves = np.exp(2j * np.pi * k * n / SIZE) / np.sqrt(SIZE)
    middle = slice(1, SIZE // 2)
    parts = (waves.real[: SIZE // 2 + 1 : SIZE // 2], np.sqrt(2) * waves.real[middle], np.sqrt(2) * waves.imag[middle])
    hadamard = np.ones((1, 1))
    while len(hadamard) < SIZE:
        hadamard = np.kron([[1, 1], [1, -1]], hadamard) / np.sqrt(2)
    return {
        "KLT": np.linalg.eigh(covariance())[1].T[::-1],
        "DCT": cosine,
        "DFT": np.concatenate(parts),
        "WHT": hadamard,
        "Haar": haar(SIZE),
        "identity": np.eye(SIZE),
    }


def variances(basis: Matrix) -> Matrix:
    """Return the variances of the coefficients, shape (SIZE,)."""
    return np.einsum("kn,nm,km->k", basis, covariance(), basis)


def coding_gain(basis: Matrix) -> float:
    """Return the gain of high rates over no transform, in dB: arithmetic over geometric mean of the variances."""
    found = variances(basis)
    return float(10 * (np.log10(found.mean()) - np.log10(found).mean()))


def rate(found: Matrix, distortion: float) -> float:
    """Return bits a sample at a mean squared error a sample, between 0 and the mean variance, by water-filling."""
    low, high = 0.0, float(found.max())
    for _ in range(60):  # the water level, by bisection
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(found, level).mean() < distortion else (low, level)
    return float(np.maximum(0, np.log2(found / high)).mean() / 2)


def make(given: Given) -> None:
    """Draw the curves and the gains."""
    found = {name: variances(basis) for name, basis in bases().items()}
    rows = [
        {"transform": name, "coding_gain_db": f"{coding_gain(basis):.3f}"}
        | {f"rate_at_{distortion:g}": f"{rate(found[name], distortion):.3f}" for distortion in DISTORTIONS}
        for name, basis in bases().items()
    ]
    write_rows(given.out / "transforms.csv", rows)
    figure, (curves, gains) = panels(2, 340, widths=[2, 1])
    levels = np.geomspace(0.008, 0.98, 120)
    for (name, each), colour, style in zip(found.items(), COLOURS.values(), ("-", "--") * 3, strict=False):
        curves.plot(
            [rate(each, level) for level in levels], levels, style, color=colour, label=name, zorder=2 + len(style)
        )
    curves.set_yscale("log")
    curves.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    curves.set_xlabel("rate, bits a sample")
    curves.set_ylabel("distortion, mean squared error (variance 1)")
    curves.legend(loc="upper right")
    names = list(found)
    heights = [float(row["coding_gain_db"]) for row in rows]
    bars = gains.barh(names[::-1], heights[::-1], color=list(COLOURS.values())[: len(names)][::-1])
    gains.bar_label(bars, [f"{height:.2f}" for height in heights[::-1]], padding=3)
    gains.set_xlim(0, 9)
    gains.set_xticks([0, 2, 4, 6])
    gains.set_xlabel("coding gain, dB")
    gains.grid(visible=False, axis="y")
    save(figure, given, "transforms")


FIGURE = Figure(
    "transforms",
    "Why the DCT: block transforms of a correlated source",
    "A transform helps a codec by gathering variance in few coefficients: these are the least rates of a source with a "
    "correlation of 0.9 between neighbours, in blocks of 16. The DCT, which knows nothing of the source, is within "
    "0.04 dB of the Karhunen-Loève transform, which is made for it, and leaves the Fourier, Walsh-Hadamard and Haar "
    "transforms a decibel behind. That is as far as a linear transform gets: to do better, it has to be nonlinear, and "
    "learned.",
    make,
)
