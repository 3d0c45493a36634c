"""What a terminal shows of work that takes long, and that nothing of what is quick; on a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lcodec import codec
from lcodec.execution import regions
from lcodec.picture import read_picture
from lcodec.zoo import Zoo
from tests.support.command import ENVIRONMENT

pty = pytest.importorskip("pty", reason="terminals of Unix")

#: The command line, with the patience and a pause before what is slow that the test asks for.
PROGRAM = """
import sys, time
from lcodec import codec
from lcodec.execution import regions
from lcodec.cli import console, main
from lcodec.execution import regions
regions.WHOLE, regions.REGION = 16, 4
patience, pause, slow = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
console.PATIENCE = patience
module, name = {"code": (codec, "encode"), "decode": (codec, "decode")}[slow]
work = getattr(module, name)
def wait():
    for _ in range(round(pause / 0.05)):
        time.sleep(0.05)
def slowly(*arguments, progress=lambda _: None, **options):
    def tell(part, *said):
        progress(part, *said)
        wait()
    wait()
    return work(*arguments, progress=tell, **options)
setattr(module, name, slowly)
sys.exit(main(sys.argv[4:]))
"""


def start(
    *arguments: str | Path, patience: float, pause: float, slow: str = "code"
) -> tuple[subprocess.Popen[bytes], int]:
    master, terminal = pty.openpty()
    words = [str(word) for word in (patience, pause, slow, *arguments)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "120"},
        start_new_session=True,
    )
    os.close(terminal)
    return process, master


def read_all(master: int) -> str:
    found = b""
    try:
        while part := os.read(master, 1 << 16):
            found += part
    except OSError:  # Linux says so that nobody has the terminal any more
        pass
    os.close(master)
    return found.decode()


def seen(arguments: Sequence[str | Path], *, patience: float = 0.0, pause: float = 0.4, slow: str = "code") -> str:
    process, master = start(*arguments, patience=patience, pause=pause, slow=slow)
    text = read_all(master)
    assert process.wait() == 0, text
    return text


def test_nothing_of_what_is_quick(photo: Path, coded: Path) -> None:
    for arguments, slow in ((["encode", "-e", "0", photo], "code"), (["decode", coded], "decode")):
        text = seen(arguments, patience=60, pause=0, slow=slow)
        assert text.count("\n") == 1
        assert "\x1b" not in text


def test_regions_of_a_large_picture(photo: Path) -> None:
    text = seen(["encode", "-e", "0", photo])
    assert photo.name in text
    assert "%" in text
    assert f"-> {photo.with_suffix('.lcdc')}" in text.rstrip().splitlines()[-1]
    assert "\x1b[?25h" in text.rsplit("\x1b[?25l", 1)[1]  # the cursor is back
    assert "%" in seen(["decode", "-f", photo.with_suffix(".lcdc"), "--format", "ppm"], slow="decode")


def test_codings_of_a_search(photo: Path) -> None:
    text = seen(["encode", "-e", "0", "--max-size", "300", photo], pause=0.2)
    assert "coding 1 of at most 8" in text
    assert "coding 2 of at most 8" in text


def test_interrupted_under_a_bar(photo: Path) -> None:
    process, master = start("encode", "-e", "0", photo, patience=0, pause=60)
    shown = b""
    while b"photo.png" not in shown:
        shown += os.read(master, 1 << 16)
    os.killpg(process.pid, signal.SIGINT)
    text = read_all(master)
    assert process.wait() == 130
    assert "\x1b[?25h" in text
    assert text.rstrip().endswith("lcodec: interrupted")
    assert "Traceback" not in text
    assert [path.name for path in photo.parent.iterdir()] == [photo.name]


def test_what_the_codec_tells(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "WHOLE", 16)
    monkeypatch.setattr(regions, "REGION", 4)
    zoo = Zoo()
    told: list[float] = []
    data = codec.encode(read_picture(photo, max_pixels=1 << 24), zoo.load("mse"), 20, progress=told.append)
    assert len(told) >= 2
    assert told == sorted(told)
    assert told[-1] == 1
    told.clear()
    codec.decode(data, zoo, progress=told.append)
    assert len(told) == 4
    assert told == sorted(told)
    assert told[-1] == 1
