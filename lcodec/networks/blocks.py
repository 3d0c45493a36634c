"""The residual block that all networks share."""

from __future__ import annotations

from typing import TypeVar

from lcodec.networks.ops import Ops

__all__ = ["block", "blocks"]

T = TypeVar("T")


def block(ops: Ops[T], name: str, x: T) -> T:
    """X += 1x1(depthwise3x3(act(1x1(x)))), then x += 1x1(act(1x1(x))) of twice the width: same shape.

    No normalisation (rates need absolute magnitudes) and no attention (a bounded receptive field allows tiles).
    """
    t = ops.leaky(ops.linear(f"{name}.mix", x))
    x = ops.add(x, ops.linear(f"{name}.merge", ops.depthwise(f"{name}.spatial", t)))
    t = ops.leaky(ops.linear(f"{name}.expand", x))
    return ops.add(x, ops.linear(f"{name}.reduce", t))


def blocks(ops: Ops[T], name: str, count: int, x: T) -> T:
    """`count` blocks in a row, named `name`.0, `name`.1, ..."""
    for index in range(count):
        x = block(ops, f"{name}.{index}", x)
    return x
