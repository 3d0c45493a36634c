"""`python -m benchmarks.pair --photos DIR`: at the same size, whether each model of the pair wins by its own metric.

That is the pair of the talk's slide. Both models code each photo at about .13 and .19 bits per pixel, by the search
for a target (never over it, and within 2 % where a quality allows that), and where a photo's lowest quality takes more,
at the lowest rate that both reach. At effort 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, add_out, label_of, open_model, parser_of, photos_of, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import Picture, read_picture
from lcodec.targets import Target, encode_to

CSV = RESULTS / "pair.csv"
RATES = (0.13, 0.19)
PAIR = ("mse", "ms-ssim")
FIGURES = ("bpp", "psnr", "ms_ssim")
COLUMNS = ("models", "photo", "rate", *(f"{model}_{figure}" for model in ("mse", "ms_ssim") for figure in FIGURES))


def code_pair(names: Sequence[str], picture: Picture, rate: float) -> list[tuple[bytes, NDArray[np.uint8]]]:
    """Return the file and the decoded pixels of each model, at the rate, or at the least that all of them reach."""
    pair = [open_model(name) for name in names]
    pixels = picture.width * picture.height
    within_reach = max(rate, *(8 * len(encode(picture, model, 0)) / pixels for _, model in pair))
    target, code = Target("bpp", within_reach), partial(encode, effort=0)
    files = [(encode_to(picture, model, target, zoo=zoo, code=code).data, zoo) for zoo, model in pair]
    return [(data, decode(data, zoo).pixels) for data, zoo in files]


def _measure(task: tuple[tuple[str, str], Path, float]) -> dict[str, str]:
    names, photo, rate = task
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    models = " and ".join(label_of(open_model(name)[1]) for name in names)
    figures = []
    for data, decoded in code_pair(names, picture, rate):
        figures += [f"{8 * len(data) / (picture.width * picture.height):.4f}"]
        figures += [f"{psnr(picture.pixels, decoded):.4f}", f"{ms_ssim(picture.pixels, decoded):.6f}"]
    return dict(zip(COLUMNS, (models, photo.name, f"{rate:g}", *figures), strict=True))


def main() -> None:
    """Run the command."""
    parser = parser_of("pair", __doc__, jobs=True, model=False)
    parser.add_argument("--models", nargs=2, default=PAIR, metavar="M", help="for PSNR, and for MS-SSIM")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    tasks = list(product([tuple(arguments.models)], photos_of(arguments.photos), RATES))
    rows = list(spread(_measure, tasks, arguments.jobs))
    write_rows(arguments.out, rows)
    first, second = arguments.models
    for rate in RATES:
        pairs = [row for row in rows if row["rate"] == f"{rate:g}"]
        mse_wins = sum(float(row["mse_psnr"]) > float(row["ms_ssim_psnr"]) for row in pairs)
        ms_ssim_wins = sum(float(row["ms_ssim_ms_ssim"]) > float(row["mse_ms_ssim"]) for row in pairs)
        wins = f"{first} wins by PSNR on {mse_wins}, {second} by MS-SSIM on {ms_ssim_wins}"
        print(f"{rate:g} bits/pixel, {len(pairs)} photos: {wins}")


if __name__ == "__main__":
    main()
