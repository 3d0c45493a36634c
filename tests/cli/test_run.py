"""Runs in many processes: the same outputs as in one, and what is left when one of them, or the run, is killed."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lcodec import processes
from lcodec.cli import options
from lcodec.cli.batch.coding import Encoding
from lcodec.cli.batch.work import Failure, Task, lost, work
from lcodec.cli.options import FolderOptions
from lcodec.container import unpack
from tests.support.command import COMMAND, ENVIRONMENT, PHOTO

from .conftest import Run, outputs, wait_for

LINUX = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")

SETTINGS: dict[str, Any] = {
    "quality": 50,
    "effort": 0,
    "target": None,
    "alpha": "keep",
    "background": (255, 255, 255),
    "metadata": (),
    "strict_depth": False,
    "device": "auto",
    "memory": 1 << 30,
}


def children(pid: int) -> list[int]:
    """Processes of the pool: those that a process started, less Python's own resource tracker."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(item) for item in found if b"spawn_main" in Path(f"/proc/{item}/cmdline").read_bytes()]
    return []


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.fixture
def started(many: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of two processes over the folder, with some outputs written."""
    process = subprocess.Popen(
        [*COMMAND, "encode", "-r", str(many), "-O", str(tmp_path / "out"), "-j", "2"],
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    wait_for(lambda: len(list((tmp_path / "out").rglob("*.lcdc"))) > 2, process)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_processes_write_what_one_writes(run: Run, many: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert run("encode", "-r", many, "-O", one, "-j", "1").code == 0
    (many / "1" / "bad.png").write_text("bad")
    result = run("encode", "-r", many, "-O", two, "-j", "2")
    assert result.code == 1
    assert result.err.splitlines()[-1] == f"lcodec: 1 of 25 inputs failed: {many / '1' / 'bad.png'}"
    assert "24 encoded" in result.err
    assert outputs(one) == outputs(two)


@pytest.mark.parametrize("quiet", [False, True])
def test_without_semaphores_one_process_does_it(
    run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(processes, "ProcessPoolExecutor", refuse)
    result = run("encode", "-r", many, "-O", tmp_path / "out", "-j", "2", *["--quiet"] * quiet)
    assert result.code == 0
    assert ("lcodec: no other processes can be started here (Function not implemented)" in result.err) is not quiet
    assert len(outputs(tmp_path / "out")) == 24


@LINUX
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, True)],
)
def test_interrupted(
    run: Run, many: Path, tmp_path: Path, started: subprocess.Popen[bytes], number: signal.Signals, group: bool
) -> None:
    if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("under nohup, none is heard")
    pool = children(started.pid)
    (os.killpg if group else os.kill)(started.pid, number)  # a terminal's Ctrl-C, and its end, go to the whole group
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 128 + number
    assert b"Traceback" not in stderr
    assert b"resource_tracker" not in stderr
    assert len(pool) == 2
    assert not any(alive(pid) for pid in pool)
    found = outputs(tmp_path / "out")
    assert 2 < len(found) < 24
    assert {Path(name).suffix for name in found} == {".lcdc"}
    for data in found.values():
        unpack(data)
    result = run("encode", "-r", many, "-O", tmp_path / "out", "-j", "1")
    assert (result.code, len(outputs(tmp_path / "out"))) == (0, 24)
    assert f"{24 - len(found)} encoded" in result.err
    assert f"{len(found)} current" in result.err


@LINUX
def test_killed_outright(run: Run, many: Path, tmp_path: Path, started: subprocess.Popen[bytes]) -> None:
    """Its processes end with it, and running again completes what it began."""
    pool = children(started.pid)
    started.kill()
    started.wait()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pool) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(pool) == 2
    assert not any(alive(pid) for pid in pool)
    before = len(outputs(tmp_path / "out"))
    assert run("encode", "-r", many, "-O", tmp_path / "out", "-j", "1").code == 0
    assert before < len(outputs(tmp_path / "out")) == 24


@LINUX
def test_killed_worker_costs_nothing(tmp_path: Path, started: subprocess.Popen[bytes]) -> None:
    os.kill(children(started.pid)[0], signal.SIGKILL)
    _, stderr = started.communicate(timeout=120)
    assert started.returncode == 0, stderr
    assert b"24 encoded" in stderr or b"current" in stderr
    assert b"Traceback" not in stderr
    whole = {name: data for name, data in outputs(tmp_path / "out").items() if name.endswith(".lcdc")}
    assert len(whole) == 24
    for data in whole.values():
        unpack(data)


def test_what_is_said_of_a_deadly_input(run: Run, tmp_path: Path) -> None:
    task = Task(None, None, FolderOptions(), force=False)  # type: ignore[arg-type]
    failure = lost(task).failure
    assert failure is not None
    assert failure.exit_code == 5
    assert "out of memory?" in failure.message


def test_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "cores", lambda: 8)
    counts = [FolderOptions().worker_count(inputs, "auto") for inputs in (0, 1, 7, 8, 16, 1000)]
    assert counts == [1, 1, 1, 2, 4, 8]
    assert FolderOptions().worker_count(1000, "cuda") == 1
    assert FolderOptions(jobs=3).worker_count(1000, "cuda") == 3
    assert FolderOptions(jobs=3).worker_count(2, "auto") == 2


def test_broken_pipe_is_not_an_input_that_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lcodec.cli.batch import files

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(files, "write", broken)
    encoding = Encoding.of("mse", **SETTINGS, max_pixels=1 << 20)
    task = Task(files.Job(PHOTO, tmp_path / "x.lcdc"), encoding, FolderOptions(), force=False)
    with pytest.raises(BrokenPipeError):
        work(task)
    monkeypatch.undo()
    missing = Task(files.Job(tmp_path / "none", tmp_path / "x.lcdc"), encoding, FolderOptions(), force=False)
    assert work(missing).failure == Failure("No such file or directory", 1)
