"""The distortion of one picture as the encoder descends on it: what its latents had better be, by the synthesis.

Rounding makes errors that interact in the picture: those of neighbours and of other channels add up or cancel out, as
the synthesis has it at that place. The gradient at latents as they were decoded tells for each of them how the others'
errors and its own show together; what is coded next moves a part of the way to where the gradient would vanish. On
NumPy alone, through `lcodec.networks.ops_tape`, tile by tile.
"""

from __future__ import annotations

import math
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from lcodec.goal import MS_SSIM_WEIGHT, Aim
from lcodec.metrics.ms_ssim_gradient import Similarity
from lcodec.networks.ops import shuffle, unshuffle
from lcodec.networks.ops_tape import TapeOps, Traced
from lcodec.networks.tiling import map_tiles
from lcodec.networks.transforms import LATENT_STRIDE, synthesis

__all__ = ["OF_TWO", "TILE", "Descent", "Pace", "relaxed"]

Floats = npt.NDArray[np.float32]
#: Largest side of a tile, in latents: regions of large pictures are one, and so are photos up to 1024 pixels a side.
TILE = 64
#: Level 2 takes two steps, so many times as long as the best single step. With two equal ones, and the second draft
#: weighted as the first, files of four photos were 0.7 % larger at equal distortion; other lengths of the second gained
#: nothing.
OF_TWO = (1.5, 0.7)
#: Of the gradients of two steps in a row, the least cosine of the angle between them that `Pace` goes by.
LEAST = 0.2
#: Within which a pace stays.
SLOWEST, FASTEST = 0.1, 1.2
#: With MS-SSIM, how steep a place may be (its curvature, in multiples of what was measured) before steps are shorter
#: there. MS-SSIM divides squared errors by the variance of the original around them, so they count for many times more
#: where a picture is smooth: steps went too far there, and made files larger and worse. On parts of five validation
#: photos, at qualities 15, 50 and 90, level 2 takes 2.4, 2.0 and 7.7 % less at equal distortion (one of them is smooth;
#: the four others 1.6, 0.1 and -0.1), level 5 1.4, 0.4 and 0.2. With 1.7 and 2.4 both take more. With MSE, to which
#: all squared errors are alike, such bounds gained nothing.
STEEP = 2.0
#: The least error of a place that steepness is told by, as a share of the mean.
QUIET = 0.1


class Pace:
    """How long the steps of the descents on one region are, in multiples of what is long enough in most pictures.

    Where a gradient points elsewhere than the one before it, steps went too far: what one made better the next has to
    take back. This differs between pictures (more so where there is noise), models and qualities.
    """

    def __init__(self, steady: float) -> None:
        """Begin; `steady` is the cosine to aim at."""
        self.factor, self._steady = 1.0, steady

    def look(self, gradient: Floats, before: Floats, curvature: Floats) -> None:
        """Go by the gradients of two steps in a row, (h, w, C), whose latents have this curvature, (C,)."""
        weighted = gradient / curvature
        both, new = (float(np.vdot(weighted, other)) for other in (before, gradient))
        old = float(np.vdot(before / curvature, before))
        if new > 0 and old > 0:
            cosine = both / math.sqrt(new * old)
            self.factor *= math.sqrt(max(cosine, LEAST) / self._steady)
            self.factor = min(max(self.factor, SLOWEST), FASTEST)


class Descent:
    """Distortion of one picture, in bits, as a function of its latents, in quantisation steps."""

    def __init__(
        self,
        arrays: dict[str, Floats],
        halo: int,
        inverse: Floats,
        gain: Floats,
        pixels: npt.NDArray[np.uint8],
        aim: Aim,
        multiplier: float,
    ) -> None:
        """Take a synthesis and a picture.

        Args:
            arrays: of the synthesis.
            halo: latents that a tile of it needs around it.
            inverse: (C,) standard deviations in a quantisation step.
            gain: (F,) factors of the synthesis's fine features.
            pixels: (16 h, 16 w, 3); for MS-SSIM both sides at least `lcodec.metrics.ms_ssim.MIN_SIDE_PX`.
            aim: which distortion.
            multiplier: bits that a unit of a pixel's distortion is worth (of squared error: the mean of R, G and B).
        """
        self._ops: Any = TapeOps(arrays)
        self._inverse, self._gain, self._halo = inverse, gain, halo
        self._cells = unshuffle(pixels[None], LATENT_STRIDE)[0]  # pixels on the grid of the latents, for tiles
        self._aim, self._multiplier = aim, multiplier

    def gradient(self, decoded: Floats) -> Floats:
        """Gradient at decoded latents, in bits a quantisation step: (h, w, C), like `decoded`."""
        channels = decoded.shape[2]

        def gradient_of(window: Floats) -> Floats:
            start = Traced.start(np.ascontiguousarray(window[..., :channels]))
            picture = synthesis(self._ops, start * self._inverse, self._gain)
            pixels = shuffle(window[..., channels:], LATENT_STRIDE)
            samples = (picture.value + np.float32(0.5)) * np.float32(255)
            found: Floats = picture.gradient(start, self._by_samples(samples[0], pixels[0])[None] * np.float32(255))
            return found

        gradient = np.empty(decoded.shape, np.float32)
        both = np.concatenate((decoded, self._cells), axis=-1, dtype=np.float32)
        map_tiles(gradient_of, both, gradient, tile=TILE, halo=self._halo)
        return gradient

    def _by_samples(self, samples: Floats, pixels: Floats) -> Floats:
        """Gradient by the samples of a decoded tile, 0..255: (H, W, 3)."""
        match self._aim:
            case "mse":
                return (samples - pixels) * np.float32(2 / 3 * self._multiplier)
            case "ms-ssim":
                _, gradient = Similarity(pixels).gradient(samples)
                height, width, _ = pixels.shape
                return gradient * np.float32(-self._multiplier * MS_SSIM_WEIGHT * height * width)
            case _:
                assert_never(self._aim)


def relaxed(latents: Floats, decoded: Floats, gradient: Floats, curvature: Floats, part: float, aim: Aim) -> Floats:
    """Latents moved a part of the way to where the gradient would vanish, (h, w, C).

    Newton's step from the decoded latents, by the curvature of each alone, relaxed: as all move at once, whole steps
    would overshoot. With MS-SSIM it is shorter where the distortion is steeper than measured.

    Args:
        latents: (h, w, C), in quantisation steps.
        decoded: (h, w, C), what they were coded as.
        gradient: (h, w, C) there.
        curvature: (C,) by how much it grows with an error of one step.
        part: of the way, 0 to 1.
        aim: which distortion.
    """
    optimum = gradient / -curvature
    optimum += decoded
    optimum -= latents
    optimum *= np.float32(part)
    if aim == "ms-ssim":
        steepness = _steepness(decoded - latents, gradient, curvature)
        optimum *= (STEEP / np.maximum(steepness, STEEP))[..., None]
    optimum += latents
    return optimum


def _steepness(errors: Floats, gradient: Floats, curvature: Floats) -> Floats:
    """Curvature at each place, (h, w), in multiples of what was measured: by the gradient that errors there make.

    Args:
        errors: (h, w, C), in quantisation steps.
        gradient: (h, w, C) there.
        curvature: (C,) as measured.
    """
    found = (gradient * gradient / curvature).sum(axis=2)
    expected = (errors * errors * curvature).sum(axis=2)
    least = max(float(expected.mean()) * QUIET, float(np.finfo(np.float32).tiny))
    steepness: Floats = np.sqrt(found / np.maximum(expected, np.float32(least)))
    return steepness
