"""The residual block that all networks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import TypeVar

from lcodec.networks.ops import Ops

__all__ = ["block", "blocks", "numbered"]

T = TypeVar("T")


def block(ops: Ops[T], name: str, x: T) -> T:
    """X += 1x1(depthwise3x3(act(1x1(x)))), then x += 1x1(act(1x1(x))) of twice the width: same shape.

    No normalisation (rates need absolute magnitudes) and no attention (a bounded receptive field allows tiles).
    """
    t = ops.leaky(ops.linear(f"{name}.mix", x))
    x = ops.add(x, ops.linear(f"{name}.merge", ops.depthwise(f"{name}.spatial", t)))
    t = ops.leaky(ops.linear(f"{name}.expand", x))
    return ops.add(x, ops.linear(f"{name}.reduce", t))


def blocks(ops: Ops[T], names: Iterable[str], x: T) -> T:
    """Blocks in a row, as many of `names` as the model has."""
    for name in takewhile(lambda name: ops.has(f"{name}.mix"), names):
        x = block(ops, name, x)
    return x


def numbered(name: str) -> Iterator[str]:
    """Names of the blocks of a transform: `name`.0, `name`.1, ..."""
    return (f"{name}.{index}" for index in count())
