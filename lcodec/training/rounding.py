"""What fixed point costs: coded bytes of the exported entropy networks against those of the trained ones.

Both go through the same coder, tables and quantisation of means and scales; only the networks' arithmetic differs.
The export reports the difference. (`benchmarks.entropy_gap` measures what all of the coder costs over the estimate.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.entropy.integer import ACTIVATION_BITS, FixedOps
from lcodec.entropy.model import EntropyModel
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.networks.hyperprior import hyper_analysis
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.transforms import analysis
from lcodec.training.export import network_arrays
from lcodec.training.parameters import at_quality, effective

__all__ = ["LOSS_MAX", "QUALITIES", "rounding_loss"]

#: Largest share of the rate that fixed point may cost. With weights of 15 bits it is a tenth of that.
LOSS_MAX = 1e-3
#: Qualities, 0 to 1, at which it is measured.
QUALITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


class _Unrounded(FixedOps):
    """The layers of fixed-point networks, not rounded: float64 weights, activations with their fractions."""

    def __init__(self, network: Mapping[str, npt.NDArray[np.float64]]) -> None:
        self.xp = np
        self.layers = {}
        for name in (key.removesuffix(".weight") for key in network if key.endswith(".weight")):
            self.layers[name] = network[f"{name}.weight"], network[f"{name}.bias"] * (1 << ACTIVATION_BITS)

    def _floor(self, x: Any) -> Any:
        return x


def rounding_loss(
    params: Mapping[str, Tensor],
    arrays: Mapping[str, npt.NDArray[Any]],
    photos: Iterable[npt.NDArray[np.uint8]],
) -> float:
    """Share of the coded bytes that fixed point adds, over photos and `QUALITIES`; may be a little under 0.

    Args:
        params: trained parameters.
        arrays: of the model that was made of them.
        photos: (H, W, 3) uint8, sides multiples of 64.
    """
    exact = EntropyModel(arrays)
    trained = EntropyModel(arrays)
    trained.ops = _Unrounded(network_arrays(params))
    ops = TorchOps(effective(params))
    sizes = np.zeros(2)
    for photo in photos:
        pixels = torch.from_numpy(photo[None].astype(np.float32)) / 255 - 0.5
        for quality in QUALITIES:
            with torch.no_grad():
                latents = analysis(ops, pixels, at_quality(params["gain.analysis"], torch.tensor([quality])).exp())
                hyper_latents = hyper_analysis(ops, latents)
            for side, model in enumerate((exact, trained)):
                coded = model.encode(latents[0].numpy(), hyper_latents[0].numpy(), round(quality * QUALITY_STEPS))
                sizes[side] += len(coded.hyper) + len(coded.latents)
    return float(sizes[0] / sizes[1] - 1)
