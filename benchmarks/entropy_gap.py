"""`python -m benchmarks.entropy_gap --photos DIR`: bytes written against the entropy estimate of the float model.

The estimate is that of training: the Gaussian probability of every rounded symbol, with float networks. What a file
spends beyond it is the cost of fixed point, of the integer tables and of the range coder; the header is counted apart.
Sides must be multiples of 64, as Kodak's are. Exits with 1 where a photo's file is over its estimate by more than 1 %
and 40 bytes.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.common import open_model, parser_of, photos_of, show
from lcodec.codec import MAX_PIXELS, encode
from lcodec.container import read_header
from lcodec.picture import read_picture
from lcodec.training.export import parameters_of
from lcodec.training.objective import objective

QUALITIES = (0, 25, 50, 75, 100)
LIMIT, LIMIT_BYTES = 0.01, 40


def main() -> None:
    """Run the command."""
    arguments = parser_of("entropy_gap", __doc__).parse_args()
    model = open_model(arguments.model)[1]
    params = parameters_of(model.arrays, hyper_context=True)
    photos = photos_of(arguments.photos)
    heads = ("quality", "estimate, bytes", "coded", "header", "gap", "worst photo")
    rows = []
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
        figures = f"{quality:g}", *means, f"{sum(coded) / sum(estimates) - 1:+.3%}", f"{max(gaps):+.3%}"
        rows.append(dict(zip(heads, figures, strict=True)))
    show(rows, dict(zip(heads, heads, strict=True)), "Means over the photos")
    sys.exit(failed)


if __name__ == "__main__":
    main()
