"""The table of metrics by name: grey and colour, what has no value, the axes they are drawn on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lcodec.metrics import MEASURES, psnr, psnr_y
from tests.support.pictures import picture, posterised

Pixels = npt.NDArray[np.uint8]


def test_psnr_y_is_that_of_pillows_luma(photo: Pixels) -> None:
    noise = np.random.default_rng(1).normal(0, 12, photo.shape)
    other = np.clip(photo + noise, 0, 255).astype(np.uint8)
    planes = [np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None] for pixels in (photo, other)]
    assert psnr_y(photo, other) == pytest.approx(psnr(*planes), abs=0.02)  # Pillow rounds its luma
    assert psnr_y(*planes) == pytest.approx(psnr(*planes))


@pytest.mark.parametrize("name", ["psnr", "psnr-y", "ms-ssim", "haarpsi"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour(name: str, channels: int) -> None:
    first, second = picture(170, 190, channels, seed=1), picture(170, 190, channels, seed=2)
    measure = MEASURES[name]
    value = measure(first, second)
    assert value is not None
    assert measure.scale(value) > 0


def test_what_is_not_defined_has_no_value() -> None:
    small = picture(20, 20)
    assert MEASURES["psnr"](small, small) is None  # infinite
    assert MEASURES["ms-ssim"](small, posterised(small, 9)) is None  # under 161 pixels


def test_lower_is_better_becomes_higher_on_the_axis() -> None:
    scale = MEASURES["lpips"].scale
    assert scale(0.01) == pytest.approx(20)
    assert scale(0.1) < scale(0.01)
    assert replace(MEASURES["psnr"], function=lambda *_: 3.0)(picture(4, 4), picture(4, 4)) == 3
