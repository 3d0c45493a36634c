"""Pictures that would be better off elsewhere get a word; photos get none, and are not decoded for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.advice import advise
from lcodec.codec import decode, encode
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.pictures import page, picture

ZOO = Zoo()
PHOTO = np.asarray(Image.open(Path(__file__).parent / "data" / "photo.jpg").convert("RGB"))
ROWS, COLUMNS = np.mgrid[:128, :128]


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, :, None], 3, axis=2).astype(np.uint8)


DRAWN = {
    "checkerboard": grey((ROWS + COLUMNS) % 2 * 255),
    "lines": np.stack([COLUMNS % 2 * 255, 0 * ROWS, (COLUMNS + 1) % 2 * 255], axis=2).astype(np.uint8),
    "dither": grey((np.random.default_rng(0).integers(0, 256, (128, 128)) < 2 * COLUMNS) * 255),
    "flat": grey(ROWS // 32 * 60),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_is_exact_and_gets_no_word(name: str, channels: int) -> None:
    original = Picture(np.ascontiguousarray(DRAWN[name][:, :, :channels]))
    data = encode(original, ZOO.load("mse"), 100)
    pixels = decode(data, ZOO).pixels
    assert (pixels == original.pixels).all()
    assert advise(original, data, 100, lambda: pixels) is None


@pytest.mark.parametrize("name", DRAWN)
def test_where_a_lossless_file_is_smaller_it_says_so(name: str) -> None:
    original = Picture(DRAWN[name])
    data = encode(original, ZOO.load("mse"), 100, exact=False)
    advice = advise(original, data, 100, lambda: pytest.fail("decoded"))
    assert advice is not None
    assert advice.lossless_is_smaller
    assert "PNG" in advice.note
    assert "\n" not in advice.note


@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[:, :, :1], picture(200, 300), PHOTO[:40, :40]])
def test_photos_get_none_and_are_not_decoded(pixels: np.ndarray) -> None:
    assert advise(Picture(np.ascontiguousarray(pixels)), b"", 0, lambda: pytest.fail("decoded")) is None


@pytest.mark.parametrize("quality", [20, 60, 100])
def test_noise_gets_a_word(quality: float) -> None:
    noise = Picture(np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8))
    data = encode(noise, ZOO.load("mse"), quality, effort=0)
    advice = advise(noise, data, quality, lambda: decode(data, ZOO).pixels)
    assert advice is not None
    assert "unlike a photo" in advice.note


def test_what_comes_out_poor_gets_a_word() -> None:
    """It is drawn, a lossless file would be larger, and nothing is exact: as at low qualities."""
    pixels = page(96, 128)
    assert advise(Picture(pixels), bytes(100), 50, lambda: pixels) is None
    poor = advise(Picture(pixels), bytes(100), 50, lambda: 255 - pixels)
    assert poor is not None
    assert "only" in poor.note
    assert not poor.lossless_is_smaller
    alpha = np.where(np.arange(96)[:, None] + np.zeros(128, int) < 90, 255, 0).astype(np.uint8)
    unseen = np.where(alpha[:, :, None] > 0, pixels, 255 - pixels)
    assert advise(Picture(pixels, alpha=alpha), bytes(100), 50, lambda: unseen) is None
