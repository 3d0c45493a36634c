"""Metrics that can be minimised: of batches of torch tensors, with gradients.

`LOSSES` has each by its name. `distortion` is what a model is trained for, on a scale on which the same lambda suits
each aim: lambda multiplies a mean squared error on the 0..255 scale, or MS_SSIM_WEIGHT (1 - MS-SSIM).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from lcodec.goal import MS_SSIM_WEIGHT, Aim
from lcodec.metrics import pim
from lcodec.metrics.ms_ssim import C1, C2, MIN_SIDE_PX, SCALE_EXPONENTS, SIGMA_PX, WINDOW_PX
from lcodec.metrics.nlpd import FLOORS, KERNEL, NEIGHBOURS
from lcodec.metrics.wasserstein import BANDS, POOLINGS, VARIANCE_FLOOR, VARIANCE_OFFSET

__all__ = ["LOSSES", "MIN_CROP", "distortion", "ms_ssim", "nlpd", "top_octave", "wasserstein"]

#: Smallest side of a crop for each aim, a multiple of 64.
MIN_CROP: dict[Aim, int] = {"mse": 64, "ms-ssim": -(-MIN_SIDE_PX // 64) * 64}


def distortion(aim: Aim, decoded: Tensor, original: Tensor, mse: Tensor) -> Tensor:
    """Distortion of each picture, on the scale of a mean squared error.

    Args:
        aim: what to measure.
        decoded: (N, H, W, 3), 0..255, not clipped.
        original: (N, H, W, 3), 0..255.
        mse: (N,) the mean squared errors, which the caller has anyway.

    Returns:
        (N,).
    """
    match aim:
        case "mse":
            return mse
        case "ms-ssim":
            return MS_SSIM_WEIGHT * (1 - ms_ssim(decoded, original))
        case _:
            assert_never(aim)


@cache
def _window(channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Gaussian window down the columns (channels, 1, 11, 1) and along the rows (channels, 1, 1, 11)."""
    at = torch.arange(WINDOW_PX, device=device) - WINDOW_PX // 2
    weights = torch.exp(-(at**2) / (2 * SIGMA_PX**2))
    weights /= weights.sum()
    return weights.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), weights.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)


def _blur(x: Tensor) -> Tensor:
    """Gaussian window over the valid positions of (N, C, H, W)."""
    channels = x.shape[1]
    vertical, horizontal = _window(channels, x.device)
    return F.conv2d(F.conv2d(x, vertical, groups=channels), horizontal, groups=channels)


def ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """MS-SSIM, as `lcodec.metrics.ms_ssim` defines it.

    Args:
        first: (N, H, W, C), 0..255, both sides at least 161.
        second: likewise.

    Returns:
        (N,), 0 to 1.
    """
    with torch.autocast(first.device.type, enabled=False):  # variances are small differences: not in bfloat16
        x, y = (pictures.float().permute(0, 3, 1, 2) for pictures in (first, second))
        if x.is_cuda:  # a training step took two thirds of the time with planes in one piece, on a CPU more (H200)
            x, y = x.contiguous(), y.contiguous()
        return _ms_ssim(x, y)


def _ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """MS-SSIM of (N, C, H, W)."""
    product = torch.ones(x.shape[:2], device=x.device)
    for scale, exponent in enumerate(SCALE_EXPONENTS):
        if scale:
            # Odd sides are padded with zeros that count, as in the reference.
            padding = (x.shape[2] % 2, x.shape[3] % 2)
            x, y = F.avg_pool2d(x, 2, padding=padding), F.avg_pool2d(y, 2, padding=padding)
        mean_x, mean_y = _blur(x), _blur(y)
        variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
        covariance = _blur(x * y) - mean_x * mean_y
        similarity = (2 * covariance + C2) / (variance_x + variance_y + C2)
        if scale == len(SCALE_EXPONENTS) - 1:
            similarity = similarity * (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
        # Not to zero, whose power has no gradient.
        product = product * similarity.mean(dim=(2, 3)).clamp(min=1e-4) ** exponent
    return product.mean(dim=1)


def wasserstein(decoded: Tensor, original: Tensor) -> Tensor:
    """Wasserstein distortion, as `lcodec.metrics.wasserstein` defines it.

    Args:
        decoded: (N, H, W, C), 0..1, not clipped.
        original: likewise; its contrast is the unit.

    Returns:
        (N,), from 0.
    """
    count, height, width, channels = original.shape
    with torch.autocast(original.device.type, enabled=False):  # variances are small differences: not in bfloat16
        both = torch.cat((original, decoded)).float().permute(0, 3, 1, 2).reshape(-1, 1, height, width)
        total = torch.zeros(count, device=both.device)
        for band in _pyramid(both):
            variance = band[: len(band) // 2].var(dim=(1, 2, 3), correction=0).reshape(count, channels).mean(dim=1)
            moments = torch.cat((band, band * band))
            for _ in range(POOLINGS):
                moments = _low(moments)
                mean, square = moments.chunk(2)
                deviation = ((square - mean * mean).clamp(min=0) + VARIANCE_OFFSET).sqrt()
                of_means, of_deviations = (
                    (values[: len(band) // 2] - values[len(band) // 2 :]).square() for values in (mean, deviation)
                )
                distance = (of_means + of_deviations).reshape(count, -1).mean(dim=1)
                total = total + distance / (variance + VARIANCE_FLOOR)
        return total


@cache
def _binomial(device: torch.device) -> Tensor:
    """[1 2 1]^2 / 16, (1, 1, 3, 3)."""
    row = torch.tensor([0.25, 0.5, 0.25], device=device)
    return (row[:, None] * row)[None, None]


def _low(x: Tensor) -> Tensor:
    """Half the size, low-pass: (M, 1, H, W) -> (M, 1, ceil(H/2), ceil(W/2))."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), _binomial(x.device), stride=2)


def _pyramid(x: Tensor) -> list[Tensor]:
    """Bands of a Laplacian pyramid of (M, 1, H, W), the finest first, and the residual."""
    bands = []
    for _ in range(BANDS):
        lower = _low(x)
        padded = F.pad(lower, (0, 1, 0, 1), mode="replicate")
        wide = F.conv_transpose2d(padded, 4 * _binomial(x.device), stride=2)
        bands.append(x - wide[:, :, 1 : 1 + x.shape[2], 1 : 1 + x.shape[3]])
        x = lower
    return [*bands, x]


def top_octave(decoded: Tensor, original: Tensor) -> Tensor:
    """Energy of the finest band of the Laplacian pyramid, relative to the original's.

    Args:
        decoded: (N, H, W, C).
        original: likewise.

    Returns:
        (N,); 1 where as much fine detail is there, whether or not it is the same.
    """
    energies = []
    for pictures in (decoded, original):
        x = pictures.float().permute(0, 3, 1, 2).reshape(-1, 1, *pictures.shape[1:3])
        energies.append(_pyramid(x)[0].reshape(len(pictures), -1).square().mean(dim=1))
    return energies[0] / (energies[1] + VARIANCE_OFFSET)


#: Under the roots of NLPD, whose slope at zero is infinite. So a loss of 0 reads 1e-5.
_ROOT_OFFSET = 1e-10


def nlpd(decoded: Tensor, original: Tensor) -> Tensor:
    """Normalised Laplacian pyramid distance, as `lcodec.metrics.nlpd` defines it.

    Args:
        decoded: (N, H, W, C), 0..1, not clipped.
        original: likewise.

    Returns:
        (N,), from 0 (1e-5, to keep gradients finite).
    """
    count, height, width, _ = original.shape
    with torch.autocast(original.device.type, enabled=False):
        x = torch.cat((original, decoded)).float().permute(0, 3, 1, 2).reshape(-1, 1, height, width)
        total = torch.zeros(count, device=x.device)
        for scale, floor in enumerate(FLOORS):
            band = x
            if scale + 1 < len(FLOORS):
                x = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), _burt(x.device), stride=2)
                wide = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 4 * _burt(x.device), stride=2)
                band = band - wide[:, :, 4 : 4 + band.shape[2], 4 : 4 + band.shape[3]]
            normalised = band / (floor + F.conv2d(band.abs(), _neighbours(scale, x.device), padding=2))
            first, second = normalised.reshape(2, count, -1)
            total = total + ((first - second).square().mean(dim=1) + _ROOT_OFFSET).sqrt()
        return total / len(FLOORS)


@cache
def _burt(device: torch.device) -> Tensor:
    """The low-pass of NLPD's pyramid, (1, 1, 5, 5)."""
    row = torch.tensor(KERNEL, device=device)
    return (row[:, None] * row)[None, None]


@cache
def _neighbours(scale: int, device: torch.device) -> Tensor:
    """Weights of NLPD's neighbours at a scale, (1, 1, 5, 5)."""
    weights = torch.zeros(1, 1, 5, 5)
    for (down, right), weight in NEIGHBOURS[scale].items():
        weights[0, 0, 2 + down, 2 + right] = weight
    return weights.to(device)


def _mean_squared_error(decoded: Tensor, original: Tensor) -> Tensor:
    return (decoded - original).square().mean(dim=(1, 2, 3))


def _structure_lost(decoded: Tensor, original: Tensor) -> Tensor:
    return 1 - ms_ssim(255 * decoded, 255 * original)


#: Name of a metric -> the loss that is its least where pictures are equal: of decoded and original pictures, both
#: (N, H, W, C), 0..1, to (N,).
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": _mean_squared_error,
    "ms-ssim": _structure_lost,
    "nlpd": nlpd,
    "wasserstein": wasserstein,
    "pim": pim.loss,  #: of three channels; its file must be installed
}
