"""Whether to keep a picture's drawn parts exactly: the least rate + lambda x distortion decides, as in training.

Three ways are compared: the networks alone (plain), the drawn parts exactly and the networks for the rest, and all of
it exactly. The last one has no networks' part at all, and is the best of most pages from quality 40 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lcodec.container import Part
from lcodec.entropy.model import Coded
from lcodec.exact.look import drawn_pixels, grown
from lcodec.exact.stream import SIDE_MAX, coded_here, pack_exact
from lcodec.execution.engine import Spread
from lcodec.execution.regions import Layout, Region, window_of
from lcodec.execution.stages import Synthesis
from lcodec.goal import MS_SSIM_WEIGHT, Aim, Goal
from lcodec.metrics import ms_ssim
from lcodec.metrics.ms_ssim import MIN_SIDE_PX
from lcodec.metrics.psnr import squared_error
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.networks.transforms import LATENT_STRIDE
from lcodec.picture import Picture
from lcodec.picture.alpha import fill_hidden

__all__ = ["FILL_BYTES", "NO_ERRORS", "Judge", "Piece", "Way", "choose", "drawn_parts"]

Samples = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: Bytes a pixel that the comparison holds besides the picture: masks, and what fills the gaps, as it is made (10.2 were
#: measured). Streams are made region by region, and take less than the networks do for one.
FILL_BYTES = 12
#: Costs of errors where nobody asks for them.
NO_ERRORS = (0.0, 0.0)


@dataclass(frozen=True)
class Way:
    """A way of coding a picture."""

    pixels: Samples  #: (H, W, 1 or 3), for the networks
    exact: Mapping[Region, bytes] = field(default_factory=dict)  #: streams of the regions that have exact pixels
    bare: frozenset[Region] = frozenset()  #: regions without a networks' part


@dataclass(frozen=True)
class Piece:
    """What came of a region."""

    part: Part
    check: int = 0  #: of its symbols
    errors: tuple[float, float] = NO_ERRORS  #: what they cost, in bits: all, and those outside of what is drawn

    @property
    def bits(self) -> int:
        """Rate."""
        return 8 * (len(self.part.hyper) + len(self.part.latents) + len(self.part.exact))


class Coding(Protocol):
    """Codes a picture, region by region."""

    def __call__(self, way: Way, judge: Judge | None = None, /) -> list[Piece]: ...


@dataclass(frozen=True)
class Judge:
    """What errors of the networks cost."""

    synthesis: Synthesis  #: at the quality of the quantisation steps that pieces are coded with
    goal: Goal  #: of the model
    quality_step: int  #: 0..QUALITY_STEPS, that is asked for: lambda's
    pixels: Samples  #: (H, W, 1 or 3), the picture
    drawn: Mask  #: (H, W), what is drawn of it

    def errors(self, region: Region, coded: Coded) -> tuple[float, float]:
        """Cost in bits, lambda x distortion x pixels, of all errors, and of those outside of what is drawn.

        A region too small for MS-SSIM costs nothing where a model aims at that: the fewest bytes count there.
        """
        original = window_of(region, self.pixels)
        height, width, channels = original.shape
        aim, multiplier = self.goal.aim, self.goal.multiplier(self.quality_step / QUALITY_STEPS)
        if aim == "ms-ssim" and min(height, width) < MIN_SIDE_PX:
            return NO_ERRORS
        scale = multiplier * (MS_SSIM_WEIGHT * height * width if aim == "ms-ssim" else 1 / channels)
        pixels = self.synthesis.alone(coded.values, original.shape)
        total = scale * _distortion(aim, original, pixels)
        np.copyto(pixels, original, where=window_of(region, self.drawn)[:, :, None])
        return total, scale * _distortion(aim, original, pixels)


def drawn_parts(picture: Picture, pixels: Samples, layout: Layout) -> Mask | None:
    """Find what may be kept exactly of a picture; `pixels` are its own, with hidden ones filled in, (H, W, 1 or 3).

    Returns:
        As `drawn_pixels`. None as well where no WebP can hold a region, or Pillow has no WebP.
    """
    if LATENT_STRIDE * max(layout.regions[0].size) > SIDE_MAX:
        return None
    drawn = drawn_pixels(pixels, None if picture.alpha is None else picture.alpha == 0)
    return drawn if drawn is not None and coded_here() else None


def choose(
    picture: Picture, plain: Way, judge: Judge, layout: Layout, code: Coding, spread: Spread, *, slowly: bool
) -> tuple[Way, list[Piece]]:
    """Choose the way of coding that costs least.

    Args:
        picture: what is coded.
        plain: the way without exact parts.
        judge: what errors cost, and what is drawn. Errors around exact parts are taken to be those of the plain code.
        layout: how the picture is cut.
        code: by the networks.
        spread: calls a function on several items at a time.
        slowly: as in `pack_exact`.

    Returns:
        The way, and what came of it.
    """
    drawn, shown, hidden = judge.drawn, plain.pixels, np.zeros_like(judge.drawn)
    if picture.alpha is not None and not picture.alpha.all():
        hidden = picture.alpha == 0
        # Of one colour these cost nothing, and mostly they are.
        shown = np.where(hidden[:, :, None], picture.pixels[hidden][0], plain.pixels)

    def exactly(mask: Mask) -> dict[Region, bytes]:
        def pack(region: Region) -> bytes:
            return pack_exact(window_of(region, shown), window_of(region, mask), slowly=slowly)

        streams = zip(layout.regions, spread(pack, layout.regions), strict=True)
        return {region: stream for region, stream in streams if stream}

    pieces = code(plain, judge)
    errors, outside = (sum(piece.errors[which] for piece in pieces) for which in (0, 1))
    best, least = (plain, pieces), _rate(pieces) + errors
    whole = Way(plain.pixels, exactly(np.ones_like(drawn)), frozenset(layout.regions))
    if 8 * sum(map(len, whole.exact.values())) < least:
        pieces = [Piece(Part(b"", b"", whole.exact[region])) for region in layout.regions]
        best, least = (whole, pieces), _rate(pieces)
    if not drawn.all():
        streams = exactly(drawn)
        if 8 * sum(map(len, streams.values())) + outside < least:  # the networks' bits to be added
            visible = np.where(drawn | hidden, np.uint8(0), np.uint8(255))
            parts = Way(fill_hidden(plain.pixels, visible), streams, _bare(drawn, layout))
            pieces = code(parts)
            if _rate(pieces) + outside < least:
                return parts, pieces
    return best


def _distortion(aim: Aim, original: Samples, pixels: Samples) -> float:
    """Sum of squared errors, or 1 - MS-SSIM, of pixels (H, W, 1 or 3)."""
    if aim == "ms-ssim":
        return 1 - ms_ssim(original, pixels)
    return squared_error(original, pixels)


def _rate(pieces: Sequence[Piece]) -> int:
    """Bits of all of them."""
    return sum(piece.bits for piece in pieces)


def _bare(drawn: Mask, layout: Layout) -> frozenset[Region]:
    """Regions that are exact, with all around them: the synthesis sees latents across borders."""
    whole = np.array([[window_of(region, drawn).all() for region in row] for row in layout.rows])
    inner = ~grown(~whole)
    return frozenset(region for region, alone in zip(layout.regions, inner.flat, strict=True) if alone)
