"""`python -m benchmarks.screens --photos DIR [MODEL...]`: pictures unlike photos, beside AVIF and lossless WebP.

For pages of text, code, forms, charts, line art and patterns: bytes and PSNR of each model (by name or file) at
qualities 60 and 100; the bytes that AVIF 4:4:4 takes for at least the same PSNR, picture by picture (left empty where
it cannot have it); those of a lossless WebP; and BD-rate against the first model over qualities 20 to 100. The results
that are kept have the model that `mse` was trained on from before it, which saw photos alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
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
from lcodec.compare.bd_rate import bd_rate
from lcodec.compare.codecs import open_codec
from lcodec.compare.match import lossless
from lcodec.defaults import EFFORT
from lcodec.metrics import psnr
from lcodec.picture import Picture, read_picture

CSV = RESULTS / "screens.csv"
#: Qualities that are shown, and all that the BD-rate is of.
SHOWN, QUALITIES = (60, 100), (20, 40, 60, 80, 100)
RIVAL = "avif-444"
DEFAULT = ("mse",)
#: Columns on the terminal.
COLUMNS = {
    "model": "model",
    "quality": "quality",
    "bytes": "bytes",
    "psnr": "PSNR, dB",
    "avif_bytes": "AVIF, bytes",
    "webp_bytes": "lossless WebP, bytes",
    "bd_rate": "BD-rate, %",
}

#: By quality: bytes, PSNR, the bytes of AVIF, and those of a lossless WebP.
Found = dict[int, tuple[int, float, int | None, int]]


def _measured(task: tuple[Path, str]) -> Found:
    """Code a picture by a model at every quality."""
    photo, name = task
    zoo, model = open_model(name)
    picture = read_picture(photo, max_pixels=MAX_PIXELS, alpha="drop", metadata=())
    exact = len(lossless(picture.pixels))
    found = {}
    for quality in QUALITIES:
        data = encode(picture, model, quality, effort=EFFORT)
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
    tasks = [(photo, name) for name in arguments.models for photo in photos]
    found = list(spread(_measured, tasks, arguments.jobs, "coding"))
    rows = list(_rows(arguments.models, [found[at : at + len(photos)] for at in range(0, len(found), len(photos))]))
    write_rows(arguments.out, rows)
    show(rows, COLUMNS)


def _rows(models: Sequence[str], by_model: Sequence[Sequence[Found]]) -> Iterator[dict[str, str]]:
    """Means over the pictures; BD-rates are of the means, as on Kodak."""
    curves = [
        [[float(np.mean([each[quality][part] for each in of_model])) for quality in QUALITIES] for part in (0, 1)]
        for of_model in by_model
    ]
    for name, of_model, curve in zip(models, by_model, curves, strict=True):
        difference = f"{bd_rate(*curve, *curves[0]).percent:.1f}"
        for quality in SHOWN:
            sizes, reached, others, exact = zip(*(each[quality] for each in of_model), strict=True)
            yield {
                "model": label_of(open_model(name)[1]),
                "quality": f"{quality}",
                "bytes": f"{np.mean(sizes):.0f}",
                "psnr": f"{np.mean(reached):.2f}",
                "avif_bytes": "" if None in others else f"{np.mean(others):.0f}",
                "webp_bytes": f"{np.mean(exact):.0f}",
                "bd_rate": difference,
            }


if __name__ == "__main__":
    main()
