"""How many cores this process may use: what the pool of processes and the threads over regions go by.

Fewer than the machine has where an affinity mask (taskset, a batch queue) or the CPU quota of a control group says so
(containers, systemd). In a module of its own, for it is asked for at every start, and the pool takes long to import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

__all__ = ["cores"]


def cores(process: Path = Path("/proc/self")) -> int:
    """Return the number of cores, at least 1; a quota of 2.5 cores counts as 2, for more threads would be throttled.

    Args:
        process: what Linux says of this process; elsewhere there is no such folder, and no quota.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(int(quota) for quota in _quotas(process))]))


def _quotas(process: Path) -> Iterator[float]:
    """Yield the CPU quotas, in cores, of the process's control groups and of all that these lie in.

    Version 1 of control groups says it in `cpu.cfs_quota_us` and `cpu.cfs_period_us`, version 2 in `cpu.max` (Linux,
    Documentation/scheduler/sched-bwc.rst and Documentation/admin-guide/cgroup-v2.rst).
    """
    for folder in _groups(process):
        with suppress(OSError, ValueError, IndexError):
            numbers = (folder / "cpu.max").read_text().split()
            if numbers[0] != "max":
                yield int(numbers[0]) / int(numbers[1])
        with suppress(OSError, ValueError):
            quota = int((folder / "cpu.cfs_quota_us").read_text())
            if quota > 0:  # -1: no limit
                yield quota / int((folder / "cpu.cfs_period_us").read_text())


def _groups(process: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that the process is in and that deal with CPUs, innermost first."""
    try:
        groups = [line.split(":", 2) for line in _text(process / "cgroup").splitlines()]
        mounts = [line.split(" - ", 1) for line in _text(process / "mountinfo").splitlines()]
    except OSError:
        return
    for where, what in (mount for mount in mounts if len(mount) == 2):
        kind, _, options = [*what.split(), "", "", ""][:3]
        if kind == "cgroup2":
            own = [group[2] for group in groups if group[:2] == ["0", ""]]
        elif kind == "cgroup" and "cpu" in options.split(","):
            own = [group[2] for group in groups if "cpu" in group[1].split(",")]
        else:
            continue
        root, point = (_unescape(item) for item in where.split()[3:5])
        for name in own:
            # A container may see the name that its group has outside, and only that group's folder, as the top one.
            inside = PurePosixPath(name)
            inside = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
            yield from (Path(point) / part for part in (inside, *inside.parents))


def _text(path: Path) -> str:
    """Text with names of files in it, which need not be UTF-8."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _unescape(name: str) -> str:
    r"""Read a name as mountinfo writes it: a space is \040."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(code, character)
    return name
