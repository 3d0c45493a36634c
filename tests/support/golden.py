"""The golden streams and the small model of random weights that wrote them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lcodec.container import Container
from lcodec.entropy.model import EntropyModel
from lcodec.execution.regions import Layout
from lcodec.networks.architecture import Architecture
from lcodec.training.parameters import SIZES, Parameters, start
from lcodec.zoo import Zoo
from tests.support.pictures import picture

GOLDEN = Path(__file__).parents[1] / "golden"
ZOO = Zoo([GOLDEN / "v1"])
MODEL = ZOO.load("golden")
#: Sizes of that model.
SMALL = replace(SIZES["small"], fine=16, coarse=24, latents=32, hyper=24, hyper_latents=8, context=24)
#: Sizes of the model of `v1-context/`.
CONTEXTUAL = replace(SMALL, hyper_context=12)


@cache
def zoo_of(folder: Path) -> Zoo:
    """The zoo that reads the streams of a folder: of the folder's own model if it has one, else of `MODEL`."""
    return Zoo([folder, GOLDEN / "v1"])


def parameters(sizes: Architecture = SMALL) -> Parameters:
    """Random parameters that send means and scales over their whole range, so that escapes occur."""
    crops = np.stack([picture(64, 64, seed=seed) for seed in range(24)])
    generator = torch.Generator().manual_seed(1)
    params = start(crops, generator, sizes)
    for name, value in params.items():
        if ".out." in name:
            value.mul_(3)
        elif name.startswith(("gain.", "prior.")):
            value.add_(0.3 * torch.randn(value.shape, generator=generator))
    return params


def symbols(container: Container, entropy: EntropyModel) -> str:
    """SHA-256 of the decoded latents of a whole picture, in 1/16 of a step, as little-endian int32."""
    header = container.header
    layout = Layout.of(header.height, header.width, header.region)
    values = np.empty((*layout.size, entropy.channels), "<i4")
    for region, part in zip(layout.regions, container.parts, strict=True):
        decoded: npt.NDArray[np.int32] | int = 0
        if not part.bare:
            methods = {"contextual": header.hyper_context, "dependent": header.dependent}
            decoded, _ = entropy.decode(part.hyper, part.latents, region.size, header.quality_step, **methods)
        values[region.top : region.bottom, region.left : region.right] = decoded
    return hashlib.sha256(values.tobytes()).hexdigest()
