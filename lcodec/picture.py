"""Picture files in, 8-bit samples out, and back.

A `Picture` is what the codec codes: grey stays one channel, everything else becomes RGB. What a file says beyond that
is settled here, once: EXIF orientation is applied, 16 bits are rounded to 8, palettes are looked up, CMYK goes to sRGB
through its profile. The bytes of a file, never its name, decide its format, and only the formats of `READS` are tried.

Importing this module loads NumPy but not Pillow.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import LimitError, PictureError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["READS", "WRITES", "Picture", "read_picture", "write_picture"]

#: The formats read, by Pillow's names; Pillow has dozens more, some of them hazardous.
READS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")

#: The formats written: Pillow's name and options. Measured on 768x512 photos, one core: PNG level 3 takes 47 ms for
#: 675 kB (level 6: 133 ms, 678 kB), lossless WebP with method 1 47 ms for 617 kB (its defaults: 186 ms, 592 kB).
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {"compress_level": 3}),
    "jpg": ("JPEG", {"quality": 95, "subsampling": 0, "optimize": True}),
    "webp": ("WEBP", {"lossless": True, "method": 1, "quality": 20, "exact": True}),
    "tiff": ("TIFF", {"compression": "tiff_adobe_deflate", "tiffinfo": {317: 2}}),  # 317: horizontal predictor
    "ppm": ("PPM", {}),
    "bmp": ("BMP", {}),
}
_KEEPS_ICC = {"PNG", "JPEG", "WEBP", "TIFF"}

_TRANSPARENT = "the picture is transparent in places, and this version keeps no alpha channel (flatten it first)"
_ORIENTATION = 0x0112  # EXIF tag
_ICC_HEADER = 128  # bytes

#: Pillow's limit of pixels and Python's warning filters are global: one picture file is read at a time.
_pillow = threading.Lock()


@dataclass(frozen=True, eq=False)
class Picture:
    """What is coded: samples in the order in which they are shown, and the profile that says what they mean."""

    pixels: NDArray[np.uint8]  #: (H, W, 3), or (H, W, 1) for grey
    icc: bytes | None = None

    def __post_init__(self) -> None:
        shape, kind = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or kind != np.uint8:
            raise PictureError(f"a picture is 8-bit samples of shape (height, width, 1 or 3), not {kind} {shape}")

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def grey(self) -> bool:
        """Whether there is one channel."""
        return bool(self.pixels.shape[2] == 1)


def read_picture(source: Path | BinaryIO, *, max_pixels: int) -> Picture:
    """Read the (first) picture of a file, the right way up, as 8-bit grey or RGB.

    The samples of a PPM and of an uncompressed TIFF are read into their place. Of every other format Pillow decodes the
    whole picture first: in colour four bytes a pixel, which are free again on return.

    Raises LimitError for more than `max_pixels`, before any of them is decoded, and PictureError for all that is no
    picture, is damaged, or holds what lcodec does not keep.
    """
    if isinstance(source, Path):
        try:
            with source.open("rb") as file:
                return read_picture(file, max_pixels=max_pixels)
        except OSError as error:
            raise PictureError(f"cannot read it: {error.strerror or error}") from error

    if not source.seekable():
        source = BytesIO(source.read())
    with _pillow, _limit_of_pixels(max_pixels), _damage_reported():
        image = _open(source)
        width, height = image.size
        if width * height > max_pixels:
            raise LimitError(f"{width}x{height} pixels are more than the limit of {max_pixels} (see --max-pixels)")
        if _is_plain(image):
            return _plain_picture(image, source)
        deep = _deep_rawmode(image)
        if deep in {"LA;16B", "RGB;16B", "RGB;16L", "RGB;16N", "RGBA;16B", "RGBA;16L", "RGBA;16N"}:
            return _deep_picture(image, source, deep)
        image.load()
        return _picture(image)


# ---------------------------------------------------------------------------------------------------------- opening


def _open(source: BinaryIO) -> Image.Image:
    from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

    formats = list(READS)
    try:
        from PIL import AvifImagePlugin  # noqa: F401  # Pillow 11.3 and later
    except ImportError:
        formats.remove("AVIF")
    try:
        return Image.open(source, formats=formats)
    except UnidentifiedImageError:
        names = ", ".join(formats)
        raise PictureError(f"not a picture, a damaged one, or in a format that is not read ({names} are)") from None


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


# ------------------------------------------------------------------------------------------------ samples of 8 bits


def _picture(image: Image.Image) -> Picture:
    """Convert a loaded image of any mode but the deep colour ones."""
    mode, icc = image.mode, image.info.get("icc_profile")
    orientation = _orientation(image)
    if mode.startswith("I;16") or (mode == "I" and image.format in {"PNG", "PPM"}):
        samples = np.asarray(image).astype(np.uint32)
        if (samples == image.info.get("transparency", -1)).any():
            raise PictureError(_TRANSPARENT)
        return _upright(_to_8_bits(samples)[:, :, None], orientation, icc)
    if mode in {"I", "F", "LAB", "HSV"}:
        what = {"I": "32-bit integer samples", "F": "floating-point samples"}.get(mode, f"{mode} colours")
        raise PictureError(f"{what} are not supported")
    if mode == "CMYK":
        return _upright(np.asarray(_cmyk_to_srgb(image, icc)), orientation, None)

    grey = mode in {"1", "L", "LA", "La"}
    if image.has_transparency_data:
        image = image.convert("LA" if mode in {"LA", "La"} else "RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise PictureError(_TRANSPARENT)
        image = image.getchannel(0) if grey else image.convert("RGB")
    image = image.convert("L" if grey else "RGB")
    pixels = np.asarray(image)
    return _upright(pixels[:, :, None] if grey else pixels, orientation, icc)


def _cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Go through the picture's own profile where it has a usable one; without, by Pillow's rough formula."""
    if icc is not None and icc[16:20] == b"CMYK":
        from PIL import ImageCms

        try:
            profile, srgb = ImageCms.ImageCmsProfile(BytesIO(icc)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1..8, that is still to be applied (Pillow applies a TIFF's while it loads)."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray[np.uint8], orientation: int, icc: bytes | None) -> Picture:
    """Apply the orientation, and keep the profile if it describes samples of this kind."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    space = b"GRAY" if pixels.shape[2] == 1 else b"RGB "
    usable = icc is not None and len(icc) >= _ICC_HEADER and icc[36:40] == b"acsp" and icc[16:20] == space
    return Picture(np.ascontiguousarray(pixels), icc if usable else None)


# -------------------------------------------------------------------------------------------- samples as they are


def _is_plain(image: Image.Image) -> bool:
    """Whether the samples stand in the file as in a `Picture`: in a PPM, a PGM or an uncompressed TIFF."""
    tiles = getattr(image, "tile", None)
    if not tiles or image.mode not in {"L", "RGB"} or image.has_transparency_data:
        return False
    return all(
        codec == "raw" and arguments == (image.mode, 0, 1) and (left, right) == (0, image.width)
        for codec, (left, _, right, _), _, arguments in tiles
    )


def _plain_picture(image: Image.Image, source: BinaryIO) -> Picture:
    """Read the samples straight into their place; Pillow would hold them a second time, in four bytes a pixel."""
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for _, (_, top, _, bottom), offset, _ in image.tile:  # type: ignore[attr-defined]
        source.seek(offset)
        rows = pixels[top:bottom].data.cast("B")
        if source.readinto(rows) != len(rows):  # type: ignore[attr-defined]
            raise PictureError("the picture is damaged or truncated: its samples end too early")
    return _upright(pixels, _orientation(image), image.info.get("icc_profile"))


# ----------------------------------------------------------------------------------------------- samples of 16 bits


def _to_8_bits(samples: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return ((samples * 255 + 32767) // 65535).astype(np.uint8)


def _deep_rawmode(image: Image.Image) -> str:
    """Return how Pillow is about to unpack this file, `RGB;16B` for example; empty where that has no name."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    name = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return name if isinstance(name, str) else ""


def _deep_picture(image: Image.Image, source: BinaryIO, rawmode: str) -> Picture:
    """Read 16-bit colour, of which Pillow keeps the upper bytes only, by asking it for the lower bytes as well.

    Its unpackers of big-endian and little-endian samples differ in which byte of two they keep, so the one for the
    other order gives the lower bytes. Grey with alpha is four bytes a pixel, and passes as 8-bit RGBA.
    """
    icc = image.info.get("icc_profile")
    if rawmode == "LA;16B":
        _set_rawmode(image, "RGBA")
        image.load()
        planes = np.asarray(image)
        if planes[:, :, 2].min() < 255:
            raise PictureError(_TRANSPARENT)
        samples = planes[:, :, 0:1].astype(np.uint32) << 8 | planes[:, :, 1:2]
        return _upright(_to_8_bits(samples), _orientation(image), icc)

    native = "L" if sys.byteorder == "little" else "B"
    other = {"B": "L", "L": "B"}[rawmode[-1].replace("N", native)]
    low = _open(_again(source))
    _set_rawmode(low, rawmode[:-1] + other)
    image.load()
    low.load()
    upper, lower = np.asarray(image), np.asarray(low)
    if upper.shape[2] == 4 and upper[:, :, 3].min() < 255:
        raise PictureError(_TRANSPARENT)
    samples = upper[:, :, :3].astype(np.uint32) << 8 | lower[:, :, :3]
    key = image.info.get("transparency")
    if key is not None and (samples == np.asarray(key)).all(axis=2).any():
        raise PictureError(_TRANSPARENT)
    return _upright(_to_8_bits(samples), _orientation(image), icc)


def _again(source: BinaryIO) -> BinaryIO:
    """Return a second, independent reader of the same bytes."""
    place = source.tell()
    source.seek(0)
    copy = BytesIO(source.read())
    source.seek(place)
    return copy


def _set_rawmode(image: Image.Image, rawmode: str) -> None:
    tiles = []
    for codec, extents, offset, arguments in image.tile:  # type: ignore[attr-defined]
        new = (rawmode, *arguments[1:]) if isinstance(arguments, tuple) else rawmode
        tiles.append((codec, extents, offset, new))
    kind = type(image.tile[0])  # type: ignore[attr-defined]  # a plain tuple before Pillow 11
    image.tile = tiles if kind is tuple else [kind(*tile) for tile in tiles]  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------------- writing


def write_picture(picture: Picture, target: BinaryIO, format: str) -> None:  # noqa: A002
    """Write a picture to `target`, which need not be seekable, in one of the formats of `WRITES`."""
    from PIL import Image

    if format not in WRITES:
        raise PictureError(f"cannot write the format {format!r} (one of {', '.join(WRITES)})")
    name, options = WRITES[format]
    if picture.icc is not None and name in _KEEPS_ICC:
        options = options | {"icc_profile": picture.icc}
    if name == "PPM":  # without a copy of the picture
        kind = b"P5" if picture.grey else b"P6"
        target.write(b"%s\n%d %d\n255\n" % (kind, picture.width, picture.height))
        target.write(np.ascontiguousarray(picture.pixels).data)
        return
    data = BytesIO()
    try:
        image = Image.fromarray(picture.pixels[:, :, 0] if picture.grey else picture.pixels)
        image.save(data, name, **options)
    except (OSError, ValueError) as error:  # JPEG ends at 65,500 and WebP at 16,383 pixels a side
        size = f"{picture.width}x{picture.height}"
        raise PictureError(f"a picture of {size} cannot be written as {format}: {error}") from error
    target.write(data.getbuffer())
