"""Rows of residual blocks (`lcodec.networks.ops.Ops.block`), which all networks consist of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import TypeVar

from lcodec.networks.ops import Ops

__all__ = ["blocks", "numbered"]

T = TypeVar("T")


def blocks(ops: Ops[T], names: Iterable[str], x: T) -> T:
    """Blocks in a row, as many of `names` as the model has."""
    for name in takewhile(lambda name: ops.has(f"{name}.mix"), names):
        x = ops.block(name, x)
    return x


def numbered(name: str) -> Iterator[str]:
    """Names of the blocks of a transform: `name`.0, `name`.1, ..."""
    return (f"{name}.{index}" for index in count())
