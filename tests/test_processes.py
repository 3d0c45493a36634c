"""The pool of processes: results, order, killed processes, threads, interruptions, and a system without semaphores."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lcodec import processes
from lcodec.compare import evaluate
from lcodec.errors import LcodecError
from lcodec.processes import as_finished, in_order


def deadly(number: int) -> int:
    if number == 5:
        os._exit(1)
    return number


def test_deadly_task_is_given_up_and_the_others_are_done() -> None:
    results = list(as_finished(deadly, range(12), 2, lost=lambda number: -number))
    assert sorted(results) == [-5, *(number for number in range(12) if number != 5)]


def test_deadly_task_is_an_error_unless_told_otherwise() -> None:
    found = []
    with pytest.raises(LcodecError, match="a process died"):
        found.extend(in_order(deadly, range(4, 7), 2))
    assert 5 not in found


def slow_at_first(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0)
    return number


def test_order_is_that_of_the_tasks() -> None:
    assert list(in_order(slow_at_first, range(9), 2)) == list(range(9))


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield 0

    results = as_finished(abs, tasks(), 2)
    next(results)
    results.close()
    assert len(taken) <= 2 * processes.AHEAD


def surroundings(_: int) -> tuple[str | None, bool]:
    import lcodec.cli.batch.coding
    import lcodec.codec  # noqa: F401

    return os.environ.get("OPENBLAS_NUM_THREADS"), "torch" in sys.modules


def test_each_of_several_has_one_thread_and_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert list(as_finished(surroundings, [0], 2)) == [("1", False)]
    assert list(as_finished(surroundings, [0], 1)) == [(None, False)]
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")  # the user's word
    assert list(as_finished(surroundings, [0], 2)) == [("3", False)]


def test_leaving_early_ends_the_processes() -> None:
    results = as_finished(time.sleep, [0, 0, 60, 60, 60], 2)
    start = time.monotonic()
    assert next(results) is None
    results.close()
    assert time.monotonic() - start < 50


def without_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the C library has no sem_open: Python finds out when it makes a queue."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    from multiprocessing import synchronize

    refusing = SimpleNamespace(SemLock=refuse, sem_unlink=refuse)
    monkeypatch.setattr(synchronize, "_multiprocessing", refusing)


def test_without_semaphores_this_process_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    without_semaphores(monkeypatch)
    notes: list[str] = []
    assert list(as_finished(lambda _: os.getpid(), [0, 1], 2, note=notes.append)) == [os.getpid()] * 2
    assert len(notes) == 1
    assert "Function not implemented" in notes[0]
    assert list(in_order(abs, [-2, 1], 2)) == [2, 1]


def test_a_process_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(processes.ProcessPoolExecutor, "submit", refuse)
    with pytest.raises(LcodecError, match="cannot start a process: Resource temporarily unavailable"):
        list(as_finished(abs, [1], 2))


def temporary_folder(_: int) -> str:
    return tempfile.mkdtemp()


def test_temporary_files_of_a_comparison_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    for jobs in (2, 3):
        (folder,) = evaluate.run_tasks(temporary_folder, [0], jobs, str, print)
        assert not Path(folder).exists()
        without_semaphores(monkeypatch)
    assert Path(tempfile.gettempdir()).is_dir()


def test_a_comparison_goes_on_without_a_task_that_kills() -> None:
    results = evaluate.run_tasks(deadly, range(8), 2, lambda number: -number, print)
    assert sorted(results) == [-5, 0, 1, 2, 3, 4, 6, 7]
