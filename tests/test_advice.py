"""Pictures unlike photos get a word; photos get none, and are not decoded for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.advice import advise, looks_drawn
from lcodec.codec import decode, encode
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.pictures import picture

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
def test_what_is_drawn_gets_a_word(name: str) -> None:
    for pixels in (DRAWN[name], DRAWN[name][:, :, :1]):
        assert looks_drawn(pixels)
        original = Picture(np.ascontiguousarray(pixels))
        data = encode(original, ZOO.load("mse"), 100)
        advice = advise(original, data, 100, lambda data=data: decode(data, ZOO).pixels)
        assert advice is not None
        assert "PNG" in advice.note
        assert "\n" not in advice.note


@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[:, :, :1], picture(200, 300), PHOTO[:40, :40]])
def test_photos_get_none_and_are_not_decoded(pixels: np.ndarray) -> None:
    assert not looks_drawn(pixels)
    assert advise(Picture(np.ascontiguousarray(pixels)), b"", 0, lambda: pytest.fail("decoded")) is None


def test_what_comes_out_well_gets_none() -> None:
    """It looks drawn, but neither is a lossless file smaller nor the picture poor."""
    pixels = PHOTO // 64 * 64  # 64 colours, as noisy as the photo
    assert looks_drawn(pixels)
    assert advise(Picture(pixels), bytes(1000), 50, lambda: pixels) is None
    poor = advise(Picture(pixels), bytes(1000), 50, lambda: 255 - pixels)
    assert poor is not None
    assert not poor.lossless_is_smaller
