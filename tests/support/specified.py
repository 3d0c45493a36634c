"""FORMAT.md in integers of Python and NumPy: the range decoder and the fixed-point operations, word for word.

Code of its own, so that what `lcodec.entropy` does can be compared with what is specified.
"""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lcodec.entropy.integer import ACTIVATION_MAX
from lcodec.entropy.tables import load_tables
from lcodec.networks.architecture import Architecture
from lcodec.networks.hyperprior import context, correction, hyper_context, hyper_correction, hyper_synthesis
from lcodec.networks.ops import Ops, shuffle, unshuffle

#: The tables of dependent quantisation, read as FORMAT.md says.
DEPENDENT = np.load(Path(__file__).parents[2] / "lcodec" / "entropy" / "dependent.npy")
Arrays = dict[str, npt.NDArray[Any]]
MASK = (1 << 64) - 1


class SpecifiedDecoder:
    """The range decoder of FORMAT.md, word for word, in integers of any size."""

    def __init__(self, data: bytes) -> None:
        self.words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
        self.low, self.range = 0, MASK
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, cumulative: list[int]) -> int:
        """Index of the next symbol; `cumulative` begins with 0 and ends with 2^24."""
        scale = self.range >> 24
        quotient = (self.point - self.low & MASK) // scale
        assert quotient < 1 << 24
        index = bisect.bisect_right(cumulative, quotient) - 1
        self.low = self.low + scale * cumulative[index] & MASK
        self.range = scale * (cumulative[index + 1] - cumulative[index])
        if self.range < 1 << 32:
            self.low, self.range = self.low << 32 & MASK, self.range << 32
            self.point = (self.point << 32 & MASK) | self.word()
        return index

    def batch(self, indexes: list[int]) -> list[int]:
        """Symbols of a batch, one for each table index."""
        out, escaped = [0] * len(indexes), []
        for place in sorted(range(len(indexes)), key=lambda at: indexes[at]):
            frequencies = [256 * int(count) for count in load_tables().frequencies[indexes[place]]]
            reach = len(frequencies) // 2 - 1
            symbol = self.symbol([sum(frequencies[:k]) for k in range(len(frequencies) + 1)])
            out[place] = symbol - reach
            if symbol == 2 * reach + 1:
                escaped.append((place, reach))
        for place, reach in escaped:
            out[place] = self.escaped(reach)
        return out

    def escaped(self, reach: int) -> int:
        """A symbol beyond its table's reach."""
        bit = [0, 1 << 23, 1 << 24]
        zeros = 0
        while not self.symbol(bit):
            zeros += 1
        value = 1
        for _ in range(zeros):
            value = 2 * value + self.symbol(bit)
        magnitude = reach + 1 + (value - 1) // 2
        return magnitude if value % 2 else -magnitude

    def dependent_batch(self, indexes: list[int]) -> tuple[list[int], list[int]]:
        """Symbols of a batch with dependent latents, as they come; and 16 times what each stands for, in its order."""
        plain = [place for place, index in enumerate(indexes) if not 32 <= index <= 95]
        symbols = self.batch([indexes[place] for place in plain])
        out = [0] * len(indexes)
        for place, symbol in zip(plain, symbols, strict=True):
            out[place] = 16 * symbol
        dependent = [place for place, index in enumerate(indexes) if 32 <= index <= 95]
        states = [0] * -(-len(dependent) // 512)
        for step in range(512):
            numbers = range(step, len(dependent), 512)
            coded = []
            for lane, number in enumerate(numbers):
                row = 64 * (states[lane] >> 7) + indexes[dependent[number]] - 32
                frequencies = [256 * int(count) for count in DEPENDENT[row]]
                coded.append(self.symbol([sum(frequencies[:k]) for k in range(129)]) - 63)
            coded = [self.escaped(63) if symbol == 64 else symbol for symbol in coded]
            for lane, (number, k) in enumerate(zip(numbers, coded, strict=True)):
                state = states[lane]
                second, sign = state >> 7, (k > 0) - (k < 0)
                out[dependent[number]] = 9 * (2 * k - second * sign)
                states[lane] = 2 * state % 256 ^ 77 * second ^ 242 * (k % 2)
            symbols += coded
        return symbols, out


class Int64Ops(Ops[Any]):
    """The same operations in int64, with loops and shifts as FORMAT.md has them."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = {name: value.astype(np.int64) for name, value in arrays.items()}

    def _out(self, name: str, total: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        shifted = (total + self.arrays[f"{name}.bias"]) >> self.arrays[f"{name}.shift"]
        return shifted.clip(-ACTIVATION_MAX, ACTIVATION_MAX)

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self.arrays

    def linear(self, name: str, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self._out(name, np.einsum("nhwi,oi->nhwo", x, self.arrays[f"{name}.weight"]))

    def depthwise(self, name: str, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return self._out(name, np.einsum("nhwcij,ijc->nhwc", windows, self.arrays[f"{name}.weight"]))

    def leaky(self, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.maximum(x, x >> 3)

    def add(self, x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (x + y).clip(-ACTIVATION_MAX, ACTIVATION_MAX)

    def unshuffle(self, x: Any, n: int) -> Any:
        return unshuffle(x, n)

    def shuffle(self, x: Any, n: int) -> Any:
        return shuffle(x, n)

    def concat(self, x: Any, y: Any) -> Any:
        return np.concatenate((x, y), axis=-1)


def inputs(batch: int, channels: int, kind: str, seed: int) -> npt.NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    shape = (batch, 3, 4, channels)
    if kind == "extreme":
        return rng.choice([-ACTIVATION_MAX, ACTIVATION_MAX], shape)
    if kind == "full":
        return rng.integers(-ACTIVATION_MAX, ACTIVATION_MAX + 1, shape)
    return rng.integers(-20_000, 20_000, shape)


def networks(ops: Any, z: Any, known: Any) -> list[Any]:
    """All that the coder depends on, `z` standing for decoded hyper-latents too."""
    features = hyper_synthesis(ops, z)
    hidden = [context(ops, step, known, features) for step in (1, 2, 3)]
    hyper_hidden = [hyper_context(ops, step, z) for step in (1, 2, 3)]
    return [
        features,
        *hidden,
        *hyper_hidden,
        *(hyper_correction(ops, group, hyper_hidden[0]) for group in range(4)),
        *(correction(ops, group, hidden[0], base=base) for group in range(4) for base in (True, False)),
    ]


def known_of(z: npt.NDArray[np.int64], sizes: Architecture, kind: str) -> npt.NDArray[np.int64]:
    big = np.repeat(np.repeat(inputs(len(z), sizes.latents, kind, 5), 4, axis=1), 4, axis=2)
    return big[:, : 4 * z.shape[1], : 4 * z.shape[2]]
