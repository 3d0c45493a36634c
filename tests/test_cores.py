"""How many cores are allowed: by affinity, and by the CPU quotas of control groups, as Linux tells them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lcodec.cores import cores
from lcodec.execution.engine import Engine


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def process(tmp_path: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """What Linux says of a process, with control groups mounted below a folder of the test."""
    folder = tmp_path / "proc"
    folder.mkdir(exist_ok=True)
    (folder / "cgroup").write_text(groups)
    (folder / "mountinfo").write_text(mounts.replace("@", str(tmp_path).replace(" ", "\\040")))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


V2 = "24 1 8:1 / / rw - ext4 /dev/sda rw\n31 24 0:26 / @/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
V1 = "33 24 0:29 / @/cpu rw,nosuid shared:5 - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("250000 100000", 2),
        ("30000 10000", 3),
        ("1600000 100000", 8),
        ("max 100000", 8),
        ("", 8),
        ("nonsense", 8),
    ],
)
def test_version_2(tmp_path: Path, quota: str, count: int) -> None:
    files = {"unified/user.slice/mine/cpu.max": quota + "\n"}
    assert cores(process(tmp_path, "0::/user.slice/mine\n", V2, files)) == count


@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("50000", 1), ("350000", 3), ("", 8)])
def test_version_1(tmp_path: Path, quota: str, count: int) -> None:
    files = {"cpu/batch/cpu.cfs_quota_us": quota + "\n", "cpu/batch/cpu.cfs_period_us": "100000\n"}
    groups = "5:memory:/elsewhere\n4:cpu,cpuacct:/batch\n0::/\n"
    assert cores(process(tmp_path, groups, V2 + V1, files)) == count


def test_the_tightest_of_the_groups_around_counts(tmp_path: Path) -> None:
    files = {
        "unified/a/b/c/cpu.max": "400000 100000",
        "unified/a/b/cpu.max": "max 100000",
        "unified/a/cpu.max": "200000 100000",
        "unified/other/cpu.max": "50000 100000",
    }
    assert cores(process(tmp_path, "0::/a/b/c\n", V2, files)) == 2


def test_in_a_container_that_sees_its_own_group_alone(tmp_path: Path) -> None:
    """Its name is that outside, or / in a namespace of its own; the folder that is mounted is its own."""
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    mounted = V1.replace(" / @", " /docker/1f @")
    for name in ("/docker/1f", "/docker/1f/inner", "/"):
        assert cores(process(tmp_path, f"4:cpu,cpuacct:{name}\n", mounted, files)) == 2
        assert cores(process(tmp_path, f"4:cpu,cpuacct:{name}\n", V1, files)) == 2


def test_a_mount_with_a_space_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    assert cores(process(folder, "0::/\n", V2, {"unified/cpu.max": "100000 100000"})) == 1


def test_affinity_counts_where_it_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores(process(tmp_path, "0::/\n", V2, {"unified/cpu.max": "400000 100000"})) == 1


def test_elsewhere_than_on_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores(tmp_path / "none") == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores(tmp_path / "none") == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path / "none") == 1


def test_regions_are_shared_out_to_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from lcodec.execution import engine

    monkeypatch.setattr(engine, "cores", lambda: 3)
    assert Engine("cpu", "numpy", 1).cores == 3


def test_names_of_mounts_need_not_be_utf8(tmp_path: Path) -> None:
    folder = process(tmp_path, "0::/mine\n", V2, {"unified/mine/cpu.max": "200000 100000\n"})
    mounts = folder / "mountinfo"
    mounts.write_bytes(b"25 1 8:2 / /m\xfcnt rw - ext4 /dev/sdb rw\n" + mounts.read_bytes())
    assert cores(folder) == 2
