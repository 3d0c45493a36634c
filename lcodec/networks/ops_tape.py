"""The operations of `ops` in NumPy, recorded, so that gradients in the input of a network can be taken without torch.

Reverse-mode differentiation (Griewank and Walther, "Evaluating derivatives", 2008, chapter 3) of the input alone:
weights are constants, so going back costs what going forward does, and all that is kept is the signs at the leaky
ReLUs. Networks run on it as they stand: `synthesis(TapeOps(arrays), Traced.start(x), gain)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lcodec.networks.bands import block_backward, block_in_bands, depthwise_rows, linear_in_parts
from lcodec.networks.ops import SLOPE, Array, Edges, NumpyOps, Ops, add_shifted, crop, shuffle, unshuffle

__all__ = ["TapeOps", "Traced"]

Pull = Callable[[Array], Array]


@dataclass
class _Slot:
    """Where the gradient of one value is gathered."""

    gradient: Array | None = None

    def gather(self, gradient: Array) -> None:
        self.gradient = gradient if self.gradient is None else self.gradient + gradient


@dataclass
class _Tape:
    """Operations in the order in which they ran: slot of the result; slot of each operand, cotangent -> cotangent."""

    steps: list[tuple[_Slot, list[tuple[_Slot, Pull]]]] = field(default_factory=list)


@dataclass(frozen=True)
class Traced:
    """An array that remembers how it was made."""

    value: Array
    _slot: _Slot
    _tape: _Tape

    @classmethod
    def start(cls, value: Array) -> Traced:
        """Begin a recording with the input of a network."""
        return cls(value, _Slot(), _Tape())

    def then(self, value: Array, *pulls: tuple[Traced, Pull]) -> Traced:
        """Record a result and, for each operand, how a cotangent of the result becomes one of the operand."""
        slot = _Slot()
        self._tape.steps.append((slot, [(operand._slot, pull) for operand, pull in pulls]))
        return Traced(value, slot, self._tape)

    def __mul__(self, gain: Array) -> Traced:
        return self.then(self.value * gain, (self, lambda above: above * gain))

    def gradient(self, start: Traced, cotangent: Array) -> Array:
        """Gradient in `start` of sum(cotangent * self); can be asked for again with another cotangent."""
        start._slot.gradient = None
        self._slot.gradient = cotangent
        for above, operands in reversed(self._tape.steps):
            if above.gradient is not None:
                for below, pull in operands:
                    below.gather(pull(above.gradient))
                above.gradient = None  # memory for the next ones
        if start._slot.gradient is None:
            raise ValueError("the result does not depend on this input")
        return start._slot.gradient


class _Back:
    """The layers of `NumpyOps` backward (`lcodec.networks.bands.Backward`)."""

    def __init__(self, params: Mapping[str, Array]) -> None:
        self.params = params

    def linear_into(self, name: str, x: Array, out: Array) -> None:
        weight = self.params[f"{name}.weight"]
        np.matmul(x.reshape(-1, len(weight)), weight, out=out.reshape(-1, weight.shape[1]))

    def depthwise_into(self, name: str, x: Array, out: Array) -> None:
        # Turned by half a turn, the kernel takes a cotangent back.
        depthwise_rows(x, self.params[f"{name}.weight"][::-1, ::-1], out)

    def leaky_into(self, negative: npt.NDArray[np.bool_], spare: Array, out: Array) -> None:
        # Arithmetic on all elements: to pick some of them took 4.7 ns each, this takes 0.25.
        np.multiply(negative, np.float32(SLOPE - 1), out=spare)
        np.add(spare, np.float32(1), out=spare)
        np.multiply(out, spare, out=out)


class TapeOps(Ops[Traced]):
    """Same contract as `ops.NumpyOps`, over `Traced` arrays."""

    def __init__(self, params: Mapping[str, Array]) -> None:
        self._ops, self._back = NumpyOps(params), _Back(params)
        self._params = params

    def has(self, name: str) -> bool:
        return self._ops.has(name)

    def linear(self, name: str, x: Traced) -> Traced:
        inputs = x.value.shape[-1]

        def pull(above: Array) -> Array:
            return linear_in_parts(self._back, name, np.ascontiguousarray(above), inputs)

        return x.then(self._ops.linear(name, x.value), (x, pull))

    def block(self, name: str, x: Traced) -> Traced:
        shape = x.value.shape
        signs = np.empty(shape, np.bool_), np.empty((*shape[:3], 2 * shape[3]), np.bool_)
        value = block_in_bands(self._ops, name, x.value, signs)
        return x.then(value, (x, lambda above: block_backward(self._back, name, above, signs)))

    def depthwise(self, name: str, x: Traced) -> Traced:
        # Turned by half a turn, the kernel takes a cotangent back.
        turned = self._params[f"{name}.weight"][::-1, ::-1]

        def pull(above: Array) -> Array:
            below: Array = add_shifted(above, turned, np.zeros_like(above))
            return below

        return x.then(self._ops.depthwise(name, x.value), (x, pull))

    def leaky(self, x: Traced) -> Traced:
        positive = x.value > 0

        def pull(above: Array) -> Array:
            below: Array = above * np.float32(SLOPE)
            np.copyto(below, above, where=positive)
            return below

        return x.then(self._ops.leaky(x.value), (x, pull))

    def add(self, x: Traced, y: Traced) -> Traced:
        return x.then(x.value + y.value, (x, lambda above: above), (y, lambda above: above))

    def unshuffle(self, x: Traced, n: int) -> Traced:
        return x.then(unshuffle(x.value, n), (x, lambda above: shuffle(above, n)))

    def shuffle(self, x: Traced, n: int) -> Traced:
        return x.then(shuffle(x.value, n), (x, lambda above: unshuffle(above, n)))

    def crop(self, x: Traced, edges: Edges) -> Traced:
        top, bottom, left, right = edges
        around = ((0, 0), (top, bottom), (left, right), (0, 0))
        return x.then(crop(x.value, edges), (x, lambda above: np.pad(above, around)))

    def concat(self, x: Traced, y: Traced) -> Traced:
        width = x.value.shape[-1]
        joined = np.concatenate((x.value, y.value), axis=-1)
        return x.then(joined, (x, lambda above: above[..., :width]), (y, lambda above: above[..., width:]))
