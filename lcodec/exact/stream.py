"""Exact pixels of a region as bytes: a WebP file of lossless coding, opaque where the pixels are exact.

lcodec brings no lossless coder of its own: WebP's is specified (RFC 9649), every Pillow has it, and it is made for such
pictures (over training pages and charts two thirds of a PNG). It takes 35 bytes a pixel to code, less than the networks
do for the same region.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from lcodec.container import Container
from lcodec.errors import DamagedError, LcodecError
from lcodec.execution.regions import Layout, window_of

__all__ = ["SIDE_MAX", "check_streams", "coded_here", "exact_share", "pack_exact", "unpack_exact"]

Samples = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: Most pixels in a side of a WebP.
SIDE_MAX = (1 << 14) - 1
#: How hard libwebp tries, fast and slow: 6 takes 20 to 30 times as long as 4 and saves half a percent of most pages.
_METHODS = {False: 4, True: 6}
#: Bytes before the size of a lossless WebP: RIFF, size, WEBP, VP8L, size, and a byte that is always the same.
_SIGNATURE, _HEAD = 0x2F, 21


def coded_here() -> bool:
    """Whether this Pillow has WebP."""
    from PIL import features

    return bool(features.check("webp"))


def pack_exact(pixels: Samples, exact: Mask, *, slowly: bool = False) -> bytes:
    """Code the pixels of a region that are to be exact.

    Args:
        pixels: (H, W, 1 or 3), sides of at most SIDE_MAX.
        exact: (H, W); where it is false, pixels are left out.
        slowly: take far more time for a little smaller file.

    Returns:
        A WebP file; nothing where no pixel is to be exact.
    """
    if not exact.any():
        return b""
    from PIL import Image

    samples = np.zeros((*exact.shape, 4), np.uint8)
    np.copyto(samples[:, :, :3], pixels, where=exact[:, :, None])
    samples[:, :, 3] = np.where(exact, 255, 0)
    file = BytesIO()
    Image.fromarray(samples).save(file, "WEBP", lossless=True, method=_METHODS[slowly], quality=100)
    return file.getvalue()


def unpack_exact(body: bytes, pixels: Samples, *, whole: bool = False) -> None:
    """Put the exact pixels of a region in their place, the mirror of `pack_exact`.

    Args:
        body: what that returned.
        pixels: (H, W, 1 or 3), written to. Of grey, which is coded as three equal channels, the second counts.
        whole: no pixel may be left out.

    Raises:
        DamagedError: not a lossless WebP of this size, or not one that says of each pixel whether it is exact.
        LcodecError: this Pillow has no WebP.
    """
    if not body:
        return
    samples = _decoded(body, pixels.shape[:2])
    opacity = samples[:, :, 3]
    if not np.isin(opacity, (255,) if whole else (0, 255)).all():
        raise DamagedError("damaged: the exact parts are not whole pixels of the picture")
    colours = samples[:, :, :3] if pixels.shape[2] == 3 else samples[:, :, 1:2]
    np.copyto(pixels, colours, where=opacity[:, :, None] == 255)


def check_streams(container: Container) -> None:
    """Refuse exact parts that are of another size than their regions, or no WebP, before anything is allocated."""
    for body, size in _streams(container):
        _check(body, size)


def exact_share(container: Container) -> float:
    """Return the share of a file's pixels that are exact, 0 to 1. Raises as `unpack_exact`."""
    count = sum(int(np.count_nonzero(_decoded(body, size)[:, :, 3])) for body, size in _streams(container))
    return count / (container.header.height * container.header.width)


def _streams(container: Container) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """Each stream of a file, with the height and width of its region."""
    header = container.header
    extent = np.broadcast_to(np.False_, (header.height, header.width))  # takes no memory
    regions = Layout.of(header.height, header.width, header.region).regions
    for part, region in zip(container.parts, regions, strict=True):
        if part.exact:
            yield part.exact, window_of(region, extent).shape


def _decoded(body: bytes, size: tuple[int, ...]) -> Samples:
    """Samples (H, W, 4) of a stream."""
    _check(body, size)
    if not coded_here():
        raise LcodecError("the picture has exact parts, coded as WebP, which this Pillow was built without")
    from PIL.WebPImagePlugin import WebPImageFile

    try:  # not `Image.open`, whose limit of pixels is the whole process's
        with WebPImageFile(BytesIO(body)) as image:
            samples = np.asarray(image.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DamagedError("damaged: the exact parts are not decodable") from error
    return samples


def _check(body: bytes, size: tuple[int, ...]) -> None:
    """Refuse what is not one lossless picture of this height and width, by its first bytes (RFC 9649, 2.6 and 3.4)."""
    head, length = body[:_HEAD], int.from_bytes(body[4:8], "little")
    if head[:4] + head[8:16] != b"RIFFWEBPVP8L" or head[20:] != bytes((_SIGNATURE,)) or length + 8 != len(body):
        raise DamagedError("damaged: the exact parts are not a lossless WebP")
    bits = int.from_bytes(body[_HEAD : _HEAD + 4], "little")
    if ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1) != size:
        raise DamagedError("damaged: the exact parts are of another size than the picture")
