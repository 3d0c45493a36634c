"""TIFF: which of its pages is the picture, and what its tags say besides.

Raw photos are refused, for they are TIFFs too: their first page is a small preview, and the samples of the sensor stand
in a page below it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from lcodec.errors import PictureError
from lcodec.picture.colour import SRGB, Curve, Primaries, profile_of
from lcodec.picture.directories import Directory, TagReader
from lcodec.picture.said import Said

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["choose_page"]

_SUBFILE, _OLD_SUBFILE, _PHOTOMETRIC, _PAGES_BELOW, _DNG = 254, 255, 262, 330, 50706
_COMPRESSION, _SUBSAMPLING, _YCBCR = 259, 530, 6
_REDUCED, _MASK = 1, 4  # bits of _SUBFILE
_TRANSFER, _WHITE, _PRIMARIES = 301, 318, 319
_IPTC, _PHOTOSHOP, _GEO = 33723, 34377, 34735
_BITS = 258
#: All that is looked at.
_TAGS = frozenset({_SUBFILE, _OLD_SUBFILE, _PHOTOMETRIC, _PAGES_BELOW, _DNG, _COMPRESSION, _SUBSAMPLING, _BITS})
_TAGS |= {_TRANSFER, _WHITE, _PRIMARIES, _IPTC, _PHOTOSHOP, _GEO}
#: Smaller pages before the picture: Pillow goes through them in a time that grows with the square of their number.
_SMALLER_MAX = 1 << 10
_SENSOR = {32803, 34892}  # colours of a mosaic, and of a sensor


def choose_page(image: Image.Image, file: BinaryIO) -> Said:
    """Turn to the first page that is a picture in full, and gather what it says.

    Raises PictureError for raw photos.
    """
    place = file.tell()
    try:
        said = _choose(image, TagReader.of(file, _TAGS))
    except ValueError:  # what Pillow reads all the same
        said = Said()
    finally:
        file.seek(place)
    said.icc, said.xmp = image.info.get("icc_profile"), image.info.get("xmp")
    return said


def _choose(image: Image.Image, reader: TagReader) -> Said:
    first = chosen = None
    chosen_number = full = 0
    sensors = False
    for number, page in enumerate(reader.pages()):  # which are not kept: a small file may have very many
        first = first or page
        sensors |= reader.integer(page, _PHOTOMETRIC) in _SENSOR
        if not _is_smaller(reader, page):
            full += 1
            if chosen is None:
                chosen, chosen_number = page, number
        elif chosen is None and number >= _SMALLER_MAX:
            break
    if first is None:
        return Said()
    for start in reader.integers(first, _PAGES_BELOW)[:64]:
        with suppress(ValueError):
            sensors |= reader.integer(reader.directory(start), _PHOTOMETRIC) in _SENSOR
    if sensors or _DNG in first.entries or reader.head[8:10] == b"CR":
        raise PictureError("a raw photo, of which only a preview could be read: develop it first")
    said = Said(frames=max(full, 1))
    if chosen is None:
        chosen = first
        said.content.append("the file calls its only picture a reduced one")
    elif chosen_number:
        image.seek(chosen_number)
    if (
        reader.integer(chosen, _PHOTOMETRIC) == _YCBCR
        and reader.integer(chosen, _COMPRESSION) in {0, 1}
        and reader.integers(chosen, _SUBSAMPLING) not in {(), (1, 1)}
    ):  # which Pillow takes for whole samples, and shows noise
        raise PictureError("such a TIFF is not read: uncompressed YCbCr, subsampled")
    _describe(said, reader, chosen, grey=image.mode in {"1", "L", "LA", "I;16", "I;16B"})
    return said


def _is_smaller(reader: TagReader, page: Directory) -> bool:
    """Whether a page is a smaller copy of another one, or its mask."""
    return bool(reader.integer(page, _SUBFILE) & (_REDUCED | _MASK)) or reader.integer(page, _OLD_SUBFILE) == 2


def _describe(said: Said, reader: TagReader, page: Directory, *, grey: bool) -> None:
    if _IPTC in page.entries or re.search(rb"8BIM\x04\x04", reader.body(page, _PHOTOSHOP)):
        said.texts.append("IPTC left out")
    if _GEO in page.entries:
        said.texts.append("where on the earth the picture lies (GeoTIFF) left out")
    xy, white = reader.rationals(page, _PRIMARIES), reader.rationals(page, _WHITE)
    primaries: Primaries = SRGB
    if len(xy) == 6:
        primaries = (xy[0:2], xy[2:4], xy[4:6], white if len(white) == 2 else SRGB[3])
    tables = reader.integers(page, _TRANSFER)
    entries = 1 << min(reader.integer(page, _BITS), 16)
    curves: list[Curve] | Curve = "srgb"
    if len(tables) == entries:
        curves = tables
    elif len(tables) == 3 * entries and not grey:
        curves = [tables[start : start + entries] for start in range(0, len(tables), entries)]
    try:
        said.made_icc = profile_of(primaries, curves, grey=grey)
    except ValueError as error:
        said.colours.append(f"the colours that its tags describe left out: {error}")
