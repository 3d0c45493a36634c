"""The Wasserstein distortion against a second implementation, by matrices, and its differentiable twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.metrics import MEASURES, differentiable, wasserstein
from lcodec.picture import Picture
from tests.support.pictures import picture


def halving(size: int) -> np.ndarray:
    """The matrix of [1 2 1] / 4 at every second sample, edges repeated."""
    matrix = np.zeros(((size + 1) // 2, size))
    for row in range(len(matrix)):
        for offset, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
            matrix[row, min(max(2 * row + offset, 0), size - 1)] += weight
    return matrix


def doubling(size: int) -> np.ndarray:
    """The matrix from half the samples to `size`: each at its place, and means between them."""
    matrix = np.zeros((size, (size + 1) // 2))
    for row in range(size):
        matrix[row, row // 2] += 0.5
        matrix[row, min((row + 1) // 2, matrix.shape[1] - 1)] += 0.5
    return matrix


def reference(original: np.ndarray, decoded: np.ndarray) -> float:
    """Band by band and channel by channel, as METRICS.md says it."""

    def low(x: np.ndarray) -> np.ndarray:
        return halving(x.shape[0]) @ x @ halving(x.shape[1]).T

    planes = [[each[:, :, c] / 255 for c in range(each.shape[2])] for each in (original, decoded)]
    total = 0.0
    for octave in range(4):
        lower = [[low(plane) for plane in each] for each in planes]
        if octave < 3:
            bands = [
                [
                    plane - doubling(plane.shape[0]) @ below @ doubling(plane.shape[1]).T
                    for plane, below in zip(each, halved, strict=True)
                ]
                for each, halved in zip(planes, lower, strict=True)
            ]
        else:
            bands = planes
        unit = np.mean([np.mean((band - band.mean()) ** 2) for band in bands[0]]) + 1 / 255**2
        for pooled in (1, 2):
            found = []
            for first, second in zip(*bands, strict=True):
                moments = [first, first**2, second, second**2]
                for _ in range(pooled):
                    moments = [low(moment) for moment in moments]
                mean1, square1, mean2, square2 = moments
                deviations = [np.sqrt(square - mean**2 + 1e-6) for mean, square in ((mean1, square1), (mean2, square2))]
                found.append(np.mean((mean1 - mean2) ** 2 + (deviations[0] - deviations[1]) ** 2))
            total += np.mean(found) / unit
        planes = lower
    return total


def twin(original: np.ndarray, decoded: np.ndarray) -> float:
    tensors = [torch.from_numpy(each.astype(np.float32) / 255)[None] for each in (decoded, original)]
    return float(differentiable.wasserstein(*tensors))


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 1000))
def test_it_is_what_metrics_md_says(height: int, width: int, channels: int, seed: int) -> None:
    original = picture(height, width, channels, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 20, original.shape)
    decoded = np.clip(original + noise, 0, 255).astype(np.uint8)
    measured = wasserstein(original, decoded)
    assert measured == pytest.approx(reference(original, decoded), rel=1e-9, abs=1e-12)
    assert twin(original, decoded) == pytest.approx(measured, rel=1e-3, abs=1e-4)
    assert wasserstein(original, original) == 0
    assert twin(original, original) == 0


def test_texture_of_the_same_strength_is_near_and_none_is_far() -> None:
    """What the mean squared error sees the other way round."""
    rng = np.random.default_rng(1)
    grain, other = (np.clip(rng.normal(128, 30, (128, 128, 3)), 0, 255).astype(np.uint8) for _ in range(2))
    flat = np.full_like(grain, 128)
    assert wasserstein(grain, other) < 0.6 * wasserstein(grain, flat)
    assert MEASURES["psnr"](grain, other) < MEASURES["psnr"](grain, flat)  # type: ignore[operator]
    assert wasserstein(flat, grain) > 10 * wasserstein(grain, flat)  # in units of the original's contrast


def test_its_scale_rises_with_quality() -> None:
    measure, original = MEASURES["wasserstein"], picture(60, 70)
    near, far = (np.clip(original.astype(int) + step, 0, 255).astype(np.uint8) for step in (3, 30))
    values = [measure.scale(measure(original, each) or 0) for each in (far, near)]
    assert values == sorted(values)
    assert measure(original, original) == 0


def test_pictures_must_match() -> None:
    first = Picture(picture(10, 10)).pixels
    with pytest.raises(ValueError, match="one shape"):
        wasserstein(first, first[:, :, :1])
