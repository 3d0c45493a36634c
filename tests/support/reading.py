"""Reading a picture from bytes, with its notes, and the parts of PNG and JPEG files to put things into them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from lcodec.picture import Picture, read_picture

MANY = 1 << 28


def read(data: bytes, **options: Any) -> tuple[Picture, list[str]]:
    notes: list[str] = []
    return read_picture(io.BytesIO(data), max_pixels=MANY, note=notes.append, **options), notes


def save(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def smooth(width: int = 96, height: int = 64) -> Image.Image:
    """A picture that every lossy format keeps well."""
    y, x = np.mgrid[:height, :width]
    planes = 128 + 90 * np.sin(x / 9) * np.cos(y / 13), 40 + 150 * x / width, 220 - 170 * y / height
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Put chunks before the samples."""
    at = png.index(b"IDAT") - 4
    return png[:at] + b"".join(chunks) + png[at:]


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]
