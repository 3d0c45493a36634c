"""What is coded: samples, transparency, and the metadata that travels with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lcodec import defaults
from lcodec.errors import PictureError, UsageError

__all__ = ["METADATA", "METADATA_MAX", "WHITE", "Picture", "parse_colour"]

#: Fields of a Picture that describe it and are kept as they are.
METADATA = defaults.METADATA
#: Bytes of one of them, at most (a chunk of the format holds no more).
METADATA_MAX = defaults.CHUNK_MAX

WHITE = (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Picture:
    """Samples in the order in which they are shown, and what says how to show them."""

    pixels: NDArray[np.uint8]  #: (H, W, 3), or (H, W, 1) for grey
    icc: bytes | None = None  #: colour profile of `pixels`
    exif: bytes | None = None  #: a TIFF structure, from its byte order on; its orientation should be 1
    xmp: bytes | None = None  #: a packet in UTF-8
    alpha: NDArray[np.uint8] | None = None  #: (H, W), 0 transparent to 255 opaque; `pixels` are not multiplied by it

    def __post_init__(self) -> None:
        shape, kind = self.pixels.shape, self.pixels.dtype
        if len(shape) == 3 and 0 in shape[:2]:
            raise PictureError(f"the picture is empty ({shape[1]}x{shape[0]})")
        if len(shape) != 3 or shape[2] not in (1, 3) or kind != np.uint8:
            raise PictureError(f"a picture is 8-bit samples of shape (height, width, 1 or 3), not {kind} {shape}")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != np.uint8):
            what = f"{self.alpha.dtype} {self.alpha.shape}"
            raise PictureError(f"alpha of a picture {shape} is 8-bit samples of shape {shape[:2]}, not {what}")
        for name in METADATA:
            if len(getattr(self, name) or b"") > METADATA_MAX:
                raise PictureError(f"{name} of more than {METADATA_MAX} bytes cannot be kept")

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

    @property
    def samples(self) -> NDArray[np.uint8]:
        """All channels, (H, W, 1 to 4): grey or RGB, alpha last."""
        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, self.alpha[:, :, None]], axis=2)

    @classmethod
    def of(cls, samples: NDArray[np.uint8]) -> Picture:
        """Return the picture of such samples; (H, W) is grey. An alpha channel that is opaque everywhere is left out.

        Raises:
            PictureError: they are not 8-bit samples of such a shape.
        """
        planes = samples[:, :, None] if samples.ndim == 2 else samples
        if planes.ndim != 3 or not 1 <= planes.shape[2] <= 4 or planes.dtype != np.uint8:
            kinds = "(height, width) or (height, width, 1 to 4)"
            raise PictureError(f"a picture is 8-bit samples of shape {kinds}, not {samples.dtype} {samples.shape}")
        channels = 1 if planes.shape[2] <= 2 else 3
        alpha = planes[:, :, channels] if planes.shape[2] > channels else None
        return cls(planes[:, :, :channels], alpha=None if alpha is None or alpha.min(initial=255) == 255 else alpha)

    def flattened(self, background: tuple[int, int, int] = WHITE) -> Picture:
        """Return the picture as it looks on a background, without alpha.

        Samples are mixed as they are, not in linear light, as browsers do. Grey becomes RGB on a coloured background,
        and loses its profile, which then no longer fits.
        """
        if self.alpha is None:
            return self
        turns_rgb = self.grey and len(set(background)) > 1
        pixels = np.repeat(self.pixels, 3, axis=2) if turns_rgb else self.pixels
        share = self.alpha[:, :, None].astype(np.uint16)
        behind = np.array(background[: pixels.shape[2]], np.uint16)
        mixed = (pixels * share + behind * (255 - share) + 127) // 255  # at most 255 * 255 + 127: fits 16 bits
        return replace(self, pixels=mixed.astype(np.uint8), alpha=None, icc=None if turns_rgb else self.icc)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read a colour: a CSS name, #rgb, #rrggbb, rgb(r, g, b) or hsl(h, s%, l%). Raises UsageError.

    Returns red, green and blue, 0..255: what lies outside is clipped, as in CSS.
    """
    from PIL import ImageColor

    try:
        red, green, blue, *_ = (min(max(value, 0), 255) for value in ImageColor.getrgb(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a colour: use a name, #rrggbb or rgb(r,g,b)") from error
    return red, green, blue
