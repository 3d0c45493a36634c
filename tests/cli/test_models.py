"""`lcodec models` and `lcodec --version`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lcodec import __version__, zoo

from .conftest import Run


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models of its own, with the model mse, and the only one."""
    entry = next(entry for entry in zoo.Zoo().entries() if entry.name == "mse")
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(entry.path, folder)
    index = json.loads((entry.path.parent / "index.json").read_text())
    index = {"models": [item for item in index["models"] if item["name"] == "mse"]}
    (folder / "index.json").write_text(json.dumps(index))
    monkeypatch.setenv("LCODEC_MODELS", str(folder))
    monkeypatch.setattr(zoo, "_bundled", lambda: tmp_path / "none")
    return folder


@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_list(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.code, result.err) == (0, "")
    head, *rows = result.out.decode().splitlines()
    assert head.split() == ["name", "aim", "size", "id"]
    assert any(row.startswith("mse  ") for row in rows)


def test_list_json(run: Run, copy: Path) -> None:
    (record,) = run("models", "list", "--json").records
    assert (record["name"], record["default"], record["path"]) == ("mse", True, str(copy / "mse.safetensors"))
    assert record["bytes"] == (copy / "mse.safetensors").stat().st_size


def test_check(run: Run, copy: Path) -> None:
    result = run("models", "check")
    assert (result.code, result.out) == (0, b"mse: ok\n")
    assert run("models", "check", "mse").code == 0
    assert run("models", "check", "nonesuch").code == 4


def test_check_sees_a_changed_file(run: Run, copy: Path) -> None:
    path = copy / "mse.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    result = run("models", "check")
    assert (result.code, result.out) == (4, b"")
    assert result.err.startswith("lcodec: mse: ")


def test_missing_file(run: Run, copy: Path) -> None:
    (copy / "mse.safetensors").unlink()
    assert run("models").code == 0
    assert run("models", "check").code == 4


def test_no_models(run: Run, copy: Path) -> None:
    (copy / "index.json").unlink()
    assert "no model" in run("models").err
    assert run("models", "check").code == 4
    assert run("--version").out.decode().endswith("models: none\n")


def test_damaged_index(run: Run, copy: Path) -> None:
    (copy / "index.json").write_text("{")
    assert run("models").code == 4
    result = run("--version")
    assert result.code == 0
    assert "index.json" in result.out.decode()


def test_version(run: Run, copy: Path) -> None:
    result = run("--version")
    first, second, third = result.out.decode().splitlines()
    assert (result.code, result.err, first) == (0, "", f"lcodec {__version__}")
    for name in ("python 3.", "numpy ", "torch ", "pillow ", "constriction "):
        assert name in second
    assert third.startswith("models: mse ")
