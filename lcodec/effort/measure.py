"""What a model's exporter measures for effort 1, once: how symbols are chosen where the synthesis is not run.

The weight of a channel is half the slope of lambda x distortion in the channel's own errors, as they are when symbols
are chosen: the regression of the gradient on the errors. Errors of one sign add up in the picture, so that this is up
to five times what an error alone is worth (the squared norm of its column of the Jacobian), most at low quality: with
weights of lone errors the choice saved 1.3 % at quality 15, with these 2.2 (mean of six validation photos). A second
regressor, the distance from the predicted mean, says how far decoded latents had better stand out than the originals
do. Half of that stretch gave the least rate at equal distortion, and about the distortion of plain rounding. What part
of it gives just that, and how heavy the weights had better be, is then found by coding the photos.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.model import MEAN_STEPS, Coded, EntropyModel, Exchange
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
#: Times that errors count more than measured, of which each quality gets the best: the slope grows with the number of
#: symbols chosen. At middle and high quality these are within 0.2 % of each other; at low quality light ones may cost
#: more than they save, and the heaviest choose next to nothing.
CAUTIONS = (8.0, 20.0, 60.0)
#: Weight with which every symbol is the nearest.
NEAREST = 1e9
#: A channel that hardly shows must not be free.
FLOOR = 1e-3
#: Largest part that a distance from the mean is stretched by, and parts of the measured stretch that are tried.
STRETCH_MAX, PARTS = 0.3, (0.0, 0.1, 0.25, 0.5)
#: Share of the squares of both regressors that is added to them, for channels that have hardly any symbol.
RIDGE = 0.02


@dataclass(frozen=True)
class _Photo:
    """A photo at a quality."""

    pixels: Pixels
    wanted: Floats  #: (h, w, C) latents, in quantisation steps
    latents: Floats  #: likewise, in units of standard deviation
    hyper_latents: Floats
    plain_db: float
    plain_size: int  #: bytes


class _Means:
    """An `Exchange` that remembers the predicted means."""

    def __init__(self, choose: Exchange, shape: tuple[int, ...]) -> None:
        self._choose, self.means = choose, np.empty(shape, np.float32)

    def __call__(
        self, step: int, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
    ) -> npt.NDArray[np.int32]:
        begin = 0
        for place in where:
            target = self.means[place]
            target[...] = means[begin : begin + target.size].reshape(target.shape) / MEAN_STEPS
            begin += target.size
        return self._choose(step, indexes, means, where)


class _Measurement:
    """One model at one quality."""

    def __init__(self, model: Model, entropy: EntropyModel, engine: Engine, quality_step: int) -> None:
        self._entropy, self._engine, self._quality_step = entropy, engine, quality_step
        self._aim: Aim = model.goal.aim
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
        plain = self._entropy.encode(latents, hyper_latents, self._quality_step)
        wanted = (latents * self._steps).astype(np.float32)
        return _Photo(pixels, wanted, latents, hyper_latents, self._db(plain, pixels), _size(plain))

    def _db(self, coded: Coded, pixels: Pixels) -> float:
        decoded = np.empty_like(pixels)
        self._synthesis.pixels(coded.values, (0, 0), Region(0, 0, *coded.values.shape[:2]), decoded)
        return psnr(pixels, decoded) if self._aim == "mse" else ms_ssim_db(ms_ssim(pixels, decoded))

    def _encode(self, photo: _Photo, choose: Exchange) -> Coded:
        return self._entropy.encode(photo.latents, photo.hyper_latents, self._quality_step, choose)

    def _gradient(self, decoded: Floats, pixels: Pixels) -> Floats:
        """Gradient of lambda x distortion in decoded latents (h, w, C), in quantisation steps."""
        values = torch.tensor(decoded[None], requires_grad=True)
        with torch.enable_grad():
            picture = (synthesis(self._ops, values * self._inverse, self._gain) + 0.5) * 255
            original = torch.tensor(pixels[None]).float()
            mse = (picture - original).square().mean(dim=(1, 2, 3))
            loss = self._multiplier * distortion(self._aim, picture, original, mse).sum() * pixels[..., 0].size
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
            decoded = (self._encode(photo, choose).values / MEAN_STEPS).astype(np.float32)
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

    def change(self, photos: Sequence[_Photo], weights: Floats, stretch: Floats) -> tuple[float, float]:
        """Means over photos of the gain over plain rounding in dB, and of the logarithm of the size over its."""
        gains, sizes = [], []
        for photo in photos:
            coded = self._encode(photo, Rdoq(photo.wanted, weights, stretch=stretch))
            gains.append(self._db(coded, photo.pixels) - photo.plain_db)
            sizes.append(math.log(_size(coded) / photo.plain_size))
        return float(np.mean(gains)), float(np.mean(sizes))


def measure_choice(model: Model, photos: Sequence[Pixels]) -> dict[str, Floats]:
    """Measure the arrays of effort 1.

    Args:
        model: to measure.
        photos: (H, W, 3) each, those with a side below 64, or below what the distortion needs, are passed over.

    Returns:
        effort.weight, the logarithm of the bits that a squared error of one quantisation step is worth, and
        effort.stretch, the logarithm of the factor of distances from the means: (A, C), at evenly spaced qualities.
        Nothing if no photo is large enough: such a model codes at effort 1 as without effort.
    """
    least = MIN_CROP[model.goal.aim]
    whole = [photo[: photo.shape[0] // 64 * 64, : photo.shape[1] // 64 * 64] for photo in photos]
    usable = [photo for photo in whole if min(photo.shape[:2]) >= least]
    if not usable:
        return {}
    pixels = sum(photo[..., 0].size for photo in usable)
    engine = Engine("cpu", "numpy", pixels)
    entropy = engine.entropy(model)
    rows = []
    for anchor in range(ANCHORS):
        measurement = _Measurement(model, entropy, engine, round(anchor * QUALITY_STEPS / (ANCHORS - 1)))
        rows.append(_measure_at(measurement, [measurement.photo(photo) for photo in usable], entropy.channels))
    weights, stretches = zip(*rows, strict=True)
    return {"effort.weight": np.stack(weights), "effort.stretch": np.stack(stretches)}


def _measure_at(measurement: _Measurement, photos: Sequence[_Photo], channels: int) -> tuple[Floats, Floats]:
    """Logarithms of weights and stretches at one quality, (C,) each."""
    # First where all symbols are the nearest, then where they are chosen by what was found.
    alone, _, _ = measurement.regress(photos, np.full(channels, NEAREST, np.float32))
    _, error, distance = measurement.regress(photos, _weights(alone, CAUTIONS[0]))
    full = (-distance / np.maximum(error, 1e-12)).clip(-STRETCH_MAX, STRETCH_MAX)
    # Weights are interpolated between qualities, and so are stretches: each quality has some of both that keep the
    # distortion, also where the choice saves nothing.
    least, best = math.inf, (_weights(error, CAUTIONS[-1]), np.ones(len(full), np.float32))
    for caution in CAUTIONS:
        weights = _weights(error, caution)
        changes = [measurement.change(photos, weights, (1 + part * full).astype(np.float32)) for part in PARTS]
        gains, sizes = (np.array(column) for column in zip(*changes, strict=True))
        # With the part the gain rises, and then falls again: what is wanted is the distortion of plain rounding. Other
        # photos (24 for validation) got 0.02 to 0.03 dB less than those measured with small models, up to 0.02 more
        # with the large one, of which a margin of 0.03 dB made the files 0.5 to 1 % larger than without a choice.
        rising = slice(int(gains.argmax()) + 1)
        size = float(np.interp(0, gains[rising], sizes[rising]))
        if gains.max() > 0 and size < least:
            part = float(np.interp(0, gains[rising], PARTS[rising]))
            least, best = size, (weights, (1 + part * full).astype(np.float32))
    return np.log(best[0]), np.log(best[1])


def _size(coded: Coded) -> int:
    return len(coded.hyper) + len(coded.latents)


def _weights(slope: Doubles, caution: float) -> Floats:
    """Bits that a squared error is worth, of the slope of their distortion."""
    half = slope / 2
    bounded: Floats = (caution * half.clip(min=half.max() * FLOOR)).astype(np.float32)
    return bounded
