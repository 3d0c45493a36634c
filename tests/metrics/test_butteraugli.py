"""Butteraugli, which libjxl's program measures: what it is given, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lcodec.errors import LcodecError
from lcodec.metrics import MEASURES
from tests.support.pictures import posterised

Pixels = npt.NDArray[np.uint8]

needs_butteraugli = pytest.mark.skipif(
    MEASURES["butteraugli"].missing() is not None, reason="butteraugli_main is not on the PATH"
)


@needs_butteraugli
def test_butteraugli_follows_the_distances_of_jpeg_xl(photo: Pixels) -> None:
    """A distance asked of JPEG XL is the largest difference; the 3-norm of all of them is some half of it."""
    imagecodecs = pytest.importorskip("imagecodecs")
    measure = MEASURES["butteraugli"]
    shares = []
    for distance in (0.5, 1, 2, 4):
        coded = imagecodecs.jpegxl_encode(photo, effort=7, distance=distance)
        value = measure(photo, imagecodecs.jpegxl_decode(coded))
        assert value is not None
        shares.append(value / distance)
    assert min(shares) > 0.3
    assert max(shares) < 1
    assert measure(photo, photo) == 0
    assert measure(photo[:, :, :1], photo[:, :, :1]) == 0


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of butteraugli_main."""
    file = folder / "butteraugli_main"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_butteraugli_is_given_both_pictures_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Pixels
) -> None:
    program(tmp_path, monkeypatch, f'cp "$1" "$2" {tmp_path}; echo 3.5; echo "3-norm: 1.25"')
    other = posterised(photo, 20)
    assert MEASURES["butteraugli"](photo, other) == 1.25
    for name, pixels in (("original.ppm", photo), ("decoded.ppm", other)):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image), pixels)
    assert MEASURES["butteraugli"](photo[:7], other[:7]) is None


@pytest.mark.parametrize(("script", "reason"), [("echo bad >&2; exit 1", "bad"), ("echo 3.5", "no 3-norm")])
def test_butteraugli_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Pixels, script: str, reason: str
) -> None:
    program(tmp_path, monkeypatch, script)
    with pytest.raises(LcodecError, match=reason):
        MEASURES["butteraugli"](photo, photo)


def test_butteraugli_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "libjxl-devtools" in (MEASURES["butteraugli"].missing() or "")
