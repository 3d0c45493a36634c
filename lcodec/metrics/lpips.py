"""Learned perceptual image patch similarity (LPIPS), version 0.1 on AlexNet, where its weights are present.

Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018. The weights are not ours to ship: AlexNet's are torchvision's file in torch's cache, those of the five linear
layers are in the `lpips` package. Neither of the two is imported: torchvision fails beside a torch of another build.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lcodec.extras import has
from lcodec.metrics.psnr import check_pair

__all__ = ["lpips", "missing"]

ALEXNET = "alexnet-owt-7be5be79.pth"  # torchvision's name of the file
LAYERS = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))  # of AlexNet: number, stride, padding of convolutions
POOLED = (3, 6)  # the layers before which the resolution is halved
SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)  # of samples -1..1, as ImageNet's means
SCALE = np.array([0.458, 0.448, 0.450], np.float32)
MIN_SIDE_PX = 64


def lpips(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the LPIPS of two 8-bit pictures, a distance.

    Args:
        first: uint8, shape (H, W, 1) or (H, W, 3), samples 0..255, both sides at least 64; grey counts as R = G = B.
        second: the same shape and type.

    Returns:
        At least 0, which is for equal pictures; symmetric in its arguments.

    Raises:
        ValueError: a side is under 64, the shapes differ, or the samples are not uint8.
        OSError: the weights are not there; `missing` says so.
    """
    check_pair(first, second)
    if min(first.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"LPIPS needs at least {MIN_SIDE_PX} pixels a side")
    import torch

    alexnet, linear = _weights()
    with torch.no_grad():
        total = 0.0
        for i, (one, two) in enumerate(zip(_features(first, alexnet), _features(second, alexnet), strict=True)):
            difference = (one - two) ** 2  # (1, C, h, w)
            total += float(torch.nn.functional.conv2d(difference, linear[f"lin{i}.model.1.weight"]).mean())
    return total


def missing() -> str | None:
    """Say how to get torch or the weights, where they are not present."""
    if not has("torch"):
        return "pip install 'lcodec[torch]'"
    for file in (_alexnet_file(), _linear_file()):
        if file is None:
            return "the package lpips has its linear layers: pip install --no-deps lpips"
        if not file.is_file():
            return f"its weights {file.name} belong in {file.parent} (torchvision's alexnet downloads them there)"
    return None


def _alexnet_file() -> Path:
    home = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch"))
    return home / "hub" / "checkpoints" / ALEXNET


def _linear_file() -> Path | None:
    spec = find_spec("lpips")
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) / "weights" / "v0.1" / "alex.pth" if places else None


@cache
def _weights() -> tuple[dict[str, Any], dict[str, Any]]:
    """Load the arrays of AlexNet and of the linear layers."""
    import torch

    linear = _linear_file()
    if linear is None:
        raise FileNotFoundError("the package lpips is not installed")
    alexnet, layers = (torch.load(file, map_location="cpu", weights_only=True) for file in (_alexnet_file(), linear))
    return alexnet, layers


def _features(picture: NDArray[np.uint8], alexnet: dict[str, Any]) -> list[Any]:
    """Return the activations of the five convolutions, each (1, C, h, w), of length 1 over the channels."""
    import torch
    from torch.nn import functional

    rgb = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    samples = (rgb / np.float32(127.5) - 1 - SHIFT) / SCALE  # (H, W, 3)
    x = torch.from_numpy(np.ascontiguousarray(samples.transpose(2, 0, 1)[None], np.float32))
    found = []
    for number, stride, padding in LAYERS:
        if number in POOLED:
            x = functional.max_pool2d(x, 3, 2)
        weight, bias = alexnet[f"features.{number}.weight"], alexnet[f"features.{number}.bias"]
        x = functional.relu(functional.conv2d(x, weight, bias, stride, padding))
        found.append(x / ((x * x).sum(1, keepdim=True).sqrt() + 1e-10))
    return found
