"""The photo that the metrics are tried on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.support.command import PHOTO


@pytest.fixture(scope="module")
def photo() -> npt.NDArray[np.uint8]:
    with Image.open(PHOTO) as image:
        return np.asarray(image.convert("RGB").crop((100, 100, 420, 339)))
