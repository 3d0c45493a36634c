"""HaarPSI against the figures of piq."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lcodec.metrics import haarpsi
from tests.support.pictures import posterised

Pixels = npt.NDArray[np.uint8]


@pytest.mark.parametrize(
    ("step", "colour", "red"),
    [
        (5, 0.9975828782521533, 0.9943606077695021),
        (20, 0.9539799769514673, 0.8912576058875507),
        (80, 0.6176527248262171, 0.40748394760974),
    ],
)
def test_haarpsi_is_that_of_piq(photo: Pixels, step: int, colour: float, red: float) -> None:
    """Figures of `piq.haarpsi(data_range=255)` 0.8.0 in float64; its YIQ has a fourth decimal, which colour shows."""
    other = posterised(photo, step)
    assert haarpsi(photo, other) == pytest.approx(colour, abs=2e-4)
    assert haarpsi(photo[:, :, :1], other[:, :, :1]) == pytest.approx(red, abs=1e-12)


def test_properties_of_haarpsi(photo: Pixels) -> None:
    near, far = posterised(photo, 10), posterised(photo, 60)
    assert haarpsi(photo, photo) == pytest.approx(1, abs=1e-9)
    assert haarpsi(photo, near) == pytest.approx(haarpsi(near, photo), abs=1e-12)
    assert 0 < haarpsi(photo, far) < haarpsi(photo, near) < 1
    black = np.zeros((32, 32, 3), np.uint8)
    assert haarpsi(black, black) == 1
    with pytest.raises(ValueError, match="16 pixels"):
        haarpsi(black[:15], black[:15])
