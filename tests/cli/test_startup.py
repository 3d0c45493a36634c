"""What is imported when, in processes of their own: the command line starts at once."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from lcodec.cli import COMMANDS
from tests.support.command import PHOTO, run_without


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["-h"],
        ["--version"],
        ["encode", "--help"],
        ["decode", "-h"],
        ["info", "-h"],
        ["models", "-h"],
        ["eval", "-h"],
        ["models"],
    ],
)
def test_help_needs_neither_numpy_nor_pillow(arguments: list[str]) -> None:
    done = run_without({"numpy", "PIL", "torch", "constriction", "safetensors"}, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_help_needs_no_pathlib() -> None:
    """It takes a tenth as long to import as everything else does, and the list of commands has no use for it."""
    assert run_without({"pathlib"}, "--help").returncode == 0


def test_info_needs_neither_numpy_nor_pillow(coded: Path) -> None:
    done = run_without({"numpy", "PIL", "torch", "constriction", "safetensors"}, "info", coded)
    assert (done.returncode, done.stderr) == (0, "")


def test_coding_a_photo_on_a_cpu_needs_no_torch(tmp_path: Path) -> None:
    target = tmp_path / "photo.lcdc"
    done = run_without({"torch"}, "encode", PHOTO, "-o", target)
    assert (done.returncode, done.stdout) == (0, "")
    assert "768x512" in done.stderr
    done = run_without({"torch"}, "decode", target)
    assert (done.returncode, done.stdout) == (0, "")
    assert target.with_suffix(".png").is_file()


def test_the_blocker_blocks() -> None:
    done = run_without({"click"}, "--help")
    assert done.returncode == 1
    assert "imported click" in done.stderr


def test_help_lists_commands_and_exit_codes() -> None:
    done = run_without(set(), "--help")
    for word in (*COMMANDS, "130  interrupted", "LCODEC_MODELS", "lcodec encode photo.jpg"):
        assert word in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module(name: str) -> None:
    assert find_spec(f"lcodec.cli.{name}") is not None


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["encode", PHOTO, "-e", "9", "-o"], "effort 9 needs torch"),
        (["encode", PHOTO, "--device", "cuda", "-o"], "--device cuda needs torch"),
        (["train", PHOTO, "--steps", "1", "-O"], "lcodec train needs torch"),
    ],
)
def test_what_needs_torch_says_what_to_install(arguments: list[str | Path], what: str, tmp_path: Path) -> None:
    done = run_without({"torch"}, *arguments, tmp_path / "out", missing=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"{what}: pip install 'lcodec[torch]'" in done.stderr
    assert not (tmp_path / "out").exists()
