"""Runs the command line in this process, on small crops of the photo."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lcodec.cli import main
from tests.support.command import PHOTO


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Result]


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("encode", path, ..., stdin=b"")`: the exit code and all that was printed."""

    def call(*arguments: str | Path, stdin: bytes = b"") -> Result:
        capsysbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Result(code, out, err.decode())

    return call


@pytest.fixture(scope="session")
def crop() -> Image.Image:
    with Image.open(PHOTO) as image:
        return image.crop((300, 200, 396, 264))


@pytest.fixture(scope="session")
def coded_bytes(crop: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("coded")
    crop.save(folder / "a.png")
    assert main(["encode", "--quiet", str(folder / "a.png")]) == 0
    return (folder / "a.lcdc").read_bytes()


@pytest.fixture
def photo(crop: Image.Image, tmp_path: Path) -> Path:
    """A picture of 96x64 pixels, alone in its folder."""
    path = tmp_path / "photo.png"
    crop.save(path)
    return path


@pytest.fixture
def coded(coded_bytes: bytes, tmp_path: Path) -> Path:
    """A coded file of 96x64 pixels."""
    path = tmp_path / "coded.lcdc"
    path.write_bytes(coded_bytes)
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of 24 small pictures in two folders, no two alike."""
    with Image.open(PHOTO) as image:
        for index in range(24):
            path = tmp_path / "in" / str(index % 2) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.crop((index, 0, index + 128, 96)).save(path)
    return tmp_path / "in"


def outputs(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if ".lcodec/" not in name}


def wait_for(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
