"""A small JPEG's codes, walked through one by one: damage that leaves them in step shows in values that cannot be.

libjpeg says nothing of such damage, and `jpeg.Watch` sees none, for the count of blocks comes out right. The walk takes
a microsecond a code in Python, so it is for small files only. Sequential Huffman coding, ITU-T T.81, F.2.2.
"""

from __future__ import annotations

__all__ = ["SCAN_MAX", "impossible"]

#: Bytes of a scan that are walked through: some 10 ms.
SCAN_MAX = 1 << 14
#: Means of a block, times 8: from -128 to 127 about mid-grey. Some encoders go over white on purpose, to ring less.
_LOWEST, _HIGHEST = -1024, 1280

#: By 16 bits that are to come: how many of them are the code, and its symbol.
_Table = list[tuple[int, int]]
#: A table as it stands in the file: numbers of codes of each length, and symbols.
_Written = tuple[bytes, bytes]


def impossible(segments: list[tuple[int, bytes]], body: bytes) -> bool:
    """Say whether the codes of a scan cannot be what an encoder wrote.

    Args:
        segments: markers and contents of a file of one sequential scan without restarts, up to the scan's own.
        body: its data.
    """
    written: dict[int, _Written] = {}
    steps: dict[int, int] = {}  # of the means of blocks
    frame = scan = b""
    for marker, content in segments:
        if marker == 0xC4:
            _read_tables(content, written)
        elif marker == 0xDB:
            _read_steps(content, steps)
        elif marker in {0xC0, 0xC1}:
            frame = content
        elif marker == 0xDA:
            scan = content
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    parts = [(frame[at + 1] >> 4, frame[at + 1] & 15, frame[at + 2]) for at in range(6, 6 + 3 * frame[5], 3)]
    if len(parts) == 1:
        parts = [(1, 1, parts[0][2])]
    across, down = (8 * max(part[axis] for part in parts) for axis in (0, 1))
    chosen = [scan[at + 1] for at in range(1, 1 + 2 * scan[0], 2)]
    # A table takes milliseconds to make, so only those that the scan names are.
    named = {name for number in range(len(parts)) for name in (chosen[number] >> 4, 16 | chosen[number] & 15)}
    tables = {name: _table(*written[name]) for name in named}
    blocks = [
        (number, tables[chosen[number] >> 4], tables[16 | chosen[number] & 15], steps[step])
        for number, (along, deep, step) in enumerate(parts)
        for _ in range(along * deep)
    ]
    return not _walk(blocks, -(-width // across) * -(-height // down), body.replace(b"\xff\0", b"\xff"))


def _walk(blocks: list[tuple[int, _Table, _Table, int]], count: int, data: bytes) -> bool:
    """Say whether all blocks have codes that exist, and means that are possible."""
    size, bits = 8 * len(data), data + bytes(4)
    windows = [int.from_bytes(bits[at : at + 4], "big") for at in range(len(data) + 1)]
    means = [0] * len(blocks)
    place = 0
    for _ in range(count):
        for number, first, others, step in blocks:
            length, category = first[windows[place >> 3] >> (16 - (place & 7)) & 0xFFFF]
            place += length
            if not length or category > 15 or place + category > size:
                return False
            if category:
                value = int.from_bytes(bits[place >> 3 : (place >> 3) + 4], "big") >> (32 - category - (place & 7))
                value &= (1 << category) - 1
                means[number] += value if value >> (category - 1) else value - (1 << category) + 1
                place += category
            if not _LOWEST - 2 * step <= means[number] * step <= _HIGHEST + 2 * step:
                return False
            index = 1
            while index < 64:
                length, symbol = others[windows[place >> 3] >> (16 - (place & 7)) & 0xFFFF]
                place += length + (symbol & 15)
                if not length or place > size:
                    return False
                if not symbol & 15 and symbol != 0xF0:  # the block ends
                    break
                index += (symbol >> 4) + 1
            if index > 64:
                return False
    return True


def _read_tables(content: bytes, written: dict[int, _Written]) -> None:
    """Note each table of a segment by its kind and number; the last of a name counts."""
    place = 0
    while place + 17 <= len(content):
        counts = content[place + 1 : place + 17]
        end = place + 17 + sum(counts)
        written[content[place]] = counts, content[place + 17 : end]
        place = end


def _table(counts: bytes, symbols: bytes) -> _Table:
    """Make a table of the numbers of codes of each length, 1 to 16, and their symbols."""
    table: _Table = []
    used = 0
    for length, count in enumerate(counts, 1):
        for symbol in symbols[used : used + count]:
            if len(table) >= 1 << 16:  # more codes than there can be
                break
            table += [(length, symbol)] * (1 << (16 - length))
        used += count
    return table + [(0, 0)] * ((1 << 16) - len(table))


def _read_steps(content: bytes, steps: dict[int, int]) -> None:
    place = 0
    while place < len(content):
        wide = content[place] >> 4
        steps[content[place] & 15] = int.from_bytes(content[place + 1 : place + (3 if wide else 2)], "big")
        place += 1 + 64 * (2 if wide else 1)
