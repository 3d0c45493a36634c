"""Threads that wait do not spin: two of them take about the CPU time of one, also where other work keeps cores busy."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from lcodec.cores import cores
from lcodec.threads import let_idle_threads_sleep
from tests.support.pictures import picture

BUSY = "while True: pass"


@pytest.fixture
def busy() -> Iterator[None]:
    """As many processes that compute without an end as there are cores."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(cores())]
    yield
    for other in others:
        other.kill()
        other.wait()


def cpu_seconds(threads: int, *arguments: str | Path) -> float:
    """Of a run of the command with so many threads for OpenMP and BLAS, imports included."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "lcodec.cli", *arguments], check=True, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
@pytest.mark.parametrize("effort", ["2", "6"])
def test_waiting_threads_take_no_time(effort: str, busy: None, tmp_path: Path) -> None:
    """With threads that spin, refinement took over seven times the CPU time of one thread."""
    photo, out = tmp_path / "a.png", tmp_path / "a.lcdc"
    Image.fromarray(picture(128, 128)).save(photo)
    command = ("encode", "-m", "mse-fast", "-e", effort, photo, "-o", out, "--force")
    one, two = (cpu_seconds(threads, *command) for threads in (1, 2))
    assert two < 1.8 * one


def test_what_the_environment_says_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "4"
