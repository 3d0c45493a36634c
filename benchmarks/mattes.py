"""`python -m benchmarks.mattes`: how alpha channels are best kept without loss.

Beside what is stored stand an 8-bit grey PNG and lossless WebP, in bytes. The mattes are drawn here, like those that
people have: soft and hard edges, gradients, hair, text, a luminance key of the test photo.
`lcodec/picture/alpha.py` quotes the sums.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.common import ROOT
from lcodec.picture.alpha import pack_alpha

SIZE = (768, 512)
#: Drawn this many times as large, then reduced: edges are antialiased.
SCALE = 4
PHOTO = ROOT / "tests" / "data" / "photo.jpg"

Matte = NDArray[np.uint8]


def main() -> None:
    """Print a table, and the sums."""
    argparse.ArgumentParser(prog="python -m benchmarks.mattes", description=__doc__).parse_args()
    sums = np.zeros(3, int)
    print(f"{'':24}{'PNG':>9}{'WebP':>9}{'alpha':>9}")
    for name, matte in mattes().items():
        sizes = png(matte), webp(matte), len(pack_alpha(matte))
        sums += sizes
        print(f"{name:24}" + "".join(f"{size:9}" for size in sizes))
    print(f"{'sum':24}" + "".join(f"{size:9}" for size in sums))
    print(f"{'of PNG':24}" + "".join(f"{100 * size / sums[0]:8.1f}%" for size in sums))


def png(matte: Matte) -> int:
    """Bytes of an 8-bit grey PNG at level 9."""
    return _size(Image.fromarray(matte), "PNG", compress_level=9)


def webp(matte: Matte) -> int:
    """Bytes of a lossless WebP at its best."""
    return _size(Image.fromarray(matte).convert("RGB"), "WEBP", lossless=True, method=6, quality=100)


def _size(image: Image.Image, form: str, **options: Any) -> int:
    out = BytesIO()
    image.save(out, form, **options)
    return out.tell()


def mattes() -> dict[str, Matte]:
    """Alpha channels by name."""
    hard = _drawn(_shapes)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    soft = _blurred(hard, 40)
    with Image.open(PHOTO) as photo:
        luminance = np.asarray(photo.convert("L").resize(SIZE)).astype(float)
    noise = np.random.default_rng(0).uniform(0, 1, soft.shape)
    return {
        "hard edges": hard,
        "binary mask": np.where(hard > 127, 255, 0).astype(np.uint8),
        "soft edges, radius 8": _blurred(hard, 8),
        "soft edges, radius 40": soft,
        "dithered shadow": (0.6 * soft + noise).astype(np.uint8),
        "linear gradient": (255 * columns / SIZE[0]).astype(np.uint8),
        "vignette": (255 * np.clip(1.3 - np.hypot(columns - 384, rows - 256) / 400, 0, 1)).astype(np.uint8),
        "luminance key": (255 / (1 + np.exp((140 - luminance) / 14))).astype(np.uint8),
        "hair": _drawn(_hair),
        "text": _drawn(_text),
    }


def _blurred(matte: Matte, radius: int) -> Matte:
    return np.asarray(Image.fromarray(matte).filter(ImageFilter.GaussianBlur(radius)))


def _drawn(draw: Any) -> Matte:
    image = Image.new("L", (SIZE[0] * SCALE, SIZE[1] * SCALE))
    draw(ImageDraw.Draw(image))
    return np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS))


def _shapes(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((400, 200, 2400, 1900), fill=255)
    draw.polygon([(300, 300), (900, 1800), (2000, 300)], fill=255)


def _hair(draw: ImageDraw.ImageDraw) -> None:
    rng = np.random.default_rng(0)
    draw.ellipse((1100, 500, 2000, 1700), fill=255)
    for _ in range(900):
        angle = rng.uniform(0, 2 * np.pi)
        points = [(1550 + 430 * np.cos(angle), 1100 + 580 * np.sin(angle))]
        for _ in range(12):
            angle += rng.normal(0, 0.12)
            points.append((points[-1][0] + 55 * np.cos(angle), points[-1][1] + 55 * np.sin(angle)))
        draw.line(points, fill=255, width=int(rng.integers(2, 7)))


def _text(draw: ImageDraw.ImageDraw) -> None:
    words = ("sphinx", "of", "black", "quartz", "judge", "my", "vow", "pack", "five", "dozen", "liquor", "jugs", "box")
    font = ImageFont.load_default(160)
    for line in range(11):
        text = " ".join(words[(5 * line + at) % len(words)] for at in range(6))
        draw.text((60, 60 + 180 * line), text, fill=255, font=font)


if __name__ == "__main__":
    main()
