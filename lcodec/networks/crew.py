"""A crew: threads that share the work on one array.

Matrix products alone could be left to BLAS, which has threads of its own; but all between them would run on one core,
and threads that wait for each other a thousand times a second spin, which costs dearly where others use the machine.
So an array is cut into one part a thread, in which BLAS uses a single thread.

Work that nobody waits for any more, as the user interrupted it, ends here too: all networks pass through a crew many
times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["at_work", "check", "each", "parts", "size"]

#: Threads of a crew at most. Of a small picture more have too little to do, and each takes memory.
MOST = 4

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class _Crew:
    threads: Executor | None = None
    count: int = 1  #: of them that are for the current thread
    stopped: Event = field(default_factory=Event)


#: The current thread's. It is alone unless told otherwise.
_crew: ContextVar[_Crew] = ContextVar("crew", default=_Crew())  # noqa: B039 - nothing ever stops the default one


@contextmanager
def at_work(threads: Executor, count: int, stopped: Event) -> Iterator[None]:
    """Let the current thread share its work out to `count` threads of an executor, until it is stopped."""
    token = _crew.set(_Crew(threads, count, stopped))
    try:
        yield
    finally:
        _crew.reset(token)


def size(cores: int, workers: int) -> int:
    """Threads for each of several workers, each with an array of its own."""
    return max(1, min(cores // workers, MOST))


def check() -> None:
    """See whether the work is still wanted.

    Raises:
        CancelledError: it is not.
    """
    if _crew.get().stopped.is_set():
        from concurrent.futures import CancelledError

        raise CancelledError


def each(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Call a function on each item, in the threads of the crew, which share no further.

    Raises:
        CancelledError: as in `check`.
    """
    check()
    crew = _crew.get()
    if crew.threads is None or min(crew.count, len(items)) == 1:
        return [function(item) for item in items]
    return list(crew.threads.map(function, items))


def parts(length: int, least: int) -> list[slice]:
    """Cut 0..length into a part for each thread of the crew, fewer where they would be smaller than `least`."""
    count = max(1, min(_crew.get().count, length // least))
    return [slice(length * index // count, length * (index + 1) // count) for index in range(count)]
