"""`python -m benchmarks.entropy_gap DIR`: bytes written against the entropy estimate of the float model.

The estimate is that of training: the Gaussian probability of every rounded symbol, with float networks. What a file
spends beyond it is the cost of fixed point, of the integer tables and of the range coder; the header is counted apart.
Exits with 1 where a photo's file is over its estimate by more than 1 % and 40 bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from lcodec.codec import MAX_PIXELS, encode
from lcodec.container import read_header
from lcodec.defaults import MODEL
from lcodec.picture import read_picture
from lcodec.training.export import parameters_of
from lcodec.training.objective import objective
from lcodec.zoo import Zoo

QUALITIES = (0, 25, 50, 75, 100)
LIMIT, LIMIT_BYTES = 0.01, 40


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.entropy_gap", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of PNG files, sides multiples of 64")
    parser.add_argument("--model", default=MODEL, help="name of an installed model")
    arguments = parser.parse_args()
    model = Zoo().load(arguments.model)
    params = parameters_of(model.arrays)
    photos = sorted(arguments.photos.glob("*.png"))
    if not photos:
        parser.error(f"no PNG files in {arguments.photos}")
    table = Table("quality", "estimate, bytes", "coded", "header", "gap", "worst photo", title="Means over the photos")
    failed = False
    for quality in QUALITIES:
        estimates, coded, headers = [], [], []
        for photo in photos:
            picture = read_picture(photo, max_pixels=MAX_PIXELS)
            pixels = torch.from_numpy(picture.pixels[None].copy())
            with torch.no_grad():
                bpp = float(objective(params, pixels, torch.tensor([quality / 100]), None).bpp)
            data = encode(picture, model, quality)
            headers.append(read_header(data).overhead)
            coded.append(len(data) - headers[-1])
            estimates.append(bpp * pixels.shape[1] * pixels.shape[2] / 8)
        gaps = [real / estimate - 1 for real, estimate in zip(coded, estimates, strict=True)]
        failed |= any(
            real + header > (1 + LIMIT) * estimate + LIMIT_BYTES
            for real, header, estimate in zip(coded, headers, estimates, strict=True)
        )
        count = len(photos)
        means = [f"{sum(values) / count:.0f}" for values in (estimates, coded, headers)]
        table.add_row(f"{quality:g}", *means, f"{sum(coded) / sum(estimates) - 1:+.3%}", f"{max(gaps):+.3%}")
    Console().print(table)
    sys.exit(failed)


if __name__ == "__main__":
    main()
