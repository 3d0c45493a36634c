"""Pictures that the tests make: smooth, structured and noisy, of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A picture (height, width, channels) of waves, an edge and some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    planes = []
    for _ in range(channels):
        fx, fy, phase = rng.uniform(0.01, 0.2, 3) * (1, 1, 30)
        plane = 120 + 70 * np.sin(fx * columns + fy * rows + phase) + 40 * (columns * rng.uniform() > rows)
        planes.append(plane + rng.normal(0, 6, (height, width)))
    return np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)


def posterised(pixels: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """The same picture in levels `step` apart."""
    return np.clip(pixels.astype(int) // step * step + step // 2, 0, 255).astype(np.uint8)
