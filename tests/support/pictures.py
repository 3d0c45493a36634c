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


def page(height: int, width: int, channels: int = 3, seed: int = 0, photo: float = 0) -> npt.NDArray[np.uint8]:
    """A page (height, width, channels): lines of letters in ink on paper, and at its right a photo of a part of it."""
    rng = np.random.default_rng(seed)
    ink, paper = rng.integers(0, 90, channels), rng.integers(200, 256, channels)
    cells = np.zeros((height // 12 + 1, width // 7 + 1, 12, 7), np.bool_)
    cells[:, :, 2:10, 1:6] = rng.random((*cells.shape[:2], 8, 5)) < 0.5
    inked = cells.swapaxes(1, 2).reshape(-1, 7 * cells.shape[1])[:height, :width]
    pixels = np.where(inked[:, :, None], ink, paper).astype(np.uint8)
    left = width - round(photo * width)
    pixels[:, left:] = picture(height, width, channels, seed)[:, left:]
    return pixels


def posterised(pixels: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """The same picture in levels `step` apart."""
    return np.clip(pixels.astype(int) // step * step + step // 2, 0, 255).astype(np.uint8)
