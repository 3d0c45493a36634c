"""The energy of fine detail, and the distributions of sub-bands: what a set keeps of its originals' statistics.

Both need NumPy alone. That energy is lost, or that coefficients become sparse, is what decoders trained for squared
error do to texture; the right energy alone does not make a picture look real, so read them beside the critic's figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.sets.estimate import Estimate, with_interval
from lcodec.metrics.sets.patches import PATCH, Patches, Pixels
from lcodec.metrics.wasserstein import BANDS, VARIANCE_FLOOR, laplacian_pyramid

__all__ = ["OCTAVES", "marginals", "octave_energies", "spectrum"]

#: Octaves of the spectrum, the finest first: radii in cycles a sample. Corners beyond 0.5 are left out.
OCTAVES = ((0.25, 0.5), (0.125, 0.25), (0.0625, 0.125))
#: Bins of sub-band coefficients, which lie in -1..1: half of an 8-bit level.
_BINS = 1021
#: Of one 8-bit level, the variance of the rounding: added to every energy, so that flat photos have ratios too.
_ROUNDING = 1 / 12 / 255**2


def spectrum(patches: Patches) -> dict[str, Estimate]:
    """Return how much of the originals' energy is there: `octave-1` (the finest) to `octave-3`.

    Each is the geometric mean over photos of energy decoded / energy original, of all patches of the photo, in an
    octave of the spectrum of the windowed luma: 1, the same; below, detail was lost; above, it was added.
    """
    member = np.eye(patches.count)[patches.photos]
    energies = [member.T @ octave_energies(each) / member.sum(axis=0)[:, None] for each in _both(patches)]
    logarithms = np.log(energies[1] / energies[0])  # (photos, octaves)

    def ratio(octave: int) -> Estimate:
        return with_interval(
            lambda weights: float(np.exp(weights @ logarithms[:, octave] / weights.sum())), len(member.T)
        )

    return {f"octave-{octave + 1}": ratio(octave) for octave in range(len(OCTAVES))}


def octave_energies(patches: Pixels) -> NDArray[np.float64]:
    """Return the mean energy of each octave's frequencies: uint8 (N, PATCH, PATCH, 3) -> (N, octaves)."""
    window = np.hanning(PATCH)[:, None] * np.hanning(PATCH)
    window /= np.sqrt((window**2).sum())
    frequencies = np.fft.fftfreq(PATCH)
    radius = np.hypot(frequencies[:, None], frequencies)
    inside = np.stack([(radius >= low) & (radius < high) for low, high in OCTAVES]).reshape(len(OCTAVES), -1)
    found = []
    for patch in patches:
        luma = patch @ np.array([0.299, 0.587, 0.114]) / 255
        energy = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2
        found.append(inside @ energy.ravel() / inside.sum(axis=1) + _ROUNDING)
    return np.stack(found)


def marginals(patches: Patches) -> dict[str, Estimate]:
    """Return how far the distributions of sub-band coefficients are from the originals', as `marginals`.

    For each of three octaves of a Laplacian pyramid of R, G and B, the 1-Wasserstein distance between the histograms of
    all coefficients of the set, over the deviation of the originals' coefficients; then the mean over the octaves: 0,
    the same distributions; 0.1, coefficients lie on average a tenth of a standard deviation off.
    """
    originals, decoded = (_histograms(each, patches.photos) for each in _both(patches))
    levels = np.linspace(-1, 1, _BINS)

    def distance(weights: NDArray[np.float64]) -> float:
        first, second = (np.tensordot(weights, each, 1) for each in (originals, decoded))  # (BANDS, bins)
        first, second = (each / each.sum(axis=1, keepdims=True) for each in (first, second))
        moved = np.abs((first - second).cumsum(axis=1)).sum(axis=1) * (levels[1] - levels[0])
        variance = first @ levels**2 - (first @ levels) ** 2
        return float((moved / np.sqrt(variance + VARIANCE_FLOOR)).mean())

    return {"marginals": with_interval(distance, len(originals))}


def _both(patches: Patches) -> tuple[Pixels, Pixels]:
    return patches.originals, patches.decoded


def _histograms(patches: Pixels, photos: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts of the coefficients of each photo and band, (photos, BANDS, _BINS)."""
    counts = np.zeros((int(photos.max()) + 1, BANDS, _BINS))
    for photo in range(len(counts)):
        stacked = np.concatenate(list(patches[photos == photo]), axis=2) / 255  # all patches as channels
        for band, coefficients in enumerate(laplacian_pyramid(stacked)[:BANDS]):
            places = np.rint((coefficients.ravel() + 1) / 2 * (_BINS - 1)).astype(np.int64)
            counts[photo, band] = np.bincount(places.clip(0, _BINS - 1), minlength=_BINS)
    return counts
