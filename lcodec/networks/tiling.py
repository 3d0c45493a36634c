"""Tiles: run a network over a large array in pieces, as if it had been run over the whole.

Each tile is computed with a halo as wide as the network's receptive field, which is then cut off, so there are no
seams: only at the true border does a network see the zeros that it pads with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy.typing as npt

from lcodec.networks.ops import Edges

__all__ = ["map_tiles", "tiles"]


def _cuts(size: int, most: int) -> list[tuple[int, int]]:
    """Cut 0..size into equal pieces of at most `most`."""
    count = -(-size // most)
    edges = [size * index // count for index in range(count + 1)]
    return list(pairwise(edges))


def tiles(
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    *,
    tile: int,
    halo: int,
    down: int = 1,
    up: int = 1,
    origin: tuple[int, int] = (0, 0),
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any], Edges, tuple[int, int]]]:
    """Cut a network's input and its output into tiles.

    Tiles, halo and origin are counted in cells, each of `down` x `down` elements of the source and `up` x `up` of the
    target; the last row and column of cells may be incomplete in either.

    Args:
        source: (H, W, C).
        target: (H', W', C').
        tile: largest side of a tile.
        halo: cells that a tile needs around it.
        down: side of a cell in the source.
        up: side of a cell in the target.
        origin: row and column of the target's first cell in the source.

    Yields:
        For each tile a view of the source, (1, h, w, C), halo included, whole cells but for the picture's last ones; a
        view of the target, (h', w', C'), that the tile fills; the cells of halo at each side, fewer at the borders; and
        the row and column, in the source, of its first cell.
    """
    rows, columns = -(-source.shape[0] // down), -(-source.shape[1] // down)
    for top, bottom in _cuts(-(-target.shape[0] // up), tile):
        for left, right in _cuts(-(-target.shape[1] // up), tile):
            first_row, first_column = max(origin[0] + top - halo, 0), max(origin[1] + left - halo, 0)
            last_row, last_column = min(origin[0] + bottom + halo, rows), min(origin[1] + right + halo, columns)
            window = source[None, first_row * down : last_row * down, first_column * down : last_column * down]
            edges = (
                origin[0] + top - first_row,
                last_row - origin[0] - bottom,
                origin[1] + left - first_column,
                last_column - origin[1] - right,
            )
            place = target[top * up : bottom * up, left * up : right * up]
            yield window, place, edges, (first_row, first_column)


def map_tiles(
    function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    *,
    up: int = 1,
    **cut: Any,
) -> None:
    """Fill `target` with what `function` makes of `source`, tile by tile.

    Args:
        function: maps (1, h, w, C) to (1, h', w', C'), whole cells, halo included; the halo is then cut off.
        source: see `tiles`.
        target: likewise; written to.
        up: likewise.
        cut: likewise.
    """
    for window, place, (above, _, before, _), _ in tiles(source, target, up=up, **cut):
        result = function(window)[0, above * up :, before * up :]
        place[...] = result[: place.shape[0], : place.shape[1]]
