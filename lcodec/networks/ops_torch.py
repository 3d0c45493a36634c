"""The operations of `ops` in torch: training, and encoding or decoding on a GPU or on large images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.networks.ops import SLOPE, Ops, shuffle, unshuffle

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


def _sum_of_rows(x: Tensor) -> Tensor:
    """(..., C) -> (C,), as a matrix product.

    With `sum`, which is slow in bfloat16, a pass of 256 crops of 128 took a fifth longer (H200).
    """
    rows = x.reshape(-1, x.shape[-1])
    return (rows.new_ones(1, len(rows)) @ rows)[0]


class _Linear(torch.autograd.Function):
    """`F.linear` on a GPU, with a fast gradient of the bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = gradients[0].reshape(-1, weight.shape[0])
        by_x = (rows @ weight).view_as(x) if ctx.needs_input_grad[0] else None  # a picture needs none
        return by_x, rows.T @ x.reshape(-1, weight.shape[1]), _sum_of_rows(rows)


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution (N, C, H, W) on a GPU, with a fast gradient of the bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        above = gradients[0]
        by_x, by_weight, _ = torch.ops.aten.convolution_backward(
            above, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], len(weight), [True, True, False]
        )
        return by_x, by_weight, _sum_of_rows(above.permute(0, 2, 3, 1))


def _is_trained(bias: Tensor) -> bool:
    """Whether the gradient of a layer's bias will be wanted on a GPU."""
    return bias.is_cuda and bias.requires_grad and torch.is_grad_enabled()


def _applied(function: type[torch.autograd.Function], *operands: Tensor) -> Tensor:
    """Apply a function to operands in autocast's type, which it would otherwise not have in its backward pass."""
    if torch.is_autocast_enabled("cuda"):
        operands = tuple(operand.to(torch.get_autocast_dtype("cuda")) for operand in operands)
    out: Tensor = function.apply(*operands)  # type: ignore[no-untyped-call]
    return out


class TorchOps(Ops[Tensor]):
    """Same contract as `ops.NumpyOps`, over torch tensors; differentiable, and works under autocast."""

    def __init__(self, params: Mapping[str, Tensor]) -> None:
        self.params = params

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self.params

    def linear(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        if _is_trained(bias):
            return _applied(_Linear, x, weight, bias)
        return F.linear(x, weight, bias)

    def depthwise(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.params[f"{name}.weight"].permute(2, 0, 1)[:, None], self.params[f"{name}.bias"]
        # The permuted view is exactly torch's channels_last memory format: nothing is copied.
        x = x.permute(0, 3, 1, 2)
        if _is_trained(bias):
            out = _applied(_Depthwise, x, weight, bias)
        else:
            out = F.conv2d(x, weight, bias, padding=1, groups=len(weight))
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
