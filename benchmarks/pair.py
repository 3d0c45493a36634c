"""`python -m benchmarks.pair --photos DIR`: at the same size, whether each model of the pair wins by its own metric.

That is the pair of the talk's slide. Both models code each photo at about .13 and .19 bits per pixel, by the search
for a target (never over it, and within 2 % where a quality allows that), and where a photo's lowest quality takes more,
at the lowest rate that both reach. At effort 0.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.common import RESULTS, add_out, open_model, parser_of, photos_of, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import read_picture
from lcodec.targets import Target, encode_to

CSV = RESULTS / "pair.csv"
RATES = (0.13, 0.19)
PAIR = ("mse", "ms-ssim")
COLUMNS = ("photo", "rate", "mse_bpp", "mse_psnr", "mse_ms_ssim", "ms_ssim_bpp", "ms_ssim_psnr", "ms_ssim_ms_ssim")


def _measure(task: tuple[tuple[str, str], Path, float]) -> dict[str, str]:
    names, photo, rate = task
    pair = [open_model(name) for name in names]
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    pixels = picture.width * picture.height
    within_reach = max(rate, *(8 * len(encode(picture, model, 0)) / pixels for _, model in pair))
    figures = []
    for zoo, model in pair:
        data = encode_to(picture, model, Target("bpp", within_reach), zoo=zoo, code=partial(encode, effort=0)).data
        decoded = decode(data, zoo).pixels
        figures += [f"{8 * len(data) / pixels:.4f}"]
        figures += [f"{psnr(picture.pixels, decoded):.4f}", f"{ms_ssim(picture.pixels, decoded):.6f}"]
    return dict(zip(COLUMNS, (photo.name, f"{rate:g}", *figures), strict=True))


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
