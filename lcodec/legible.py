"""Texts and numbers made fit to be shown and stored: names of files are any bytes, and JSON knows no infinity.

What is shown on a line stays on it: a line break or an escape sequence in a name would otherwise write over the screen.
"""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["legible", "to_json"]


#: Characters that do not stay on their line, and lone surrogates: Python's stand-ins for bytes that are not UTF-8.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def legible(text: str) -> str:
    r"""Return a text on one line: bytes that are not UTF-8 as \xe9, control characters as \n or \x1b."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], _in_unicode(text))


def to_json(value: Any, **options: Any) -> str:
    r"""Return JSON that every parser takes: null for numbers that are not finite, \xe9 for bytes that are not UTF-8.

    Args:
        value: dictionaries, sequences, strings, numbers and the like.
        options: of `json.dumps`.
    """
    import json

    return json.dumps(_plain(value), allow_nan=False, **options)


def _in_unicode(text: str) -> str:
    return _SURROGATE.sub(_as_byte, text)


def _as_byte(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _in_unicode(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
