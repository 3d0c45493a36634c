"""The generative synthesis: noise that it makes texture of, and how far a synthesis is moved towards it.

A generative synthesis is that of `lcodec.networks.transforms` with noise added to its fine features, and perhaps with
more fine blocks; it decodes what another model of the same entropy part has coded. Any realism between that model's
synthesis and this one is a synthesis with interpolated weights (Iwai et al. 2020, "Fidelity-controllable extreme image
compression with generative adversarial networks", section 3.4), so that every realism takes one pass.

Noise is a function of the place in the whole picture, in integers: the same on every device, in every cut into regions
and tiles, at every decoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from lcodec.errors import ModelError
from lcodec.networks.transforms import NOISE

__all__ = ["blend", "noise"]

Array = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint32]

#: Bits of a hash that choose a value of the table.
_BITS = 10
#: Values of the table are multiples of this, so that no rounding of a mathematical library shows in them.
_UNIT = 2.0**-12
#: Odd numbers that tell rows, columns and channels apart.
_ROW, _COLUMN, _CHANNEL = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
#: The last layers of a block's two branches: without them it is the identity.
_LAST = ("merge", "reduce")


@cache
def _gaussian() -> Array:
    """Values (1024,) of equal probability that have the mean and the variance of a unit Gaussian."""
    count, normal = 1 << _BITS, NormalDist()
    values = np.array([normal.inv_cdf((index + 0.5) / count) for index in range(count)])
    values /= np.sqrt(np.mean(values**2))
    return (np.rint(values / _UNIT) * _UNIT).astype(np.float32)


def _mixed(words: Words) -> Words:
    """A permutation of 32-bit words whose results look independent (Wellons, "lowbias32"), in place."""
    words ^= words >> np.uint32(16)
    words *= np.uint32(0x7FEB352D)
    words ^= words >> np.uint32(15)
    words *= np.uint32(0x846CA68B)
    words ^= words >> np.uint32(16)
    return words


def _numbered(first: int, count: int, factor: int) -> Words:
    """The numbers `first`, `first` + 1, ..., each times `factor`, modulo 2^32."""
    return (np.arange(first, first + count).astype(np.uint32) + np.uint32(1)) * np.uint32(factor)


def noise(top: int, left: int, height: int, width: int, channels: int) -> Array:
    """Noise of a rectangle of fine positions.

    Args:
        top: its first row, in fine positions of the whole picture (8 pixels).
        left: its first column.
        height: rows.
        width: columns.
        channels: of the noise.

    Returns:
        (height, width, channels), unit Gaussian, independent in every position and channel.
    """
    rows, columns = _mixed(_numbered(top, height, _ROW)), _numbered(left, width, _COLUMN)
    places = _mixed(rows[:, None] ^ columns)
    hashes = _mixed(places[:, :, None] + _numbered(0, channels, _CHANNEL))
    values: Array = _gaussian()[hashes >> np.uint32(32 - _BITS)]
    return values


def blend(
    plain: Mapping[str, npt.NDArray[np.floating]], real: Mapping[str, npt.NDArray[np.floating]], realism: float
) -> dict[str, Array]:
    """Arrays of a synthesis between two: weights, biases and log-gains are interpolated linearly.

    What the generative synthesis alone has fades in: its noise by the layer that it enters through, its further blocks
    by the last layers of their branches.

    Args:
        plain: arrays of the plain synthesis.
        real: arrays of the generative one: all of the plain one's, and perhaps more.
        realism: 0 (plain) to 1 (generative).

    Raises:
        ModelError: the two do not fit together.
    """
    found = {}
    share = np.float32(realism)
    for name, value in real.items():
        end = value.astype(np.float32)
        if name in plain:
            begin = plain[name].astype(np.float32)
            if begin.shape != end.shape:
                raise ModelError(f"the two syntheses do not fit together: {name} is {begin.shape} and {end.shape}")
            found[name] = begin + share * (end - begin)
        elif name.startswith(f"{NOISE}.") or name.split(".")[-2] in _LAST:
            found[name] = share * end
        else:
            found[name] = end
    if missing := plain.keys() - real.keys():
        raise ModelError(f"the two syntheses do not fit together: one has no {min(missing)}")
    return found
