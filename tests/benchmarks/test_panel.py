"""The panel of known order: versions of equal squared error, and what is made of their figures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks.panel import VERSIONS, order, panel, shifted, squared_error, warped
from lcodec.metrics import MEASURES
from tests.support.command import PHOTO


def test_all_versions_have_the_error_of_a_shift_by_a_pixel() -> None:
    with Image.open(PHOTO) as image:
        photo = np.asarray(image.convert("RGB").crop((200, 100, 392, 292)))
    versions = panel(photo, "mse-fast")
    assert tuple(versions) == VERSIONS
    wanted = squared_error(photo, shifted(photo))
    for version, factor in versions.values():
        assert squared_error(photo, version) == pytest.approx(wanted, rel=0.03)
        assert factor == pytest.approx(1, abs=0.2)
    assert MEASURES["ssimulacra2"](photo, versions["noise"][0]) is not None
    assert np.array_equal(versions["shift"][0][:, 1:], photo[:, :-1])


def test_a_warp_moves_by_its_strength() -> None:
    ramp = np.arange(96, dtype=np.uint8).repeat(3).reshape(1, 96, 3).repeat(64, axis=0)
    motion = np.abs(warped(ramp, 4.0).astype(int) - ramp)[8:-8, 8:-8]
    assert 2 <= motion.max() <= 5
    assert np.array_equal(warped(ramp, 0.0), ramp)


def test_order_counts_photos_and_knows_which_way_is_near() -> None:
    values = {"shift": (1, 2), "warp": (1, 1), "blur": (3, 1.5), "noise": (4, 4), "jpeg": (0.5, 0.5), "lcodec": (1, 1)}
    rows = [
        {"version": version, "lpips": str(given[index]), "haarpsi": str(given[index] / 10)}
        for version, given in values.items()
        for index in range(2)
    ]
    found = order(rows, "lpips")  # a distance
    assert (found["shift < blur"], found["shift < noise"], found["shift < jpeg"]) == ("50%", "100%", "0%")
    assert found["shift"] == f"{-10 * np.log10(1 * 2) / 2:.4f}"
    assert order(rows, "haarpsi")["shift < noise"] == "0%"  # a similarity
