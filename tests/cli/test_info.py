"""`lcodec info`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lcodec.container import read_header
from tests.support.streams import rename_model, sealed

from .conftest import Run


def test_text(run: Run, coded: Path) -> None:
    result = run("info", coded)
    assert (result.code, result.err) == (0, "")
    text = result.out.decode()
    assert text.startswith(f"{coded}: 96x64 colour\n")
    for word in ("quality   48.", "model     mse  (", "hyper", "latents", "overhead", "bpp"):
        assert word in text
    assert "check" not in text


def test_json_adds_up(run: Run, coded: Path) -> None:
    (record,) = run("info", "--json", coded).records
    assert record["bytes"] == coded.stat().st_size == sum(record["sections"].values()) + record["overhead"]
    assert record["overhead"] <= 40
    assert record["bpp"] == pytest.approx(record["bytes"] * 8 / (96 * 64))
    assert (record["width"], record["height"], record["model"]) == (96, 64, "mse")
    assert record["quality"] == read_header(coded.read_bytes()).quality_step / 100
    assert "check" not in record


def test_stdin(run: Run, coded_bytes: bytes) -> None:
    assert run("info", "-", stdin=coded_bytes).out.startswith(b"-: 96x64 colour")


def test_check(run: Run, coded: Path) -> None:
    assert "check     ok" in run("info", "--check", coded).out.decode()
    assert run("info", "--check", "--json", coded).records[0]["check"] == "ok"


def test_check_sees_a_flipped_bit(run: Run, coded: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[-20] ^= 1
    coded.write_bytes(data)
    assert run("info", coded).code == 0
    assert run("info", "--check", coded).code == 3


def test_check_sees_other_symbols_behind_a_good_checksum(run: Run, coded: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[-44] ^= 1
    coded.write_bytes(sealed(bytes(data)))
    assert run("info", "--check", coded).code == 3


@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_length(run: Run, coded: Path, change: int) -> None:
    data = coded.read_bytes()
    coded.write_bytes(data[:change] if change < 0 else data + bytes(change))
    result = run("info", coded)
    assert result.code == 3
    assert ("truncated" if change < 0 else "damaged") in result.err


def test_unknown_model(run: Run, coded: Path) -> None:
    coded.write_bytes(rename_model(coded.read_bytes()))
    result = run("info", coded)
    assert result.code == 0
    assert "not installed" in result.out.decode()
    assert run("info", "--json", coded).records[0]["model"] is None
    assert run("info", "--check", coded).code == 4


def test_several(run: Run, coded: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.lcdc"
    bad.write_bytes(b"no")
    result = run("info", "--json", bad, coded)
    assert result.code == 1
    assert [record.get("exit_code") for record in result.records] == [3, None]
    assert run("info", bad, bad).code == 3
    assert run("info", bad).code == 3


def test_a_folder_of_nothing_is_said(run: Run, photo: Path) -> None:
    for more in ((), ("--check",), ("--json",)):
        result = run("info", "-r", photo.parent, *more)
        assert (result.code, result.out) == (1, b"")
        assert result.err == f"lcodec: no .lcdc files in {photo.parent}\n"
