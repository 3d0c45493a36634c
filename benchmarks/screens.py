"""`python -m benchmarks.screens --photos DIR [MODEL...]`: pictures unlike photos, beside AVIF and lossless WebP.

For pages of text, code, forms, charts, line art and patterns: bytes and PSNR of each model (by name or file) at
qualities 60 and 100, without exact parts, and of the last one with them as well; how many pictures come back exactly,
which PSNR is no mean for; the bytes that AVIF 4:4:4 takes for at least the same PSNR, picture by picture (left empty
where it cannot have it); those of a lossless WebP; and how many bytes each takes for the same PSNR as the rows before:
for each picture and quality of those, the least that any quality takes for at least that PSNR, be it between two that
were tried. The results that are kept have the model that `mse` was trained on from before it, which saw photos alone.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.common import (
    RESULTS,
    add_out,
    label_of,
    open_model,
    parser_of,
    photos_of,
    show,
    spread,
    write_rows,
)
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.compare.codecs import open_codec
from lcodec.compare.match import lossless
from lcodec.defaults import EFFORT
from lcodec.metrics import psnr
from lcodec.picture import Picture, read_picture

CSV = RESULTS / "screens.csv"
#: Qualities that are shown, and all that bytes for the same PSNR are of.
SHOWN, QUALITIES = (60, 100), range(20, 101, 10)
RIVAL = "avif-444"
DEFAULT = ("mse",)
#: Columns on the terminal.
COLUMNS = {
    "model": "model",
    "exact_parts": "exact parts",
    "quality": "quality",
    "bytes": "bytes",
    "psnr": "PSNR, dB",
    "exact": "exact",
    "avif_bytes": "AVIF, bytes",
    "webp_bytes": "lossless WebP, bytes",
    "same_psnr": "bytes for the same PSNR, %",
}

#: By quality: bytes, PSNR, the bytes of AVIF, and those of a lossless WebP.
Found = dict[int, tuple[int, float, int | None, int]]


def _measured(task: tuple[Path, str, bool]) -> Found:
    """Code a picture by a model at every quality, with exact parts or without."""
    photo, name, exact_parts = task
    zoo, model = open_model(name)
    picture = read_picture(photo, max_pixels=MAX_PIXELS, alpha="drop", metadata=())
    exact = len(lossless(picture.pixels))
    found = {}
    for quality in QUALITIES:
        data = encode(picture, model, quality, effort=EFFORT, exact=exact_parts)
        reached = psnr(picture.pixels, decode(data, zoo).pixels)
        other = _as_good(picture, reached) if quality in SHOWN else None
        found[quality] = len(data), reached, other, exact
    return found


def _as_good(picture: Picture, wanted: float) -> int | None:
    """Bytes of the smallest AVIF of at least this PSNR; None if there is none."""
    rival = open_codec(RIVAL)
    settings = np.arange(rival.first, rival.last + rival.step, rival.step).tolist()
    sizes: dict[float, int] = {}

    def good(setting: float) -> bool:
        data = rival.encode(picture, setting)
        sizes[setting] = len(data)
        return psnr(picture.pixels, rival.decode(data).pixels) >= wanted

    place = bisect_left(settings, True, key=good)
    return sizes[settings[place]] if place < len(settings) else None


def main() -> None:
    """Run the command."""
    parser = parser_of("screens", __doc__, jobs=True, model=False)
    parser.add_argument("models", nargs="*", default=DEFAULT, metavar="MODEL", help="names or files (mse)")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    photos = photos_of(arguments.photos)
    ways = [*((name, False) for name in arguments.models), (arguments.models[-1], True)]
    tasks = [(photo, *way) for way in ways for photo in photos]
    found = list(spread(_measured, tasks, arguments.jobs, "coding"))
    rows = list(_rows(ways, [found[at : at + len(photos)] for at in range(0, len(found), len(photos))]))
    write_rows(arguments.out, rows)
    show(rows, COLUMNS)


def _rows(ways: Sequence[tuple[str, bool]], by_way: Sequence[Sequence[Found]]) -> Iterator[dict[str, str]]:
    """Means over the pictures."""
    saved = [0.0, *(_same_psnr(before, after) for before, after in pairwise(by_way))]
    for (name, exact_parts), of_way, percent in zip(ways, by_way, saved, strict=True):
        for quality in SHOWN:
            sizes, reached, others, lossless_sizes = zip(*(each[quality] for each in of_way), strict=True)
            finite = [each for each in reached if math.isfinite(each)]
            yield {
                "model": label_of(open_model(name)[1]),
                "exact_parts": "yes" if exact_parts else "no",
                "quality": f"{quality}",
                "bytes": f"{np.mean(sizes):.0f}",
                "psnr": f"{np.mean(finite):.2f}" if finite else "",
                "exact": f"{len(reached) - len(finite)}",
                "avif_bytes": "" if None in others else f"{np.mean(others):.0f}",
                "webp_bytes": f"{np.mean(lossless_sizes):.0f}",
                "same_psnr": f"{percent:.1f}",
            }


def _same_psnr(before: Sequence[Found], after: Sequence[Found]) -> float:
    """Bytes for at least the same PSNR, in percent more: by the mean of logarithms over pictures and qualities.

    What the second way reaches at no quality is left out.
    """
    ratios = []
    for first, second in zip(before, after, strict=True):
        for size, wanted, *_ in first.values():
            least = min(_enough([(size, reached) for size, reached, *_ in second.values()], wanted), default=None)
            if least is not None:
                ratios.append(math.log(least / size))
    return 100 * math.expm1(np.mean(ratios))


def _enough(curve: Sequence[tuple[int, float]], wanted: float) -> Iterator[float]:
    """Bytes that are enough for a PSNR: at each quality, and between two of finite PSNR, on a line as in BD-rates."""
    yield from (size for size, reached in curve if reached >= wanted)
    for (size, reached), (more, better) in pairwise(curve):
        if reached < wanted < better < math.inf:
            yield size * (more / size) ** ((wanted - reached) / (better - reached))


if __name__ == "__main__":
    main()
