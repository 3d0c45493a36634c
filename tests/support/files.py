"""Picture files written by hand, so that their samples are known without any decoder's word."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Adam7: first column and row, and the steps between them, of the seven passes.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(samples: Array, depth: int, colour: int, *chunks: tuple[bytes, bytes], interlaced: bool = False) -> bytes:
    """A PNG of samples (H, W, C) as they stand in the file; `chunks` come before the samples."""
    height, width, _ = samples.shape
    parts = [samples]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
    rows = b"".join(b"\0" + packed(row, depth) for part in parts if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    everything = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in everything
    )


def packed(row: Array, depth: int) -> bytes:
    """A row of samples, most significant bits first."""
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


def tiff(
    samples: Array,
    *,
    order: str = "<",
    photometric: int = 2,
    bits: int = 8,
    planar: bool = False,
    tile: int = 0,
    deflate: bool = False,
    tags: tuple[tuple[int, int, int], ...] = (),
    pages: int = 1,
) -> bytes:
    """A TIFF of samples (H, W, C), in one strip (one for each channel if planar), or in square tiles.

    `tags` are (tag, 3 or 4, value); `pages` repeats the picture.
    """
    height, width, channels = samples.shape
    typed = samples.astype(f"{order}u{bits // 8}")
    blocks = [typed[:, :, k] for k in range(channels)] if planar else [typed]
    if tile:
        padded = [np.pad(b, [(0, -height % tile), (0, -width % tile), (0, 0)][: b.ndim]) for b in blocks]
        blocks = [
            b[y : y + tile, x : x + tile] for b in padded for y in range(0, height, tile) for x in range(0, width, tile)
        ]
    bodies = [zlib.compress(block.tobytes()) if deflate else block.tobytes() for block in blocks]
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0")
    link = 4
    for _ in range(pages):
        offsets = []
        for body in bodies:
            offsets.append(len(out))
            out += body
        entries: dict[int, tuple[int, list[int]]] = {
            256: (4, [width]),
            257: (4, [height]),
            258: (3, [bits] * channels),
            259: (3, [8 if deflate else 1]),
            262: (3, [photometric]),
            277: (3, [channels]),
            284: (3, [2 if planar else 1]),
            **({322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [height])}),
            (324 if tile else 273): (4, offsets),
            (325 if tile else 279): (4, [len(body) for body in bodies]),
            **{tag: (kind, [value]) for tag, kind, value in tags},
        }
        directory = struct.pack(f"{order}H", len(entries))
        for tag, (kind, values) in sorted(entries.items()):
            value = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
            if len(value) > 4:
                out += bytes(len(out) % 2)
                place = len(out)
                out += value
                value = struct.pack(f"{order}I", place)
            directory += struct.pack(f"{order}HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
        out += bytes(len(out) % 2)
        struct.pack_into(f"{order}I", out, link, len(out))
        link = len(out) + len(directory)
        out += directory + b"\0\0\0\0"
    return bytes(out)


def profile(primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> bytes:
    """An ICC profile of a display with these (x, y) of red, green and blue, and white D65: matrix and gamma."""
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    matrix = columns * np.linalg.solve(columns, white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1, 0.8249])
    to_d50 = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford
    matrix = to_d50 @ matrix

    def xyz(values: Array) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))

    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    bodies = {b"desc": name + bytes(-len(name) % 4), b"wtpt": xyz(d50), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    bodies |= {tag: xyz(matrix[:, k]) for k, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    bodies |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, content = struct.pack(">I", len(bodies)), b""
    start = 128 + 4 + 12 * len(bodies)
    for tag, body in bodies.items():
        table += tag + struct.pack(">II", start + len(content), len(body))
        content += body
    size = start + len(content)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp"
    )
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + content


#: Display P3: the primaries of DCI-P3 with white D65; wider than sRGB.
DISPLAY_P3 = profile(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)))
