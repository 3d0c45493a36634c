"""`lcodec train`, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import Zoo
from tests.support.training import folder, photos

__all__ = ["folder", "photos"]  # fixtures


def test_command_trains_in_two_processes_and_ends_on_a_signal(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-W", "ignore", "-m", "lcodec.cli", "train", str(folder), "--out", str(out)]
    command += ["--processes", "2", "--batch", "1", "--crop", "64", "--lr", "1e-4"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = subprocess.Popen([*command, "--steps", "100000"], env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not ((out / "log.jsonl").exists() and (out / "log.jsonl").stat().st_size):
        assert started.poll() is None, started.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    _, talk = started.communicate(timeout=60)
    assert started.returncode == 130, talk
    done = load_state(out / STATE_FILE).progress.step
    other = subprocess.run(
        [*command, "--resume", "--steps", "9", "--model", "ms-ssim"], capture_output=True, check=False
    )
    assert (other.returncode, other.stderr.count(b"\n")) == (2, 1)
    assert b"is of a run for mse" in other.stderr
    broken_out = tmp_path / "broken"
    broken_out.mkdir()
    (broken_out / STATE_FILE).write_bytes(b"no state")
    no_state = [*command, "--out", str(broken_out), "--resume", "--steps", "9"]
    other = subprocess.run(no_state, capture_output=True, check=False)
    assert (other.returncode, other.stderr.count(b"\n")) == (4, 1)
    notes = tmp_path / "notes.md"
    notes.write_text("## Photos\n\nDrawn by the tests.\n")
    more = ["--resume", "--steps", str(done + 2), "--notes", str(notes), "--valid", str(folder), "--memory", "150k"]
    resumed = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    broken = str(folder / "broken.png")
    assert resumed.stderr.count(f"skipped, unreadable: {broken}") == 2  # to train on, and to validate on
    assert "decoded as they are drawn" in resumed.stderr
    card = (out / "run.md").read_text()
    assert "| fixed point costs | " in card
    assert card.endswith(notes.read_text())
    assert load_state(out / STATE_FILE).progress.step == done + 2
    assert Zoo([out]).load("run").entropy
    anew = subprocess.run([*command, "--steps", "1"], env=environment, capture_output=True, text=True, check=False)
    assert anew.returncode == 2
    assert "--resume" in anew.stderr
