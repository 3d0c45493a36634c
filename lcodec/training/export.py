"""Export: trained parameters -> a model file, with the entropy networks rounded to fixed point.

The exactness bound of every fixed-point layer is asserted. What rounding costs in bytes, `lcodec.training.rounding`
measures.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save
from torch import Tensor

from lcodec.arrays import ANALYSIS, EFFORT, HYPER_CONTEXT, INTEGER, SYNTHESIS, identify
from lcodec.atomic import write_whole
from lcodec.entropy.bits import SCALE_MIN, SCALE_STEP_LN
from lcodec.entropy.integer import ACTIVATION_BITS, EXPONENT_MAX, WEIGHT_MAX, check_bound
from lcodec.entropy.tables import EXP2_SIZE
from lcodec.errors import ModelError, UsageError
from lcodec.goal import Goal
from lcodec.index import Entry, Kind, Metric, listed
from lcodec.training.parameters import FIXED, Parameters, effective, unfold
from lcodec.zoo import METRIC, REALISM, as_model

__all__ = [
    "fixed_arrays",
    "float_arrays",
    "model_arrays",
    "network_arrays",
    "parameters_of",
    "refuse_folder",
    "write_metric",
    "write_model",
    "write_synthesis",
]

#: Most fractional bits of a weight: rows of tiny weights gain nothing from more.
SHIFT_MAX = 20
#: Units of the integer tables in a natural logarithm.
_PER_OCTAVE, _PER_INDEX = EXP2_SIZE / math.log(2), (1 << ACTIVATION_BITS) / SCALE_STEP_LN

Arrays = dict[str, npt.NDArray[Any]]


def _fixed_layer(name: str, weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> Arrays:
    """Integers of a layer: weights as fine as WEIGHT_MAX and SHIFT_MAX allow in each output channel."""
    inputs = 1 if weight.ndim == 2 else (0, 1)
    largest = np.abs(weight).max(axis=inputs)
    shift = np.minimum(np.floor(np.log2(WEIGHT_MAX / np.maximum(largest, 1e-12))), SHIFT_MAX).astype(np.int64)
    if (shift < 1).any():
        raise ValueError(f"layer {name} has weights too large for fixed point")
    scale = np.exp2(shift.astype(np.float64))
    integers = np.rint(weight * (scale[:, None] if weight.ndim == 2 else scale)).astype(np.int16)
    biases = np.rint(bias * scale * (1 << ACTIVATION_BITS)).astype(np.int64) + (1 << (shift - 1))
    check_bound(name, integers, biases, shift)
    return {f"{name}.weight": integers, f"{name}.bias": biases, f"{name}.shift": shift.astype(np.uint8)}


def _logs(value: npt.NDArray[np.float64], unit: float) -> npt.NDArray[np.int32]:
    return np.rint(value * unit).astype(np.int32)


def network_arrays(params: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.float64]]:
    """What trained parameters stand for, not rounded. The entropy networks predict table indexes, not log-scales."""
    network = {name: value.detach().double().cpu().numpy() for name, value in effective(params).items()}
    for name, value in network.items():
        if name.startswith(INTEGER) and ".out." in name:  # (log-scale, mean)
            half = len(value) // 2
            network[name] = np.concatenate((value[:half] / SCALE_STEP_LN, value[half:]))
    return network


def fixed_arrays(network: Mapping[str, npt.NDArray[np.float64]], prefixes: tuple[str, ...] = INTEGER) -> Arrays:
    """Layers of names with these prefixes in fixed point, as a model file has them.

    Raises:
        ModelError: one is not exact.
        ValueError: its weights are too large.
    """
    arrays: Arrays = {}
    for name in (key.removesuffix(".weight") for key in network if key.endswith(".weight")):
        if name.startswith(prefixes):
            arrays |= _fixed_layer(name, network[f"{name}.weight"], network[f"{name}.bias"])
    return arrays


def float_arrays(network: Mapping[str, npt.NDArray[np.float64]], prefixes: tuple[str, ...]) -> Arrays:
    """Weights and biases of float networks, of names with these prefixes, as a model file has them."""
    ends = (".weight", ".bias")
    return {
        name: value.astype(np.float16)
        for name, value in network.items()
        if name.startswith(prefixes) and name.endswith(ends)
    }


def model_arrays(params: Mapping[str, Tensor]) -> Arrays:
    """Arrays of a model file (see `lcodec.zoo`) from trained parameters.

    Raises:
        ModelError: a layer is not exact in fixed point.
        ValueError: weights or gains are out of range.
    """
    network = network_arrays(params)
    deviation = np.log(network[f"{FIXED}latent_std"])
    arrays = fixed_arrays(network) | float_arrays(network, (*ANALYSIS, *SYNTHESIS))
    steps = network["gain.latents"] + deviation
    arrays |= {
        **{name: value.astype(np.float32) for name, value in network.items() if name.startswith(FIXED)},
        "gain.analysis": network["gain.analysis"].astype(np.float32),
        "gain.synthesis": network["gain.synthesis"].astype(np.float32),
        "gain.inverse": (network["gain.inverse"] - deviation).astype(np.float32),
        "quality.gain": _logs(steps, _PER_OCTAVE),
        "quality.scale": _logs(steps + network["gain.scale"] - math.log(SCALE_MIN), _PER_INDEX),
        "quality.hyper_gain": _logs(network["gain.hyper"], _PER_OCTAVE),
        "quality.hyper_scale": _logs(network["prior.scale"] - math.log(SCALE_MIN), _PER_INDEX),
    }
    if any(np.abs(arrays[name]).max() > EXPONENT_MAX for name in ("quality.gain", "quality.hyper_gain")):
        raise ValueError("gains are out of the range of the format")
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise ValueError("a weight is too large for float16")
    return arrays


def parameters_of(arrays: Arrays, *, hyper_context: bool = False) -> Parameters:
    """Trained parameters of a model file's arrays, to train on from it: the inverse of `model_arrays`, up to rounding.

    Args:
        arrays: of the file.
        hyper_context: also of the context of its hyper-latents. That fits them as they are, so it is trained last, by
            `benchmarks.hyper_context`; with all else it would make two fifths more kernels of each step.

    Raises:
        ModelError: arrays are missing.
    """
    try:
        deviation = np.log(arrays[f"{FIXED}latent_std"].astype(np.float64))
        network: Arrays = {name: value for name, value in arrays.items() if not name.startswith((*INTEGER, EFFORT))}
        for name in (key.removesuffix(".shift") for key in arrays if key.endswith(".shift")):
            if name.startswith(HYPER_CONTEXT) and not hyper_context:
                continue
            scale = np.exp2(arrays[f"{name}.shift"].astype(np.float64))
            weight, bias = arrays[f"{name}.weight"].astype(np.float64), arrays[f"{name}.bias"] - scale / 2
            weight = weight / (scale[:, None] if weight.ndim == 2 else scale)
            bias = bias / scale / (1 << ACTIVATION_BITS)
            if ".out." in name:
                half = len(weight) // 2
                weight[:half] *= SCALE_STEP_LN
                bias[:half] *= SCALE_STEP_LN
            network |= {f"{name}.weight": weight, f"{name}.bias": bias}
        steps = arrays["quality.gain"] / _PER_OCTAVE
        network |= {
            "gain.inverse": arrays["gain.inverse"] + deviation,
            "gain.latents": steps - deviation,
            "gain.scale": arrays["quality.scale"] / _PER_INDEX + math.log(SCALE_MIN) - steps,
            "gain.hyper": arrays["quality.hyper_gain"] / _PER_OCTAVE,
            "prior.scale": arrays["quality.hyper_scale"] / _PER_INDEX + math.log(SCALE_MIN),
        }
        return unfold({name: torch.tensor(value.astype(np.float32)) for name, value in network.items()})
    except KeyError as error:
        raise ModelError(f"the model has no {error.args[0]}: it cannot be trained on") from error


def refuse_folder(folder: Path) -> None:
    """Refuse a folder in which a run could not end with a model, before it begins.

    Raises:
        UsageError: safetensors cannot name its files, an index cannot name the model, or its index.json is no index.
    """
    name = folder.resolve().name
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{folder} is not UTF-8: name another --out") from error
    if not name.isprintable():
        raise UsageError(f"{name} is no name for a model: name another --out")
    try:
        list(listed([folder], "models", Entry))
        list(listed([folder], "metrics", Metric))
    except ModelError as error:
        raise UsageError(f"{error} (name another --out)") from error


def write_model(folder: Path, name: str, goal: Goal, summary: str, arrays: Arrays, card: str) -> Entry:
    """Write NAME.safetensors and its card NAME.md into `folder` and enter the model in its index.json.

    Each file is written whole or not at all; the index last, so it never names a file that is not there.
    """
    model = as_model(arrays, name)
    ids = model.entropy_id.hex(), model.synthesis_id.hex()
    return _write(folder, name, ids, goal.metadata(), summary, arrays, card)


def write_synthesis(folder: Path, name: str, entropy_id: str, summary: str, arrays: Arrays, card: str) -> Entry:
    """Do as `write_model` for a generative synthesis, of arrays that belong to the entropy part of that id."""
    ids = entropy_id, identify(arrays, SYNTHESIS, 4).hex()
    return _write(folder, name, ids, {"aim": REALISM, "entropy_id": entropy_id}, summary, arrays, card)


def write_metric(folder: Path, name: str, summary: str, arrays: Arrays, card: str) -> Metric:
    """Do as `write_model` for a metric."""
    path, content = folder / f"{name}.safetensors", _saved(arrays, {"aim": METRIC})
    identity = identify(arrays, ("",), 8).hex()
    metric = Metric(name, path, len(content), hashlib.sha256(content).hexdigest(), identity, summary)
    _write_files(metric, content, card, "metrics")
    return metric


def _saved(arrays: Arrays, metadata: dict[str, str]) -> bytes:
    """Bytes of a model's file; safetensors would take an array that is no whole block of memory for one."""
    return save({name: np.ascontiguousarray(value) for name, value in arrays.items()}, metadata)


def _write(
    folder: Path, name: str, ids: tuple[str, str], metadata: dict[str, str], summary: str, arrays: Arrays, card: str
) -> Entry:
    path, content = folder / f"{name}.safetensors", _saved(arrays, metadata)
    digest = hashlib.sha256(content).hexdigest()
    entry = Entry(name, path, len(content), digest, *ids, metadata["aim"], summary, metadata["aim"] == REALISM)
    _write_files(entry, content, card, "models")
    return entry


def _write_files(entry: Entry | Metric, content: bytes, card: str, kind: Kind) -> None:
    """Write a model's file and card, and enter it in a list of its folder's index."""
    folder = entry.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(entry.path, content, replace=True)
    write_whole(entry.path.with_suffix(".md"), card.encode(), replace=True)
    index = folder / "index.json"
    known: dict[str, Any] = {"models": []} | (json.loads(index.read_text(encoding="utf-8")) if index.exists() else {})
    listed = {other["name"]: other for other in known.get(kind, [])}
    # A model that was there keeps its place; that a model is whole goes without saying.
    said = {key: value for key, value in asdict(entry).items() if key != "path" and value is not False}
    listed[entry.name] = said | {"file": entry.path.name}
    write_whole(index, (json.dumps(known | {kind: [*listed.values()]}, indent=2) + "\n").encode(), replace=True)
