"""Small files that promise or unfold to something huge: refused, or read as the little that they are, at no cost."""

from __future__ import annotations

import dataclasses
import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lcodec.cli.batch import files
from lcodec.codec import MAX_PIXELS
from lcodec.container import pack, unpack
from lcodec.errors import DamagedError, LcodecError, LimitError
from tests.support.command import COMMAND, ENVIRONMENT, run_without
from tests.support.golden import GOLDEN

STREAM = GOLDEN / "v1" / "22-255x257-rgb-q95.lcdc"


def unfolding(size: int) -> bytes:
    """Zlib data of `size` zeros, a thousandth as long."""
    coder = zlib.compressobj(9)
    return b"".join(coder.compress(bytes(1 << 20)) for _ in range(size >> 20)) + coder.flush()


BOMB = unfolding(1 << 28)
DIGITS = zlib.compress(b"0 " * (1 << 23), 1)
PROFILE = b"Raw profile type iptc\0\0"


def png(side: int, kind: bytes = b"", body: bytes = b"", rows: bytes = b"", times: int = 1) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    extra = chunk(kind, body) * times if kind else b""
    rows = rows or zlib.compress(bytes(49 * 16))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(screen: int, frame: int) -> bytes:
    head = struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + head + b"," + struct.pack("<HHHHB", 0, 0, frame, frame, 0) + b"\x02\x02\x44\x01\0;"


def tiff(side: int, strip: bytes, rows: int) -> bytes:
    strip += bytes(len(strip) % 2)
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: rows, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def webp(side: int) -> bytes:
    """The header of a lossless picture of any size, on the data of a small one."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "WEBP", lossless=True)
    data = bytearray(out.getvalue())
    at = data.index(b"VP8L") + 9
    flags = int.from_bytes(data[at : at + 4], "little") >> 28
    data[at : at + 4] = (flags << 28 | side - 1 << 14 | side - 1).to_bytes(4, "little")
    return bytes(data)


def jpeg(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


#: What is read, and how it ends: an error, or the size of the small picture that it is.
PICTURES: dict[str, tuple[Callable[[], bytes], type[LcodecError] | int]] = {
    "png, size": (lambda: png(1 << 20), LimitError),
    "png, pixels": (lambda: png(16, rows=BOMB), 16),
    "png, profile": (lambda: png(16, b"iCCP", b"x\0\0" + BOMB), 16),
    "png, text": (lambda: png(16, b"zTXt", PROFILE + BOMB), 16),
    "png, digits": (lambda: png(16, b"zTXt", PROFILE + DIGITS), 16),
    "png, international text": (lambda: png(16, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB), 16),
    "png, many texts": (lambda: png(16, b"zTXt", PROFILE + DIGITS, times=40), 16),
    "gif, screen": (lambda: gif(65_535, 1), LimitError),
    "gif, frame": (lambda: gif(1, 65_535), LimitError),
    "tiff, size": (lambda: tiff(1 << 20, b"x" * 8, 1 << 20), LimitError),
    "tiff, strip": (lambda: tiff(16, BOMB, 16), 16),
    "tiff, rows of a strip": (lambda: tiff(16, BOMB, 0xFFFFFFFF), 16),
    "webp, size": (lambda: webp(16_384), LimitError),
    "jpeg, size": (lambda: jpeg(65_500), LimitError),
    "ppm, size": (lambda: b"P6 1000000 1000000 255 ", LimitError),
}


#: Reads a picture from standard input; prints the height or the error, the memory that it took in KiB, and the seconds.
#: In a process of its own, for the most that a process has had before hides what it takes now; and not by getrusage,
#: whose most is inherited from the process that started it.
READ = f"""
import io, pathlib, re, sys, time
from lcodec.errors import LcodecError
from lcodec.picture import read_picture
from PIL import {", ".join(f"{name}ImagePlugin" for name in ("Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP"))}

def most():
    return int(re.search("VmHWM:\\s*(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

data = io.BytesIO(sys.stdin.buffer.read())
before, start = most(), time.process_time()
try:
    outcome = read_picture(data, max_pixels={MAX_PIXELS - 1}).height
except LcodecError as error:
    outcome = type(error).__name__
print(outcome, most() - before, time.process_time() - start)
"""  # WebP's largest picture is as large as the limit of pixels, and so let through


@pytest.mark.skipif(sys.platform != "linux", reason="needs the most memory that a process has taken")
@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str) -> None:
    make, outcome = PICTURES[name]
    done = subprocess.run(
        [COMMAND[0], "-c", READ], input=make(), env=ENVIRONMENT, capture_output=True, check=True, timeout=60
    )
    found, taken, seconds = done.stdout.decode().split()
    assert found == (str(outcome) if isinstance(outcome, int) else outcome.__name__)
    assert int(taken) < 64 << 10
    assert float(seconds) < 1


def test_size_that_the_stream_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before torch, which such a large picture would be worth, is imported for it."""
    container = unpack(STREAM.read_bytes())
    header = dataclasses.replace(container.header, width=1 << 14, height=1 << 14)
    bomb = tmp_path / "bomb.lcdc"
    bomb.write_bytes(pack(header, container.parts, {}))
    monkeypatch.setitem(ENVIRONMENT, "LCODEC_MODELS", str(GOLDEN / "v1"))
    program = run_without({"torch"}, "decode", bomb)
    assert (program.returncode, len(program.stderr.splitlines())) == (3, 1)
    assert "cannot be" in program.stderr


def test_lengths_that_the_file_does_not_have(tmp_path: Path) -> None:
    """Four gigabytes of latents are not made room for."""
    data = bytearray(STREAM.read_bytes())
    length = unpack(bytes(data)).header.sections["latents"]
    at = data.index(bytes((length & 0x7F | 0x80, length >> 7)))
    data[at : at + 2] = b"\xff\xff\xff\xff\x0f"
    path = tmp_path / "bomb.lcdc"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            read = files.read_coded(file)
        with pytest.raises(DamagedError, match=r"truncated: .* of 4294967"):
            unpack(read)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("command", ["info", "decode"])
def test_input_without_end(command: str) -> None:
    """No more is read than the header says, and a byte."""
    script = 'cat "$1" /dev/zero | "$2" -m lcodec.cli "$3" -'
    done = subprocess.run(
        ["sh", "-c", script, "sh", STREAM, COMMAND[0], command], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 3
    assert b"too many bytes" in done.stderr
