"""The trained parameters: how they start, and the network arrays that they stand for.

Training works on a preconditioned form: features are divided by the standard deviations of the KLT coefficients
of the training photos, so that one learning rate suits all of them. `effective` folds these constants into the
weights; the result is what `lcodec.networks` and an exported model use.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.networks.architecture import Architecture, Layer
from lcodec.networks.ops import unshuffle
from lcodec.networks.transforms import FINE_STRIDE, LATENT_STRIDE

__all__ = [
    "ANCHORS",
    "FIXED",
    "SIZES",
    "Parameters",
    "at_quality",
    "effective",
    "first_weights",
    "passed_on",
    "respaced",
    "size_name",
    "start",
    "unfold",
]

#: Qualities at which gains are learned: evenly spaced over [0, 1], linear in between.
ANCHORS = 13
#: Prefix of arrays that are measured on the photos and never trained.
FIXED = "fixed."
#: Prefixes of the tables of gains (anchors, C).
TABLES = ("gain.", "prior.")
#: Doubled features let the first layers start in the slightly nonlinear range.
FEATURE_SCALE = 2.0

Parameters = dict[str, Tensor]
Doubles = npt.NDArray[np.float64]


#: Sizes by name. The decoder may spend more than the encoder: it is run more often.
SIZES = {
    "small": Architecture(
        fine=128,
        coarse=256,
        latents=320,
        hyper=192,
        hyper_latents=96,
        context=192,
        analysis_fine_blocks=2,
        analysis_coarse_blocks=2,
        synthesis_coarse_blocks=3,
        synthesis_fine_blocks=3,
        context_blocks=1,
    ),
    "large": Architecture(
        fine=256,
        coarse=384,
        latents=320,
        hyper=256,
        hyper_latents=96,
        context=320,
        analysis_fine_blocks=3,
        analysis_coarse_blocks=3,
        synthesis_coarse_blocks=4,
        synthesis_fine_blocks=5,
        context_blocks=2,
    ),
}
#: Standard deviations of the first weights, times the root of a layer's inputs, by how its name ends. The last layer of
#: each residual branch starts small: every block starts near the identity.
_FIRST = {"mix": 1.4, "merge": 0.3, "expand": 1.4, "reduce": 0.3, "analysis.out": 0.1, "synthesis.out": 0.1}


def size_name(params: Mapping[str, Tensor]) -> str:
    """What the sizes of these parameters are called: a name of `SIZES`, or all their figures."""
    sizes = Architecture.of(params)
    figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asdict(sizes).items())
    return next((name for name, known in SIZES.items() if known == sizes), figures)


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


def passed_on(params: Mapping[str, Tensor]) -> list[str]:
    """Weights and biases that `effective` passes on as they are; it folds constants into others, in float32."""
    network = effective(params)
    return [
        name
        for name, value in params.items()
        if name.endswith((".weight", ".bias")) and network[name].data_ptr() == value.data_ptr()
    ]


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


def _first_gain(name: str) -> float:
    """Standard deviation of a layer's first weights, times the root of its inputs."""
    if name.startswith(("base.out.", "context.out.", "hyper_context.out.")):
        return 0.3 if name.startswith("base") else 0.1
    return next((gain for end, gain in _FIRST.items() if f".{name}".endswith(f".{end}")), 1.0)


def first_weights(layers: Iterable[Layer], generator: torch.Generator) -> Parameters:
    """Weights and biases that layers start from."""
    found: Parameters = {}
    for layer in layers:
        if layer.depthwise:
            weight = torch.randn((layer.outputs, 3, 3), generator=generator) * 0.15
            weight[:, 1, 1] += 1.0
        else:
            weight = torch.randn((layer.outputs, layer.inputs), generator=generator)
            weight *= _first_gain(layer.name) / math.sqrt(layer.inputs)
        found |= {f"{layer.name}.weight": weight, f"{layer.name}.bias": torch.zeros(layer.outputs)}
    return found


def _klt(samples: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Karhunen-Loeve transform of samples (M, D): basis (D, D), rows by falling variance; mean, deviations (D,)."""
    mean = samples.mean(axis=0)
    variance, vectors = np.linalg.eigh(np.cov(samples, rowvar=False))
    basis = vectors.T[::-1]
    return basis, basis @ mean, np.sqrt(np.maximum(variance[::-1], 1e-9))


def start(crops: npt.NDArray[np.uint8], generator: torch.Generator, sizes: Architecture) -> Parameters:
    """Initial parameters from a sample of crops (M, H, W, 3), some 300 of 128x128; H and W are multiples of 16."""
    pixels = crops.astype(np.float64) / 255 - 0.5
    basis, mean, std = _klt(unshuffle(pixels, FINE_STRIDE).reshape(-1, 3 * FINE_STRIDE**2))
    long_basis, _, long_std = _klt(unshuffle(pixels, LATENT_STRIDE).reshape(-1, 3 * LATENT_STRIDE**2))
    first = long_basis[: sizes.latents]
    arrays = {
        f"{FIXED}klt8.basis": basis,
        f"{FIXED}klt8.mean": mean,
        f"{FIXED}klt8.std": std,
        f"{FIXED}latent_std": long_std[: sizes.latents],
        "analysis.shortcut.weight": first,
        "analysis.shortcut.bias": np.zeros(sizes.latents),
        "synthesis.shortcut.weight": first.T,
        "synthesis.shortcut.bias": np.zeros(first.shape[1]),
    }
    params = {name: torch.tensor(np.ascontiguousarray(value), dtype=torch.float32) for name, value in arrays.items()}
    params |= first_weights((layer for layer in sizes.layers() if f"{layer.name}.weight" not in params), generator)
    # Quantisation steps of 2.2 at quality 0 to 0.07 at 1, for an orthonormal transform of pixels in [-0.5, 0.5].
    steps = torch.linspace(-0.8, 2.6, ANCHORS)[:, None].repeat(1, sizes.latents)
    zeros = {
        "gain.analysis": sizes.fine,
        "gain.synthesis": sizes.fine,
        "gain.hyper": sizes.hyper_latents,
        "gain.scale": sizes.latents,
        "prior.scale": sizes.hyper_latents,
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
