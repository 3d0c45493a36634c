"""The trained parameters: how they start, and the network arrays that they stand for.

Training works on a preconditioned form: features are divided by the standard deviations of the KLT coefficients
of the training photos, so that one learning rate suits all of them. `effective` folds these constants into the
weights; the result is what `lcodec.networks` and an exported model use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.networks.hyperprior import GROUPS, STEPS
from lcodec.networks.ops import unshuffle
from lcodec.networks.transforms import ANALYSIS_BLOCKS, LATENT_STRIDE, SYNTHESIS_BLOCKS

__all__ = ["ANCHORS", "FIXED", "Parameters", "Widths", "at_quality", "effective", "respaced", "start", "unfold"]

#: Qualities at which gains are learned: evenly spaced over [0, 1], linear in between.
ANCHORS = 11
#: Prefix of arrays that are measured on the photos and never trained.
FIXED = "fixed."
#: Prefixes of the tables of gains (anchors, C).
TABLES = ("gain.", "prior.")
#: Doubled features let the first layers start in the slightly nonlinear range.
FEATURE_SCALE = 2.0

Parameters = dict[str, Tensor]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Widths:
    """Channels of the networks. The defaults are those of the shipped models; tests use less."""

    fine: int = 128  #: transforms at 1/8 of the resolution
    coarse: int = 256  #: transforms at 1/16
    latents: int = 320  #: a multiple of the number of channel groups
    hyper: int = 192  #: hyperprior and context networks
    hyper_latents: int = 96


def at_quality(table: Tensor, quality: Tensor) -> Tensor:
    """Interpolate a table (anchors, C) linearly at qualities (N,) in [0, 1]: (N, 1, 1, C)."""
    position = (quality * (len(table) - 1))[:, None]
    low = position.floor().clamp(0, len(table) - 2)
    fraction = position - low  # beyond 0..1 outside the range
    anchors = torch.arange(len(table), device=table.device)
    # As a sum over all anchors: the gradient of picking rows takes a GPU a sort for each table.
    shares = (anchors == low) * (1 - fraction) + (anchors == low + 1) * fraction
    return (shares[:, :, None] * table).sum(dim=1)[:, None, None, :]


def effective(params: Mapping[str, Tensor]) -> Parameters:
    """Arrays for `lcodec.networks.ops_torch.TorchOps`, differentiable in the trained parameters.

    With k the 8x8x3 KLT, s its coefficients' deviations and d the latents' deviations: features enter as
    2 (k x - mean) / sqrt(s); latents are (sqrt(d) out + shortcut) / d; the synthesis is the mirror image.
    """
    out = dict(params)
    basis, mean, std = (params[f"{FIXED}klt8.{part}"] for part in ("basis", "mean", "std"))
    deviation = params[f"{FIXED}latent_std"]
    root = deviation.sqrt()
    into = params["analysis.in.weight"] * (FEATURE_SCALE * std.rsqrt())
    out["analysis.in.weight"] = into @ basis
    out["analysis.in.bias"] = params["analysis.in.bias"] - into @ mean
    for part, scale in (("out", root), ("shortcut", deviation)):
        out[f"analysis.{part}.weight"] = params[f"analysis.{part}.weight"] / scale[:, None]
        out[f"analysis.{part}.bias"] = params[f"analysis.{part}.bias"] / scale
    out["synthesis.in.weight"] = params["synthesis.in.weight"] * root
    out["synthesis.shortcut.weight"] = params["synthesis.shortcut.weight"] * deviation
    away = basis.T * std.sqrt()
    out["synthesis.out.weight"] = away @ params["synthesis.out.weight"]
    out["synthesis.out.bias"] = away @ params["synthesis.out.bias"]
    for name, value in params.items():
        if name.endswith(".spatial.weight"):  # trained as (C, 3, 3), torch's order; the networks take (3, 3, C)
            out[name] = value.permute(1, 2, 0)
    return out


def unfold(network: Mapping[str, Tensor]) -> Parameters:
    """The inverse of `effective`: trained parameters of network arrays, up to the rounding of either."""
    out = dict(network)
    basis, mean, std = (network[f"{FIXED}klt8.{part}"] for part in ("basis", "mean", "std"))
    deviation = network[f"{FIXED}latent_std"]
    root = deviation.sqrt()
    into = network["analysis.in.weight"] @ basis.T
    out["analysis.in.weight"] = into / (FEATURE_SCALE * std.rsqrt())
    out["analysis.in.bias"] = network["analysis.in.bias"] + into @ mean
    for part, scale in (("out", root), ("shortcut", deviation)):
        out[f"analysis.{part}.weight"] = network[f"analysis.{part}.weight"] * scale[:, None]
        out[f"analysis.{part}.bias"] = network[f"analysis.{part}.bias"] * scale
    out["synthesis.in.weight"] = network["synthesis.in.weight"] / root
    out["synthesis.shortcut.weight"] = network["synthesis.shortcut.weight"] / deviation
    out["synthesis.out.weight"] = (basis @ network["synthesis.out.weight"]) / std.sqrt()[:, None]
    out["synthesis.out.bias"] = (basis @ network["synthesis.out.bias"]) / std.sqrt()
    for name, value in network.items():
        if name.endswith(".spatial.weight"):
            out[name] = value.permute(2, 0, 1)
    return {name: value.contiguous() for name, value in out.items()}


def _blocks(widths: Widths) -> list[tuple[str, int]]:
    """Name and width of every block."""
    found = []
    for transform, count in (("analysis", ANALYSIS_BLOCKS), ("synthesis", SYNTHESIS_BLOCKS)):
        for part, width in (("fine", widths.fine), ("coarse", widths.coarse)):
            found += [(f"{transform}.{part}.{index}", width) for index in range(count)]
    hyper = ("hyper_analysis.block16", "hyper_analysis.block32", "hyper_synthesis.block32", "hyper_synthesis.block16")
    return found + [(name, widths.hyper) for name in (*hyper, "context.block")]


def _linears(widths: Widths) -> list[tuple[str, int, int, float]]:
    """Name, inputs, outputs and initial gain (times 1/sqrt(inputs)) of every 1x1 convolution but the shortcuts."""
    found: list[tuple[str, int, int, float]] = []
    for name, width in _blocks(widths):
        # The last layer of each residual branch starts small: every block starts near the identity.
        found += [
            (f"{name}.mix", width, width, 1.4),
            (f"{name}.merge", width, width, 0.3),
            (f"{name}.expand", width, 2 * width, 1.4),
            (f"{name}.reduce", 2 * width, width, 0.3),
        ]
    w = widths
    group = 2 * w.latents // GROUPS
    found += [
        ("analysis.in", 3 * 64, w.fine, 1.0),
        ("analysis.down", 4 * w.fine, w.coarse, 1.0),
        ("analysis.out", w.coarse, w.latents, 0.1),
        ("synthesis.in", w.latents, w.coarse, 1.0),
        ("synthesis.up", w.coarse, 4 * w.fine, 1.0),
        ("synthesis.out", w.fine, 3 * 64, 0.1),
        ("hyper_analysis.in", w.latents, w.hyper, 1.0),
        ("hyper_analysis.down", 4 * w.hyper, w.hyper, 1.0),
        ("hyper_analysis.out", 4 * w.hyper, w.hyper_latents, 1.0),
        ("hyper_synthesis.in", w.hyper_latents, 4 * w.hyper, 1.0),
        ("hyper_synthesis.up", w.hyper, 4 * w.hyper, 1.0),
    ]
    found += [(f"base.out.{index}", w.hyper, group, 0.3) for index in range(GROUPS)]
    found += [(f"context.out.{index}", w.hyper, group, 0.1) for index in range(GROUPS)]
    return found + [(f"context.enter.{step}", w.latents + w.hyper, w.hyper, 1.0) for step in range(1, len(STEPS))]


def _klt(samples: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Karhunen-Loeve transform of samples (M, D): basis (D, D), rows by falling variance; mean, deviations (D,)."""
    mean = samples.mean(axis=0)
    variance, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
    basis = vectors.T[::-1]
    return basis, basis @ mean, np.sqrt(np.maximum(variance[::-1], 1e-9))


def start(crops: npt.NDArray[np.uint8], generator: torch.Generator, widths: Widths = Widths()) -> Parameters:
    """Initial parameters from a sample of crops (M, H, W, 3), some 300 of 128x128; H and W are multiples of 16."""
    pixels = crops.astype(np.float64) / 255 - 0.5
    basis, mean, std = _klt(unshuffle(pixels, 8).reshape(-1, 3 * 64))
    long_basis, _, long_std = _klt(unshuffle(pixels, LATENT_STRIDE).reshape(-1, 3 * LATENT_STRIDE**2))
    first = long_basis[: widths.latents]
    arrays = {
        f"{FIXED}klt8.basis": basis,
        f"{FIXED}klt8.mean": mean,
        f"{FIXED}klt8.std": std,
        f"{FIXED}latent_std": long_std[: widths.latents],
        "analysis.shortcut.weight": first,
        "analysis.shortcut.bias": np.zeros(widths.latents),
        "synthesis.shortcut.weight": first.T,
        "synthesis.shortcut.bias": np.zeros(first.shape[1]),
    }
    params = {name: torch.tensor(np.ascontiguousarray(value), dtype=torch.float32) for name, value in arrays.items()}
    for name, inputs, outputs, gain in _linears(widths):
        weight = torch.randn((outputs, inputs), generator=generator) * (gain / math.sqrt(inputs))
        params |= {f"{name}.weight": weight, f"{name}.bias": torch.zeros(outputs)}
    for name, width in _blocks(widths):
        kernel = torch.randn((width, 3, 3), generator=generator) * 0.15
        kernel[:, 1, 1] += 1.0
        params |= {f"{name}.spatial.weight": kernel, f"{name}.spatial.bias": torch.zeros(width)}
    # Quantisation steps of 2.2 at quality 0 to 0.07 at 1, for an orthonormal transform of pixels in [-0.5, 0.5].
    steps = torch.linspace(-0.8, 2.6, ANCHORS)[:, None].repeat(1, widths.latents)
    zeros = {
        "gain.analysis": widths.fine,
        "gain.synthesis": widths.fine,
        "gain.hyper": widths.hyper_latents,
        "gain.scale": widths.latents,
        "prior.scale": widths.hyper_latents,
    }
    params |= {name: torch.zeros(ANCHORS, width) for name, width in zeros.items()}
    return params | {"gain.latents": steps, "gain.inverse": -steps}


def respaced(params: Parameters, old: tuple[float, float], new: tuple[float, float]) -> Parameters:
    """The same gains at the same lambda, for anchors evenly spaced over another range of lambda.

    Beyond the old range gains go on as they are at its ends, linear in the logarithm of lambda.
    """
    logs = torch.linspace(math.log(new[0]), math.log(new[1]), ANCHORS)
    quality = (logs - math.log(old[0])) / math.log(old[1] / old[0])
    return {
        name: at_quality(value, quality)[:, 0, 0] if name.startswith(TABLES) else value
        for name, value in params.items()
    }
