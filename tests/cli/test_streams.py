"""Standard streams that are closed, files that are open already, and names that no encoding holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND, ENVIRONMENT

from .conftest import Run

unix = pytest.mark.skipif(sys.platform == "win32", reason="shells and names of Unix")
ODD = os.fsdecode(b"caf\xe9.lcdc")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = f'"{COMMAND[0]}" -m lcodec.cli'
    return subprocess.run(
        ["sh", "-c", line.replace("lcodec", words, 1)],
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


@unix
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("lcodec encode -f -e 0 photo.png 2>&-", 0, ""),
        ("lcodec encode -e 0 - <&- >coded", 1, "lcodec: -: Bad file descriptor\n"),
        ("lcodec encode --files-from - -O out <&-", 1, "lcodec: cannot read the list -: Bad file descriptor\n"),
        ("lcodec encode -e 0 photo.png -o - >&-", 1, "Bad file descriptor\n"),
        ("lcodec models >&-", 1, "lcodec: cannot write to standard output: Bad file descriptor\n"),
    ],
)
def test_closed_streams(photo: Path, line: str, code: int, said: str) -> None:
    done = shell(line, photo.parent)
    assert (done.returncode, done.stderr.count("\n")) == (code, bool(said)), done.stderr
    assert done.stderr.endswith(said)
    assert photo.with_suffix(".lcdc").exists() is (code == 0)


@unix
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_standard_output_by_its_name(photo: Path, coded_bytes: bytes, name: str) -> None:
    done = shell(f"lcodec encode --json photo.png -o {name} > coded", photo.parent)
    assert (done.returncode, (photo.parent / "coded").read_bytes()) == (0, coded_bytes)
    assert json.loads(done.stderr)["output"] == "-"


@unix
def test_an_open_file_by_its_number(photo: Path, coded_bytes: bytes) -> None:
    done = shell("lcodec encode photo.png -o /dev/fd/3 3>> coded", photo.parent)
    assert (done.returncode, (photo.parent / "coded").read_bytes()) == (0, coded_bytes)


@unix
def test_names_that_are_not_utf8(run: Run, coded: Path) -> None:
    try:
        odd = coded.rename(coded.with_name(ODD))
    except OSError:
        pytest.skip("this file system takes no such names")
    for arguments in ("info", "decode --json -o - --format ppm", "info --json"):
        done = shell(f"lcodec {arguments} caf*.lcdc", coded.parent)
        assert done.returncode == 0, done.stderr
        assert r"caf\\xe9.lcdc" in (done.stdout + done.stderr).replace(r"f\xe9", r"f\\xe9")
    assert json.loads(run("info", "--json", odd).out)["input"] == str(coded.parent / r"caf\xe9.lcdc")
    (coded.parent / "line\nbreak.lcdc").write_bytes(b"")
    failed = run("info", coded.parent / "line\nbreak.lcdc", odd)
    assert r"line\nbreak.lcdc: not an lcodec file: it is empty" in failed.err
    assert failed.err.count("\n") == 2
