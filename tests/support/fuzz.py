"""Mutates golden streams and decodes them: `python -m tests.support.fuzz --count 20000`.

tests/test_fuzz.py does a few hundred. A mutant must be refused as an lcodec error, or give the picture that it still
describes. Every other mutant has its file check made right again, half of these their lengths as well, so that the
inner checks and the entropy decoder get what they must withstand.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import tracemalloc
from collections import Counter
from dataclasses import asdict
from types import FrameType

import numpy as np
from threadpoolctl import threadpool_limits

from lcodec.codec import decode
from lcodec.container import Part, _varint, pack, read_header, unpack
from lcodec.errors import DamagedError, LimitError, ModelError
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.golden import GOLDEN
from tests.support.streams import sealed

#: Of CPU time, for one mutant: far more than any takes on one thread, for what must be seen is a loop without an end.
SECONDS = 10
#: What decoding takes at most: bytes, and bytes a pixel, sides rounded up to 64 (measured on the golden streams: 55).
MEMORY, PIXEL_MEMORY = 1 << 16, 60
#: What hyper-latents cost at least for 64x64 pixels, in bits, at any quality of the golden models; and what of that is
#: known before any is decoded, where they are predicted by their context: a group of channels in a quarter of them.
LEAST_BITS, LEAST_BITS_IN_CONTEXT = 10, 0.4


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to three random edits of a stream, some with a part of another stream."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        # Half of the edits near the beginning, where the fields are.
        at, size = rng.randrange(min(len(out), rng.choice((40, len(out)))) or 1), rng.randrange(1, 40)
        kind = rng.randrange(7)
        if kind == 0 and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del out[rng.randrange(len(out) + 1) :]
        elif kind == 3:
            del out[at : at + size]
        elif kind == 4:
            out[at:at] = rng.choice((bytes(size), rng.randbytes(size), bytes(out[at : at + size])))
        elif kind == 5:
            begin = rng.randrange(len(other))
            out[at : at + size] = other[begin : begin + size]
        else:
            _edit_number(out, rng)
    return bytes(out)


def _edit_number(out: bytearray, rng: random.Random) -> None:
    """Put another number in the place of the width, the height, or the length of a section."""
    try:
        header = read_header(bytes(out))
    except DamagedError:
        return
    sections = [header.sections[name] for name in ("hyper", "latents", "exact") if name in header.sections]
    numbers = [header.width, header.height, *sections]
    index = rng.randrange(len(numbers))
    at = 6 + sum(len(_varint(number)) for number in numbers[:index]) + 18 * (index > 1)
    value = max(0, rng.choice((numbers[index] + rng.randrange(-20, 20), (1 << rng.randrange(36)) - rng.randrange(2))))
    out[at : at + len(_varint(numbers[index]))] = _varint(value)


def mutate_section(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Mutate what is coded of a region, and make all else right, the number of whole words mostly too."""
    container = unpack(data)
    parts = list(container.parts)
    index = rng.randrange(len(parts))
    sections = asdict(parts[index])
    name = rng.choice([name for name, body in sections.items() if body])
    body = mutate(sections[name], other[30:], rng)
    sections[name] = body[: len(body) // 4 * 4] if name != "exact" and rng.randrange(8) else body
    parts[index] = Part(**sections)
    return pack(container.header, parts, container.chunks)


def describes(data: bytes, picture: Picture, valid: bytes, expected: Picture) -> str:
    """Assert that a decoded mutant shows the original as far as it says to; return in which way."""
    mutant, original = read_header(data), read_header(valid)
    assert mutant.check == original.check, "other symbols"
    assert (picture.height, picture.width, picture.grey) == (mutant.height, mutant.width, mutant.grey)
    if [part.exact for part in unpack(data).parts] != [part.exact for part in unpack(valid).parts]:
        return "same symbols, other exact parts"  # behind right checks: WebP has none of its own
    if mutant.quality_step != original.quality_step:  # the same symbols, in other units
        return "same symbols, another quality"
    height, width = min(mutant.height, original.height), min(mutant.width, original.width)
    seen, wanted = picture.pixels[:height, :width], expected.pixels[:height, :width]
    if mutant.grey != original.grey:
        seen, wanted = (np.rint(pixels.mean(axis=2)) for pixels in (seen, wanted))
    assert np.array_equal(seen, wanted), "another picture"
    same = (mutant.height, mutant.width, mutant.grey) == (original.height, original.width, original.grey)
    return "same picture" if same else "same picture, cut or coloured otherwise"


def memory_allowed(data: bytes, valid: int) -> int:
    """Twice what the valid file takes, or twice what any of the declared size does, if the bytes can hold that size."""
    try:
        header = read_header(data)
    except DamagedError:
        return 2 * valid
    cells = -(-header.width // 64) * -(-header.height // 64)
    least = LEAST_BITS_IN_CONTEXT if header.hyper_context else LEAST_BITS
    held = cells * least <= 8 * header.sections["hyper"] + 256
    return 2 * max(valid, MEMORY + PIXEL_MEMORY * 4096 * cells * held)


def decode_measured(data: bytes, zoo: Zoo) -> tuple[Picture | None, str, int]:
    """Decode: the picture or None, what was said, and the most memory taken. Any other error is passed on."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"over {SECONDS} s")

    signal.signal(signal.SIGVTALRM, stop)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with threadpool_limits(1, "blas"):  # a second thread would wait for its share by turning round
            picture, said = decode(data, zoo, device="cpu"), ""
    except (DamagedError, ModelError, LimitError) as error:
        picture, said = None, f"{type(error).__name__}: {re.sub(r'[0-9a-f]{8}[0-9a-f-]*|[0-9]+', '#', str(error))}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return picture, said, tracemalloc.get_traced_memory()[1] - before


def fuzz(count: int, seed: int) -> Counter[str]:
    """Decode `count` mutants; a tally of what became of them. The assertion that fails names the mutant's number."""
    rng, zoo, seen = (
        random.Random(seed),
        Zoo([GOLDEN / "v1", GOLDEN / "v1-context", GOLDEN / "v1-dependent"]),
        Counter[str](),
    )
    streams = [path.read_bytes() for path in sorted(GOLDEN.glob("*/*.lcdc"))]
    valid: dict[bytes, tuple[Picture, int]] = {}
    tracemalloc.start()
    try:
        for number in range(count):
            original, other = rng.choice(streams), rng.choice(streams)
            if original not in valid:
                decode(original, zoo)  # loads the model
                picture, _, memory = decode_measured(original, zoo)
                assert picture is not None
                valid[original] = picture, memory
            mutant = mutate_section(original, other, rng) if number % 4 == 1 else mutate(original, other, rng)
            if number % 4 == 3:
                mutant = sealed(mutant)
            if mutant == original:
                continue
            try:
                picture, said, memory = decode_measured(mutant, zoo)
                assert memory <= memory_allowed(mutant, valid[original][1]), f"{memory} bytes of memory"
                if picture is not None:
                    said = describes(mutant, picture, original, valid[original][0])
            except BaseException as error:
                error.add_note(f"mutant {number} of seed {seed}, of a stream of {len(original)} bytes")
                raise
            seen[f"{'sealed' if number % 2 else 'as is'}: {said}"] += 1
    finally:
        tracemalloc.stop()
    return seen


def main() -> None:
    """Report what became of the mutants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for said, count in sorted(fuzz(arguments.count, arguments.seed).items()):
        print(f"{count:6}  {said}")  # noqa: T201


if __name__ == "__main__":
    main()
