"""`python -m benchmarks.crops --photos DIR`: crops of Kodak photos at equal bytes, as pictures for people to look at.

Of each crop the original, what `mse` and `hific` show of the same file, and AVIF of about the same size: one picture of
six crops for the README, and one of what goes wrong, a small face and small text, for `docs/realism.md`. The crops were
chosen by what they show (texture of several kinds, an edge, skin), with a first trial of the generative model in sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import RESULTS, open_model, parser_of, photos_of, shipped
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.compare.codecs import open_codec
from lcodec.compare.match import nearest_file
from lcodec.picture import read_picture

SHOWN, FAILURES = RESULTS / "realism-crops.jpg", RESULTS / "realism-failures.jpg"
QUALITY, SIDE = 20.0, 200
RIVAL = "avif-444"
HEAD, LINE, GAP = 22, 18, 4
INK, PAPER = "#212529", "#ffffff"


class Place(NamedTuple):
    """A crop of SIDE x SIDE pixels."""

    photo: str
    top: int
    left: int


CROPS = (
    Place("5.png", 100, 300),
    Place("8.png", 150, 250),
    Place("13.png", 300, 200),
    Place("15.png", 120, 180),
    Place("19.png", 500, 200),
    Place("22.png", 130, 330),
)
WRONG = (Place("14.png", 100, 60), Place("5.png", 0, 300))


def _row(photo: Path, place: Place, model: str) -> tuple[list[np.ndarray], list[str]]:
    """The crops of one photo, and what stands below them."""
    zoo, plain = open_model(model)
    picture = read_picture(photo, max_pixels=MAX_PIXELS, alpha="drop", metadata=())
    data, rival = encode(picture, plain, QUALITY), open_codec(RIVAL)
    _, other = nearest_file(rival, picture, len(data))
    whole = [
        picture.pixels,
        decode(data, zoo, realism=0.0).pixels,
        decode(data, zoo, realism=1.0).pixels,
        rival.decode(other).pixels,
    ]
    cut = slice(place.top, place.top + SIDE), slice(place.left, place.left + SIDE)
    size = f"{len(data):,} bytes"
    return [pixels[cut] for pixels in whole], [photo.stem, size, "the same file", f"{len(other):,} bytes"]


def sheet(rows: Sequence[tuple[list[np.ndarray], list[str]]], heads: Sequence[str]) -> Image.Image:
    """Rows of crops with a line below each, and heads above the columns."""
    font = ImageFont.load_default(13)
    step, height = SIDE + GAP, SIDE + LINE
    image = Image.new("RGB", (len(heads) * step - GAP, HEAD + len(rows) * height), PAPER)
    draw = ImageDraw.Draw(image)
    for column, head in enumerate(heads):
        draw.text((column * step + SIDE // 2, HEAD // 2), head, INK, font, anchor="mm")
    for row, (crops, lines) in enumerate(rows):
        for column, (crop, line) in enumerate(zip(crops, lines, strict=True)):
            left, top = column * step, HEAD + row * height
            image.paste(Image.fromarray(crop), (left, top))
            draw.text((left + SIDE // 2, top + SIDE + LINE // 2 - 1), line, INK, font, anchor="mm")
    return image


def main() -> None:
    """Run the command."""
    parser = parser_of("crops", __doc__)
    arguments = parser.parse_args()
    photos = {photo.name: photo for photo in photos_of(arguments.photos)}
    heads = ("original", "mse", "hific", open_codec(RIVAL).title)
    for target, places in ((SHOWN, CROPS), (FAILURES, WRONG)):
        rows = [_row(photos[place.photo], place, arguments.model) for place in places]
        comment = shipped(generative=True)["hific"]
        sheet(rows, heads).save(target, quality=88, subsampling=0, optimize=True, comment=comment)
        print(target)


if __name__ == "__main__":
    main()
