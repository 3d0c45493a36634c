"""The critic: tells originals from decoded pictures, patch by patch, while a generative synthesis is trained.

Four 4x4 convolutions as HiFiC's (Mentzer et al. 2020, "High-fidelity generative image compression", section 3.2), of
a quarter less than its width, conditional on the decoded latents: a picture is judged as one of these latents. It is no
part of a model and needs torch. Names of its arrays begin with "critic.".
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.networks.transforms import LATENT_STRIDE

__all__ = ["PREFIX", "critic", "start_critic"]

#: Prefix of the names of its arrays.
PREFIX = "critic."
#: Channels that the latents are reduced to, and those of the convolutions; all but the last halve the resolution.
_CONDITION, _WIDTHS = 12, (48, 96, 192, 384)
_KERNEL, _SLOPE = 4, 0.2


def start_critic(latents: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random arrays of a critic for models of so many latents."""
    shapes, inputs = {"condition": (_CONDITION, latents, 1, 1)}, 3 + _CONDITION
    for index, width in enumerate(_WIDTHS):
        shapes[str(index)] = (width, inputs, _KERNEL, _KERNEL)
        inputs = width
    shapes["logits"] = (1, inputs, 1, 1)
    arrays = {}
    for name, shape in shapes.items():
        gain = math.sqrt(2 / (1 + _SLOPE**2)) if name.isdecimal() else 1.0
        weight = torch.randn(shape, generator=generator) * gain / math.sqrt(math.prod(shape[1:]))
        arrays[f"{PREFIX}{name}.weight"] = weight
        arrays[f"{PREFIX}{name}.bias"] = torch.zeros(shape[0])
    del arrays[f"{PREFIX}logits.bias"]  # only differences of logits count
    return arrays


def critic(arrays: Mapping[str, Tensor], pictures: Tensor, latents: Tensor, offset: Tensor) -> Tensor:
    """Logits of patches: the greater, the more a patch looks like an original.

    Args:
        arrays: with those of `start_critic`.
        pictures: (N, H, W, 3), in [-0.5, 0.5], sides multiples of 16.
        latents: (N, H/16, W/16, C), decoded, in units of each channel's standard deviation.
        offset: (2,) integers, 0 to 15: as many rows and columns are cut off at the top and at the left (and the rest of
            16 on the other sides), so that patches do not always lie alike on the decoder's blocks.

    Returns:
        (N, h, w), patches of 46x46 pixels, 8 pixels apart.
    """

    def layer(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, arrays[f"{PREFIX}{name}.weight"], arrays.get(f"{PREFIX}{name}.bias"), stride, padding)

    condition = layer("condition", latents.permute(0, 3, 1, 2))
    condition = F.interpolate(condition, scale_factor=LATENT_STRIDE, mode="nearest")
    x = torch.cat((2 * pictures.permute(0, 3, 1, 2), condition.to(pictures.dtype)), dim=1)
    for axis in (2, 3):
        along = torch.arange(x.shape[axis] - LATENT_STRIDE, device=x.device)
        x = x.index_select(axis, along + offset[axis - 2])
    last = len(_WIDTHS) - 1
    for index in range(len(_WIDTHS)):
        x = F.leaky_relu(layer(str(index), x, 1 if index == last else 2, 1), _SLOPE)
    return layer("logits", x)[:, 0]
