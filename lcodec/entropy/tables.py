"""Integer tables that the coder and the fixed-point networks use: the same bytes on every machine.

`tables.npy`, made by `make_tables` with integers of any size, holds (little-endian uint16)
    128     R of each Gaussian table: it has the symbols -R..R and an escape
    1024    2^(15 + i/1024), rounded
    ...     the tables' frequencies, one after the other, each summing to 65,536
Table i is that of a Gaussian of mean 0 and standard deviation 0.11 * 2^(0.073 i), in bins of width 1.

`dependent.npy`, made by `benchmarks.dependent_tables`, holds (uint16) those of dependent quantisation
(`lcodec.entropy.dependent`): of each of two quantisers and each table in DEPENDENT, the frequencies of the symbols
-DEPENDENT_REACH..DEPENDENT_REACH and the escape. They were counted: which symbol is chosen is no matter of nearness.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lcodec.errors import ModelError

__all__ = [
    "DEPENDENT",
    "DEPENDENT_REACH",
    "EXP2_SIZE",
    "SCALES",
    "SHA256",
    "TOTAL",
    "Tables",
    "load_dependent",
    "load_tables",
]

#: Number of Gaussian tables.
SCALES = 128
#: Sum of the frequencies of a table.
TOTAL = 1 << 16
#: Entries of the table of powers of two, which covers one octave.
EXP2_SIZE = 1024
#: SHA-256 of the array's bytes (not of the .npy file around them).
SHA256 = "fa7b3cf453991b73a44b7ea374854768987801eb16fe32d5cac05553d49b9fe8"
#: Tables whose latents are quantised dependently: of standard deviations of 0.56 to 13 quantisation steps.
DEPENDENT = range(32, 96)
#: Largest magnitude of a symbol in the tables for them.
DEPENDENT_REACH = 63
#: SHA-256 of those tables' bytes.
DEPENDENT_SHA256 = "25408490a8b23f5f3b7b5afcc3e92dbef74ad60f7bc0833935998bc93c63ce11"


class Tables(NamedTuple):
    """Contents of the asset."""

    frequencies: tuple[npt.NDArray[np.uint16], ...]  #: SCALES arrays (2 R + 2,): symbols -R..R, then the escape
    exp2: npt.NDArray[np.int64]  #: (EXP2_SIZE,), 2^(15 + i/1024) in [2^15, 2^16)


def _load(name: str, digest: str) -> npt.NDArray[np.uint16]:
    """An asset of this folder.

    Raises:
        ModelError: it is not the one that this version was made with.
    """
    data = np.load(Path(__file__).with_name(name), allow_pickle=False)
    if hashlib.sha256(data.tobytes()).hexdigest() != digest:
        raise ModelError("the frequency tables of this installation are damaged; reinstall lcodec")
    return data.astype(np.uint16)  # type: ignore[no-any-return]


@cache
def load_tables() -> Tables:
    """Load the tables of symbols that stand for themselves, and check their hash.

    Raises:
        ModelError: the asset is not the one that this version was made with.
    """
    reach, exp2, rest = np.split(_load("tables.npy", SHA256), [SCALES, SCALES + EXP2_SIZE])
    ends = np.cumsum(2 * reach.astype(np.int64) + 2)
    return Tables(tuple(np.split(rest, ends[:-1])), exp2.astype(np.int64))


@cache
def load_dependent() -> npt.NDArray[np.uint16]:
    """Load those of dependent quantisation: (2 * 64, 128), of the first quantiser, then of the second.

    Raises:
        ModelError: as `load_tables`.
    """
    return _load("dependent.npy", DEPENDENT_SHA256)
