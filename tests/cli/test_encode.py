"""`lcodec encode`: names, streams, reports and defaults."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lcodec.cli.batch.files import coded_name
from lcodec.container import MAGIC, read_header
from lcodec.zoo import Zoo

from .conftest import Run


def test_default_output_lies_beside_the_input(run: Run, photo: Path) -> None:
    result = run("encode", photo)
    assert (result.code, result.out) == (0, b"")
    header = read_header((photo.parent / "photo.lcdc").read_bytes())
    assert (header.width, header.height, header.grey) == (96, 64, False)
    assert 4500 < header.quality_step < 5000  # that of its steps, coarser for what effort gains
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.lcdc", "photo.png"]


def test_one_line_report(run: Run, photo: Path) -> None:
    line = run("encode", photo, "-q", "30.5").err
    assert re.fullmatch(
        r".*photo\.png -> .*photo\.lcdc  96x64  [\d.]+ k?B  \d\.\d{3} bpp  q(29\.\d+|30\.[0-4]\d*) mse  \d+\.\d\d s\n",
        line,
    )


def test_quiet(run: Run, photo: Path) -> None:
    result = run("encode", photo, "--quiet")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_named_output(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("encode", photo, "-o", tmp_path / "x.bin").code == 0
    assert (tmp_path / "x.bin").read_bytes().startswith(MAGIC)
    assert not (tmp_path / "photo.lcdc").exists()


def test_output_folder_is_made(run: Run, photo: Path, tmp_path: Path) -> None:
    other = shutil.copy(photo, tmp_path / "other.PNG")
    assert run("encode", photo, other, "-O", tmp_path / "a" / "b").code == 0
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"photo.lcdc", "other.lcdc"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.png", "a.lcdc"),
        ("a.JPEG", "a.lcdc"),
        ("a.tar.webp", "a.tar.lcdc"),
        ("a", "a.lcdc"),
        ("holiday 2026.08", "holiday 2026.08.lcdc"),
        (".png", ".png.lcdc"),
    ],
)
def test_coded_name(source: str, name: str) -> None:
    assert coded_name(Path(source)) == name


def test_higher_quality_takes_more_bytes(run: Run, photo: Path) -> None:
    sizes = []
    for quality in (0, 50, 100):
        result = run("encode", photo, "-f", "--json", "-q", str(quality))
        sizes.append(result.records[0]["bytes"])
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_stdin_to_stdout(run: Run, photo: Path, coded_bytes: bytes) -> None:
    result = run("encode", "-", stdin=photo.read_bytes())
    assert (result.code, result.out) == (0, coded_bytes)
    assert result.err.startswith("- -> -  96x64")


def test_stdin_to_file_and_file_to_stdout(run: Run, photo: Path, tmp_path: Path, coded_bytes: bytes) -> None:
    assert run("encode", "-", "-o", tmp_path / "x.lcdc", stdin=photo.read_bytes()).out == b""
    assert (tmp_path / "x.lcdc").read_bytes() == coded_bytes
    assert run("encode", photo, "-o", "-").out == coded_bytes


def test_json(run: Run, photo: Path) -> None:
    result = run("encode", photo, "--json")
    (record,) = result.records
    size = (photo.parent / "photo.lcdc").stat().st_size
    assert result.err == ""
    assert record.pop("seconds") > 0
    assert record == {
        "input": str(photo),
        "output": str(photo.with_suffix(".lcdc")),
        "width": 96,
        "height": 64,
        "grey": False,
        "bytes": size,
        "bpp": size * 8 / (96 * 64),
        "quality": read_header(photo.with_suffix(".lcdc").read_bytes()).quality_step / 100,
        "model": "mse",
        "output_bytes": size,
        "notes": [],
    }


def test_json_goes_to_stderr_where_stdout_carries_data(run: Run, photo: Path, coded_bytes: bytes) -> None:
    result = run("encode", photo, "--json", "-o", "-")
    assert result.out == coded_bytes
    assert json.loads(result.err)["output"] == "-"


def test_environment(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quality() -> float:
        value: float = run("encode", photo, "-f", "--json").records[0]["quality"]
        return value

    monkeypatch.setenv("LCODEC_QUALITY", "20")
    assert 17 < quality() <= 20  # that of the file's steps
    monkeypatch.setenv("LCODEC_ENCODE_QUALITY", "70")
    assert 65 < quality() <= 70
    assert 8 < run("encode", photo, "-f", "--json", "-q", "10").records[0]["quality"] <= 10
    monkeypatch.setenv("LCODEC_MODEL", "nonesuch")
    assert run("encode", photo, "-f").code == 4


def test_environment_of_the_version_is_not_an_option(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCODEC_VERSION", "0.1.0")
    assert run("encode", photo).code == 0


def test_model_by_path(run: Run, photo: Path, coded_bytes: bytes) -> None:
    path = next(entry.path for entry in Zoo().entries() if entry.name == "mse")
    assert run("encode", photo, "-o", "-", "-m", path).out == coded_bytes


def test_grey(run: Run, photo: Path) -> None:
    from PIL import Image

    with Image.open(photo) as image:
        image.convert("L").save(photo)
    assert run("encode", photo, "--json").records[0]["grey"] is True
