"""What `lcodec.defaults` says is what the parts do that are not imported for it."""

from __future__ import annotations

import inspect

from PIL import Image

import lcodec.pillow_plugin  # noqa: F401
from lcodec import codec, container, defaults
from lcodec.compare.codecs import RIVALS
from lcodec.effort import EFFORT_MAX
from lcodec.metrics import MEASURES
from lcodec.picture import METADATA, READS, WRITES
from lcodec.zoo import Zoo


def test_names_are_those_of_the_registries() -> None:
    assert tuple(MEASURES) == defaults.METRICS
    assert tuple(RIVALS) == defaults.RIVALS
    assert tuple(WRITES) == defaults.FORMATS
    assert METADATA == defaults.METADATA
    assert set(container.CHUNKS) == {*defaults.METADATA, "alpha"}
    assert defaults.MODEL in {entry.name for entry in Zoo().entries()}


def test_every_level_of_effort_is_there() -> None:
    assert EFFORT_MAX == defaults.EFFORT_MAX
    assert 0 <= defaults.EFFORT <= EFFORT_MAX


def test_suffixes_are_of_formats_that_are_written_or_read() -> None:
    assert set(defaults.WRITABLE_SUFFIXES.values()) == set(defaults.FORMATS)
    known = Image.registered_extensions()
    assert known[defaults.SUFFIX] == "LCODEC"
    plugins = {".heic", ".heif", ".hif", ".jxl"}  # read where their plug-ins are installed
    for suffix in defaults.PICTURE_SUFFIXES - {".npy", ".dib"} - plugins:  # a .dib is a BMP in all but the name
        assert known[suffix] in READS, suffix


def test_limits_hold_unless_the_caller_says_otherwise() -> None:
    for function in (codec.encode, codec.decode):
        assert inspect.signature(function).parameters["memory"].default == defaults.MEMORY
    assert inspect.signature(codec.decode).parameters["max_pixels"].default == defaults.MAX_PIXELS
