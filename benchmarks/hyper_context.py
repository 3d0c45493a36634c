"""`python -m benchmarks.hyper_context MODEL --photos DIR_OR_TAR...`: a context for the hyper-latents of a model.

It is trained after all else, which is frozen: on hyper-latents of the photos, made once, at random qualities. MODEL is
the path of a .safetensors file beside its index.json; the file and its entry are replaced, and no id changes. Every
20th photo is held out: what the context saves of the bits of hyper-latents is told of those.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import add_arrays, open_listed
from lcodec.arrays import HYPER_CONTEXT
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Layout
from lcodec.execution.stages import Analyses
from lcodec.networks.architecture import Architecture
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.networks.ops_torch import TorchOps
from lcodec.training.data import Photos, load_photos
from lcodec.training.export import fixed_arrays, network_arrays, parameters_of
from lcodec.training.objective import coded_hyper
from lcodec.training.parameters import Parameters, effective, first_weights
from lcodec.zoo import Model

#: Codings of a photo, one in each part of the scale of qualities, and the largest side of what is coded, in pixels.
PER_PHOTO, SIDE = 2, 768
#: Of the photos, one in so many is held out.
HELD_OUT = 20
#: Of the context network.
WIDTH = 128
#: First learning rate, which falls to zero in half a cosine, and hyper-latents (all channels) in a batch, about.
LEARNING_RATE, BATCH = 2e-3, 1500
SEED = 0

#: A quality, 0 to 1, and hyper-latents (h, w, Z) there, as the hyper-analysis gives them.
Sample = tuple[float, Tensor]


def samples_of(model: Model, photos: Photos) -> Iterator[Sample]:
    """Hyper-latents of photos, or of windows of larger ones, at random qualities."""
    rng = np.random.default_rng(SEED)
    for index in range(len(photos)):
        photo = photos.photo(index)
        height, width = (min(side, SIDE) for side in photo.shape[:2])
        top, left = (int(rng.integers(0, side + 1)) for side in (photo.shape[0] - height, photo.shape[1] - width))
        pixels = np.ascontiguousarray(photo[top : top + height, left : left + width])
        engine, whole = Engine("cpu", "numpy", pixels.size), Layout.of(height, width, 0).regions[0]
        for part in range(PER_PHOTO):
            quality = (part + rng.random()) / PER_PHOTO
            analyses = Analyses(engine, model, round(quality * QUALITY_STEPS))
            latents = analyses.latents(pixels, whole)
            yield quality, torch.from_numpy(analyses.hyper_latents(latents))


def _bits(params: Parameters, batch: Sequence[Sample], noise: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Bits (N,) of hyper-latents of one size, with their context and without."""
    quality, hyper_latents = torch.tensor([each[0] for each in batch]), torch.stack([each[1] for each in batch])
    with torch.no_grad():
        without = coded_hyper(TorchOps({}), params, hyper_latents, quality, None)[1]
    return coded_hyper(TorchOps(effective(params)), params, hyper_latents, quality, noise)[1], without


def saved(params: Parameters, samples: Sequence[Sample]) -> float:
    """What the context saves of the bits of rounded hyper-latents, as a share of all."""
    with torch.no_grad():
        found = [_bits(params, [sample], None) for sample in samples]
    return 1 - sum(float(bits) for bits, _ in found) / sum(float(without) for _, without in found)


def with_context(params: Parameters, samples: Sequence[Sample], steps: int) -> Parameters:
    """Train the context of the hyper-latents; all other parameters stay."""
    sizes = replace(Architecture.of(params), hyper_context=WIDTH)
    layers = [layer for layer in sizes.layers() if layer.name.startswith(HYPER_CONTEXT)]
    generator, rng = torch.Generator().manual_seed(SEED), np.random.default_rng(SEED)
    trained = first_weights(layers, generator)
    optimiser = torch.optim.Adam([value.requires_grad_() for value in trained.values()], betas=(0.9, 0.99))
    alike: dict[torch.Size, list[Sample]] = defaultdict(list)
    for sample in samples:
        alike[sample[1].shape].append(sample)
    groups = list(alike.values())
    positions = np.array([sum(each[1][..., 0].numel() for each in group) for group in groups])
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        group = groups[rng.choice(len(groups), p=positions / positions.sum())]
        count = min(len(group), max(2, BATCH // group[0][1][..., 0].numel()))
        batch = [group[index] for index in rng.choice(len(group), count, replace=False)]
        bits, without = _bits(params | trained, batch, generator)
        optimiser.zero_grad()
        (bits / without).mean().backward()  # all qualities and sizes count alike
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimiser.step()
    return params | {name: value.detach() for name, value in trained.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hyper_context", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders or tar files of training photos")
    parser.add_argument("--steps", type=int, default=6000, help="of training, on one core (%(default)s)")
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file, changed in place")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    entry, model = open_listed(arguments.model)
    samples = list(samples_of(model, load_photos(arguments.photos)))
    kept = [sample for at, sample in enumerate(samples) if at // PER_PHOTO % HELD_OUT]
    held_out = [sample for at, sample in enumerate(samples) if not at // PER_PHOTO % HELD_OUT]
    params = with_context(parameters_of(model.arrays), kept, arguments.steps)
    print(f"{entry.name}: {saved(params, held_out):.1%} of the bits of hyper-latents saved, {len(held_out)} held out")
    add_arrays(entry, model, fixed_arrays(network_arrays(params), (HYPER_CONTEXT,)))


if __name__ == "__main__":
    main()
