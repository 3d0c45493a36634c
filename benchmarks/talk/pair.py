"""Squared error against MS-SSIM at the same bits: crops of a photo as each of two models decodes it, and both metrics.

The models are those of `benchmarks.pair`, which has all of Kodak: `mse` and `ms-ssim`, coded to the same rate.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from benchmarks.common import label_of, open_model, photos_of, write_rows
from benchmarks.pair import PAIR, RATES, code_pair
from benchmarks.talk.common import Figure, Given, panels
from benchmarks.talk.pictures import save_photos, show
from lcodec.codec import MAX_PIXELS
from lcodec.metrics import ms_ssim, psnr
from lcodec.picture import read_picture

#: The photo by its place in the folder, and the crop's rows and columns.
PHOTO, ROWS, COLUMNS = 18, slice(200, 424), slice(230, 454)


def make(given: Given) -> None:
    """Draw the crops."""
    assert given.photos is not None
    photos = photos_of(given.photos)
    photo = photos[PHOTO % len(photos)]
    original = read_picture(photo, max_pixels=MAX_PIXELS, alpha="drop")
    figure, panel = panels(6, 560, columns=3)
    rows = []
    show(panel[0], original.pixels[ROWS, COLUMNS], "original\n")
    show(panel[3], np.asarray(Image.fromarray(original.pixels).reduce(3)), "the whole photo\n")
    for index, rate in enumerate(RATES):
        both = zip(panel[3 * index + 1 :], PAIR, code_pair(PAIR, original, rate), strict=False)
        for axes, name, (data, decoded) in both:
            found = {
                "bpp": f"{8 * len(data) / (original.width * original.height):.4f}",
                "psnr": f"{psnr(original.pixels, decoded):.2f}",
                "ms_ssim": f"{ms_ssim(original.pixels, decoded):.4f}",
            }
            rows.append({"photo": photo.name, "model": label_of(open_model(name)[1])} | found)
            words = f"{found['bpp']} bits per pixel\nPSNR {found['psnr']} dB, MS-SSIM {found['ms_ssim']}"
            show(axes, decoded[ROWS, COLUMNS], f"{name}: {words}")
    write_rows(given.out / "pair.csv", rows)
    save_photos(figure, given, "pair")


FIGURE = Figure(
    "pair",
    "Squared error against MS-SSIM at the same bits",
    "One photo at the same size from two models: one trained for squared error, one for MS-SSIM, each ahead by its "
    "own metric and behind by the other's. At these rates neither can keep the texture of the wall: squared error "
    "prefers its mean, a smear, and MS-SSIM, which compares contrast, draws some of it anew, here and there in the "
    "wrong place. Which one looks closer to the original, the two numbers cannot say, for they contradict each other.",
    make,
    ("photos",),
)
