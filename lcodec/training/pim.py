"""The objective of the metric PIM: that what two views of one thing have in common stays, and nothing else does.

Bhardwaj et al. 2020 (section 2): with z drawn from the joint encoder p(z|x,y), the bound on the information that x, y
and z share, called IXYZ, is made as large as possible:

    E log [q(z|x) q(z|y) / (p^(z) p(z|x,y))]

q is the marginal encoder, which the metric then compares pictures by; p^ is the mean of the marginal encoders of all
pictures of the batch, which so are told apart. No ratings and no labels are needed. Of each sub-band of a batch a
window of eight rows and columns of places is drawn: more would cost much and, near each other, tell little.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lcodec.errors import LcodecError
from lcodec.networks.pim import (
    JOINT,
    PREFIX,
    SIZES,
    STRIDE,
    bands_of,
    distance,
    encode,
    features,
    halo,
    join,
    start_pim,
)
from lcodec.training.data import Photos
from lcodec.training.export import write_metric
from lcodec.training.parameters import Parameters
from lcodec.training.positives import views
from lcodec.training.protocol import Batch, Finished, Group, Losses, TrainingObjective
from lcodec.training.state import Progress, State
from lcodec.zoo import METRIC

__all__ = ["Bound", "PerceptualInformation", "begin_pim", "bound", "metric_arrays"]

#: Rows and columns of places that are drawn of a sub-band.
PLACES = 8
#: Crops that the strength of the sub-bands is measured on.
_START_CROPS = 256
#: Crops of a validation photo, at most, and the seed of the views made of them.
_VALID_CROPS, _VALID_SEED = 64, 0
#: Least standard deviation of a sub-band, in 0..1: a few flat pictures must not make its gain infinite.
_LEAST = 1e-3


class Bound(NamedTuple):
    """The bound in nats, (P, N) for each place and picture, in two terms whose sum it is."""

    contrast: Tensor  #: E log [q(z|x) / p^(z)]: at most the logarithm of the number of pictures
    agreement: Tensor  #: E log [q(z|y) / p(z|x,y)]: at most 0


def bound(first: Tensor, second: Tensor, joint: Tensor, noise: Tensor) -> Bound:
    """IXYZ of Gaussians of unit variance.

    Args:
        first: (P, N, Z), means of q(z|x) at P places of N pictures.
        second: likewise, of q(z|y).
        joint: likewise, of p(z|x,y).
        noise: (P, N, Z), normal: z is `joint` + `noise`. The agreement is exact without it.
    """
    z, all_means = joint + noise, torch.cat((first, second), dim=1)
    squared = (
        z.square().sum(dim=2)[:, :, None] + all_means.square().sum(dim=2)[:, None] - 2 * z @ all_means.transpose(1, 2)
    )  # (P, N, 2N); log densities but for a constant that they all share
    log_mean = torch.logsumexp(-squared / 2, dim=2) - math.log(all_means.shape[1])
    contrast = -(z - first).square().sum(dim=2) / 2 - log_mean
    return Bound(contrast, -(joint - second).square().sum(dim=2) / 2)


def begin_pim(photos: Photos, seed: int, size: str) -> State:
    """State at step 0: random networks, and gains that bring the photos' sub-bands to unit variance.

    Raises:
        PictureError: no photo is large enough.
    """
    crops = photos.crops(photos.draw(_START_CROPS, PerceptualInformation.min_crop, np.random.default_rng(seed)))
    params = start_pim(size, torch.Generator().manual_seed(seed))
    for index, band in enumerate(bands_of(torch.from_numpy(crops[..., :3].copy()) / 255)):
        params[f"{PREFIX}gain"][index] = 1 / band.std().clamp(min=_LEAST)
    ema = {name: value.clone() for name, value in params.items()}
    return State(params, ema, {}, {}, Progress(history=["random weights"]), {"aim": METRIC, "size": size})


class PerceptualInformation(TrainingObjective):
    """Trains the metric PIM."""

    figures = ("loss", "contrast", "agreement", "distance")
    frames = 2
    learning_rate = 3e-4
    batch = 256
    crop = 64
    enlarges = False

    def groups(self, params: Parameters) -> list[Group]:
        return [Group("metric", sorted(name for name in params if name != f"{PREFIX}gain"), betas=(0.9, 0.999))]

    def metadata(self) -> dict[str, str]:
        return {"aim": METRIC}

    def losses(self, params: Parameters, batch: Batch, noise: torch.Generator, kind: Hashable) -> Losses:  # noqa: ARG002
        with torch.no_grad(), torch.autocast(batch.crops.device.type, enabled=False):
            both = bands_of(torch.cat(views(batch.crops, noise)))
        count, contrast, agreement, apart = len(batch.crops), [], [], []
        for index, band in enumerate(both):
            found = _features_of_a_window(params, index, band, noise)
            found = found.reshape(2 * count, -1, found.shape[-1]).transpose(0, 1)  # (P, 2N, 3)
            x, y = found[:, :count], found[:, count:]
            first, second = encode(params, index, found).float().chunk(2, dim=1)
            joint = join(params, index, x, y).float()
            grain = torch.randn(joint.shape, generator=noise, device=joint.device)
            with torch.autocast(joint.device.type, enabled=False):
                terms = bound(first, second, joint, grain)
            contrast.append(terms.contrast.mean(dim=0))
            agreement.append(terms.agreement.mean(dim=0))
            apart.append((first - second).square().mean())
        each = [(torch.stack(term).mean(dim=0) * batch.weight).mean() for term in (contrast, agreement)]
        loss = -each[0] - each[1]
        figures = {"loss": loss, "contrast": each[0], "agreement": each[1], "distance": torch.stack(apart).mean()}
        return Losses([loss], figures)

    def measure(self, params: Parameters, photo: Tensor) -> list[float]:
        """Loss, contrast, agreement and distance of views of a photo's crops."""
        side = self.crop
        blocks = photo[0].unfold(0, side, side).unfold(1, side, side)  # (rows, columns, 6, side, side)
        crops = blocks.permute(0, 1, 3, 4, 2).flatten(0, 1)
        crops = crops[:: -(-len(crops) // _VALID_CROPS)]
        ones = torch.ones(len(crops), device=photo.device)
        noise = torch.Generator(device=photo.device).manual_seed(_VALID_SEED)
        found = self.losses(params, Batch(crops, ones, ones, ones.sum()), noise, None).figures
        return [float(found[name]) for name in self.figures]

    def validation(self, means: Sequence[float]) -> dict[str, Any]:
        names = [name.replace("loss", "valid_loss") for name in self.figures]
        rounded = [round(mean, 5) for mean in means]
        return {"valid_loss": rounded[0], "valid": dict(zip(names[1:], rounded[1:], strict=True))}

    def export(self, finished: Finished) -> list[str]:
        """Write the metric, without its joint encoder; how far views of a few photos are apart is measured."""
        arrays = metric_arrays(finished.params)
        written = {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
        noise, alike, others = torch.Generator().manual_seed(_VALID_SEED), [], []
        with torch.no_grad():
            for photo in finished.photos:
                side = min(photo.shape[:2])
                crop = torch.from_numpy(np.ascontiguousarray(photo[None, :side, :side]))
                first, second = views(crop, noise)
                alike.append(float(distance(written, first, second)))
                others.append(float(distance(written, first, first.flip(1))))
        size = next(size for size, (width, _) in SIZES.items() if len(arrays[f"{PREFIX}0.conv.0.bias"]) == width)
        rows = {
            "aim": "a metric: what two frames of a clip, or two views of a photo, have in common",
            "size": size,
            "distances": f"{np.mean(alike):.3f} of two views of a photo; {np.mean(others):.3f} of one upside down",
        }
        entry = write_metric(finished.folder, finished.name, finished.summary, arrays, finished.card(rows))
        return [f"distances: {rows['distances']}", f"{entry.path}: {entry.size / 1e6:.1f} MB, {entry.identity}"]


def _features_of_a_window(params: Parameters, index: int, band: Tensor, noise: torch.Generator) -> Tensor:
    """Features at PLACES rows and columns somewhere in a sub-band (N, 3, h, w), or of all where it has no more."""
    around = halo(params, index)
    side = STRIDE * PLACES + 2 * around
    if side > min(band.shape[2:]):
        return features(params, index, band)
    for axis in (2, 3):
        first = torch.randint(band.shape[axis] - side + 1, (1,), generator=noise, device=band.device)
        band = band.index_select(axis, first + torch.arange(side, device=band.device))
    inside = slice(around // STRIDE, around // STRIDE + PLACES)
    return features(params, index, band)[:, inside, inside]


def metric_arrays(params: Parameters) -> dict[str, Any]:
    """Arrays of a model file of the metric: float16, but for the gains.

    Raises:
        LcodecError: a weight is not finite or too large.
    """
    arrays = {
        name: np.ascontiguousarray(value.detach().cpu().numpy().astype(np.float16 if "." in name[4:] else np.float32))
        for name, value in params.items()
        if not name.startswith(JOINT)
    }
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise LcodecError("the trained metric cannot be exported: a weight is too large for float16")
    return arrays
