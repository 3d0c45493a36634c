"""The one pool of processes: tasks in, what `work` returns for each of them out.

    as_finished   results as they come
    in_order      results in the order of the tasks

Work may be done twice: it writes outputs whole, and the same ones each time. With several processes each has one BLAS
thread, for more, on shared cores, are slower; the user's own variables win.

A process that is killed (by the system, for want of memory) stops no other work: the tasks that were under way are done
again, one at a time, and one that takes a process with it again is given up. Left early, by an interrupt or an error,
the pool's processes remove their temporary files and end at once. Where the system has no semaphores to make a pool
with (some cloud functions, no /dev/shm), this process does the work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Generic, NoReturn, TypeVar

from lcodec.atomic import drop_unfinished
from lcodec.errors import LcodecError

__all__ = ["AHEAD", "as_finished", "in_order"]

T = TypeVar("T")
R = TypeVar("R")

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
#: Tasks given out for each worker, so that none waits for the next; few, for they are what a dead process costs.
AHEAD = 2


def _stop(_: object) -> NoReturn:
    raise LcodecError("a process died, and again when it worked on nothing else (out of memory?)")


def _ignore(_: str) -> None:
    pass


def as_finished(
    work: Callable[[T], R],
    tasks: Iterable[T],
    jobs: int,
    *,
    lost: Callable[[T], R] = _stop,
    note: Callable[[str], None] = _ignore,
) -> Generator[R, None, None]:
    """Work in `jobs` other processes, and yield results as they come.

    Args:
        work: a function that a new process can import; what it raises is raised here.
        tasks: are taken as they are needed, by this process.
        jobs: number of processes; 1 is another process too.
        lost: what comes of a task that kills two processes; unless given, an LcodecError.
        note: is told where no pool can be made, and this process does the work.
    """
    left = iter(tasks)
    with _one_thread_each(jobs):
        try:
            pool = _pool(jobs)
        except (OSError, ImportError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            note(f"no other processes can be started here ({reason}): this one does all the work")
            yield from map(work, left)
            return
        while under_way := (yield from _until_one_dies(pool, work, left, jobs)):
            for task in under_way:
                if (yield from _until_one_dies(_pool(1), work, iter([task]), 1)):
                    yield lost(task)
            pool = _pool(jobs)


def in_order(work: Callable[[T], R], tasks: Iterable[T], jobs: int) -> Generator[R, None, None]:
    """Work as `as_finished` does, and yield results in the order of the tasks."""
    early: dict[int, R] = {}
    place = 0
    with closing(as_finished(_Numbered(work), enumerate(tasks), jobs)) as results:
        for number, result in results:
            early[number] = result
            while place in early:
                yield early.pop(place)
                place += 1


@dataclass(frozen=True)
class _Numbered(Generic[T, R]):
    """Work that hands on the number of its task."""

    work: Callable[[T], R]

    def __call__(self, task: tuple[int, T]) -> tuple[int, R]:
        return task[0], self.work(task[1])


def _pool(jobs: int) -> ProcessPoolExecutor:
    """A pool whose processes start with their first tasks.

    Python's resource tracker starts here. It ignores SIGINT and SIGTERM by itself; killed by a terminal that closes, it
    would be started again, and complain of all that it does not know.
    """
    with _interrupts_held():
        return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)


def _until_one_dies(
    pool: ProcessPoolExecutor, work: Callable[[T], R], tasks: Iterator[T], jobs: int
) -> Generator[R, None, list[T]]:
    """Work until no task is left or a process died; return the tasks that it left undone, one at least."""
    others = set(multiprocessing.active_children())
    waiting: dict[Future[R], T] = {}
    undone: list[T] = []
    finished = False
    try:
        while not undone:
            for task in islice(tasks, AHEAD * jobs - len(waiting)):
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
    """Give out a task; return whether the pool took it.

    Raises:
        LcodecError: no process can be started, or not so many.
    """
    try:
        with _interrupts_held():
            waiting[pool.submit(work, task)] = task
    except BrokenProcessPool:
        return False
    except OSError as error:
        raise LcodecError(f"cannot start a process: {error.strerror or error} (use fewer --jobs)") from error
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
def _one_thread_each(jobs: int) -> Iterator[None]:
    """Start several processes with one BLAS thread each, unless the user says otherwise."""
    added = [name for name in _THREADS if name not in os.environ] if jobs > 1 else []
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C and the terminal's end wait. A process that is started meanwhile never hears of them: its parent does.

    Not even before `_begin`, that is.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
