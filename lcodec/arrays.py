"""The arrays of a file that was trained: how they are read and checked, what their names say, and their identity.

Checked here is each by itself: its type, and that its numbers are finite. Whether they fit together,
`lcodec.networks.architecture` knows.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lcodec.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = [
    "ANALYSIS",
    "EFFORT",
    "ENTROPY",
    "HYPER_CONTEXT",
    "INTEGER",
    "QUALITY",
    "SYNTHESIS",
    "check_types",
    "identify",
    "read_arrays",
    "select",
]

#: Prefix of the integer tables of the entropy part.
QUALITY = "quality."
#: Prefixes of the arrays that each id covers.
ENTROPY = ("hyper_synthesis.", "base.", "context.", QUALITY)
SYNTHESIS = ("synthesis.", "gain.synthesis", "gain.inverse")
#: Prefixes of the arrays that an encoder needs besides.
ANALYSIS = ("analysis.", "hyper_analysis.", "gain.analysis")
#: Prefix of the context network of the hyper-latents. A model may do without, and no id covers it, so that a model that
#: got one later has its id still, and reads its old files; that a file was made with another, its symbol check tells.
HYPER_CONTEXT = "hyper_context."
#: Prefixes of all that is in integers.
INTEGER = (*ENTROPY, HYPER_CONTEXT)
#: Prefix of what was measured for the encoder (`lcodec.effort.measure`); a model may do without.
EFFORT = "effort."

#: Types of the parts of a layer of the entropy part, and of its tables; all that is not of that part is in floats.
_FIXED, _TABLE, _FLOAT = {"weight": "int16", "bias": "int64", "shift": "uint8"}, "int32", ("float16", "float32")


def select(arrays: Arrays, prefixes: tuple[str, ...]) -> Arrays:
    """Those of the arrays whose names have one of the prefixes."""
    return {name: value for name, value in arrays.items() if name.startswith(prefixes)}


def identify(arrays: Arrays, prefixes: tuple[str, ...], size: int) -> bytes:
    """Identity of the arrays with these prefixes: the first `size` bytes of a SHA-256.

    Hashed, in the order of names: name, type and shape (as JSON) and the bytes, little-endian, row by row.
    """
    digest = hashlib.sha256()
    for name, value in sorted(select(arrays, prefixes).items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.digest()[:size]


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a file in the format safetensors.

    Raises:
        ModelError: it cannot be read, an array is of a type that NumPy lacks, or has numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    arrays: Arrays = {}
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            for name in file.keys():  # noqa: SIM118 - no mapping
                try:
                    arrays[name] = file.get_tensor(name)
                except (TypeError, AttributeError) as error:  # of NumPy, asked for bfloat16 or a float of 8 bits
                    raise ModelError(f"cannot read the model {path}: {name} is of a type unknown here") from error
    except (OSError, ValueError, SafetensorError) as error:  # ValueError: a path that is no Unicode
        raise ModelError(f"cannot read the model {path}: {error}") from error
    for name, value in arrays.items():
        if not _finite(value):
            raise ModelError(f"cannot use the model {path}: {name} has numbers that are not finite")
    return arrays, metadata


def _finite(array: npt.NDArray[Any]) -> bool:
    """Whether there is neither NaN nor infinity, which have the largest bits of each sign.

    By the bits because NumPy's own test takes a millisecond for each 300,000 float16, twenty times as long.
    """
    import numpy as np

    if array.dtype.kind != "f" or not array.size:
        return True
    signed, unsigned = (f"{kind}{array.itemsize}" for kind in "iu")
    infinite = np.array([np.inf, -np.inf], array.dtype)
    positive = array.view(signed).max() < infinite.view(signed)[0]
    return bool(positive and array.view(unsigned).max() < infinite.view(unsigned)[1])


def check_types(arrays: Arrays) -> None:
    """Check that the arrays of a codec's model are of the types that computing with them takes for granted.

    Args:
        arrays: of a model, all of whose layers are known (`lcodec.networks.architecture`).

    Raises:
        ModelError: one is not.
    """
    for name, value in arrays.items():
        if name.startswith(QUALITY):
            wanted: tuple[str, ...] = (_TABLE,)
        elif name.startswith(INTEGER):
            wanted = (_FIXED[name.rpartition(".")[2]],)
        elif name.startswith((*ANALYSIS, *SYNTHESIS, EFFORT)):
            wanted = _FLOAT
        else:
            continue
        if str(value.dtype) not in wanted:
            raise ModelError(f"{name} is of type {value.dtype}, not {' or '.join(wanted)}")
