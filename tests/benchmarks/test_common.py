"""What the benchmarks share, and that their list is whole."""

import re
from pathlib import Path

import pytest

from benchmarks.common import ROOT, append_rows, photos_of, read_rows, spread, write_rows

SHARED = {"__init__", "common", "figure", "published", "compressai_process"}


def test_the_readme_names_every_command() -> None:
    named = re.findall(r"^\| `(\w+)", (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"), re.M)
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - SHARED
    packages = {path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py")}
    assert sorted(named) == sorted(modules | packages)


def square(value: int) -> int:
    return value * value


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert list(spread(square, range(9), 2)) == [value * value for value in range(9)]


def test_rows_are_read_as_written_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    rows = [{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}]
    assert read_rows(path) == []
    write_rows(path, rows)
    append_rows(path, rows[:1])
    assert read_rows(path) == [*rows, rows[0]]
    append_rows(tmp_path / "fresh.csv", rows)
    assert (tmp_path / "fresh.csv").read_bytes() == b'a,b\n1,"x, y"\n2,\n'


def test_photos_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no photos"):
        photos_of(tmp_path)
    for name in ("10.png", "2.png", "1.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [photo.name for photo in photos_of(tmp_path)] == ["1.jpg", "2.png", "10.png"]
    assert [photo.name for photo in photos_of(tmp_path, 2)] == ["1.jpg", "10.png"]
