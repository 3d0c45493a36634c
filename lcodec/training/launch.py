"""The processes of a run: this one, several forked from it, or those that torchrun started; their failures and signals.

On a CPU, two processes of one thread train faster than one of two threads. Forked processes share the photos in memory
and exchange gradients through gloo; torchrun is for several GPUs.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    start_processes,
)

from lcodec.cores import cores
from lcodec.errors import LcodecError, UsageError

__all__ = ["Work", "device_of", "launch", "launched"]

#: One process's part: called with its rank, the number of processes, and a question: did a signal ask for the end?
#: It raises KeyboardInterrupt when it has ended for that.
Work = Callable[[int, int, Callable[[], bool]], None]


def device_of(wanted: str) -> str:
    """The device, "cpu" or "cuda", that is meant by one of these or "auto".

    Raises:
        UsageError: there is no such device.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device here")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def launched() -> tuple[int, int] | None:
    """Rank of this process and number of processes, where torchrun started them; else None."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return None


def launch(work: Work, processes: int, device: str) -> None:
    """Do `work` in so many processes, or in those that torchrun started, with as many threads as there are cores.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came, and `work` has ended for it.
        LcodecError: what `work` raised of them in a process, or a process was killed.
    """
    if launched() is not None:
        # The clock and the sums of validation are exchanged on the CPU, gradients where they are.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        try:
            _work(work, dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()
    elif processes == 1:
        _work(work, 0, 1)
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Forked, not spawned: the processes share the photos in memory.
        failures: SimpleQueue[Exception] = get_context("fork").SimpleQueue()
        started = start_processes(  # type: ignore[no-untyped-call]
            _forked, (port, processes, failures, work), nprocs=processes, start_method="fork", join=False
        )
        with _deferred_signals() as asked_to_stop:
            passed_on = False
            while not _ended(started, failures):
                if asked_to_stop() and not passed_on:  # a terminal signals all of them, `kill` only this one
                    passed_on = True
                    for pid in started.pids():
                        os.kill(pid, signal.SIGINT)
            if asked_to_stop():
                raise KeyboardInterrupt


def _work(work: Work, rank: int, world: int) -> None:
    torch.set_num_threads(max(1, cores() // world))
    with _deferred_signals() as asked_to_stop:
        work(rank, world, asked_to_stop)


@contextmanager
def _deferred_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT, SIGTERM and SIGHUP into a question that is asked where it suits."""
    came: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
    old = {number: signal.signal(number, lambda got, _: came.append(got)) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _forked(rank: int, port: int, world: int, failures: SimpleQueue[Exception], work: Work) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=world,
        timeout=timedelta(minutes=30),
    )
    try:
        _work(work, rank, world)
    except KeyboardInterrupt:
        pass  # saved; the parent knows, it got the signal too
    except (LcodecError, OSError) as error:
        failures.put(error)
        raise
    finally:
        dist.destroy_process_group()


def _ended(processes: ProcessContext, failures: SimpleQueue[Exception]) -> bool:
    """Whether all processes are done, after a moment's wait; a failure of one is raised as its own, not as torch's."""
    try:
        done: bool = processes.join(timeout=0.2)
        return done
    except ProcessException as error:
        if not failures.empty():
            raise failures.get() from None
        if isinstance(error, ProcessExitedException):  # no exception of its own: out of memory, for one
            how = error.signal_name or f"exit code {error.exit_code}"
            raise LcodecError(f"a process of the run ended early ({how}); the state saved last is kept") from None
        raise
