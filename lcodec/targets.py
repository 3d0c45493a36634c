"""Targets: the quality at which a file is small enough, or a decoded picture good enough.

    target -> quality -> codec.encode -> size, or codec.decode -> metric -> next quality

Quality acts inside the analysis, as gains of its fine features: the latents of one quality do not give those of
another, so each trial codes the picture anew (two thirds of a second of one core for 768x512: `encode_s` in
`benchmarks/results/kodak-mse.csv`). That is why there are few: the logarithm of the size, PSNR, and MS-SSIM in dB are
nearly straight lines over quality, which a secant follows.

Exact parts (`lcodec.exact`) are a step in it: from the quality on that they pay at, files are larger and PSNR may be
infinite. What lies inside of the step only codes without them reach. Pixels that are wholly transparent do not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from lcodec import codec
from lcodec.container import read_header
from lcodec.defaults import MEMORY
from lcodec.errors import LimitError
from lcodec.metrics import ms_ssim, ms_ssim_db, psnr
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.picture import Picture
from lcodec.picture.alpha import fill_hidden, seen_alone
from lcodec.zoo import Model, Zoo

__all__ = ["CODINGS_MAX", "Found", "Name", "Target", "encode_to"]

#: Most codings of a picture; as many again, without exact parts, where these are more than was asked for.
CODINGS_MAX = 8
#: Quality levels that one unit of the searched scale (a dB, or a natural logarithm of bytes) spans, about: the
#: shipped models on Kodak. Only the second trial depends on it.
LEVELS_PER_LOG_BYTE, LEVELS_PER_DB = 2500.0, 600.0

Name = Literal["bpp", "max-size", "min-psnr", "min-ms-ssim"]


@dataclass(frozen=True)
class Target:
    """What a file, or the picture decoded from it, is to be: a ceiling of its size, or a floor of its quality."""

    name: Name
    value: float  #: bits per pixel, bytes, dB, or MS-SSIM below 1

    @property
    def is_size(self) -> bool:
        """Whether it limits the file."""
        return self.name in {"bpp", "max-size"}

    def say(self, value: float) -> str:
        """`value` in words, in this target's unit."""
        match self.name:
            case "bpp":
                return f"{value:.4g} bpp"
            case "max-size":
                return f"{value:.0f} bytes"
            case "min-psnr":
                return f"{value:.2f} dB"
            case "min-ms-ssim":
                digits = 4 if value in {0, 1} else max(4, 1 - math.floor(math.log10(1 - value)))
                return f"MS-SSIM {value:.{digits}f}"


@dataclass(frozen=True)
class Found:
    """A file that meets its target."""

    data: bytes
    target: Target
    reached: float  #: in the target's unit
    codings: int

    @property
    def slack(self) -> float:
        """What the target leaves: a fraction of the ceiling, or dB (or MS-SSIM) above the floor."""
        if self.target.is_size:
            return 1 - self.reached / self.target.value
        return self.reached - self.target.value


@dataclass(frozen=True)
class _Trial:
    level: int  #: 0..QUALITY_STEPS
    score: float  #: on the searched scale
    met: bool
    data: bytes
    reached: float  #: in the target's unit

    @property
    def exact(self) -> bool:
        """Whether parts of it are kept exactly."""
        return "exact" in read_header(self.data).sections


def encode_to(
    picture: Picture,
    model: Model,
    target: Target,
    *,
    zoo: Zoo,
    code: Callable[..., bytes] = codec.encode,
    device: codec.Device = "auto",
    memory: int = MEMORY,
) -> Found:
    """Encode a picture to a target: the best file under a ceiling, or the smallest above a floor.

    Args:
        picture: of any size; MS-SSIM needs 161 pixels a side.
        model: from `zoo`.
        target: what to meet. Sizes are of the whole file; floors hold for the picture as this machine decodes it.
        zoo: for decoding.
        code: `codec.encode` with the options that every trial is to have.
        device: for decoding, as in `codec.decode`.
        memory: likewise.

    Raises:
        LimitError: no quality meets it.
    """
    pixels, alpha, original = picture.width * picture.height, picture.alpha, picture.pixels
    if target.name == "min-psnr":
        original = seen_alone(original, alpha)
    elif target.name == "min-ms-ssim":
        original = fill_hidden(original, alpha)

    def attempt(level: int, *, exact: bool) -> _Trial:
        data = code(picture, model, level * 100 / QUALITY_STEPS, exact=exact)
        if target.is_size:
            reached = 8 * len(data) / pixels if target.name == "bpp" else len(data)
            return _Trial(level, math.log(reached), reached <= target.value, data, reached)
        decoded = codec.decode(data, zoo, device=device, max_pixels=pixels, memory=memory).pixels
        if target.name == "min-psnr":
            reached = psnr(original, seen_alone(decoded, alpha))
            return _Trial(level, reached, reached >= target.value, data, reached)
        try:
            reached = ms_ssim(original, decoded if alpha is None else np.where(alpha[:, :, None], decoded, original))
        except ValueError as error:
            raise LimitError(str(error)) from error
        return _Trial(level, ms_ssim_db(reached), reached >= target.value, data, reached)

    def search(*, exact: bool) -> tuple[_Trial, list[_Trial]]:
        tried = partial(attempt, exact=exact)
        if target.is_size:
            return _search(tried, math.log(target.value), ceiling=True, slope=1 / LEVELS_PER_LOG_BYTE)
        floor = target.value if target.name == "min-psnr" else ms_ssim_db(target.value)
        return _search(tried, floor, ceiling=False, slope=1 / LEVELS_PER_DB)

    def merit(trial: _Trial) -> tuple[bool, int]:
        return trial.met, trial.level if target.is_size and trial.met else -len(trial.data)

    best, tried = search(exact=True)
    if target.is_size:
        inside_step = any(trial.exact for trial in tried) and not (best.met and best.exact)
    else:
        inside_step = best.exact
    if inside_step:
        other, more = search(exact=False)
        best, tried = max(best, other, key=merit), tried + more
    if not best.met:
        raise LimitError(
            f"{target.say(target.value)} is out of reach: quality {best.level * 100 / QUALITY_STEPS:g} "
            f"gives {target.say(best.reached)}"
        )
    return Found(best.data, target, best.reached, len(tried))


def _search(
    attempt: Callable[[int], _Trial], wanted: float, *, ceiling: bool, slope: float
) -> tuple[_Trial, list[_Trial]]:
    """Look for the level whose score is nearest to `wanted`, on the side of it that meets the target.

    Scores rise with the level, on the whole: rounding makes them waver by a fraction of a percent, so the best trial
    is kept rather than the last.

    Args:
        attempt: code at a level.
        wanted: score of the target.
        ceiling: the score may be `wanted` at most; otherwise, at least.
        slope: scores per level, expected.

    Returns:
        The best trial that meets the target, or, where none does, that at the end of the scale; all trials.
    """
    # Trials aim a little inside of the target, and are near enough within 1 % of the size, or 0.025 dB.
    margin, close = (-0.004, 0.01) if ceiling else (0.01, 0.025)
    end = 0 if ceiling else QUALITY_STEPS
    below: list[_Trial] = []  # levels too low for `wanted`, the highest last
    above: list[_Trial] = []  # levels too high for it, the lowest last
    best: _Trial | None = None
    level, streak = QUALITY_STEPS // 2, 0  # streak: trials in a row on the same side of `wanted`, those too low < 0
    for count in range(1, CODINGS_MAX + 1):
        trial = attempt(level)
        if trial.met and (best is None or (trial.level > best.level if ceiling else len(trial.data) < len(best.data))):
            best = trial
        low_side = trial.met == ceiling
        (below if low_side else above).append(trial)
        streak = min(streak, 0) - 1 if low_side else max(streak, 0) + 1
        low, high = (below[-1].level if below else -1), (above[-1].level if above else QUALITY_STEPS + 1)
        if high - low <= 1 or (trial.met and abs(trial.score - wanted) <= close):
            break
        level = min(max(_next(below, above, wanted + margin, slope, streak), low + 1), high - 1)
        if best is None and count == CODINGS_MAX - 1:
            level = end
    return (best if best is not None else trial), below + above


def _next(below: list[_Trial], above: list[_Trial], aim: float, slope: float, streak: int) -> int:
    """Level at which a straight line through the nearest trials reaches `aim`; halfway where there is no line.

    On a bent curve the line keeps to one side, so that the other end is never replaced. Its distance from `aim` is
    halved for each trial in a row on the near side: the Illinois rule (Dowell and Jarratt, BIT 11, 1971).
    """
    if below and above:
        first, second = below[-1], above[-1]
        near, far = first.score - aim, second.score - aim
        if streak < -1:
            far *= 0.5 ** (-streak - 1)
        elif streak > 1:
            near *= 0.5 ** (streak - 1)
        if math.isfinite(near) and math.isfinite(far) and near < 0 < far:
            return round(first.level - near * (second.level - first.level) / (far - near))
    else:
        nearest = below or above
        first, second = nearest[-1], nearest[-2] if len(nearest) > 1 else nearest[-1]
    if math.isfinite(first.score) and math.isfinite(second.score):
        rise, run = second.score - first.score, second.level - first.level
        if run and rise / run > slope / 10:
            slope = rise / run
        step = (aim - first.score) / slope
        # Where the curve is steeper near by than farther on, lines fall short: each step is twice the last at least.
        return round(first.level + math.copysign(max(abs(step), 2 * abs(run)), step))
    return (first.level + second.level) // 2 if first is not second else (0 if above else QUALITY_STEPS)
