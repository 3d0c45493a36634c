"""The network of the metric PIM: sub-bands of a picture to means of a Gaussian at every place, and distances of them.

Bhardwaj, Fischer, Balle, Chinen, "An unsupervised information-theoretic perceptual quality metric" (NeurIPS 2020,
section 3), with one Gaussian of unit variance at each place (PIM-1 there). A steerable pyramid's eight sub-bands each
have a convolutional network of their own, four layers down to three features, and a marginal encoder q(z|x), from these
to the mean of z. The distance of two pictures is the mean squared difference of their means. The joint encoder p(z|x,y)
is for training alone (`lcodec.training.pim`). Needs torch; arrays say their own shapes.

Arrays, b being the number of a sub-band:
    pim.gain                                 what sub-bands are multiplied by
    pim.b.conv.0 to 3, pim.b.encode.0 to 2   .weight and .bias
    joint.b.0 to 2                           .weight and .bias; .scale and .shift make of x's features what y wants
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.networks.steerable import BANDS, OCTAVES, pyramid

__all__ = [
    "JOINT",
    "PREFIX",
    "SIZES",
    "STRIDE",
    "bands_of",
    "distance",
    "encode",
    "features",
    "halo",
    "join",
    "place_means",
    "start_pim",
]

#: Prefixes of the arrays of the metric, and of those that only its training needs.
PREFIX, JOINT = "pim.", "joint."
#: Channels of the convolutions, and the kernel of the two in the middle. The large size is the paper's.
SIZES = {"small": (32, 1), "large": (64, 5)}
_KERNEL, _FEATURES, _HIDDEN, _MEANS = 5, 3, 100, 10
#: Every second row and column of a sub-band is a place of the metric: the windows overlap all the same.
STRIDE = 2
_LAYERS = 4
#: Samples of a sub-band that go through the network at a time, about.
_STRIP = 1 << 16


def start_pim(size: str, generator: torch.Generator) -> dict[str, Tensor]:
    """Random arrays of a metric of one of SIZES, and of the joint encoder; the gains are 1."""
    width, kernel = SIZES[size]
    convolutions = [
        (width, 3, _KERNEL, _KERNEL),
        (width, width, kernel, kernel),
        (width, width, kernel, kernel),
        (_FEATURES, width, _KERNEL, _KERNEL),
    ]
    layers = [(_HIDDEN, _FEATURES), (_HIDDEN, _HIDDEN), (_MEANS, _HIDDEN)]
    arrays = {f"{PREFIX}gain": torch.ones(BANDS)}

    def add(name: str, shape: Sequence[int], gain: float) -> None:
        weight = torch.randn(tuple(shape), generator=generator)
        arrays[f"{name}.weight"] = weight * gain / math.sqrt(math.prod(shape[1:]))
        arrays[f"{name}.bias"] = torch.zeros(shape[0])

    for band in range(BANDS):
        for index, shape in enumerate(convolutions):
            add(f"{PREFIX}{band}.conv.{index}", shape, 1.0 if shape[0] == _FEATURES else math.sqrt(2))
        for index, shape_of_layer in enumerate(layers):
            gain = 1.0 if index == len(layers) - 1 else math.sqrt(2)
            add(f"{PREFIX}{band}.encode.{index}", shape_of_layer, gain)
            add(f"{JOINT}{band}.{index}", shape_of_layer, gain)
            for change in ("scale", "shift"):  # at first y changes a little
                add(f"{JOINT}{band}.{index}.{change}", (shape_of_layer[0], _FEATURES), 0.1)
    return arrays


def bands_of(pictures: Tensor) -> list[Tensor]:
    """Sub-bands of pictures (N, H, W, 3) in 0..1, float32: eight of (N, 3, h, w)."""
    with torch.autocast(pictures.device.type, enabled=False):
        return pyramid(pictures.permute(0, 3, 1, 2).float() - 0.5)


def features(arrays: Mapping[str, Tensor], index: int, band: Tensor) -> Tensor:
    """Features of a sub-band, at its places.

    Args:
        arrays: of the metric.
        index: of the sub-band.
        band: (N, 3, h, w), zeros beyond its edges.

    Returns:
        (N, ceil(h / 2), ceil(w / 2), 3).
    """
    x = band * arrays[f"{PREFIX}gain"][index]
    for layer in range(_LAYERS):
        weight, bias = (arrays[f"{PREFIX}{index}.conv.{layer}.{part}"] for part in ("weight", "bias"))
        stride = STRIDE if layer == _LAYERS - 1 else 1
        x = F.conv2d(x if layer == 0 else F.relu(x), weight, bias, stride, weight.shape[-1] // 2)
    return x.permute(0, 2, 3, 1)


def halo(arrays: Mapping[str, Tensor], index: int) -> int:
    """Samples of a sub-band around one that its features depend on, in each direction; a multiple of the stride."""
    found = sum(arrays[f"{PREFIX}{index}.conv.{layer}.weight"].shape[-1] // 2 for layer in range(_LAYERS))
    return found + found % STRIDE


def encode(arrays: Mapping[str, Tensor], index: int, found: Tensor) -> Tensor:
    """Means of q(z|x), (..., 10), of the features (..., 3) of a sub-band."""
    for layer in range(3):
        weight, bias = (arrays[f"{PREFIX}{index}.encode.{layer}.{part}"] for part in ("weight", "bias"))
        found = F.linear(found if layer == 0 else F.relu(found), weight, bias)
    return found


def join(arrays: Mapping[str, Tensor], index: int, first: Tensor, second: Tensor) -> Tensor:
    """Means of p(z|x,y), (..., 10), of the features (..., 3) of a sub-band of both pictures."""
    found = first
    for layer in range(3):
        name = f"{JOINT}{index}.{layer}"
        found = F.linear(found if layer == 0 else F.relu(found), arrays[f"{name}.weight"], arrays[f"{name}.bias"])
        scale, shift = (
            F.linear(second, arrays[f"{name}.{change}.weight"], arrays[f"{name}.{change}.bias"])
            for change in ("scale", "shift")
        )
        found = found * (1 + scale) + shift
    return found


def distance(arrays: Mapping[str, Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Distance of pictures, in units of the variance of the encoders.

    Args:
        arrays: of the metric, in float32.
        first: (N, H, W, 3), 0..1, sides over `steerable.MARGIN_PX`.
        second: likewise.

    Returns:
        (N,): 0 for equal pictures; symmetric and differentiable. The mean over places and over the ten numbers of z,
        then over the sub-bands.
    """
    count, total = len(first), torch.zeros(len(first), device=first.device)
    for index, band in enumerate(bands_of(torch.cat((first, second)))):
        numbers = 0
        of_band = torch.zeros(count, device=first.device)
        for means in _strips(arrays, index, band):
            one, other = means[:count], means[count:]
            of_band = of_band + (one - other).square().sum(dim=(1, 2, 3))
            numbers += one[0].numel()
        total = total + of_band / numbers
    return total / len(OCTAVES)


def place_means(arrays: Mapping[str, Tensor], pictures: Tensor) -> Tensor:
    """Means over all places of the means of q(z|x): (N, 80), sub-band by sub-band.

    Args:
        arrays: of the metric, in float32.
        pictures: (N, H, W, 3), 0..1, sides over `steerable.MARGIN_PX`.
    """
    bands = enumerate(bands_of(pictures))
    found = [torch.cat(list(_strips(arrays, index, band)), dim=1).mean(dim=(1, 2)) for index, band in bands]
    return torch.cat(found, dim=1)


def _strips(arrays: Mapping[str, Tensor], index: int, band: Tensor) -> Iterator[Tensor]:
    """Means of a sub-band (N, 3, h, w), some rows of places at a time, as if all were computed at once."""
    height, width = band.shape[2:]
    around = halo(arrays, index)
    rows = max(_STRIP // (len(band) * width), 8) // STRIDE * STRIDE
    for start in range(0, height, rows):
        end, first = min(start + rows, height), max(0, start - around)
        found = features(arrays, index, band[:, :, first : end + around])
        skipped = (start - first) // STRIDE
        yield encode(arrays, index, found[:, skipped : skipped - (start - end) // STRIDE])
