"""The threads of BLAS while lcodec shares work out, and after."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lcodec.execution import engine


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_its_threads_back_after_calls_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "cores", lambda: 2)
    on_cpu = engine.Engine("cpu", "numpy", 1)
    with threadpool_limits(2, "blas"):
        assert blas_threads() == {2}
        for _ in range(2):
            first, second = on_cpu.spread(1), on_cpu.spread(1)
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            assert blas_threads() == {1}
            second.__exit__(None, None, None)
            assert blas_threads() == {2}
