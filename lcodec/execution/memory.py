"""Memory: how many regions of a picture can be worked on at a time within the bytes that a process may hold.

What a region takes follows from the sizes of the model (`lcodec.networks.architecture`) and the cuts of the picture
(`lcodec.execution.regions`). The figures are upper bounds that the tests hold against what is really allocated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lcodec.entropy.model import band_rows
from lcodec.errors import LimitError
from lcodec.execution.regions import Layout, Region
from lcodec.execution.stages import TILE
from lcodec.networks import crew
from lcodec.networks.architecture import Architecture

__all__ = ["workers_to_decode", "workers_to_encode", "workspace"]

#: Bytes that the process holds anyway: Python, NumPy and the coder's tables.
_BASE = 88 << 20
#: Bytes that a worker takes in any case.
_WORKER = 16 << 20


class Extra(Protocol):
    """What takes memory besides the coding of regions: effort."""

    @property
    def uses_torch(self) -> bool:
        """Whether torch works on it, which shares out each operation to all cores by itself."""

    def memory(self, region: Region) -> int:
        """Bytes for a region."""


def workers_to_encode(sizes: Architecture, memory: int, layout: Layout, cores: int, extra: Extra | None = None) -> int:
    """How many regions may be coded at a time.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """
    more = extra.memory(layout.regions[0]) if extra else 0
    if extra and extra.uses_torch:
        cores = 1
    return _affordable(
        sizes, memory, layout, cores, lambda workers: workers * (_worker(sizes, layout, cores, workers) + more)
    )


def workers_to_decode(sizes: Architecture, memory: int, layout: Layout, cores: int) -> int:
    """How many regions may be decoded at a time.

    Raises:
        LimitError: `memory`, in bytes, does not suffice for one.
    """
    halo = sizes.synthesis_halo

    def need(workers: int) -> int:
        strip = layout.strip_rows(workers, halo) * layout.regions[0].size[0]
        kept = min(layout.size[0], 2 * strip + halo)  # see `by_strips`
        return workers * _worker(sizes, layout, cores, workers) + kept * layout.size[1] * sizes.decoded_bytes

    return _affordable(sizes, memory, layout, cores, need)


def workspace(sizes: Architecture, layout: Layout) -> int:
    """Bytes that a region takes: its latents, and the transforms in tiles or the entropy networks in bands."""
    height, width = layout.regions[0].size
    tile = sizes.transform_bytes(min(height, TILE), min(width, TILE))
    band = sizes.entropy_bytes(min(height, band_rows(width) + 2 * sizes.context_halo), width)
    return max(tile, band) + height * width * sizes.position_bytes


def _worker(sizes: Architecture, layout: Layout, cores: int, workers: int) -> int:
    """Bytes of one of several workers, the others of its crew included."""
    others = crew.size(cores, workers) - 1
    return _WORKER + workspace(sizes, layout) + others * sizes.band_bytes(layout.regions[0].size[1])


def _affordable(sizes: Architecture, memory: int, layout: Layout, cores: int, need: Callable[[int], int]) -> int:
    held = _BASE + sizes.model_bytes
    if held + need(1) > memory:
        least = -(-(held + need(1)) >> 20)
        limit = f"memory is limited to {memory >> 20 or 'less than 1'} MiB"
        raise LimitError(f"a picture of this size takes at least {least} MiB, and {limit}")
    most = min(cores, len(layout.regions))
    return max(workers for workers in range(1, most + 1) if held + need(workers) <= memory)
