"""A crew: threads that share the work on one array.

Matrix products alone could be left to BLAS, which has threads of its own; but all between them would run on one core,
and threads that wait for each other a thousand times a second spin, which costs dearly where others use the machine.
So an array is cut into one part a thread, in which BLAS uses a single thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["at_work", "each", "parts", "size"]

#: Threads of a crew at most. Of a small picture more have too little to do, and each takes memory.
MOST = 4

S = TypeVar("S")
T = TypeVar("T")

#: Threads, and how many of them are for the current one. It is alone unless told otherwise.
_crew: ContextVar[tuple[Executor | None, int]] = ContextVar("crew", default=(None, 1))


@contextmanager
def at_work(threads: Executor, count: int) -> Iterator[None]:
    """Let the current thread share its work out to `count` threads of an executor."""
    token = _crew.set((threads, count))
    try:
        yield
    finally:
        _crew.reset(token)


def size(cores: int, workers: int) -> int:
    """Threads for each of several workers, each with an array of its own."""
    return max(1, min(cores // workers, MOST))


def each(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Call a function on each item, in the threads of the crew, which share no further."""
    threads, count = _crew.get()
    if threads is None or min(count, len(items)) == 1:
        return [function(item) for item in items]
    return list(threads.map(function, items))


def parts(length: int, least: int) -> list[slice]:
    """Cut 0..length into a part for each thread of the crew, fewer where they would be smaller than `least`."""
    count = max(1, min(_crew.get()[1], length // least))
    return [slice(length * index // count, length * (index + 1) // count) for index in range(count)]
