"""Where work is done: in this process, in a pool of processes, or on a Dask cluster.

Each of the three yields what `work` returns for every task, as it is finished. Work may be done twice: it writes
outputs whole, and the same ones each time.

A process of the pool that is killed (by the system, for want of memory) stops no other work: the tasks that were under
way are done again, one at a time, and one that takes a process with it again is given up. Left early, by an interrupt
or an error, the pool's processes remove their temporary files and end at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any, TypeVar

from lcodec.atomic import drop_unfinished
from lcodec.errors import LcodecError, UsageError

__all__ = ["in_processes", "on_cluster"]

T = TypeVar("T")
R = TypeVar("R")

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
#: Tasks given out for each worker, so that none waits for the next; few, for they are what a dead process costs.
_AHEAD = 2
#: Seconds to wait for a scheduler, and then for its first worker.
_PATIENCE = 30


# ------------------------------------------------------------------------------------------------ a pool of processes


def in_processes(
    work: Callable[[T], R], tasks: Iterator[T], jobs: int, lost: Callable[[T], R]
) -> Generator[R, None, None]:
    """Work in `jobs` other processes; `lost` says what comes of a task that kills two of them."""
    with _one_thread_each():
        while under_way := (yield from _until_one_dies(work, tasks, jobs)):
            for task in under_way:
                if (yield from _until_one_dies(work, iter([task]), 1)):
                    yield lost(task)


def _until_one_dies(work: Callable[[T], R], tasks: Iterator[T], jobs: int) -> Generator[R, None, list[T]]:
    """Work until no task is left or a process died; return the tasks that it left undone, one at least."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: dict[Future[R], T] = {}
    undone: list[T] = []
    finished = False
    try:
        while not undone:
            for task in islice(tasks, _AHEAD * jobs - len(waiting)):
                if not _submit(pool, work, task, waiting):
                    undone.append(task)
                    break
            if not waiting:
                break
            # Where a process died, all that waits ends now, and most of it without a result.
            done = waiting if undone else wait(waiting, return_when=FIRST_COMPLETED).done
            for future in list(done):
                task = waiting.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    undone.append(task)
                else:
                    yield future.result()
        undone += waiting.values()
        finished = True
    finally:
        with _interrupts_held():
            if not finished:
                for child in set(multiprocessing.active_children()) - others:
                    child.terminate()
            pool.shutdown(cancel_futures=True)
    return undone


def _submit(pool: ProcessPoolExecutor, work: Callable[[T], R], task: T, waiting: dict[Future[R], T]) -> bool:
    """Give out a task; return whether the pool took it."""
    try:
        with _interrupts_held():
            waiting[pool.submit(work, task)] = task
    except BrokenProcessPool:
        return False
    return True


def _begin() -> None:
    """Make a new process of the pool end quietly, and with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the parent sees to it
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(number: int, _: FrameType | None = None) -> None:
    drop_unfinished()
    os._exit(128 + number)  # an exception would be taken for the task's result


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # a parent that was killed could not tell
        _end(signal.SIGTERM)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Start processes with one BLAS thread, unless the user says otherwise: more, on shared cores, are slower."""
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait. A process that is started meanwhile never hears it: not even before `_begin`."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


# ------------------------------------------------------------------------------------------------------ a Dask cluster


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
        ahead = _AHEAD * max(1, sum(client.nthreads().values()))

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
