"""Perceptual information metric (PIM), where a file of it is present: a network that was trained without any ratings.

Bhardwaj, Fischer, Balle, Chinen, "An unsupervised information-theoretic perceptual quality metric" (NeurIPS 2020):
two pictures are as far apart as what is predictable of one moment from the next differs in them. `lcodec train --model
pim` makes one; `lcodec.networks.pim` says what it computes. Figures of two files of it are not comparable.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import ModelError
from lcodec.extras import has
from lcodec.metrics.psnr import check_pair
from lcodec.zoo import Zoo, read_metric

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NAME", "arrays_of", "file_of", "loss", "means_of", "missing", "pim"]

#: Name of the metric's file in the folders of models, without the suffix.
NAME = "pim"
MIN_SIDE_PX = 32
#: Patches that are encoded at a time.
_BATCH = 64


def pim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the PIM of two 8-bit pictures, a distance.

    Args:
        first: uint8, shape (H, W, 1) or (H, W, 3), samples 0..255, both sides at least 32; grey counts as R = G = B.
        second: the same shape and type.

    Returns:
        At least 0, which is for equal pictures; symmetric in its arguments. The unit is the variance of the encoder.

    Raises:
        ValueError: a side is under 32, the shapes differ, or the samples are not uint8.
        ModelError: as `loss`.
    """
    check_pair(first, second)
    if min(first.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"PIM needs at least {MIN_SIDE_PX} pixels a side")
    import torch

    rgb = (np.broadcast_to(picture, (*picture.shape[:2], 3)) for picture in (first, second))
    with torch.no_grad():
        return float(loss(*(torch.from_numpy(picture[None] / np.float32(255)) for picture in rgb)))


def loss(decoded: Tensor, original: Tensor) -> Tensor:
    """PIM of batches, differentiable.

    Args:
        decoded: (N, H, W, 3), 0..1, not clipped, both sides at least 32.
        original: likewise.

    Returns:
        (N,), from 0.

    Raises:
        ModelError: the metric's file is not there, which `missing` says, or damaged.
    """
    from lcodec.networks.pim import distance

    arrays = {name: value.to(decoded.device) for name, value in _installed().items()}
    return distance(arrays, decoded, original)


def means_of(patches: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What PIM keeps of patches: (N, 80), the means over all places of what it says of its eight sub-bands.

    Args:
        patches: uint8, shape (N, H, W, 3), both sides at least 32.

    Raises:
        ModelError: as `loss`.
    """
    import torch

    from lcodec.networks.pim import place_means

    arrays, found = _installed(), []
    with torch.no_grad():
        for start in range(0, len(patches), _BATCH):
            batch = torch.from_numpy(patches[start : start + _BATCH] / np.float32(255))
            found.append(place_means(arrays, batch).double().numpy())
    return np.concatenate(found)


def _installed() -> dict[str, Tensor]:
    """Arrays of the metric that is installed."""
    file = file_of(NAME)
    if file is None:
        raise ModelError(f"no metric named {NAME!r} is installed: {missing()}")
    return arrays_of(file)


def missing() -> str | None:
    """Say how to get torch or the file of the metric, where they are not present."""
    if not has("torch"):
        return "pip install 'lcodec[torch]'"
    try:
        found = file_of(NAME)
    except ModelError as error:
        return str(error)
    if found is None or not found.is_file():
        return f"lcodec train --model pim makes it: LCODEC_MODELS names the folder of {NAME}.safetensors and its index"
    return None


def file_of(name: str) -> Path | None:
    """File of a metric that was trained, by its name; None where it is not at hand.

    Raises:
        ModelError: an index cannot be read.
    """
    return next((metric.path for metric in Zoo().metrics() if metric.name == name), None)


@cache
def arrays_of(file: Path) -> dict[str, Tensor]:
    """Arrays of a metric's file, float32, for `lcodec.networks.pim`.

    Raises:
        ModelError: it cannot be read, or it is not a metric, or not a whole one.
    """
    import torch

    from lcodec.networks.pim import place_means

    arrays = {name: torch.from_numpy(value.astype(np.float32)) for name, value in read_metric(file).items()}
    try:  # arrays say their own shapes: whether they fit together shows when they are used
        with torch.no_grad():
            place_means(arrays, torch.zeros(1, MIN_SIDE_PX, MIN_SIDE_PX, 3))
    except (KeyError, IndexError, RuntimeError) as error:
        what = f"it has no {error.args[0]}" if isinstance(error, KeyError) else "its arrays do not fit together"
        raise ModelError(f"cannot use the metric {file}: {what}") from error
    return arrays
