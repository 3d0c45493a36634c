"""Work on a Dask cluster: what the pool of processes (`lcodec.processes`) does on one machine, on many."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Any, TypeVar

from lcodec.errors import LcodecError, UsageError
from lcodec.processes import AHEAD

__all__ = ["on_cluster"]

T = TypeVar("T")
R = TypeVar("R")

#: Seconds to wait for a scheduler, and then for its first worker.
_PATIENCE = 30


def on_cluster(
    work: Callable[[T], R], tasks: Iterator[T], address: str, lost: Callable[[T], R]
) -> Generator[R, None, None]:
    """Work on the Dask cluster whose scheduler is at `address`; its workers must have lcodec and see the same paths.

    What a dead worker had under way, the scheduler gives to another one; `lost` is for tasks that it gives up.

    Raises:
        UsageError: Dask is not installed.
        LcodecError: there is no such scheduler, or it has no workers.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError("--scheduler needs Dask (pip install 'lcodec[dask]')") from None
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it would say is said here
    try:
        client = distributed.Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise LcodecError(f"cannot reach a Dask scheduler at {address}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise LcodecError(f"the Dask scheduler at {address} has no workers") from None
        ahead = AHEAD * max(1, sum(client.nthreads().values()))

        def submit(count: int) -> list[Any]:
            new = {client.submit(work, task, pure=False): task for task in islice(tasks, count)}
            given.update({future.key: task for future, task in new.items()})
            return list(new)

        given: dict[str, T] = {}
        results = distributed.as_completed(submit(ahead))
        for future in results:
            task = given.pop(future.key)
            failure = future.exception()
            if failure is None:
                yield future.result()
            elif isinstance(failure, distributed.KilledWorker):
                yield lost(task)
            else:
                raise LcodecError(f"the Dask cluster failed: {' '.join(str(failure).split())}") from failure
            results.update(submit(1))
