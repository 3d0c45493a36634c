"""Several processes: failures are named, and torchrun does as forking does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lcodec.errors import LcodecError, UsageError
from lcodec.training.data import Photos
from lcodec.training.launch import cores, device_of, launch
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from tests.support.training import folder, initial, photos, run

__all__ = ["folder", "photos"]  # fixtures


@pytest.mark.parametrize("processes", [1, 2])
def test_a_state_that_cannot_be_written_is_named(photos: Photos, tmp_path: Path, processes: int) -> None:
    (tmp_path / STATE_FILE).mkdir()
    with pytest.raises(LcodecError, match=f"cannot write .*{STATE_FILE}: "):
        run(tmp_path, 2, photos, initial(photos), processes=processes)


def test_a_killed_process_ends_the_run_with_a_word(photos: Photos, tmp_path: Path) -> None:
    def die(_: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(LcodecError, match=r"ended early \(SIGKILL\)"):
        run(tmp_path, 2, photos, initial(photos), report=die, processes=2)


def test_torchrun_trains_as_forked_processes_do(folder: Path, tmp_path: Path) -> None:
    options = ["lcodec.cli", "train", str(folder), "--batch", "1", "--crop", "64", "--steps", "2", "--processes", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    states = []
    for name, launcher in (("forked", []), ("torchrun", ["torch.distributed.run", "--nproc-per-node", "2", "-m"])):
        command = [sys.executable, "-W", "ignore", "-m", *launcher, *options, "--out", str(tmp_path / name)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count(f"{name}.safetensors: ") == 1
        assert result.stderr.count("files skipped") == 1
        states.append(load_state(tmp_path / name / STATE_FILE))
    forked, launched = states
    assert launched.progress.pixels == forked.progress.pixels == 2 * 2 * 64**2
    assert all(torch.equal(value, launched.params[name]) for name, value in forked.params.items())


def test_as_many_threads_as_this_process_may_use_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert cores() == 1
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    launch(lambda *_: None, 1, "cpu")
    assert threads == [1]


@pytest.mark.parametrize(("number", "ignored"), [("SIGTERM", False), ("SIGHUP", False), ("SIGHUP", True)])
def test_a_terminal_that_closes_is_heard_as_ctrl_c_is_unless_ignored(number: str, ignored: bool) -> None:
    heard = []

    def work(_: int, __: int, asked_to_stop: Callable[[], bool]) -> None:
        signal.raise_signal(signal.Signals[number])  # to this thread: another one is late
        heard.append(asked_to_stop())

    old = signal.signal(signal.Signals[number], signal.SIG_IGN if ignored else lambda *_: None)
    try:
        launch(work, 1, "cpu")
    finally:
        signal.signal(signal.Signals[number], old)
    assert heard == [not ignored]


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (device_of("auto"), device_of("cpu")) == ("cpu", "cpu")
    with pytest.raises(UsageError, match="no CUDA device here"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (device_of("auto"), device_of("cpu"), device_of("cuda")) == ("cuda", "cpu", "cuda")
