"""Model files whose arrays are not what a model has: each is refused when it is loaded, by name."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from lcodec.arrays import EFFORT, read_arrays
from lcodec.errors import ModelError
from lcodec.networks.architecture import Architecture
from lcodec.zoo import Zoo
from tests.support.golden import MODEL

Array = npt.NDArray[Any]
#: The golden model, with what is measured for effort.
COLUMNS = {"weight": 32, "stretch": 32, "curvature": 32, "part": 1, "lighter": 2, "coarser": 2}
ARRAYS = MODEL.arrays | {f"{EFFORT}{name}": np.zeros((6, wide), np.float32) for name, wide in COLUMNS.items()}


def saved(folder: Path, arrays: dict[str, Array]) -> Path:
    path = folder / "changed.safetensors"
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    return path


def with_last(number: float) -> Callable[[Array], Array]:
    """Put a number last in an array."""

    def change(array: Array) -> Array:
        changed = array.copy()
        changed.flat[-1] = number
        return changed

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("analysis.in.weight", with_last(np.nan)),
        ("synthesis.out.bias", with_last(-np.nan)),
        ("gain.analysis", with_last(np.inf)),
        ("effort.weight", with_last(-np.inf)),
        ("analysis.in.weight", lambda array: array[0, 0]),
        ("analysis.in.weight", lambda array: array[:0]),
        ("analysis.fine.0.spatial.weight", lambda array: array.transpose(2, 0, 1)),
        ("gain.analysis", lambda array: array[0]),
        ("gain.analysis", lambda array: array[:1]),
        ("gain.synthesis", lambda array: array[:, :5]),
        ("gain.inverse", lambda array: array[:, :5]),
        ("effort.weight", lambda array: array[:, :5]),
        ("effort.part", lambda array: array[0]),
        ("effort.lighter", lambda array: array[:, :1]),
        ("quality.gain", lambda array: array[:0]),
        ("quality.scale", lambda array: array[0]),
        ("quality.hyper_gain", lambda array: array[:, :3]),
        ("quality.gain", lambda array: array.astype(np.float32)),
        ("context.block.mix.shift", lambda array: array[:3]),
        ("context.block.mix.weight", lambda array: array.astype(np.float32)),
        ("context.block.mix.bias", lambda array: array.astype(np.int32)),
        ("synthesis.in.weight", lambda array: array.astype(np.float64)),
    ],
)
def test_a_changed_array_is_named(name: str, change: Callable[[Array], Array], tmp_path: Path) -> None:
    path = saved(tmp_path, ARRAYS | {name: change(ARRAYS[name])})
    with pytest.raises(ModelError) as refused:
        Zoo().load(str(path))
    said = str(refused.value)
    assert str(path) in said
    assert name.removesuffix(".weight").removesuffix(".shift") in said
    assert "\n" not in said


def test_every_array_is_needed() -> None:
    """A block without its first array is not left out as if the model ended before it."""
    assert Architecture.of(ARRAYS) == MODEL.architecture
    missed = set()
    for name in ARRAYS:
        try:
            Architecture.of({other: value for other, value in ARRAYS.items() if other != name})
        except ModelError:
            missed.add(name)
    assert {name for name in ARRAYS if not name.startswith("fixed.")} == missed


@pytest.mark.parametrize("name", ["context.foo.shift", "context.foo.weight", "synthesis.fine.9.mix.weight"])
def test_an_array_of_no_layer_is_refused(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, ARRAYS | {name: np.ones(3, np.uint8)})
    with pytest.raises(ModelError, match=f"{name} belongs to no whole layer"):
        Zoo().load(str(path))


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F8_E4M3", 1)])
def test_types_that_numpy_lacks_are_refused(kind: str, size: int, tmp_path: Path) -> None:
    entry = {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}
    header = json.dumps({"analysis.in.weight": entry}).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * size))
    with pytest.raises(ModelError, match=r"odd\.safetensors: analysis\.in\.weight is of a type unknown here"):
        Zoo().load(str(path))


def test_a_path_that_is_no_unicode_is_an_error() -> None:
    with pytest.raises(ModelError, match="cannot read the model"):
        Zoo().load("\udcff.safetensors")


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_largest_numbers_are_finite(kind: Any, tmp_path: Path) -> None:
    limits = np.finfo(kind)
    arrays = {"x": np.array([limits.max, limits.min, limits.tiny, -0.0, 0.0], kind), "none": np.zeros((0, 3), kind)}
    assert np.array_equal(read_arrays(saved(tmp_path, arrays))[0]["x"], arrays["x"])


def test_what_is_not_exact_is_named_when_it_is_used(tmp_path: Path) -> None:
    for name in ("quality.gain", "quality.hyper_gain"):
        path = saved(tmp_path, ARRAYS | {name: with_last(np.iinfo(np.int32).min)(ARRAYS[name])})
        with pytest.raises(ModelError, match="cannot use the model changed: the model's gains are out of range"):
            _ = Zoo().load(str(path)).entropy


@pytest.mark.parametrize("which", [0, 1])
def test_latents_that_are_not_finite_are_not_coded(which: int) -> None:
    """Finite weights can still make them."""
    latents = [np.zeros((4, 4, 32), np.float32), np.zeros((1, 1, 8), np.float32)]
    latents[which][..., -1] = np.nan
    with pytest.raises(ModelError, match="latents of the picture are not finite"):
        MODEL.entropy.encode(*latents, 5000)
