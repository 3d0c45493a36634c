"""Indexes of models that are garbage are errors of one line, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lcodec.errors import ModelError
from lcodec.index import Entry, Metric, listed

ITEM = {
    "name": "mine",
    "file": "mine.safetensors",
    "size": 7,
    "sha256": "00",
    "entropy_id": "01",
    "synthesis_id": "02",
    "aim": "mse",
    "summary": "größer",
}


def entries(folder: Path, content: bytes) -> list[Entry]:
    (folder / "index.json").write_bytes(content)
    return list(listed([folder], "models", Entry))


def test_entries_are_read(tmp_path: Path) -> None:
    (found,) = entries(tmp_path, json.dumps({"models": [ITEM]}, ensure_ascii=False).encode())
    assert (found.path, found.summary, found.synthesis_only) == (tmp_path / "mine.safetensors", "größer", False)
    assert list(listed([tmp_path, tmp_path / "none"], "metrics", Metric)) == []


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"null", b'{"models": [7]}', b'{"models": 7}', b'"\xfc"'])
def test_garbage_is_an_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*index\.json"):
        entries(tmp_path, content)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ["x"]),
        ("name", 7),
        ("summary", None),
        ("size", "big"),
        ("size", True),
        ("synthesis_only", 1),
        ("path", "elsewhere"),
        ("colour", "red"),
        *(("file", value) for value in ("", ".", "..", "/mine", "../mine", "a/b", "a\0b", "\ud800", 7, None)),
    ],
)
def test_a_field_of_another_type_is_an_error(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"cannot read .*index\.json: .*{field}"):
        entries(tmp_path, json.dumps({"models": [ITEM | {field: value}]}).encode())
