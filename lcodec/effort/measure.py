"""What a model's exporter measures for effort, once: how symbols are chosen where what they decode to is not looked at.

The weight of a channel is half the slope of lambda x distortion in the channel's own errors, as they are when symbols
are chosen: the regression of the gradient on the errors. Errors of one sign add up in the picture, so that this is up
to five times what an error alone is worth (the squared norm of its column of the Jacobian), most at low quality: with
weights of lone errors the choice saved 1.3 % at quality 15, with these 2.2 (mean of six validation photos). A second
regressor, the distance from the predicted mean, says how far decoded latents had better stand out than the originals
do. Half of that stretch gave the least rate at equal distortion, and about the distortion of plain rounding. What part
of it gives just that, and how heavy the weights had better be, is then found by coding the photos.

For descent (effort 2 and above) each channel's curvature is the regression, on the errors, of what they add to the
gradient. What part of the way to the optimum latents move at a step, and how much lighter errors weigh then, is what
trades distortion for bits best, by the slope of the photos' own rate and distortion. By how many points of quality
steps may be coarser for the distortion of plain rounding is measured with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from lcodec.arrays import EFFORT
from lcodec.effort.descent import OF_TWO, relaxed
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import Choice, Coded, EntropyModel
from lcodec.entropy.section import MEAN_STEPS
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Region
from lcodec.execution.stages import Analyses, Synthesis
from lcodec.goal import Aim
from lcodec.metrics import ms_ssim, ms_ssim_db, psnr
from lcodec.metrics.differentiable import MIN_CROP, distortion
from lcodec.networks.gains import QUALITY_STEPS, gain_at
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.steps import Place
from lcodec.networks.transforms import LATENT_STRIDE, synthesis
from lcodec.zoo import Model

__all__ = ["measure_choice"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
#: Evenly spaced qualities at which is measured.
ANCHORS = 6
#: A second quality, so many steps lower, tells what distortion a step of quality is worth.
NEAR = QUALITY_STEPS // 25
#: Times that errors count more than measured, of which each quality gets the best: the slope grows with the number of
#: symbols chosen. At middle and high quality these are within 0.2 % of each other; at low quality light ones may cost
#: more than they save, and the heaviest choose next to nothing.
CAUTIONS = (8.0, 20.0, 60.0)
#: Weight with which every symbol is the nearest.
NEAREST = 1e9
#: Least curvature of a channel, as a share of the median.
SHALLOW = 0.1
#: A channel that hardly shows must not be free.
FLOOR = 1e-3
#: Largest part that a distance from the mean is stretched by, and parts of the measured stretch that are tried.
STRETCH_MAX, PARTS = 0.3, (0.0, 0.1, 0.25, 0.5)
#: Parts of the way that latents are moved, and factors of the weights, that are tried for a step of descent.
WAYS, FACTORS = (0.06, 0.1, 0.16, 0.25), (1.0, 0.5, 0.25, 0.125)
#: The least gain that is told as quality, in points of 100.
LEAST_COARSER = 0.01
#: Share of the squares of both regressors that is added to them, for channels that have hardly any symbol.
RIDGE = 0.02


@dataclass(frozen=True)
class _Photo:
    """A photo at a quality."""

    pixels: Pixels
    wanted: Floats  #: (h, w, C) latents, in quantisation steps
    latents: Floats  #: likewise, in units of standard deviation
    hyper_latents: Floats
    gradient: Floats  #: likewise, of lambda x distortion at them
    plain_db: float
    plain_size: int  #: bytes


class _Means:
    """A `Choice` that remembers the predicted means."""

    dependent = False

    def __init__(self, choose: Choice, shape: tuple[int, ...]) -> None:
        self._choose, self.means = choose, np.empty(shape, np.float32)

    def __call__(
        self, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        begin = 0
        for place in where:
            target = self.means[place]
            target[...] = means[begin : begin + target.size].reshape(target.shape) / MEAN_STEPS
            begin += target.size
        return self._choose(indexes, means, where)


class _Trade(NamedTuple):
    """What a factor of the weights brings; the least of several is the best."""

    lost: float  #: dB
    cost: float  #: logarithm of the size over that of plain rounding, at the same distortion
    factor: float  #: its logarithm
    gain: float  #: over plain rounding, in dB


class _Measurement:
    """One model at one quality."""

    def __init__(self, model: Model, entropy: EntropyModel, engine: Engine, quality_step: int) -> None:
        self._entropy, self._engine, self.quality_step = entropy, engine, quality_step
        self.aim: Aim = model.goal.aim
        self._multiplier = model.goal.multiplier(quality_step / QUALITY_STEPS)
        self._analyses = Analyses(engine, model, quality_step)
        self._synthesis = Synthesis(engine, model, quality_step)
        self._ops = TorchOps({name: torch.tensor(value) for name, value in model.decoder.items()})
        inverse, gain = (gain_at(model.decoder[f"gain.{name}"], quality_step) for name in ("inverse", "synthesis"))
        self._inverse, self._gain = torch.tensor(inverse), torch.tensor(gain)
        self._steps = entropy.at_quality(quality_step).steps

    def photo(self, pixels: Pixels) -> _Photo:
        """Analyse a photo."""
        region = Region(0, 0, pixels.shape[0] // LATENT_STRIDE, pixels.shape[1] // LATENT_STRIDE)
        latents = self._analyses.latents(pixels, region)
        hyper_latents = self._analyses.hyper_latents(latents)
        plain = self._entropy.encode(latents, hyper_latents, self.quality_step)
        wanted = (latents * self._steps).astype(np.float32)
        gradient = self._gradient(wanted, pixels)
        return _Photo(pixels, wanted, latents, hyper_latents, gradient, self._db(plain, pixels), _size(plain))

    def _db(self, coded: Coded, pixels: Pixels) -> float:
        shown = self._synthesis.alone(coded.values, pixels.shape)
        return psnr(pixels, shown) if self.aim == "mse" else ms_ssim_db(ms_ssim(pixels, shown))

    def _encode(self, photo: _Photo, choose: Choice) -> Coded:
        return self._entropy.encode(photo.latents, photo.hyper_latents, self.quality_step, choose)

    def _decoded(self, photo: _Photo, choose: Choice) -> Floats:
        """Decoded latents (h, w, C), in quantisation steps."""
        decoded: Floats = (self._encode(photo, choose).values / MEAN_STEPS).astype(np.float32)
        return decoded

    def _gradient(self, decoded: Floats, pixels: Pixels) -> Floats:
        """Gradient of lambda x distortion in decoded latents (h, w, C), in quantisation steps."""
        values = torch.tensor(decoded[None], requires_grad=True)
        with torch.enable_grad():
            picture = (synthesis(self._ops, values * self._inverse, self._gain) + 0.5) * 255
            original = torch.tensor(pixels[None]).float()
            mse = (picture - original).square().mean(dim=(1, 2, 3))
            loss = self._multiplier * distortion(self.aim, picture, original, mse).sum() * pixels[..., 0].size
            (gradient,) = torch.autograd.grad(loss, values)
        found: Floats = gradient[0].numpy()
        return found

    def regress(self, photos: Sequence[_Photo], weights: Floats) -> tuple[Doubles, Doubles, Doubles]:
        """Slopes of lambda x distortion where symbols are chosen by these weights, (C,) each.

        Returns:
            The slope in the errors alone; and, where distances from the means count besides, both slopes.
        """
        sums = np.zeros((5, len(weights)))
        for photo in photos:
            choose = _Means(Rdoq(photo.wanted, weights), photo.wanted.shape)
            decoded = self._decoded(photo, choose)
            error, distance = decoded - photo.wanted, photo.wanted - choose.means
            gradient = self._gradient(decoded, photo.pixels)
            products = (error * error, error * distance, distance * distance, gradient * error, gradient * distance)
            sums += [product.sum(axis=(0, 1), dtype=np.float64) for product in products]
        squares, cross, distances, by_error, by_distance = sums
        ridged, ridged_distances = squares * (1 + RIDGE), distances * (1 + RIDGE)
        determinant = np.maximum(ridged * ridged_distances - cross**2, 1e-12)
        both = (
            (by_error * ridged_distances - by_distance * cross) / determinant,
            (by_distance * ridged - by_error * cross) / determinant,
        )
        return by_error / np.maximum(squares, 1e-12), *both

    def change(self, photos: Sequence[_Photo], choices: Sequence[Rdoq]) -> tuple[float, float]:
        """Means over photos of the gain over plain rounding in dB, and of the logarithm of the size over its."""
        gains, sizes = [], []
        for photo, choose in zip(photos, choices, strict=True):
            coded = self._encode(photo, choose)
            gains.append(self._db(coded, photo.pixels) - photo.plain_db)
            sizes.append(math.log(_size(coded) / photo.plain_size))
        return float(np.mean(gains)), float(np.mean(sizes))

    def drafts(self, photos: Sequence[_Photo], choices: Sequence[Rdoq]) -> list[Floats]:
        """Decoded latents (h, w, C) of the photos as these choices code them, in quantisation steps."""
        return [self._decoded(photo, choose) for photo, choose in zip(photos, choices, strict=True)]

    def curvature(self, photos: Sequence[_Photo], decoded: Sequence[Floats], gradients: Sequence[Floats]) -> Floats:
        """By how much the gradient grows with an error of each channel: (C,)."""
        added, squares = np.zeros((2, decoded[0].shape[2]))
        for photo, values, gradient in zip(photos, decoded, gradients, strict=True):
            error = values - photo.wanted
            added += ((gradient - photo.gradient) * error).sum(axis=(0, 1), dtype=np.float64)
            squares += np.square(error).sum(axis=(0, 1), dtype=np.float64)
        found = added / np.maximum(squares, 1e-12)
        # A channel that hardly shows must not move without bounds.
        curvature: Floats = found.clip(min=np.median(found) * SHALLOW).astype(np.float32)
        return curvature

    def cheapest(
        self,
        photos: Sequence[_Photo],
        choices: Sequence[Rdoq],
        slope: float,
        factors: Sequence[float] = FACTORS,
    ) -> _Trade:
        """The factor of the weights with the best trade of distortion for bits, of those that lose nothing.

        Args:
            photos: to code.
            choices: one for each.
            slope: by how much the logarithm of the size grows with a dB.
            factors: that are tried.
        """
        changes = [self.change(photos, [choose.weighted(factor) for choose in choices]) for factor in factors]
        trades = [
            _Trade(max(0, -gain), size - slope * gain, math.log(factor), gain)
            for (gain, size), factor in zip(changes, factors, strict=True)
        ]
        return min(trades)

    def gradients(self, photos: Sequence[_Photo], decoded: Sequence[Floats]) -> list[Floats]:
        """Gradient of each photo at its decoded latents."""
        return [self._gradient(values, photo.pixels) for values, photo in zip(decoded, photos, strict=True)]


def measure_choice(model: Model, crops: Sequence[Pixels], photos: Sequence[Pixels]) -> dict[str, Floats]:
    """Measure the arrays of effort.

    Args:
        model: to measure.
        crops: (H, W, 3) each, that the choice of symbols is measured on. Those with a side below 64, or below what the
            distortion needs, are passed over.
        photos: likewise, for descent: larger ones, for at the borders of a picture it gains less.

    Returns:
        Logarithms at evenly spaced qualities, (A, C): effort.weight of the bits that a squared error of one
        quantisation step is worth, effort.stretch of the factor of distances from the means, effort.curvature of what
        descent goes by (`lcodec.effort.descent`). And effort.part, (A, 1), of the part of the way that a step of it
        goes; for one step and for two, (A, 2), effort.lighter of the factor of the weights then, and effort.coarser of
        the points of quality that they gain.
        Nothing if none is large enough: such a model codes at every effort as without.
    """
    least = MIN_CROP[model.goal.aim]

    def usable(pictures: Sequence[Pixels]) -> list[Pixels]:
        whole = [picture[: picture.shape[0] // 64 * 64, : picture.shape[1] // 64 * 64] for picture in pictures]
        return [picture for picture in whole if min(picture.shape[:2]) >= least]

    crops, photos = usable(crops), usable(photos)
    if not (crops and photos):
        return {}
    engine = Engine("cpu", "numpy", 0)
    entropy = engine.entropy(model)
    rows: list[dict[str, Floats]] = []
    for anchor in range(ANCHORS):
        quality_step = round(anchor * QUALITY_STEPS / (ANCHORS - 1))
        measurement = _Measurement(model, entropy, engine, quality_step)
        coded = [measurement.photo(crop) for crop in crops]
        weights, stretch = _measure_choice_at(measurement, coded, entropy.channels)
        near = _Measurement(model, entropy, engine, quality_step + (-NEAR if anchor else NEAR))
        whole = [measurement.photo(photo) for photo in photos]
        descent = _measure_descent_at(measurement, whole, weights, stretch, near)
        rows.append({"weight": weights, "stretch": stretch} | descent)
    return {f"{EFFORT}{name}": np.log(np.stack([row[name] for row in rows])) for name in rows[0]}


def _measure_choice_at(measurement: _Measurement, photos: Sequence[_Photo], channels: int) -> tuple[Floats, Floats]:
    """Weights and stretches at one quality, (C,) each."""
    # First where all symbols are the nearest, then where they are chosen by what was found.
    alone, _, _ = measurement.regress(photos, np.full(channels, NEAREST, np.float32))
    _, error, distance = measurement.regress(photos, _weights(alone, CAUTIONS[0]))
    full = (-distance / np.maximum(error, 1e-12)).clip(-STRETCH_MAX, STRETCH_MAX)
    # Weights are interpolated between qualities, and so are stretches: each quality has some of both that keep the
    # distortion, also where the choice saves nothing.
    least, best = math.inf, (_weights(error, CAUTIONS[-1]), np.ones(len(full), np.float32))
    for caution in CAUTIONS:
        weights = _weights(error, caution)
        stretches = [(1 + part * full).astype(np.float32) for part in PARTS]
        changes = [
            measurement.change(photos, [Rdoq(photo.wanted, weights, stretch) for photo in photos])
            for stretch in stretches
        ]
        gains, sizes = (np.array(column) for column in zip(*changes, strict=True))
        # With the part the gain rises, and then falls again: what is wanted is the distortion of plain rounding. Other
        # photos (24 for validation) got 0.02 to 0.03 dB less than those measured with small models, up to 0.02 more
        # with the large one, of which a margin of 0.03 dB made the files 0.5 to 1 % larger than without a choice.
        rising = slice(int(gains.argmax()) + 1)
        size = float(np.interp(0, gains[rising], sizes[rising]))
        if gains.max() > 0 and size < least:
            part = float(np.interp(0, gains[rising], PARTS[rising]))
            least, best = size, (weights, (1 + part * full).astype(np.float32))
    return best


def _measure_descent_at(
    measurement: _Measurement, photos: Sequence[_Photo], weights: Floats, stretch: Floats, near: _Measurement
) -> dict[str, Floats]:
    """Curvatures (C,), part of the way (1,), factors of the weights and points gained (2,), at one quality.

    `near` is another quality, by which gains in dB are told as bits and as quality.
    """
    others = [near.photo(photo.pixels) for photo in photos]
    rise = float(np.mean([other.plain_db - photo.plain_db for other, photo in zip(others, photos, strict=True)]))
    growth = np.mean(
        [math.log(other.plain_size / photo.plain_size) for other, photo in zip(others, photos, strict=True)]
    )
    slope, points = float(growth) / rise, 100 * (near.quality_step - measurement.quality_step) / QUALITY_STEPS
    choices = [Rdoq(photo.wanted, weights, stretch) for photo in photos]
    decoded = measurement.drafts(photos, choices)
    gradients = measurement.gradients(photos, decoded)
    curvature = measurement.curvature(photos, decoded, gradients)

    def moved(part: float, choices: list[Rdoq], decoded: list[Floats], gradients: list[Floats]) -> list[Rdoq]:
        return [
            choose.of(relaxed(choose.wanted, values, gradient, curvature, part, measurement.aim))
            for choose, values, gradient in zip(choices, decoded, gradients, strict=True)
        ]

    found = [measurement.cheapest(photos, moved(way, choices, decoded, gradients), slope) for way in WAYS]
    once, way = min(zip(found, WAYS, strict=True))
    first, second = (share * way for share in OF_TWO)
    halfway = [choose.weighted(math.exp(once.factor)) for choose in moved(first, choices, decoded, gradients)]
    trades = []
    for factor in FACTORS[:2]:
        decoded = measurement.drafts(photos, [choose.weighted(factor) for choose in halfway])
        after_two = moved(second, halfway, decoded, measurement.gradients(photos, decoded))
        trades.append(measurement.cheapest(photos, after_two, slope, [factor]))
    twice = min(trades)
    coarser = np.array([once.gain, twice.gain]) / rise * points
    return {
        "curvature": curvature,
        "part": np.array([way], np.float32),
        "lighter": np.exp(np.array([once.factor, once.factor + twice.factor], np.float32)),
        "coarser": coarser.clip(min=LEAST_COARSER).astype(np.float32),
    }


def _size(coded: Coded) -> int:
    return len(coded.hyper) + len(coded.latents)


def _weights(slope: Doubles, caution: float) -> Floats:
    """Bits that a squared error is worth, of the slope of their distortion."""
    half = slope / 2
    bounded: Floats = (caution * half.clip(min=half.max() * FLOOR)).astype(np.float32)
    return bounded
