"""`python -m benchmarks.pair --photos DIR`: at the same size, whether each model of the pair wins by its own metric.

That is the pair of the talk's slide. Both models code each photo at about .13 and .19 bits per pixel, by the search
for a target (never over it, and within 2 % where a quality allows that), and where a photo's lowest quality takes more,
at the lowest rate that both reach. At effort 0.
"""

from __future__ import annotations

import argparse
import csv
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.effort import photos_of
from benchmarks.kodak import open_model
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import read_picture
from lcodec.processes import in_order
from lcodec.targets import Target, encode_to

RESULTS = Path(__file__).parent / "results" / "pair.csv"
RATES = (0.13, 0.19)
PAIR = ("mse", "ms-ssim")
COLUMNS = ("photo", "rate", "mse_bpp", "mse_psnr", "mse_ms_ssim", "ms_ssim_bpp", "ms_ssim_psnr", "ms_ssim_ms_ssim")


def _measure(task: tuple[tuple[str, str], Path, float]) -> list[str]:
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
    return [photo.name, f"{rate:g}", *figures]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pair", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument(
        "--models", nargs=2, default=PAIR, metavar="M", help="for PSNR, and for MS-SSIM: names or files"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="CSV file to write")
    arguments = parser.parse_args()
    tasks = list(product([tuple(arguments.models)], photos_of(arguments.photos), RATES))
    results = in_order(_measure, tasks, arguments.jobs)
    rows = list(track(results, "coding", len(tasks), console=Console(stderr=True)))
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    for rate in RATES:
        pairs = [[float(cell) for cell in row[2:]] for row in rows if row[1] == f"{rate:g}"]
        mse_wins = sum(psnr > other for _, psnr, _, _, other, _ in pairs)
        ms_ssim_wins = sum(other > ms_ssim for _, _, ms_ssim, _, _, other in pairs)
        print(f"{rate:g} bits/pixel, {len(pairs)} photos: {arguments.models[0]} wins by PSNR on {mse_wins}, ", end="")
        print(f"{arguments.models[1]} by MS-SSIM on {ms_ssim_wins}")


if __name__ == "__main__":
    main()
