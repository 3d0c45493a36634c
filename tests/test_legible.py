"""Texts and numbers that are fit to be shown and stored."""

from __future__ import annotations

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from lcodec.legible import legible, to_json


def test_names_stay_on_their_line() -> None:
    assert legible(os.fsdecode(b"caf\xe9.lcdc")) == r"caf\xe9.lcdc"
    assert legible("a\nb\x1b[0m\x85\u2028") == r"a\nb\x1b[0m\x85\u2028"
    assert legible("r\u00e9sum\u00e9 \u65e5\u672c") == "r\u00e9sum\u00e9 \u65e5\u672c"


@given(st.binary(max_size=20))
def test_any_bytes_can_be_shown(name: bytes) -> None:
    shown = legible(os.fsdecode(name))
    assert "\n" not in shown
    shown.encode()
    json.loads(to_json(os.fsdecode(name))).encode()


def test_json_for_every_parser() -> None:
    inside = {"a": [float("inf"), (float("nan"), 1.5)], os.fsdecode(b"\xff"): True, "b": None}
    text = to_json(inside)
    assert json.loads(text, parse_constant=lambda name: 1 / 0) == {"a": [None, [None, 1.5]], r"\xff": True, "b": None}
