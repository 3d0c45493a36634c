"""Sizes of a model, read from its arrays: widths, numbers of blocks, and what follows from them.

No code knows the size of a network: a model says it by the names and shapes of its arrays, and what depends on it is
derived here: how far networks see (halos), how much memory they work in, how many multiply-adds they take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from lcodec.arrays import EFFORT, INTEGER, QUALITY
from lcodec.errors import ModelError
from lcodec.networks.bands import BAND_ARRAYS, BAND_POSITIONS
from lcodec.networks.hyperprior import HYPER_CONTEXT_BLOCK, HYPER_STRIDE, context_block
from lcodec.networks.steps import GROUPS, STEPS
from lcodec.networks.transforms import FINE_STRIDE, LATENT_STRIDE, NOISE

__all__ = ["Architecture", "Layer"]

#: Bytes of a sample of the transforms (float32), and of the entropy networks (`lcodec.entropy.integer`: float64).
_FLOAT, _FIXED = 4, 8
#: Prefixes of the arrays of layers.
_LAYERS = ("analysis.", "hyper_analysis.", "synthesis.", *(prefix for prefix in INTEGER if prefix != QUALITY))


class Shaped(Protocol):
    """An array of NumPy or a tensor of torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along each axis."""


@dataclass(frozen=True)
class Layer:
    """A 1x1 convolution, or a depthwise one of 3x3."""

    name: str
    inputs: int
    outputs: int
    stride: int  #: pixels of the picture for each position, in each direction
    runs: float = 1  #: how often it runs at each position
    depthwise: bool = False

    @property
    def multiply_adds(self) -> float:
        """For each pixel of the picture."""
        weights = 9 * self.outputs if self.depthwise else self.inputs * self.outputs
        return weights * self.runs / self.stride**2


@dataclass(frozen=True)
class Architecture:
    """Widths (channels) and numbers of blocks of all networks of a model."""

    fine: int  #: width of the transforms at 1/8 of the resolution
    coarse: int  #: width of the transforms at 1/16
    latents: int  #: a multiple of the number of channel groups
    hyper: int  #: width of the hyperprior's networks
    hyper_latents: int
    context: int  #: width of the context network
    analysis_fine_blocks: int
    analysis_coarse_blocks: int
    synthesis_coarse_blocks: int
    synthesis_fine_blocks: int
    context_blocks: int
    hyper_context: int = 0  #: width of the context network of the hyper-latents; 0: there is none
    noise: int = 0  #: channels of the noise that enters the synthesis; 0: it is not a generative one

    @classmethod
    def of(cls, arrays: Mapping[str, Shaped]) -> Architecture:
        """Read the sizes off the arrays of a model file, or off trained parameters.

        Raises:
            ModelError: arrays are missing, belong to no layer, or do not fit together.
        """

        def matrix(name: str) -> tuple[int, ...]:
            shape = arrays[f"{name}.weight"].shape
            if len(shape) != 2 or 0 in shape:
                raise ModelError(f"the model's array {name}.weight is {tuple(shape)}, no matrix")
            return shape

        def outputs(name: str) -> int:
            return matrix(name)[0]

        def blocks(transform: str) -> int:
            return next(index for index in count() if f"{transform}.{index}.mix.weight" not in arrays)

        try:
            found = cls(
                fine=outputs("analysis.in"),
                coarse=outputs("analysis.down"),
                latents=outputs("analysis.out"),
                hyper=outputs("hyper_analysis.in"),
                hyper_latents=outputs("hyper_analysis.out"),
                context=outputs("context.enter.1"),
                analysis_fine_blocks=blocks("analysis.fine"),
                analysis_coarse_blocks=blocks("analysis.coarse"),
                synthesis_coarse_blocks=blocks("synthesis.coarse"),
                synthesis_fine_blocks=blocks("synthesis.fine"),
                context_blocks=next(i for i in count() if f"{context_block(i)}.mix.weight" not in arrays),
                hyper_context=outputs("hyper_context.enter.1") if "hyper_context.enter.1.weight" in arrays else 0,
                noise=matrix(NOISE)[1] if f"{NOISE}.weight" in arrays else 0,
            )
            for what, channels in (("", found.latents), ("hyper-", found.hyper_latents if found.hyper_context else 0)):
                if channels % GROUPS:
                    raise ModelError(f"the model has {channels} {what}latents, no multiple of {GROUPS}")
            found._check_layers(arrays)
            found._check_tables(arrays)
        except KeyError as error:
            raise ModelError(f"the model has no {error.args[0]}") from error
        return found

    def _check_layers(self, arrays: Mapping[str, Shaped]) -> None:
        """Raise KeyError for what a layer lacks, ModelError for what does not fit, or is of no layer."""
        exported, known = _exported(arrays), set()
        for layer in self.layers():
            # Depthwise kernels are (3, 3, C) in the networks and (C, 3, 3) where they are trained.
            kernels = [(3, 3, layer.outputs), (layer.outputs, 3, 3)][: 1 if exported else 2]
            wanted = kernels if layer.depthwise else [(layer.outputs, layer.inputs)]
            fits = arrays[f"{layer.name}.weight"].shape in wanted
            # A layer in fixed point has a shift besides.
            others = ("bias", "shift") if exported and layer.name.startswith(INTEGER) else ("bias",)
            if not fits or any(arrays[f"{layer.name}.{part}"].shape != (layer.outputs,) for part in others):
                raise ModelError(f"the model's layer {layer.name} does not fit the others")
            known |= {f"{layer.name}.{part}" for part in ("weight", *others)}
        # Else a block that lacks its first array would be left out without a word, with all that follow it.
        if unknown := {name for name in arrays if name.startswith(_LAYERS)} - known:
            raise ModelError(f"the model's array {min(unknown)} belongs to no whole layer")

    def _check_tables(self, arrays: Mapping[str, Shaped]) -> None:
        """Raise KeyError for a table that is missing, ModelError for one that does not fit."""
        widths = {"gain.analysis": self.fine, "gain.synthesis": self.fine, "gain.inverse": self.latents}
        if _exported(arrays):
            for name, width in (("", self.latents), ("hyper_", self.hyper_latents)):
                widths |= {f"{QUALITY}{name}{what}": width for what in ("gain", "scale")}
        choice = {f"{EFFORT}{what}": self.latents for what in ("weight", "stretch")}
        descent = {f"{EFFORT}curvature": self.latents} | {
            f"{EFFORT}part": 1,
            f"{EFFORT}lighter": 2,
            f"{EFFORT}coarser": 2,
        }
        for measured in (choice, descent):
            if not measured.keys().isdisjoint(arrays):
                widths |= measured
        for name, width in widths.items():
            shape = arrays[name].shape
            if len(shape) != 2 or shape[0] < 2 or shape[1] != width:
                raise ModelError(f"the model's array {name} is {tuple(shape)}, not (two or more, {width})")

    # ---------------------------------------------------------------------------------------------------- what it sees

    @property
    def analysis_halo(self) -> int:
        """Latents that a tile of the analysis needs around it: one a coarse block, half a one a fine block."""
        return self.analysis_coarse_blocks + -(-self.analysis_fine_blocks // 2)

    @property
    def synthesis_halo(self) -> int:
        """Latents that a tile of the synthesis needs around it."""
        return self.synthesis_coarse_blocks + -(-self.synthesis_fine_blocks // 2)

    @property
    def context_halo(self) -> int:
        """Latents that a tile of the context network needs around it: one a block."""
        return self.context_blocks

    # --------------------------------------------------------------------------------------------- what it consists of

    def blocks(self) -> list[tuple[str, int, int, float]]:
        """Name, width, stride in pixels and runs of every residual block (`lcodec.networks.blocks`)."""
        found: list[tuple[str, int, int, float]] = []
        for part, blocks, width, stride in (
            ("analysis.fine", self.analysis_fine_blocks, self.fine, FINE_STRIDE),
            ("analysis.coarse", self.analysis_coarse_blocks, self.coarse, LATENT_STRIDE),
            ("synthesis.fine", self.synthesis_fine_blocks, self.fine, FINE_STRIDE),
            ("synthesis.coarse", self.synthesis_coarse_blocks, self.coarse, LATENT_STRIDE),
        ):
            found += [(f"{part}.{index}", width, stride, 1) for index in range(blocks)]
        half = LATENT_STRIDE * HYPER_STRIDE // 2
        for name, stride in (("block16", LATENT_STRIDE), ("block32", half)):
            found += [(f"hyper_{part}.{name}", self.hyper, stride, 1) for part in ("analysis", "synthesis")]
        steps = len(STEPS) - 1  # the first has no context
        found += [(context_block(index), self.context, LATENT_STRIDE, steps) for index in range(self.context_blocks)]
        if self.hyper_context:
            found.append((HYPER_CONTEXT_BLOCK, self.hyper_context, LATENT_STRIDE * HYPER_STRIDE, steps))
        return found

    def layers(self) -> list[Layer]:
        """Every layer of every network."""
        found = []
        for name, width, stride, runs in self.blocks():
            found += [
                Layer(f"{name}.mix", width, width, stride, runs),
                Layer(f"{name}.spatial", width, width, stride, runs, depthwise=True),
                Layer(f"{name}.merge", width, width, stride, runs),
                Layer(f"{name}.expand", width, 2 * width, stride, runs),
                Layer(f"{name}.reduce", 2 * width, width, stride, runs),
            ]
        fine, latent, hyper = FINE_STRIDE, LATENT_STRIDE, LATENT_STRIDE * HYPER_STRIDE
        found += [
            Layer("analysis.in", 3 * fine**2, self.fine, fine),
            Layer("analysis.down", 4 * self.fine, self.coarse, latent),
            Layer("analysis.out", self.coarse, self.latents, latent),
            Layer("analysis.shortcut", 3 * latent**2, self.latents, latent),
            Layer("synthesis.in", self.latents, self.coarse, latent),
            Layer("synthesis.up", self.coarse, 4 * self.fine, latent),
            Layer("synthesis.out", self.fine, 3 * fine**2, fine),
            Layer("synthesis.shortcut", self.latents, 3 * latent**2, latent),
            Layer("hyper_analysis.in", self.latents, self.hyper, latent),
            Layer("hyper_analysis.down", 4 * self.hyper, self.hyper, hyper // 2),
            Layer("hyper_analysis.out", 4 * self.hyper, self.hyper_latents, hyper),
            Layer("hyper_synthesis.in", self.hyper_latents, 4 * self.hyper, hyper),
            Layer("hyper_synthesis.up", self.hyper, 4 * self.hyper, hyper // 2),
        ]
        if self.noise:
            found.append(Layer(NOISE, self.noise, self.fine, fine))
        # Each group is coded at every position once, in one of the steps; in the first it has no correction.
        group = 2 * self.latents // GROUPS
        steps = range(1, len(STEPS))
        corrected = len(steps) / len(STEPS)
        for index in range(GROUPS):
            found.append(Layer(f"base.out.{index}", self.hyper, group, latent))
            found.append(Layer(f"context.out.{index}", self.context, group, latent, corrected))
        found += [Layer(f"context.enter.{step}", self.latents + self.hyper, self.context, latent) for step in steps]
        if self.hyper_context:
            group, width = 2 * self.hyper_latents // GROUPS, self.hyper_context
            found += [Layer(f"hyper_context.enter.{step}", self.hyper_latents, width, hyper) for step in steps]
            found += [Layer(f"hyper_context.out.{index}", width, group, hyper, corrected) for index in range(GROUPS)]
        return found

    def multiply_adds(self) -> tuple[float, float]:
        """Multiply-adds for each pixel, of encoding without effort and of decoding."""
        analyses, syntheses, entropy = 0.0, 0.0, 0.0
        for layer in self.layers():
            if layer.name.startswith(("analysis.", "hyper_analysis.")):
                analyses += layer.multiply_adds
            elif layer.name.startswith("synthesis."):
                syntheses += layer.multiply_adds
            else:
                entropy += layer.multiply_adds
        return analyses + entropy, syntheses + entropy

    # ------------------------------------------------------------------------------------------------ what it works in

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum((9 if each.depthwise else each.inputs) * each.outputs + each.outputs for each in self.layers())

    @property
    def model_bytes(self) -> int:
        """Bytes of a loaded model: float16 as in its file and float32, or integers and float64."""
        return _FIXED * self.parameters

    def transform_bytes(self, height: int, width: int) -> int:
        """Bytes that the analysis or synthesis of a tile of `height` x `width` latents works in."""
        halo, picture = 2 * max(self.analysis_halo, self.synthesis_halo), 3 * LATENT_STRIDE**2
        finer = (LATENT_STRIDE // FINE_STRIDE) ** 2
        # Most between two blocks (the latest three features and the picture), or where the picture is put together.
        between = 3 * max(finer * self.fine, self.coarse) + 2 * picture
        most = max((height + halo) * (width + halo) * between, height * width * 5 * picture)
        return _FLOAT * (most + BAND_ARRAYS * BAND_POSITIONS * max(self.fine, self.coarse))

    def entropy_bytes(self, height: int, width: int) -> int:
        """Bytes that the context network works in, for a band of `height` x `width` latents, its halo included."""
        position = 2 * self.latents + 2 * self.hyper + 3 * self.context
        return _FIXED * (height * width * position) + self.band_bytes(width)

    def band_bytes(self, width: int) -> int:
        """Bytes that a thread works in within a block of the context network, `width` latents wide."""
        return _FIXED * BAND_ARRAYS * self.context * max(BAND_POSITIONS, width)

    @property
    def gradient_bytes(self) -> int:
        """Bytes for each latent position of a decoder's gradient in torch: every layer's result, about twice."""
        results = sum(
            layer.outputs * layer.runs * (LATENT_STRIDE / layer.stride) ** 2
            for layer in self.layers()
            if not layer.name.startswith(("analysis.", "hyper_analysis."))
        )
        return int(2.2 * _FLOAT * results)

    def descent_bytes(self, height: int, width: int) -> int:
        """Bytes that the gradient of a tile of `height` x `width` latents works in, without torch."""
        halo, picture = 2 * self.synthesis_halo, 3 * LATENT_STRIDE**2
        finer = (LATENT_STRIDE // FINE_STRIDE) ** 2
        signs = 3 * (finer * self.fine * self.synthesis_fine_blocks + self.coarse * self.synthesis_coarse_blocks)
        floats = 4 * finer * self.fine + 4 * picture + 2 * self.latents
        bands = 2 * BAND_ARRAYS * BAND_POSITIONS * max(self.fine, self.coarse)
        return (height + halo) * (width + halo) * (signs + _FLOAT * floats) + _FLOAT * bands

    @property
    def position_bytes(self) -> int:
        """Bytes kept for each latent position of a region at work: its latents, their values and the features."""
        return _FLOAT * (2 * self.latents + self.hyper)

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the decoded latents of a position."""
        return _FLOAT * self.latents


def _exported(arrays: Mapping[str, Shaped]) -> bool:
    """Whether these are of a model file, with the entropy part in integers, and not trained parameters."""
    return any(name.startswith(QUALITY) for name in arrays)
