"""Refinement: latents and hyper-latents of one picture by gradient descent on what it will cost, in torch.

Stochastic Gumbel annealing (Yang, Bamler and Mandt, "Improving inference for neural image compression", 2020, section
3.2): a latent is rounded up or down at random, softly, ever more surely to the nearer side; with the scaled logit of
Perugachi-Diaz, Gansekoele and Bhulai ("Robustly overfitting latents for flexible neural image compression", 2024) for
the probabilities, sharpened by the temperature. Networks and rates are those of the model file, the fixed-point layers
in floating point; what comes out is rounded by the exact coder, so what is annealed is the distance to the mean.

Latents that will be quantised dependently (`lcodec.entropy.dependent`) have no nearer side to be sure of: noise stands
for the errors that they will have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count, product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lcodec.effort.encoder import HALO
from lcodec.entropy.bits import SCALE_MIN, SCALE_STEP_LN, bin_bits
from lcodec.entropy.integer import ACTIVATION_BITS
from lcodec.entropy.quality import AtQuality
from lcodec.entropy.tables import DEPENDENT, SCALES
from lcodec.goal import Aim
from lcodec.metrics.differentiable import distortion
from lcodec.metrics.ms_ssim import MIN_SIDE_PX
from lcodec.networks.hyperprior import HYPER_STRIDE, hyper_synthesis
from lcodec.networks.ops_torch import TorchOps, fast_type
from lcodec.networks.steps import GROUPS, Cell, Code, cells, inside, walk, walk_hyper
from lcodec.networks.transforms import LATENT_STRIDE, synthesis

__all__ = ["Refiner"]

Floats = npt.NDArray[np.float32]
#: Given latents' distances from their means, and their (fractional) table indexes: what stands for the symbols.
_Soften = Callable[[Tensor, Tensor], Tensor]
#: Temperatures of the annealing, first to last, slope of the probabilities, and the first step of Adam. Chosen by the
#: cost of four crops as really coded, at qualities 10 and 65: steps of 0.02, lower first temperatures, and atanh as the
#: logit won less; probabilities linear in the distance, and rounding with straight-through gradients, with or without
#: noise for the rate, lost.
TEMPERATURES = (0.5, 0.1)
SLOPE = 4 / 3
RATE = 0.01
#: Width of the uniform noise on dependent latents, in quantisation steps, for the variance that their errors have: with
#: smaller scales 0.8, with larger ones 0.94.
NOISE = 0.9


def _floats(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
    """Fixed-point layers (`lcodec.entropy.integer`) as floating-point ones: log-scales then are table indexes."""
    out = {}
    for name in (key.removesuffix(".shift") for key in arrays if key.endswith(".shift")):
        scale = np.exp2(arrays[f"{name}.shift"].astype(np.float64))
        weight = arrays[f"{name}.weight"].astype(np.float64)
        out[f"{name}.weight"] = weight / (scale[:, None] if weight.ndim == 2 else scale)
        out[f"{name}.bias"] = (arrays[f"{name}.bias"] - scale / 2) / scale / (1 << ACTIVATION_BITS)
    return out


def _bits(symbols: Tensor, index: Tensor) -> Tensor:
    """Bits of `symbols` with the Gaussians of (fractional) table indexes, elementwise."""
    return bin_bits(symbols, index.clamp(0, SCALES - 1) * SCALE_STEP_LN + math.log(SCALE_MIN))


def _anneal(x: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Round up or down at random, softly: binary concrete, with SLOPE x logit(part) / temperature for its logits."""
    low = x.detach().floor()
    part = (x - low).clamp(1e-4, 1 - 1e-4)
    uniform = torch.rand(x.shape, generator=generator, device=x.device).clamp(1e-6, 1 - 1e-6)
    return low + torch.sigmoid((torch.logit(part) * SLOPE / temperature + torch.logit(uniform)) / temperature)


def _noisy(x: Tensor, annealed: Tensor, table: Tensor, generator: torch.Generator) -> Tensor:
    """Noise on `x` where its table is one of dependent quantisation, and what is annealed elsewhere."""
    dependent = (table.detach() >= DEPENDENT.start - 0.5) & (table.detach() < DEPENDENT.stop - 0.5)
    noise = torch.rand(x.shape, generator=generator, device=x.device) - 0.5
    return torch.where(dependent, x + NOISE * noise, annealed)


class Refiner:
    """A model at one quality, ready to refine regions of a picture."""

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        at: AtQuality,
        inverse: Floats,
        gain: Floats,
        aim: Aim,
        multiplier: float,
        tile: int,
        device: Any = None,
        *,
        dependent: bool = False,
    ) -> None:
        """Take a model and what it is to be refined for.

        Args:
            arrays: fixed-point layers of the entropy model, and the synthesis in float32.
            at: the entropy model's integers at the quality.
            inverse: (C,) standard deviations in a quantisation step.
            gain: (F,) factors of the synthesis's fine features.
            aim: which distortion to refine for; a tile too small for MS-SSIM is left as it is.
            multiplier: bits that a unit of a pixel's distortion is worth (of squared error: the mean of R, G and B).
            tile: largest side of what is refined at a time, in hyper-latents, without HALO on both sides.
            device: torch's.
            dependent: whether latents will be quantised dependently, where there are tables for that.
        """
        self._device, self._tile, self._dependent = device or torch.device("cpu"), tile, dependent
        # Of the networks' weights and features; symbols, rates and distortions are float32.
        self._type = fast_type(self._device)
        self._aim, self._multiplier = aim, multiplier
        layers = {**_floats(arrays), **{name: value for name, value in arrays.items() if name.startswith("synthesis.")}}
        self._ops = TorchOps({name: self._place(value).to(self._type) for name, value in layers.items()})
        self._steps, self._hyper_steps = self._place(at.steps), self._place(at.hyper_steps)
        self._offsets, self._hyper_offsets = (
            self._place(scale / (1 << ACTIVATION_BITS)).chunk(GROUPS) for scale in (at.scale, at.hyper_scale)
        )
        self._inverse, self._gain = self._place(inverse), self._place(gain).to(self._type)

    def _place(self, value: npt.NDArray[Any]) -> Tensor:
        return torch.tensor(np.ascontiguousarray(value, np.float32), device=self._device)

    def refine(
        self,
        latents: Floats,
        hyper_latents: Floats,
        pixels: npt.NDArray[np.uint8],
        iterations: int,
        progress: Callable[[float], None],
    ) -> tuple[Floats, Floats]:
        """Return better latents and hyper-latents for a region, large ones tile by tile.

        Args:
            latents: (h, w, C), in units of standard deviation.
            hyper_latents: (ceil(h/4), ceil(w/4), Z).
            pixels: (H, W, 3), without padding: H at most 16 h, W at most 16 w.
            iterations: of gradient descent, for each tile.
            progress: is told the part that is done, 0 to 1.
        """
        out, hyper_out = latents.copy(), hyper_latents.copy()
        parts = list(product(*(_cut(length, self._tile) for length in hyper_latents.shape[:2])))
        for done, part in enumerate(parts):
            rows, columns = (slice(max(0, own.start - HALO), own.stop + HALO) for own in part)

            def window(array: npt.NDArray[Any], scale: int, rows: slice = rows, columns: slice = columns) -> Any:
                return array[_scaled(rows, scale), _scaled(columns, scale)]

            def tell(share: float, done: int = done) -> None:
                progress((done + share) / len(parts))

            better = self._descend(
                window(latents, HYPER_STRIDE),
                window(hyper_latents, 1),
                window(pixels, HYPER_STRIDE * LATENT_STRIDE),
                iterations,
                tell,
            )
            for array, found, scale in zip((out, hyper_out), better, (HYPER_STRIDE, 1), strict=True):
                target = array[tuple(_scaled(own, scale) for own in part)]
                top, left = (
                    scale * (own.start - around.start) for own, around in zip(part, (rows, columns), strict=True)
                )
                target[...] = found[top:, left:][: target.shape[0], : target.shape[1]]
        return out, hyper_out

    def _descend(
        self,
        latents: Floats,
        hyper_latents: Floats,
        pixels: npt.NDArray[np.uint8],
        iterations: int,
        progress: Callable[[float], None],
    ) -> tuple[Floats, Floats]:
        if self._aim == "ms-ssim" and min(pixels.shape[:2]) < MIN_SIDE_PX:
            return latents, hyper_latents
        values = (self._place(latents) * self._steps)[None].requires_grad_()
        hyper = (self._place(hyper_latents) * self._hyper_steps)[None].requires_grad_()
        target = self._place(pixels)[None]
        generator = torch.Generator(self._device).manual_seed(0)
        optimiser = torch.optim.Adam([values, hyper], betas=(0.9, 0.99))
        first, last = TEMPERATURES
        for iteration in range(iterations):
            part = iteration / iterations
            temperature = first * (last / first) ** part
            optimiser.param_groups[0]["lr"] = RATE * (0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * part)))

            def anneal(x: Tensor, _: Tensor, temperature: float = temperature) -> Tensor:
                return _anneal(x, temperature, generator)

            def soften(x: Tensor, table: Tensor, anneal: _Soften = anneal) -> Tensor:
                return _noisy(x, anneal(x, table), table, generator)

            with torch.enable_grad():
                loss = self._loss(values, hyper, target, soften if self._dependent else anneal, anneal)
                (values.grad, hyper.grad) = torch.autograd.grad(loss, (values, hyper))
            optimiser.step()
            progress(part)
        better = (values.detach()[0] / self._steps, hyper.detach()[0] / self._hyper_steps)
        return better[0].cpu().numpy(), better[1].cpu().numpy()

    def _loss(self, values: Tensor, hyper: Tensor, target: Tensor, soften: _Soften, soften_hyper: _Soften) -> Tensor:
        """Bits + multiplier x distortion of a window: latents (1, h, w, C) and (1, h/4, w/4, Z), in steps."""
        bits = torch.zeros((), device=values.device)

        def coding(latents: Tensor, offsets: Sequence[Tensor], soften: _Soften) -> Code:
            parts, there = cells(latents), inside(latents)

            def code(cell: Cell, index: Tensor, mean: Tensor) -> Tensor:
                nonlocal bits
                at, group = cell
                table = index + offsets[group]
                symbols = soften(parts[at][group] - mean, table)
                bits = bits + (_bits(symbols, table) * there[at]).sum()
                return symbols + mean

            return code

        (height, width), hyper_steps = values.shape[1:3], self._hyper_steps[None, None, None]
        code = coding(hyper, self._hyper_offsets, soften_hyper)
        decoded_hyper = walk_hyper(self._ops, hyper.shape[:3], hyper_steps, code, self._type)
        features = hyper_synthesis(self._ops, (decoded_hyper / hyper_steps).to(self._type))[:, :height, :width]
        decoded = walk(self._ops, features, self._steps[None, None, None], coding(values, self._offsets, soften))
        dequantised = (decoded * self._inverse).to(self._type)
        picture = synthesis(self._ops, dequantised, self._gain).float()
        height, width = target.shape[1:3]
        pixels = (picture[:, :height, :width] + 0.5) * 255
        mse = (pixels - target).square().mean(dim=(1, 2, 3))
        return bits + self._multiplier * height * width * distortion(self._aim, pixels, target, mse).sum()


def _cut(length: int, tile: int) -> list[slice]:
    """Parts of a side, as equal as can be: as few as have windows no longer than a tile with HALO on both sides."""
    few = next(few for few in count(1) if -(-length // few) + min(few - 1, 2) * HALO <= tile + 2 * HALO)
    return [slice(length * index // few, length * (index + 1) // few) for index in range(few)]


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)
