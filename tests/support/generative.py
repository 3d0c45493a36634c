"""A generative synthesis for the golden model, of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lcodec.arrays import SYNTHESIS, identify
from lcodec.zoo import Zoo

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
#: The name of what `add_generative` writes.
NAME = "textured"


def generative_arrays() -> dict[str, NDArray[Any]]:
    """Arrays that make visible texture: noise, two more fine blocks, and other weights in those that there were."""
    rng = np.random.default_rng(5)
    golden = Zoo([GOLDEN]).load("golden")
    arrays = {name: value for name, value in golden.arrays.items() if name.startswith(SYNTHESIS)}
    width, first = len(arrays["synthesis.out.weight"][0]), golden.architecture.synthesis_fine_blocks
    for name in [name for name in arrays if name.startswith("synthesis.fine.0.")]:
        for index in (first, first + 1):
            other = arrays[name] + rng.normal(0, 0.02, arrays[name].shape)
            arrays[name.replace(".0.", f".{index}.")] = other.astype(np.float16)
    arrays["synthesis.noise.weight"] = rng.normal(0, 0.08, (width, 48)).astype(np.float16)
    arrays["synthesis.noise.bias"] = rng.normal(0, 0.02, width).astype(np.float16)
    arrays["synthesis.shortcut.bias"] = arrays["synthesis.shortcut.bias"] + np.float16(0.02)
    return arrays


def add_generative(folder: Path) -> Path:
    """Write the synthesis and an index into a folder."""
    return add_synthesis(folder, NAME, generative_arrays(), "realism")


def add_synthesis(folder: Path, name: str, arrays: dict[str, NDArray[Any]], aim: str) -> Path:
    """Write a synthesis for the golden model, and an index, into a folder."""
    entropy_id = Zoo([GOLDEN]).load("golden").entropy_id.hex()
    save_file(arrays, folder / f"{name}.safetensors", {"entropy_id": entropy_id})
    entry = {
        "name": name,
        "file": f"{name}.safetensors",
        "size": 1,
        "sha256": "",
        "entropy_id": entropy_id,
        "synthesis_id": identify(arrays, SYNTHESIS, 4).hex(),
        "aim": aim,
        "summary": "",
        "synthesis_only": True,
    }
    (folder / "index.json").write_text(json.dumps({"models": [entry]}))
    return folder
