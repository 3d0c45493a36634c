"""Runs on a Dask cluster: the same outputs, also where a worker is lost, and what is said where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lcodec.cli.batch import cluster
from tests.support.command import COMMAND, ENVIRONMENT

from .conftest import Run, outputs, wait_for


@pytest.mark.filterwarnings("default")  # Dask's own
def test_cluster_that_loses_a_worker(run: Run, many: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    one, cluster_out = tmp_path / "one", tmp_path / "cluster"
    assert run("encode", "-r", many, "-O", one, "-j", "1").code == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as workers:
        first = next(iter(workers.workers.values()))
        process = subprocess.Popen(
            [*COMMAND, "encode", "-r", str(many), "-O", str(cluster_out), "--scheduler", workers.scheduler_address],
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        wait_for(lambda: len(list(cluster_out.rglob("*.lcdc"))) > 2, process)
        os.kill(first.pid, signal.SIGKILL)
        assert len(outputs(cluster_out)) < 24
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert b"Traceback" not in stderr
    found = {name: data for name, data in outputs(cluster_out).items() if name.endswith(".lcdc")}
    assert found == outputs(one)
    assert run("encode", "-r", many, "-O", cluster_out).err == "lcodec: 0 encoded; 24 current\n"


@pytest.mark.filterwarnings("default")
def test_no_scheduler_there(run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        result = run("encode", "-r", many, "-O", tmp_path / "out", "--scheduler", address)
        assert result.code == 1
        assert result.err.splitlines() == [f"lcodec: cannot reach a Dask scheduler at {address}"]


def test_no_dask_here(run: Run, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("encode", "-r", many, "-O", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert (result.code, "lcodec[dask]" in result.err) == (2, True)
