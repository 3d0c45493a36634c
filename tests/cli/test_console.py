"""What is shown while a command works: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from lcodec.cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_once_a_minute_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with console.counted("coding") as tick:
        for done in range(11):
            now[0] = 30.0 * done
            tick(done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "lcodec: coding: 2 of 10, 4 min left",
        "lcodec: coding: 4 of 10, 3 min left",
        "lcodec: coding: 6 of 10, 2 min left",
        "lcodec: coding: 8 of 10, 1 min left",
        "lcodec: coding: 10 of 10, 0 min left",
    ]


@pytest.mark.parametrize("title", ["", "coding"])
def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with console.counter(title) as tick:
        tick(3, 10, "7 kB")
    assert "3/10" in terminal.getvalue()
    assert "7 kB" in terminal.getvalue()
    assert title in terminal.getvalue()
    with console.counted("pictures") as counted:
        counted(4, 8)
    assert "4/8" in terminal.getvalue()


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (1_500_000_000_000, "1500.0 GB")],
)
def test_sizes(count: int, said: str) -> None:
    assert console.human_size(count) == said
