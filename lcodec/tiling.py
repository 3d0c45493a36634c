"""Tiles: run a network over a large array in pieces, as if it had been run over the whole.

Each tile is computed with a halo as wide as the network's receptive field, which is then cut off, so there are no
seams: only at the true border does a network see the zeros that it pads with.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy.typing as npt

__all__ = ["map_tiles"]


def _cuts(size: int, most: int) -> list[tuple[int, int]]:
    """Cut 0..size into equal pieces of at most `most`."""
    count = -(-size // most)
    edges = [size * index // count for index in range(count + 1)]
    return list(pairwise(edges))


def map_tiles(
    function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    *,
    tile: int,
    halo: int,
) -> None:
    """Fill `target` with function(source), tile by tile.

    Tiles are counted in elements of the smaller of the two, whose sides divide those of the larger.

    Args:
        function: maps (1, h, w, C) to (1, h', w', C'), sizes in the proportion of source and target.
        source: (H, W, C).
        target: (H', W', C'), written to.
        tile: largest side of a tile.
        halo: elements that a tile needs around it.
    """
    height, width = min(source.shape[0], target.shape[0]), min(source.shape[1], target.shape[1])
    into, out = source.shape[0] // height, target.shape[0] // height
    for top, bottom in _cuts(height, tile):
        for left, right in _cuts(width, tile):
            above, before = min(halo, top), min(halo, left)
            below, after = min(halo, height - bottom), min(halo, width - right)
            rows = slice((top - above) * into, (bottom + below) * into)
            columns = slice((left - before) * into, (right + after) * into)
            result = function(source[None, rows, columns])[0]
            inner = result[above * out : (above + bottom - top) * out, before * out : (before + right - left) * out]
            target[top * out : bottom * out, left * out : right * out] = inner
