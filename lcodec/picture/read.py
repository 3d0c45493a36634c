"""Picture files to a `Picture`. The bytes of a file, never its name, decide its format, and only READS are tried."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from lcodec.errors import PictureError
from lcodec.picture.deep import deep_samples, is_deep, rawmode_of, reads_both_bytes, to_8_bits
from lcodec.picture.jpeg import Watch
from lcodec.picture.metadata import exif_of, kept, orientation_of
from lcodec.picture.opening import (
    READS,
    Opened,
    damage_reported,
    decode_quietly,
    limit_of_pixels,
    one_at_a_time,
    open_picture,
    reopen,
)
from lcodec.picture.picture import METADATA, WHITE, Picture
from lcodec.picture.provenance import has_c2pa
from lcodec.picture.samples import Samples, is_plain, opacity, plain_samples, samples_of, turned

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["READS", "Alpha", "Note", "ignore", "picture_size", "read_picture"]

Alpha = Literal["keep", "drop", "flatten"]
#: Told, in a few words, what of a file was not kept as it is.
Note = Callable[[str], None]


def ignore(_: str) -> None:
    """Take no note."""


def read_picture(
    source: Path | BinaryIO,
    *,
    max_pixels: int,
    alpha: Alpha = "keep",
    background: tuple[int, int, int] = WHITE,
    metadata: Collection[str] = METADATA,
    strict_depth: bool = False,
    note: Note = ignore,
) -> Picture:
    """Read the (first) picture of a file, the right way up, as 8-bit grey or RGB.

    What a file says of its colours otherwise than by ICC becomes a profile, its resolution becomes EXIF; what of it is
    not kept, and would be missed, is noted in a line each. Damage to metadata does not cost the picture.

    The samples of a PPM and of an uncompressed TIFF are read into their place. Of every other format Pillow decodes the
    whole picture first: in colour four bytes a pixel, which are free again on return.

    Args:
        source: a path, or a binary file.
        max_pixels: larger pictures are refused before any pixel is decoded.
        alpha: "keep" transparency as a channel, "drop" it, or "flatten" the picture on the background. An alpha
            channel that is opaque everywhere is never kept.
        background: 8-bit RGB.
        metadata: which of METADATA are kept.
        strict_depth: refuse samples of more than 8 bits, instead of rounding them.
        note: called for each thing that is not kept as it is, except by request.

    Raises:
        LimitError: more than `max_pixels`.
        PictureError: no picture, a damaged one, or one that holds what lcodec does not keep.
    """
    file: BinaryIO
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError as error:
            raise PictureError(f"cannot read it: {error.strerror or error}") from error
    else:
        file = source if source.seekable() else BytesIO(source.read())
    try:
        with one_at_a_time, limit_of_pixels(max_pixels), damage_reported():
            picture = _read(file, max_pixels, metadata, strict_depth=strict_depth, note=note)
    finally:
        if file is not source:
            file.close()
    if alpha == "flatten":
        return picture.flattened(background)
    return replace(picture, alpha=None) if alpha == "drop" else picture


def picture_size(source: BinaryIO, *, max_pixels: int) -> tuple[int, int]:
    """Height and width that `read_picture` would return, from the header: no pixel is decoded.

    Raises:
        LimitError: more than `max_pixels`.
        PictureError: no picture, or one with a damaged header.
    """
    with one_at_a_time, limit_of_pixels(max_pixels), damage_reported():
        opened = open_picture(source, max_pixels)
        image, said = opened.image, opened.said
        left, top, right, bottom = said.crop or (0, 0, *image.size)
        orientation = orientation_of(image, said.exif or exif_of(image), said.xmp)
        turned_over = image.format != "TIFF" and orientation > 4  # Pillow gives the upright size of a TIFF
        return (right - left, bottom - top) if turned_over else (bottom - top, right - left)


# ---------------------------------------------------------------------------------------------------------- reading


def _read(file: BinaryIO, max_pixels: int, metadata: Collection[str], *, strict_depth: bool, note: Note) -> Picture:
    """Read samples, upright, and the metadata that go with them."""
    opened = open_picture(file, max_pixels)
    image, said = opened.image, opened.said
    deep = is_deep(image, opened.file, said)
    if deep and strict_depth:
        raise PictureError("more than 8 bits a sample (--depth round keeps 8)")
    pixels, alpha = _samples(opened, note)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    frames = said.frames if said.frames is not None else _frames(image)
    if frames > 1:
        note(f"the first of {frames} frames")
    if deep:
        note("more than 8 bits a sample, rounded to 8")
    if image.mode == "CMYK":
        note("CMYK, converted to RGB")
        said.icc = None
    if metadata and has_c2pa(image, file):
        note("C2PA (content credentials) left out: its signature is of the file that was read")
    if said.exif is None:
        try:
            said.exif = exif_of(image)
        except Exception:  # damaged metadata must not cost the picture
            said.exif = b"damaged"
    orientation = orientation_of(image, said.exif, said.xmp)
    if said.crop is not None:
        left, top, right, bottom = said.crop
        pixels = pixels[top:bottom, left:right]
        alpha = None if alpha is None else alpha[top:bottom, left:right]
    pixels = turned(pixels, orientation)
    height, width, channels = pixels.shape
    described = kept(said, metadata, size=(width, height), channels=channels, orientation=orientation, note=note)
    return Picture(pixels, alpha=None if alpha is None else turned(alpha, orientation), **described)


def _samples(opened: Opened, note: Note) -> tuple[Samples, Samples | None]:
    """Decode: colour (H, W, 1 or 3) and alpha (H, W) or None, as they stand in the file."""
    image, file = opened.image, opened.file
    rawmode = rawmode_of(image)
    few_bits = (opened.said.significant_bits or 16) <= 8
    if is_plain(image):
        return plain_samples(image, file), None
    if reads_both_bytes(image, rawmode):
        words, opaque = deep_samples(image, file, rawmode, reopen)
        key = opacity(words, image.info.get("transparency"))
        alpha = key if opaque is None else to_8_bits(opaque, few_bits=few_bits)
        return to_8_bits(words, few_bits=few_bits), alpha
    watch = Watch(image, file) if image.format in {"JPEG", "MPO"} else None
    said = decode_quietly(opened)
    if watch is not None and watch.damage:
        said = f"its data {watch.damage}"
    if said:
        note(f"damaged, so part of it may look wrong: {said}")
    return samples_of(image, rawmode, few_bits=few_bits)


def _frames(image: Image.Image) -> int:
    """Count the pictures in a file; 1 where those after the first are damaged."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged second frame must not cost the first
        return 1
