"""Picture files to a `Picture`. The bytes of a file, never its name, decide its format, and only READS are tried."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from lcodec.errors import LimitError, PictureError
from lcodec.picture.deep import deep_samples, is_deep, rawmode_of, reads_both_bytes, to_8_bits
from lcodec.picture.metadata import exif_of, orientation_of, upright_exif, upright_xmp, usable_icc, xmp_of
from lcodec.picture.picture import METADATA, METADATA_MAX, WHITE, Picture
from lcodec.picture.samples import is_plain, opacity, plain_samples, samples_of, turned

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["READS", "Alpha", "Note", "ignore", "picture_size", "read_picture"]

#: The formats read, by Pillow's names; Pillow has dozens more, some of them hazardous.
READS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")

Alpha = Literal["keep", "drop", "flatten"]
#: Told, in a few words, what of a file was not kept as it is.
Note = Callable[[str], None]

#: Pillow's limit of pixels and Python's warning filters are global: one picture file is read at a time.
_pillow = threading.Lock()


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
        with _pillow, _limit_of_pixels(max_pixels), _damage_reported():
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
    with _pillow, _limit_of_pixels(max_pixels), _damage_reported():
        image = _open_within(source, max_pixels)
        width, height = image.size
        turned_over = image.format != "TIFF" and orientation_of(image) > 4  # Pillow gives the upright size of a TIFF
        return (width, height) if turned_over else (height, width)


# ---------------------------------------------------------------------------------------------------------- reading


def _read(file: BinaryIO, max_pixels: int, metadata: Collection[str], *, strict_depth: bool, note: Note) -> Picture:
    """Read samples, upright, and the metadata that go with them."""
    image = _open_within(file, max_pixels)
    rawmode = rawmode_of(image)
    deep = is_deep(image, file)
    if deep and strict_depth:
        raise PictureError("more than 8 bits a sample (--depth round keeps 8)")
    if is_plain(image):
        pixels, alpha = plain_samples(image, file), None
    elif reads_both_bytes(image, rawmode):
        words, opaque = deep_samples(image, file, rawmode, _open)
        key = opacity(words, image.info.get("transparency"))
        pixels, alpha = to_8_bits(words), key if opaque is None else to_8_bits(opaque)
    else:
        image.load()
        pixels, alpha = samples_of(image, rawmode)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    frames = _frames(image)
    if frames > 1:
        note(f"the first of {frames} frames")
    if deep:
        note("more than 8 bits a sample, rounded to 8")
    if image.mode == "CMYK":
        note("CMYK, converted to RGB")
    orientation = orientation_of(image)
    return Picture(
        turned(pixels, orientation),
        alpha=None if alpha is None else turned(alpha, orientation),
        **_described(image, pixels.shape[2], metadata, note),
    )


def _described(image: Image.Image, channels: int, metadata: Collection[str], note: Note) -> dict[str, bytes]:
    """Return the wanted metadata of a loaded image that fit its samples; what is there and does not is noted."""
    found: dict[str, object] = {"icc": None if image.mode == "CMYK" else image.info.get("icc_profile")}
    try:
        found["exif"] = exif_of(image)
    except Exception:  # damaged metadata must not cost the picture
        found["exif"] = b"damaged"
    found["xmp"] = xmp_of(image)
    fits: dict[str, Callable[[Any], bytes | None]] = {
        "icc": lambda icc: usable_icc(icc, channels),
        "exif": upright_exif,
        "xmp": upright_xmp,
    }
    kept = {}
    for name in metadata:
        if not found[name]:
            continue
        content = fits[name](found[name])
        if content is None or len(content) > METADATA_MAX:
            reason = "not one for these samples" if name == "icc" else "damaged"
            note(f"{name.upper()} left out: " + (reason if content is None else f"more than {METADATA_MAX} bytes"))
        else:
            kept[name] = content
    return kept


def _frames(image: Image.Image) -> int:
    """Count the pictures in a file; 1 where those after the first are damaged."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged second frame must not cost the first
        return 1


# ---------------------------------------------------------------------------------------------------------- opening


def _open(source: BinaryIO) -> Image.Image:
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

    try:
        return Image.open(source, formats=READS)
    except UnidentifiedImageError:
        names = ", ".join(READS)
        raise PictureError(f"not a picture, a damaged one, or in a format that is not read ({names} are)") from None


def _open_within(source: BinaryIO, max_pixels: int) -> Image.Image:
    image = _open(source)
    width, height = image.size
    if width * height > max_pixels:
        raise LimitError(f"{width}x{height} pixels are more than the limit of {max_pixels} (see --max-pixels)")
    return image


@contextmanager
def _limit_of_pixels(max_pixels: int) -> Iterator[None]:
    """Put `max_pixels` in the place of Pillow's own limit, which warns at 89 and fails at 179 megapixels."""
    from PIL import Image

    old = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    except Image.DecompressionBombError:
        raise LimitError(f"the picture has more pixels than the limit of {max_pixels} (see --max-pixels)") from None
    finally:
        Image.MAX_IMAGE_PIXELS = old


@contextmanager
def _damage_reported() -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into a PictureError of one line, and drop its warnings."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, LimitError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:  # its decoders raise OSError, SyntaxError, ValueError, struct.error, KeyError and more
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"the picture is damaged or truncated: {reason}") from error
