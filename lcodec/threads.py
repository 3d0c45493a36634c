"""Threads that wait without spinning, and no more of torch's than this process may use.

What a library of threads is told by the environment it reads when it is loaded: so the command line speaks before it
loads anything, and this module imports nothing that takes time.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["import_torch", "let_idle_threads_sleep"]


def let_idle_threads_sleep() -> None:
    """Tell the libraries of threads that are loaded from now on not to spin; what the user's environment says stays.

    OpenBLAS's idle threads sleep after 2^4 cycles, not 2^26: encoding takes a quarter less CPU time in no more time,
    and half the time on a machine that is busy (measured on two cores, with other work of higher priority). OpenMP's,
    which torch uses, sleep at once: 25 iterations of refinement of 256x256 pixels took 8.6 CPU seconds instead of over
    67, and 28 seconds instead of over 159, on two cores with four times as much to do.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def import_torch() -> Any:
    """Return torch, its threads told not to spin if it was not loaded before, and no more of them than cores."""
    from lcodec.cores import cores

    let_idle_threads_sleep()
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), cores()))
    return torch
