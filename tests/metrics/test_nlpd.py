"""NLPD against a second implementation, by matrices, and its differentiable twin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.metrics import MEASURES, differentiable, nlpd
from lcodec.picture import Picture
from tests.support.pictures import picture, posterised

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]

TAPS = dict(zip(range(-2, 3), (0.05, 0.25, 0.4, 0.25, 0.05), strict=True))
#: Of the authors' code: divisor in flat areas; weights above, left, right, below, and two to the right.
SCALES = [
    (0.0248, (0.1011, 0.1493, 0.1460, 0.1015, 0.0072)),
    (0.0185, (0.0757, 0.1986, 0.1846, 0.0837, 0)),
    (0.0179, (0.0477, 0.2138, 0.2243, 0.0467, 0)),
    (0.0191, (0, 0.2503, 0.2616, 0, 0)),
    (0.0220, (0, 0.2598, 0.2552, 0, 0)),
    (0.2782, (0, 0.2215, 0.0717, 0, 0)),
]


def halving(size: int) -> Plane:
    """The matrix of the low-pass at every second sample, edges repeated."""
    matrix = np.zeros(((size + 1) // 2, size))
    for row in range(len(matrix)):
        for offset, weight in TAPS.items():
            matrix[row, min(max(2 * row + offset, 0), size - 1)] += weight
    return matrix


def doubling(size: int) -> Plane:
    """The matrix from half the samples to `size`: each reaches the places that its low-pass took it from."""
    half = (size + 1) // 2
    matrix = np.zeros((size, half))
    for row in range(size):
        for source in range(-2, half + 2):
            matrix[row, min(max(source, 0), half - 1)] += 2 * TAPS.get(row - 2 * source, 0)
    return matrix


def moved(size: int, by: int) -> Plane:
    """The matrix that brings the sample `by` places further on to each place, and zero from beyond the edge."""
    return np.eye(size, k=by)


def reference(first: Pixels, second: Pixels) -> float:
    """Scale by scale and channel by channel, as METRICS.md says it."""
    planes = [[each[:, :, c] / 255 for c in range(each.shape[2])] for each in (first, second)]
    total = 0.0
    for scale, (floor, (above, left, right, below, second_right)) in enumerate(SCALES):
        height, width = planes[0][0].shape
        normalised = []
        for each in planes:
            for at, plane in enumerate(each):
                band = plane
                if scale < 5:
                    each[at] = halving(height) @ plane @ halving(width).T
                    band = plane - doubling(height) @ each[at] @ doubling(width).T
                magnitude = abs(band)
                around = above * moved(height, -1) @ magnitude + below * moved(height, 1) @ magnitude
                for weight, by in ((left, -1), (right, 1), (second_right, 2)):
                    around = around + weight * magnitude @ moved(width, by).T
                normalised.append(band / (floor + around))
        half = len(normalised) // 2
        total += float(np.sqrt(np.mean((np.array(normalised[:half]) - normalised[half:]) ** 2)))
    return total / 6


def twin(first: Pixels, second: Pixels) -> float:
    return float(
        differentiable.nlpd(*(torch.from_numpy(each.astype(np.float32) / 255)[None] for each in (first, second)))
    )


@settings(max_examples=25)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.integers(0, 1000))
def test_it_is_what_metrics_md_says(height: int, width: int, channels: int, seed: int) -> None:
    first = picture(height, width, channels, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 20, first.shape)
    second = np.clip(first + noise, 0, 255).astype(np.uint8)
    measured = nlpd(first, second)
    assert measured == pytest.approx(reference(first, second), rel=1e-9, abs=1e-12)
    assert nlpd(second, first) == pytest.approx(measured, rel=1e-12)
    assert twin(first, second) == pytest.approx(measured, rel=1e-3, abs=1e-4)
    assert nlpd(first, first) == 0
    assert twin(first, first) == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("step", "published", "same_kernel"),
    [
        (5, 0.03528635242480027, 0.0362202714362796),
        (20, 0.14956951540330873, 0.15295039957088807),
        (80, 0.5235811752957192, 0.5302511639524423),
    ],
)
def test_nlpd_is_near_that_of_plenoptic(photo: Pixels, step: int, published: float, same_kernel: float) -> None:
    """Figures of `plenoptic.metric.nlpd` 2.1.1, of red in float64: as it is, and with the paper's kernel in it.

    Its low-pass is binomial, and it mirrors edges.
    """
    measured = nlpd(photo[:, :, :1], posterised(photo, step)[:, :, :1])
    assert measured == pytest.approx(published, rel=0.04)
    assert measured == pytest.approx(same_kernel, rel=0.01)


def test_it_rises_with_the_error_and_its_scale_falls(photo: Pixels) -> None:
    measure = MEASURES["nlpd"]
    values = [measure(photo, posterised(photo, step)) or 0 for step in (5, 20, 80)]
    assert 0 < values[0] < values[1] < values[2]
    assert measure.scale(values[0]) > measure.scale(values[2])
    assert measure(photo, photo) == 0


def test_contrast_masks(photo: Pixels) -> None:
    """The same noise costs less where there is texture than on a flat area, which PSNR does not see."""
    rng = np.random.default_rng(1)
    noise = rng.integers(-6, 7, (128, 128, 3))
    flat = np.full((128, 128, 3), 128, np.uint8)
    grain = rng.integers(88, 169, (128, 128, 3)).astype(np.uint8)
    found = [nlpd(each, (each + noise).astype(np.uint8)) for each in (flat, grain)]
    assert found[1] < 0.75 * found[0]


def test_pictures_must_match() -> None:
    first = Picture(picture(10, 10)).pixels
    with pytest.raises(ValueError, match="one shape"):
        nlpd(first, first[:, :, :1])
