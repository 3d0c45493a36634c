"""Rows of residual blocks (`lcodec.networks.ops.Ops.block`), which all networks consist of, on pictures and tiles.

What a tile has around it is there to be seen by its blocks, each one position further. What the blocks still to come
will not see is cut off after each, so that the halo costs about half of what it would if it were kept to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import TypeVar

from lcodec.networks.ops import Edges, Ops

__all__ = ["NO_EDGES", "blocks", "narrow", "numbered", "present"]

NO_EDGES: Edges = (0, 0, 0, 0)

T = TypeVar("T")


def blocks(ops: Ops[T], names: Iterable[str], x: T, edges: Edges = NO_EDGES, beyond: int = 0) -> tuple[T, Edges]:
    """Blocks in a row, as many of `names` as the model has.

    Args:
        ops: the backend.
        names: of blocks.
        x: (N, h, w, C).
        edges: positions at each side of `x` that are not asked for.
        beyond: how many of them what follows the blocks will see.

    Returns:
        The result, and what is left of the edges.
    """
    found = present(ops, names)
    x, edges = narrow(ops, x, edges, beyond + len(found))
    for index, name in enumerate(found, 1):
        x, edges = narrow(ops, ops.block(name, x), edges, beyond + len(found) - index)
    return x, edges


def narrow(ops: Ops[T], x: T, edges: Edges, seen: int) -> tuple[T, Edges]:
    """Cut off edges beyond the `seen` positions next to what is asked for: the rest, and its edges."""
    top, bottom, left, right = (max(0, edge - seen) for edge in edges)
    if top or bottom or left or right:
        x = ops.crop(x, (top, bottom, left, right))
    return x, (edges[0] - top, edges[1] - bottom, edges[2] - left, edges[3] - right)


def present(ops: Ops[T], names: Iterable[str]) -> list[str]:
    """Those of the blocks that the model has."""
    return list(takewhile(lambda name: ops.has(f"{name}.mix"), names))


def numbered(name: str) -> Iterator[str]:
    """Names of the blocks of a transform: `name`.0, `name`.1, ..."""
    return (f"{name}.{index}" for index in count())
