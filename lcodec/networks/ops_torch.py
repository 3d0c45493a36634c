"""The operations of `ops` in torch: training, and encoding or decoding on a GPU or on large images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.networks.ops import SLOPE, shuffle, unshuffle

__all__ = ["TorchOps", "fast_type"]


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 where a device has instructions for it, else float32.

    A processor without them emulates bfloat16: a training step took 15 times as long as in float32 (AMD Milan). On one
    with them it takes less than half (`benchmarks/results/training-speed.csv`).
    """
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if has else torch.float32


class TorchOps:
    """Same contract as `ops.NumpyOps`, over torch tensors; differentiable, and works under autocast."""

    def __init__(self, params: Mapping[str, Tensor]) -> None:
        self.params = params

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.params[f"{name}.weight"], self.params[f"{name}.bias"])

    def depthwise(self, name: str, x: Tensor) -> Tensor:
        weight = self.params[f"{name}.weight"].permute(2, 0, 1)[:, None]
        # The permuted view is exactly torch's channels_last memory format: nothing is copied.
        out = F.conv2d(x.permute(0, 3, 1, 2), weight, self.params[f"{name}.bias"], padding=1, groups=x.shape[-1])
        return out.permute(0, 2, 3, 1)

    def leaky(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, SLOPE)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def unshuffle(self, x: Tensor, n: int) -> Tensor:
        return unshuffle(x, n)  # type: ignore[no-any-return]

    def shuffle(self, x: Tensor, n: int) -> Tensor:
        return shuffle(x, n)  # type: ignore[no-any-return]

    def concat(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((x, y), dim=-1)
