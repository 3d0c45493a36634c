"""Memory: how many regions of a picture can be worked on at a time within the bytes that a process may hold.

What a region takes follows from the sizes of the model (`lcodec.networks.architecture`) and the cuts of the picture
(`lcodec.execution.regions`). The figures are upper bounds that the tests hold against what is really allocated.
"""

from __future__ import annotations

from collections.abc import Callable

from lcodec.entropy.model import band_rows
from lcodec.errors import LimitError
from lcodec.execution.regions import Region, rows_of_a_strip
from lcodec.execution.stages import TILE
from lcodec.networks.architecture import Architecture

__all__ = ["workers_to_decode", "workers_to_encode", "workspace"]

#: Bytes that the process holds anyway: Python, NumPy and the coder's tables.
_BASE = 88 << 20
#: Bytes that a worker takes in any case.
_WORKER = 16 << 20

Rows = list[list[Region]]


def workers_to_encode(sizes: Architecture, memory: int, rows: Rows, cores: int, effort: int = 0) -> int:
    """How many regions may be coded at a time, where `effort` bytes each are taken besides.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """
    each = _WORKER + workspace(sizes, rows) + effort
    return _affordable(sizes, memory, rows, cores, lambda workers: workers * each)


def workers_to_decode(sizes: Architecture, memory: int, rows: Rows, cores: int) -> int:
    """How many regions may be decoded at a time.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """

    def need(workers: int) -> int:
        halo = sizes.synthesis_halo
        kept = min(rows[-1][-1].bottom, 2 * rows_of_a_strip(rows, workers, halo) * rows[0][0].size[0] + halo)
        return workers * (_WORKER + workspace(sizes, rows)) + kept * rows[0][-1].right * sizes.decoded_bytes

    return _affordable(sizes, memory, rows, cores, need)


def workspace(sizes: Architecture, rows: Rows) -> int:
    """Bytes that a region takes: its latents, and the transforms in tiles or the entropy networks in bands."""
    height, width = rows[0][0].size
    halo = 2 * max(sizes.analysis_halo, sizes.synthesis_halo)
    tile = (min(height, TILE) + halo) * (min(width, TILE) + halo) * sizes.transform_bytes
    band = min(height, band_rows(width) + 2 * sizes.context_halo) * width * sizes.entropy_bytes
    return max(tile, band) + height * width * sizes.position_bytes


def _affordable(sizes: Architecture, memory: int, rows: Rows, cores: int, need: Callable[[int], int]) -> int:
    held = _BASE + sizes.model_bytes
    if held + need(1) > memory:
        raise LimitError(
            f"a picture of this size takes at least {-(-(held + need(1)) >> 20)} MiB of memory (see --memory)"
        )
    most = min(cores, sum(len(row) for row in rows))
    return max(workers for workers in range(1, most + 1) if held + need(workers) <= memory)
