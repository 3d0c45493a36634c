"""Tiles: run a network over a large array in pieces, as if it had been run over the whole.

Each tile is computed with a halo as wide as the network's receptive field, which is then cut off, so there are no
seams: only at the true border does a network see the zeros that it pads with.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy.typing as npt

__all__ = ["map_placed_tiles", "map_tiles"]


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
    down: int = 1,
    up: int = 1,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Fill `target` with what `function` makes of `source`, tile by tile: `map_placed_tiles`, but for the place.

    Args:
        function: maps (1, h, w, C) to (1, h', w', C'). All else is as in `map_placed_tiles`.
    """
    map_placed_tiles(
        lambda window, _: function(window), source, target, tile=tile, halo=halo, down=down, up=up, origin=origin
    )


def map_placed_tiles(
    function: Callable[[npt.NDArray[Any], tuple[int, int]], npt.NDArray[Any]],
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    *,
    tile: int,
    halo: int,
    down: int = 1,
    up: int = 1,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Fill `target` with what `function` makes of `source`, tile by tile.

    Tiles, halo and origin are counted in cells, each of `down` x `down` elements of the source and `up` x `up` of the
    target; the last row and column of cells may be incomplete in either.

    Args:
        function: maps (1, h, w, C), and the row and column of its first cell in the source, to (1, h', w', C'), whole
            cells; its input may lack part of the picture's last ones.
        source: (H, W, C).
        target: (H', W', C'), written to.
        tile: largest side of a tile.
        halo: cells that a tile needs around it.
        down: side of a cell in the source.
        up: side of a cell in the target.
        origin: row and column of the target's first cell in the source.
    """
    rows, columns = -(-source.shape[0] // down), -(-source.shape[1] // down)
    for top, bottom in _cuts(-(-target.shape[0] // up), tile):
        for left, right in _cuts(-(-target.shape[1] // up), tile):
            first_row, first_column = max(origin[0] + top - halo, 0), max(origin[1] + left - halo, 0)
            last_row, last_column = min(origin[0] + bottom + halo, rows), min(origin[1] + right + halo, columns)
            window = source[None, first_row * down : last_row * down, first_column * down : last_column * down]
            above, before = (origin[0] + top - first_row) * up, (origin[1] + left - first_column) * up
            place = target[top * up : bottom * up, left * up : right * up]
            made = function(window, (first_row, first_column))
            place[...] = made[0, above : above + place.shape[0], before : before + place.shape[1]]
