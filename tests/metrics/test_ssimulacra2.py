"""SSIMULACRA2 against its description, written out again, and against figures of its authors' program."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lcodec.metrics import MEASURES
from lcodec.metrics.ssimulacra2 import TAPS, WEIGHTS
from tests.support.command import PHOTO
from tests.support.pictures import picture, posterised

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def test_ssimulacra2_reads_as_its_authors_say(photo: Pixels) -> None:
    """Of its documentation: 100 is equal; about 30 is the average of libjpeg-turbo at quality 20, 4:2:0."""
    measure = MEASURES["ssimulacra2"]
    scores = []
    for quality in (5, 20, 60, 95):
        file = BytesIO()
        Image.fromarray(photo).save(file, "JPEG", quality=quality, subsampling=2)
        with Image.open(file) as image:
            scores.append(measure(photo, np.asarray(image)))
    assert measure(photo, photo) == pytest.approx(100, abs=1e-6)
    assert scores == sorted(scores)
    assert 15 < scores[1] < 60


def blurred(planes: Floats) -> Floats:
    """The blur, with zeros beyond the edges; its window has a test of its own. (H, W, 3) -> (H, W, 3)."""
    planes = np.pad(planes, ((4, 4), (4, 4), (0, 0)))
    for axis in (0, 1):
        planes = np.apply_along_axis(np.convolve, axis, planes, [*TAPS[:0:-1], *TAPS], mode="valid")
    return planes


def positive_xyb(linear: Floats) -> Floats:
    """The colour space of JPEG XL, shifted and stretched as SSIMULACRA2 has it. (H, W, 3) -> (H, W, 3)."""
    red, green = (0.3, 0.23, 0.24342268924547819), (0.622, 0.692, 0.20476744424496821)
    cones = np.stack([red, green, 1 - np.add(red, green)])  # (3, 3): by R, G, B, then by long, middle, short
    bias = 0.0037930732552754493
    long, middle, short = np.moveaxis(np.cbrt(linear @ cones + bias) - np.cbrt(bias), 2, 0)
    x, y = (long - middle) / 2, (long + middle) / 2
    return np.stack([14 * x + 0.42, y + 0.01, short - y + 0.55], axis=2)


def reference_ssimulacra2(first: Pixels, second: Pixels) -> float:
    """Version 2.1 by its description, for sides that are multiples of 32; only window and weights are lcodec's."""
    pair = [np.where((v := p / 255) <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) for p in (first, second)]
    maps = []
    for _ in range(6):
        one, two = map(positive_xyb, pair)
        mean1, mean2 = blurred(one), blurred(two)
        structure = 2 * (blurred(one * two) - mean1 * mean2) + 0.0009
        structure /= blurred(one * one) - mean1**2 + blurred(two * two) - mean2**2 + 0.0009
        edges = (1 + abs(two - mean2)) / (1 + abs(one - mean1)) - 1
        dissimilar = np.maximum(0, 1 - (1 - (mean1 - mean2) ** 2) * structure)
        maps.append((dissimilar, np.maximum(0, edges), np.maximum(0, -edges)))
        pair = [(p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in pair]
    features = [
        (kind[:, :, channel] ** power).mean() ** (1 / power)
        for channel in range(3)
        for scale in maps
        for power in (1, 4)
        for kind in scale
    ]
    error = 0.9562382616834844 * float(WEIGHTS.ravel() @ features)
    error = 2.326765642916932 * error - 0.020884521182843837 * error**2 + 6.248496625763138e-05 * error**3
    return 100 - 10 * max(error, 0) ** 0.6276336467831387


@pytest.mark.parametrize("step", [12, 40, 90])
def test_ssimulacra2_is_that_of_its_description(step: int) -> None:
    with Image.open(PHOTO) as image:
        first = np.asarray(image.convert("RGB").crop((100, 100, 420, 356)))
    second = posterised(first, step)
    assert MEASURES["ssimulacra2"](first, second) == pytest.approx(reference_ssimulacra2(first, second), abs=1e-6)


def test_the_blur_of_ssimulacra2_is_nearly_a_gaussian() -> None:
    gaussian = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2)) / (1.5 * np.sqrt(2 * np.pi))
    assert pytest.approx(gaussian, abs=2e-3) == TAPS
    assert TAPS[0] + 2 * sum(TAPS[1:]) == pytest.approx(1, abs=1e-12)
    assert 2 * sum(tap * i**2 for i, tap in enumerate(TAPS)) == pytest.approx(1.5**2, abs=1e-9)


@pytest.mark.skipif("LCODEC_KODAK" not in os.environ, reason="LCODEC_KODAK does not name Kodak's folder")
def test_ssimulacra2_of_kodak_is_that_of_the_reference() -> None:
    """The mean of JPEG (libjpeg-turbo 3.2, 4:2:0, quality 10), by the C++ program, version 2.1."""
    scores = []
    for path in sorted(Path(os.environ["LCODEC_KODAK"]).glob("*.png")):
        with Image.open(path) as image:
            original = image.convert("RGB")
        file = BytesIO()
        original.save(file, "JPEG", quality=10, subsampling=2, optimize=True)
        with Image.open(file) as image:
            scores.append(MEASURES["ssimulacra2"](np.asarray(original), np.asarray(image)))
    assert len(scores) == 24
    assert np.mean(scores) == pytest.approx(-13.911570, abs=0.05)


def test_ssimulacra2_of_small_odd_and_grey_pictures() -> None:
    measure = MEASURES["ssimulacra2"]
    for shape in ((8, 8, 3), (9, 33, 1), (31, 17, 3)):
        first = picture(*shape)
        assert measure(first, first) == pytest.approx(100, abs=1e-6)
        assert (measure(first, posterised(first, 50)) or 100) < 90
    assert measure(first[:7], first[:7]) is None
