"""`python -m benchmarks.order --photos DIR`: whether each step up in quality takes more bits and shows more.

Real files at every whole quality from 0 to 100, at effort 0, through the normal decoder. The CSV has a line for each
photo: how many of the 100 steps lower the rate, and how many PSNR and MS-SSIM, with the largest fall of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.common import add_out, label_of, open_model, parser_of, photos_of, results_of, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import read_picture

QUALITIES = range(101)
MEASURES = ("bytes", "psnr", "ms_ssim")
COLUMNS = ("model", "photo", *(f"{measure}_{what}" for measure in MEASURES for what in ("falls", "largest")))


def _falls(values: Sequence[float]) -> list[str]:
    falls = [before - after for before, after in pairwise(values) if after < before]
    return [str(len(falls)), f"{max(falls, default=0):.3g}"]


def _measure(task: tuple[str, Path]) -> dict[str, str]:
    wanted, photo = task
    zoo, model = open_model(wanted)
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    points = []
    for quality in QUALITIES:
        data = encode(picture, model, quality)
        decoded = decode(data, zoo).pixels
        points.append((len(data), psnr(picture.pixels, decoded), ms_ssim(picture.pixels, decoded)))
    falls = (cell for values in zip(*points, strict=True) for cell in _falls(values))
    return dict(zip(COLUMNS, (label_of(model), photo.name, *falls), strict=True))


def main() -> None:
    """Run the command."""
    parser = parser_of("order", __doc__, jobs=True)
    add_out(parser, None)
    arguments = parser.parse_args()
    tasks = [(arguments.model, photo) for photo in photos_of(arguments.photos)]
    rows = list(spread(_measure, tasks, arguments.jobs, "photos"))
    write_rows(arguments.out or results_of(arguments.model, "order"), rows)
    steps = len(rows) * (len(QUALITIES) - 1)
    for measure in MEASURES:
        falls = [int(row[f"{measure}_falls"]) for row in rows]
        print(f"{measure}: {sum(falls)} of {steps} steps fall, on {sum(map(bool, falls))} photos")


if __name__ == "__main__":
    main()
