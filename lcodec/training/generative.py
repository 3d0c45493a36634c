"""Parameters of a generative synthesis: grown out of a model that stays as it is, and exported as a synthesis alone.

Beside those of the model, in the form of `lcodec.training.parameters`, of which only the synthesis is trained: its
new blocks and the layer of its noise; under "plain." the synthesis as the model has it; the critic's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lcodec.arrays import SYNTHESIS
from lcodec.errors import LcodecError
from lcodec.networks.critic import start_critic
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.transforms import NOISE
from lcodec.training.export import Arrays, float_arrays, network_arrays, parameters_of
from lcodec.training.parameters import Parameters, effective
from lcodec.zoo import Model

__all__ = ["BALANCES", "PLAIN", "grown", "own_effective", "plain_ops", "synthesis_arrays", "trained"]

#: Prefix of the arrays of the model's own synthesis.
PLAIN = "plain."
#: Weights of losses that follow from their gradients; 0 before there are any.
BALANCES = ("balance.wasserstein", "balance.critic")
#: Channels of noise at every position of 8x8 pixels, and its first standard deviation in each feature there. With the
#: large model this takes 1 dB from the picture, and ten steps of training give half of it back.
NOISE_CHANNELS, NOISE_GAIN = 48, 0.08
#: Fine blocks more than the model's synthesis has. They begin as the identity.
MORE_BLOCKS = 2


def grown(model: Model, seed: int) -> Parameters:
    """Parameters at the start: the generative synthesis differs from the model's by weak noise alone.

    Raises:
        ModelError: the model cannot be trained on.
    """
    params, generator = parameters_of(model.arrays), torch.Generator().manual_seed(seed)
    sizes = model.architecture
    params |= {
        f"{PLAIN}{name}": torch.from_numpy(value.copy())
        for name, value in model.decoder.items()
        if name != "gain.inverse"
    }
    width = sizes.fine
    for index in range(sizes.synthesis_fine_blocks, sizes.synthesis_fine_blocks + MORE_BLOCKS):
        block = f"synthesis.fine.{index}"
        for name, value in [(name, value) for name, value in params.items() if name.startswith("synthesis.fine.0.")]:
            layer = name.removeprefix("synthesis.fine.0.")
            first = torch.zeros_like(value)
            if layer in {"mix.weight", "expand.weight"}:
                first = torch.randn(value.shape, generator=generator) * 1.4 / math.sqrt(width)
            elif layer == "spatial.weight":
                first = torch.randn(value.shape, generator=generator) * 0.15
                first[:, 1, 1] += 1
            params[f"{block}.{layer}"] = first
    first = torch.randn((width, NOISE_CHANNELS), generator=generator)
    params[f"{NOISE}.weight"] = first * NOISE_GAIN / math.sqrt(NOISE_CHANNELS)
    params[f"{NOISE}.bias"] = torch.zeros(width)
    params |= {name: torch.zeros(()) for name in BALANCES}
    return params | start_critic(sizes.latents, generator)


def trained(params: Mapping[str, Tensor]) -> list[str]:
    """Names of what is trained of the synthesis. How latents are scaled back to their units stays."""
    return sorted(name for name in params if name.startswith("synthesis.") or name == "gain.synthesis")


def plain_ops(params: Mapping[str, Tensor]) -> TorchOps:
    """The model's own synthesis."""
    return TorchOps({name.removeprefix(PLAIN): value for name, value in params.items() if name.startswith(PLAIN)})


def synthesis_arrays(params: Mapping[str, Tensor], model: Model) -> Arrays:
    """Arrays of a model file with this generative synthesis alone, for what `model` codes.

    Raises:
        LcodecError: a weight is not finite or too large.
    """
    own = {name: value for name, value in params.items() if not name.startswith(PLAIN)}
    arrays = float_arrays(network_arrays(own), SYNTHESIS)
    arrays["gain.synthesis"] = params["gain.synthesis"].detach().cpu().numpy().astype(np.float32)
    arrays["gain.inverse"] = model.arrays["gain.inverse"]
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise LcodecError("the trained synthesis cannot be exported: a weight is too large for float16")
    return arrays


def own_effective(params: Mapping[str, Tensor]) -> Parameters:
    """Network arrays of all that is not plain (see `lcodec.training.parameters.effective`)."""
    return effective({name: value for name, value in params.items() if not name.startswith(PLAIN)})
