"""The parts of `benchmarks.realism`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.realism import _law, _told_apart, area_under_curve, top_octave
from tests.support.pictures import picture


def test_area_under_the_curve() -> None:
    low, high = np.arange(10.0), np.arange(10.0) + 20
    assert area_under_curve(high, low) == 1
    assert area_under_curve(low, high) == 0
    assert area_under_curve(low, low) == 0.5


def test_energy_of_the_top_octave_is_of_fine_detail() -> None:
    rows, columns = np.mgrid[:64, :64]
    fine, coarse = (
        np.repeat((128 + 60 * np.sin(2 * np.pi * frequency * (rows + columns)))[:, :, None], 3, axis=2).astype(np.uint8)
        for frequency in (0.3, 0.1)
    )
    assert top_octave(fine) > 100 * top_octave(coarse)


def test_the_law_joins_both_ends() -> None:
    curve = [{"realism": f"{share}", "psnr": f"{psnr}"} for share, psnr in ((0, 30), (0.5, 29), (1, 28))]
    found = [_law(row, curve) for row in curve]
    assert [found[0], found[2]] == pytest.approx([30, 28])
    assert 29 < found[1] < 30  # a quarter of the way in distortion


def test_a_fresh_critic_tells_what_is_to_be_told() -> None:
    originals = [picture(120, 130, seed=seed) for seed in range(4)]
    flat = [np.full_like(each, 128) for each in originals]
    assert _told_apart((originals[:2], flat[:2]), (originals[2:], flat[2:]), 0, 12) > 0.9
