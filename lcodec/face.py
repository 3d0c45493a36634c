"""What `import lcodec` offers: arrays and Pillow images to the bytes of .lcdc files, and back.

    array or image -> Picture -> codec.encode or targets.encode_to -> bytes -> file    and the same line read backwards

Keywords have the names, defaults and meanings of the options of `lcodec encode` and `lcodec decode`. A value of a wrong
type raises TypeError; everything else that lcodec refuses is a `LcodecError` (see `lcodec.errors`).
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from lcodec import codec
from lcodec.atomic import write_whole
from lcodec.codec import Device
from lcodec.container import read_header
from lcodec.defaults import EFFORT, HEADER_MAX, MAX_PIXELS, MEMORY, MODEL, QUALITY, SUFFIX
from lcodec.errors import LimitError, UsageError
from lcodec.picture import METADATA, Picture, from_image, parse_colour, to_image, to_info
from lcodec.picture.read import Alpha
from lcodec.targets import Name, Target, encode_to
from lcodec.zoo import Zoo

if TYPE_CHECKING:
    from PIL import Image

    #: What is encoded.
    Encodable = Image.Image | NDArray[np.uint8] | Picture

__all__ = ["Info", "decode", "decode_image", "encode", "info", "read", "read_image", "write"]

Samples = NDArray[np.uint8]
PathLike = str | os.PathLike[str]
Bytes = bytes | bytearray | memoryview

#: Targets: the keyword, the target's name, and what its value must be less than.
_TARGETS: dict[str, tuple[Name, float]] = {
    "bpp": ("bpp", math.inf),
    "max_size": ("max-size", math.inf),
    "min_psnr": ("min-psnr", math.inf),
    "min_ms_ssim": ("min-ms-ssim", 1),
}


class EncodeOptions(TypedDict, total=False):
    """Keywords of `encode`, which has their defaults and meanings."""

    quality: float | None
    bpp: float | None
    max_size: int | None
    min_psnr: float | None
    min_ms_ssim: float | None
    model: PathLike
    effort: int
    alpha: Alpha
    background: str
    metadata: str | Collection[str]
    device: Device
    max_pixels: int
    memory: int


class DecodeOptions(TypedDict, total=False):
    """Keywords of `decode`, which has their defaults and meanings."""

    model: PathLike | None
    realism: float | None
    device: Device
    max_pixels: int
    memory: int


@dataclass(frozen=True)
class Info:
    """What the header of a file tells."""

    width: int  #: pixels
    height: int  #: pixels
    grey: bool  #: one channel of colour instead of three
    alpha: bool  #: a channel of transparency besides
    quality: float  #: 0 to 100, of the quantisation steps: from effort 1 on mostly below what was asked for
    model: str | None  #: name of the model that it needs; None where that is not installed
    bytes: int  #: of the whole file

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what `decode` returns."""
        channels = (1 if self.grey else 3) + self.alpha
        return (self.height, self.width) if channels == 1 else (self.height, self.width, channels)

    @property
    def bpp(self) -> float:
        """Bits per pixel."""
        return 8 * self.bytes / (self.width * self.height)


# --------------------------------------------------------------------------------------------------------- encoding


def encode(
    image: Encodable,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    max_size: int | None = None,
    min_psnr: float | None = None,
    min_ms_ssim: float | None = None,
    model: PathLike = MODEL,
    effort: int = EFFORT,
    alpha: Alpha = "keep",
    background: str = "white",
    metadata: str | Collection[str] = "all",
    device: Device = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
) -> bytes:
    """Encode a picture to the bytes of an .lcdc file.

    An array has no metadata. Those of a Pillow image are kept: its `info` has the colour profile (where it is one for
    such samples), EXIF and XMP. The orientation that these say is applied, as `PIL.ImageOps.exif_transpose` does, and
    set to 1. Alpha is kept without loss, unless it is 255 everywhere. Text, charts and the like are kept exactly where
    that costs less at the quality.

    Args:
        image: an array of uint8 and of shape (H, W) or (H, W, 1) for grey, (H, W, 3) for RGB, (H, W, 2) or (H, W, 4)
            with alpha last, not premultiplied; or a Pillow image of mode 1, L, LA, P, RGB, RGBA and the like.
        quality: 0 (smallest) to 100 (best), in steps of 0.01; 50 unless a target is given.
        bpp: target: the best quality in at most so many bits per pixel.
        max_size: target: the best quality in at most so many bytes.
        min_psnr: target: the smallest file with at least this PSNR, in dB.
        min_ms_ssim: target: the smallest file with at least this MS-SSIM, between 0 and 1.
        model: name of an installed model, or path of a model file.
        effort: 0 (fastest) to 9 (smallest file, minutes), at the same quality; from 6 on with torch.
        alpha: "keep" transparency, "drop" it, or "flatten" the picture on `background`.
        background: a colour as in CSS: a name, #rrggbb, rgb(r, g, b).
        metadata: what to keep: "all", "none", or some of "icc", "exif" and "xmp".
        device: where networks run: "cpu", "cuda", or "auto".
        max_pixels: larger pictures are refused.
        memory: bytes to hold at most, besides the picture and its file.

    Returns:
        The whole file. At most one of quality and the targets is given; a target means this file as it is, metadata
        included, and the picture as this machine decodes it.

    Raises:
        PictureError: the array is of another type or shape, or the image of another mode; it is empty or damaged.
        UsageError: a value is out of range, or two of quality and the targets are given.
        ModelError: there is no such model.
        LimitError: more than `max_pixels`; the target is out of reach; `memory` does not suffice.
        SelfTestError: this machine's arithmetic is not exact.
        TypeError: a value is of a wrong type.
    """
    given = {"quality": quality, "bpp": bpp, "max_size": max_size, "min_psnr": min_psnr, "min_ms_ssim": min_ms_ssim}
    asked = {name: _number(name, value) for name, value in given.items() if value is not None}
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} exclude each other")
    target = _target(asked)
    _check(effort=effort, device=device, max_pixels=max_pixels, memory=memory)
    picture = _prepared(_picture(image, max_pixels), alpha, background, metadata)
    loaded = _zoo().load(_model(model))
    code = partial(codec.encode, effort=effort, device=device, memory=memory)
    if target is None:
        return code(picture, loaded, asked.get("quality", QUALITY))
    return encode_to(picture, loaded, target, code=code, zoo=_zoo(), device=device, memory=memory).data


def write(path: PathLike, image: Encodable, **options: Unpack[EncodeOptions]) -> None:
    """Encode a picture into an .lcdc file, which appears whole or not at all; one that is there is replaced.

    Args:
        path: of the file; its suffix must be .lcdc.
        image: as in `encode`.
        options: those of `encode`.

    Raises:
        UsageError: the path has another suffix.
        LcodecError: as in `encode`.
        OSError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if Path(path).suffix.lower() != SUFFIX:
        raise UsageError(f"{os.fspath(path)}: the name of an lcodec file ends in {SUFFIX}")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    data = encode(image, **options)
    try:
        write_whole(target, data, replace=True)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None  # instead of the temporary file's
        raise


# --------------------------------------------------------------------------------------------------------- decoding


def decode(
    data: Bytes,
    *,
    model: PathLike | None = None,
    realism: float | None = None,
    device: Device = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
) -> Samples:
    """Decode the bytes of an .lcdc file to an array.

    Args:
        data: a whole file.
        model: name or path of a model to decode with in place of the one that the file names; it must have the same
            entropy part.
        realism: 0 (most exact) to 1 (looks most real, by a generative model); None means what the file asks for.
        device: where networks run: "cpu", "cuda", or "auto". Samples may differ by 1 between devices.
        max_pixels: larger pictures are refused.
        memory: bytes to hold at most, besides the picture and its file.

    Returns:
        Samples, uint8: (H, W) for grey, (H, W, 3) for RGB, (H, W, 2) or (H, W, 4) where there is alpha, last.

    Raises:
        DamagedError: not an lcodec file, or damaged or truncated.
        ModelError: the model that the file names is not at hand.
        LimitError: more than `max_pixels`, or `memory` does not suffice.
        UsageError: the device is not there, or a value is out of range.
        SelfTestError: this machine's arithmetic is not exact.
        TypeError: a value is of a wrong type.
    """
    samples = _decoded(data, model, realism, device, max_pixels, memory).samples
    return samples[:, :, 0] if samples.shape[2] == 1 else samples


def decode_image(data: Bytes, **options: Unpack[DecodeOptions]) -> Image.Image:
    """Decode the bytes of an .lcdc file to a Pillow image.

    Args:
        data: a whole file.
        options: those of `decode`.

    Returns:
        An image of mode L, LA, RGB or RGBA; what the file has of colour profile, EXIF and XMP is in its `info`, as
        icc_profile, exif and xmp. The XMP of a picture by a generative model says that it is algorithmicallyEnhanced.

    Raises:
        LcodecError: as in `decode`.
    """
    picture = _decoded(data, **options)
    image = to_image(picture)
    image.info.update(**to_info({name: getattr(picture, name) for name in METADATA}))
    return image


def read(path: PathLike, **options: Unpack[DecodeOptions]) -> Samples:
    """Decode an .lcdc file to an array: `decode` of its bytes, with the same options, result and errors.

    Raises:
        OSError: the file cannot be read.
    """
    return decode(Path(path).read_bytes(), **options)


def read_image(path: PathLike, **options: Unpack[DecodeOptions]) -> Image.Image:
    """Decode an .lcdc file to a Pillow image: `decode_image` of its bytes, with the same options, result and errors.

    Raises:
        OSError: the file cannot be read.
    """
    return decode_image(Path(path).read_bytes(), **options)


def info(data: Bytes) -> Info:
    """Return what the header of an .lcdc file tells. Nothing is decoded, and no checksum is verified.

    Args:
        data: a file, or the first 1024 bytes of it.

    Raises:
        DamagedError: not an lcodec file, or the header is damaged or truncated.
        ModelError: an index of models cannot be read.
    """
    header = read_header(_bytes(data)[:HEADER_MAX])
    return Info(
        width=header.width,
        height=header.height,
        grey=header.grey,
        alpha="alpha" in header.sections,
        quality=header.quality_step / 100,
        model=_zoo().name_of(header.entropy_id, header.synthesis_id),
        bytes=header.total,
    )


# ----------------------------------------------------------------------------------------------------------- values


def _decoded(
    data: Bytes,
    model: PathLike | None = None,
    realism: float | None = None,
    device: Device = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
) -> Picture:
    """The picture; the defaults are those of `decode`."""
    _check(device=device, max_pixels=max_pixels, memory=memory)
    decode_to = partial(codec.decode, zoo=_zoo(), device=device, max_pixels=int(max_pixels), memory=int(memory))
    wanted = None if model is None else _model(model)
    return decode_to(_bytes(data), model=wanted, realism=None if realism is None else _number("realism", realism))


def _zoo() -> Zoo:
    return _zoo_of(os.environ.get("LCODEC_MODELS", ""))


@lru_cache(maxsize=1)
def _zoo_of(_: str) -> Zoo:
    """The models at hand, for a value of LCODEC_MODELS; it keeps those that it has loaded."""
    return Zoo()


def _picture(image: Encodable, max_pixels: int) -> Picture:
    """Return the picture, of at most `max_pixels`."""
    if isinstance(image, Picture):
        width, height = image.width, image.height
    elif isinstance(image, np.ndarray):
        height, width = (*image.shape, 1, 1)[:2]
    else:
        from PIL import Image

        if not isinstance(image, Image.Image):
            raise TypeError(f"a picture is a NumPy array or a Pillow image, not {type(image).__name__}")
        width, height = image.size
    if width * height > max_pixels:
        raise LimitError(f"{width}x{height} is over the limit of {max_pixels} pixels")
    if isinstance(image, Picture):
        return image
    return Picture.of(np.asarray(image)) if isinstance(image, np.ndarray) else from_image(image)


def _prepared(picture: Picture, alpha: str, background: str, metadata: str | Collection[str]) -> Picture:
    """Return the picture with what is wanted of its transparency and metadata."""
    if alpha not in get_args(Alpha):
        raise UsageError(f"alpha is one of {', '.join(get_args(Alpha))}, not {alpha!r}")
    names = {"all": METADATA, "none": ()}.get(metadata, metadata.split(",")) if isinstance(metadata, str) else metadata
    for name in names:
        if name not in METADATA:
            raise UsageError(f"metadata are some of {', '.join(METADATA)}, or all or none, not {name!r}")
    colour = parse_colour(background)  # a wrong one is an error, be it needed or not
    picture = Picture(picture.pixels, alpha=picture.alpha, **{name: getattr(picture, name) for name in names})
    if alpha == "flatten":
        return picture.flattened(colour)
    return replace(picture, alpha=None) if alpha == "drop" else picture


def _target(asked: dict[str, float]) -> Target | None:
    for keyword in asked.keys() & _TARGETS.keys():
        name, bound = _TARGETS[keyword]
        if not 0 < asked[keyword] < bound:
            raise UsageError(f"{keyword} must be over 0 and {'finite' if bound == math.inf else 'below 1'}")
        return Target(name, asked[keyword])
    return None


def _check(*, device: str, effort: object = 0, **counts: object) -> None:
    """Refuse what is not a device, an integer or a count. The codec checks the ranges."""
    if device not in get_args(Device):
        raise UsageError(f"device is one of {', '.join(get_args(Device))}, not {device!r}")
    for name, value in {"effort": effort, **counts}.items():
        if isinstance(value, bool) or not isinstance(value, Integral):  # Python counts with True
            raise TypeError(f"{name} must be an integer, not {value!r}")
        if name in counts and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    return float(value)


def _model(value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"model must be a name or a path, not {value!r}")
    return os.fspath(value)


def _bytes(data: Bytes) -> bytes:
    try:
        return data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"an lcodec file is bytes, not {type(data).__name__} (read opens a path)") from None
