"""`python -m benchmarks.kodak --photos DIR`: rate and distortion on the Kodak photos, through real files.

Each photo is encoded and decoded at every quality by the functions behind `lcodec encode` and `lcodec decode`, with
the command's own effort unless told otherwise; rates count whole files, headers included, and distortions are those of
the decoded 8-bit pictures. Results are the same in every run but for the seconds, which are those of a warm process
(`benchmarks.startup` measures cold ones).
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, astuple
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import common
from benchmarks.common import (
    KODAK_PHOTOS,
    add_out,
    label_of,
    open_model,
    parser_of,
    photos_of,
    results_of,
    spread,
    write_rows,
)
from benchmarks.report import MEAN, Row, comparisons, curve, describe
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.defaults import EFFORT
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import Picture, read_picture

QUALITIES = (0, 14, 28, 42, 57, 71, 85, 100)
DIGITS = {"bpp": 6, "psnr": 4, "ms_ssim": 6, "encode_s": 3, "decode_s": 3}  # decimals written, by column


class Worker:
    """Measures photos in one process; the model is loaded, and everything imported, before any clock starts."""

    def __init__(self, model: str, effort: int) -> None:
        self.zoo, self.model = open_model(model)
        self.label, self.effort = label_of(self.model), effort
        grey = Picture(np.full((64, 64, 3), 128, np.uint8))
        decode(encode(grey, self.model, 50, effort=effort), self.zoo)

    def measure(self, photo: Path, quality: float) -> Row:
        """Encode a photo to a file, decode that file, and compare."""
        picture = read_picture(photo, max_pixels=MAX_PIXELS)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "photo.lcdc"
            start = time.perf_counter()
            file.write_bytes(encode(picture, self.model, quality, effort=self.effort))
            encoded = time.perf_counter()
            decoded = decode(file.read_bytes(), self.zoo)
            end = time.perf_counter()
            size = file.stat().st_size
        return Row(
            self.label,
            photo.name,
            self.effort,
            quality,
            size,
            bpp=8 * size / (picture.width * picture.height),
            psnr=psnr(picture.pixels, decoded.pixels),
            ms_ssim=ms_ssim(picture.pixels, decoded.pixels),
            encode_s=encoded - start,
            decode_s=end - encoded,
        )


@cache
def _worker(model: str, effort: int) -> Worker:
    """The worker of this process."""
    return Worker(model, effort)


def _measure(task: tuple[str, int, Path, float]) -> Row:
    model, effort, photo, quality = task
    return _worker(model, effort).measure(photo, quality)


def means(rows: list[Row]) -> list[Row]:
    """Return a row of means over the photos for each quality."""
    averaged = []
    for quality in sorted({row.quality for row in rows}):
        group = [astuple(row)[4:] for row in rows if row.quality == quality]
        averaged.append(
            Row(rows[0].model, MEAN, rows[0].effort, quality, *(float(value) for value in np.mean(group, axis=0)))
        )
    return averaged


def cells(row: Row) -> dict[str, str]:
    """Return a row as it is written."""
    return {
        name: f"{value:.{DIGITS[name]}f}" if name in DIGITS else value if isinstance(value, str) else f"{value:.8g}"
        for name, value in asdict(row).items()
    }


def show(rows: list[Row]) -> None:
    """Print the means and the delta rates."""
    heads = {"quality": "quality", "bpp": "bits/pixel", "psnr": "PSNR, dB", "ms_ssim": "MS-SSIM"}
    heads |= {"encode_s": "encode, s", "decode_s": "decode, s"}
    averages = [cells(row) for row in rows if row.photo == MEAN]
    common.show(averages, heads, f"{rows[0].model}, effort {rows[0].effort}")
    deltas = [
        {"against": anchor.title, "psnr": describe(by_psnr), "ms_ssim": describe(by_ms_ssim)}
        for anchor, by_psnr, by_ms_ssim in comparisons(curve(rows))
    ]
    heads = {"against": "against", "psnr": "by PSNR (range, dB)", "ms_ssim": "by MS-SSIM (range, dB)"}
    common.show(deltas, heads, "BD-rate; negative: fewer bits")


def main() -> None:
    """Run the command."""
    parser = parser_of("kodak", __doc__, jobs=True)
    parser.add_argument("--effort", type=int, default=EFFORT)
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, metavar="Q")
    add_out(parser, None)
    arguments = parser.parse_args()
    photos = photos_of(arguments.photos)
    if len(photos) != KODAK_PHOTOS:
        print(f"{len(photos)} photos, not the {KODAK_PHOTOS} of Kodak: not comparable with the rivals' curves")
    tasks = product([arguments.model], [arguments.effort], photos, sorted(set(arguments.qualities)))
    rows = list(spread(_measure, list(tasks), arguments.jobs))
    rows += means(rows)
    write_rows(arguments.out or results_of(arguments.model), map(cells, rows))
    show(rows)


if __name__ == "__main__":
    main()
