"""The spine: picture -> file and file -> picture, a line a stage. `encode` and `decode` are mirror images.

On a CPU both run on NumPy alone; torch is imported for a GPU, and for pictures large enough to pay for the import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lcodec.container import Header, pack, unpack
from lcodec.effort import EFFORT_MAX, Region, improve
from lcodec.entropy.model import MEAN_STEPS, QUALITY_STEPS, Coded, EntropyModel, gain_at
from lcodec.entropy.selftest import self_test
from lcodec.errors import DamagedError, LimitError, UsageError
from lcodec.networks.hyperprior import HYPER_HALO, HYPER_STRIDE, hyper_analysis
from lcodec.networks.ops import NumpyOps
from lcodec.networks.transforms import ANALYSIS_HALO, LATENT_STRIDE, SYNTHESIS_HALO, analysis, synthesis
from lcodec.picture import Picture
from lcodec.tiling import map_tiles
from lcodec.tradeoff import lambda_at
from lcodec.zoo import ENTROPY, Model, Zoo

__all__ = ["MAX_PIXELS", "Backend", "Device", "decode", "encode"]

Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["auto", "numpy", "torch"]

#: Largest picture, in pixels, unless the caller says otherwise.
MAX_PIXELS = 1 << 28
#: From this size on torch's faster networks outweigh its import. Measured on two cores: 6.3 megapixels encode in 3.1 s
#: and decode in 2.7 s on NumPy; torch, its import of 0.7 s included, takes 3.1 s and 2.9 s, and twice the memory.
TORCH_PIXELS = 10_000_000
#: Largest side of a tile, in latents (1024 pixels).
TILE = 64


class _Engine:
    """Where networks run: NumPy or torch, and the device. The two compute the same symbols."""

    def __init__(self, device: Device, backend: Backend, pixels: int) -> None:
        self.xp: Any = np
        self.device: Any = None
        if backend == "torch" or device == "cuda" or (backend == "auto" and pixels >= TORCH_PIXELS):
            import torch

            if device == "cuda" and not torch.cuda.is_available():
                raise UsageError("no CUDA device here")
            self.xp = torch
            self.device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        self_test(self.xp, self.device)

    def ops(self, arrays: dict[str, npt.NDArray[np.float32]]) -> Any:
        """Float operations over a model's arrays."""
        if self.xp is np:
            return NumpyOps(arrays)
        from lcodec.networks.ops_torch import TorchOps

        return TorchOps({name: self.place(value) for name, value in arrays.items()})

    def entropy(self, model: Model) -> EntropyModel:
        """The entropy model on this engine."""
        if self.xp is np:
            return model.entropy
        arrays = {name: value for name, value in model.arrays.items() if name.startswith(ENTROPY)}
        return EntropyModel(arrays, self.xp, self.device)

    def place(self, value: npt.NDArray[Any]) -> Any:
        """A float32 array of this engine."""
        value = np.ascontiguousarray(value, np.float32)
        return value if self.xp is np else self.xp.as_tensor(value, device=self.device)

    def fetch(self, value: Any) -> npt.NDArray[np.float32]:
        """The NumPy array of this engine's array."""
        return value if self.xp is np else value.cpu().numpy()  # type: ignore[no-any-return]


def _pad(x: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    """Repeat the last row and column until both sides are multiples of `multiple`. x: (H, W, C)."""
    return np.pad(x, ((0, -x.shape[0] % multiple), (0, -x.shape[1] % multiple), (0, 0)), mode="edge")


def _synthesise(
    engine: _Engine, model: Model, values: npt.NDArray[np.int32], quality: int, channels: int
) -> npt.NDArray[np.uint8]:
    """Pixels (16 h, 16 w, channels) of decoded latents (h, w, 320), in 1/16 of a quantisation step."""
    inverse = gain_at(model.decoder["gain.inverse"], quality) / np.float32(MEAN_STEPS)
    gain = engine.place(gain_at(model.decoder["gain.synthesis"], quality))
    ops = engine.ops(model.decoder)
    decoded = np.empty((values.shape[0] * LATENT_STRIDE, values.shape[1] * LATENT_STRIDE, channels), np.uint8)

    def synthesise(window: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        normalised = engine.fetch(synthesis(ops, engine.place(window * inverse), gain))
        pixels: npt.NDArray[np.float32] = np.rint((normalised + np.float32(0.5)) * np.float32(255)).clip(0, 255)
        if channels == 1:
            pixels = np.rint(pixels.mean(axis=3, keepdims=True))
        return pixels.astype(np.uint8)

    map_tiles(synthesise, values, decoded, tile=TILE, halo=SYNTHESIS_HALO)
    return decoded


def encode(
    picture: Picture,
    model: Model,
    quality: float,
    *,
    effort: int = 0,
    device: Device = "auto",
    backend: Backend = "auto",
    progress: Callable[[float], None] = lambda _: None,
) -> bytes:
    """Encode a picture to the bytes of an .lcdc file.

    Args:
        picture: of any size.
        model: from a `Zoo`.
        quality: 0 to 100; steps of 0.01 have an effect.
        effort: 0 to 9; more finds better symbols, and never worse ones than 0 does (see `lcodec.effort`).
        device: "cuda" to use a GPU, "cpu" to use none.
        backend: for tests; which implementation runs.
        progress: is told the part that is done, 0 to 1, at the slow levels of effort.

    Raises:
        UsageError: the quality or the effort is out of range, or the device is not there.
        SelfTestError: this machine's arithmetic is not exact.
    """
    if not 0 <= quality <= 100:
        raise UsageError(f"quality must be 0 to 100, not {quality:g}")
    if not 0 <= effort <= EFFORT_MAX:
        raise UsageError(f"effort must be 0 to {EFFORT_MAX}, not {effort}")
    level = round(quality * QUALITY_STEPS / 100)
    height, width, channels = picture.pixels.shape
    engine = _Engine(device, backend, height * width)
    ops = engine.ops(model.encoder)
    pixels = picture.pixels if channels == 3 else np.repeat(picture.pixels, 3, axis=2)
    padded = _pad(pixels, LATENT_STRIDE)
    gain = engine.place(gain_at(model.encoder["gain.analysis"], level))
    entropy = engine.entropy(model)

    def analyse(window: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        normalised = window / np.float32(255) - np.float32(0.5)
        return engine.fetch(analysis(ops, engine.place(normalised), gain))

    def hyper_analyse(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return engine.fetch(hyper_analysis(ops, engine.place(window)))

    rows, columns = padded.shape[0] // LATENT_STRIDE, padded.shape[1] // LATENT_STRIDE
    latents = np.empty((rows, columns, entropy.channels), np.float32)
    map_tiles(analyse, padded, latents, tile=TILE, halo=ANALYSIS_HALO)
    padded_latents = _pad(latents, HYPER_STRIDE)
    hyper_shape = (padded_latents.shape[0] // HYPER_STRIDE, padded_latents.shape[1] // HYPER_STRIDE)
    hyper_latents = np.empty((*hyper_shape, entropy.hyper_channels), np.float32)
    map_tiles(hyper_analyse, padded_latents, hyper_latents, tile=TILE // HYPER_STRIDE, halo=HYPER_HALO)
    coded = entropy.encode(latents, hyper_latents, level)
    if effort:
        region = Region(latents, hyper_latents, padded, height, width)
        multiplier = lambda_at(level / QUALITY_STEPS)

        def cost(code: Coded) -> float:
            decoded = _synthesise(engine, model, code.values, level, channels)[:height, :width]
            errors = np.subtract(decoded, picture.pixels, dtype=np.int32)
            squares = int(np.einsum("hwc,hwc->", errors, errors, dtype=np.int64))
            return float(8 * (len(code.hyper) + len(code.latents)) + multiplier / channels * squares)

        coded = improve(region, model, entropy, level, effort, coded, multiplier, cost, progress, engine.device)
    header = Header(width, height, channels == 1, level, model.entropy_id, model.synthesis_id, coded.check, {})
    return pack(header, coded.hyper, coded.latents, {"icc": picture.icc} if picture.icc else {})


def decode(
    data: bytes, zoo: Zoo, *, device: Device = "auto", backend: Backend = "auto", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode the bytes of an .lcdc file, the mirror of `encode`.

    Pixels may differ by 1/255 between devices (the synthesis is floating point); the latents never do.

    Args:
        data: a whole file.
        zoo: where the model that the file names is looked for.
        device: "cuda" to use a GPU, "cpu" to use none.
        backend: for tests; which implementation runs.
        max_pixels: larger pictures are refused.

    Raises:
        DamagedError: not an lcodec file, or damaged or truncated.
        ModelError: the model is not at hand.
        LimitError: the picture is larger than `max_pixels`.
        SelfTestError: this machine's arithmetic is not exact.
    """
    container = unpack(data)
    header = container.header
    if header.width * header.height > max_pixels:
        raise LimitError(f"{header.width}x{header.height} is over the limit of {max_pixels} pixels")
    model = zoo.find(header.entropy_id, header.synthesis_id)
    engine = _Engine(device, backend, header.width * header.height)
    size = -(-header.height // LATENT_STRIDE), -(-header.width // LATENT_STRIDE)
    values, check = engine.entropy(model).decode(container.hyper, container.latents, size, header.quality)
    if check != header.check:
        raise DamagedError("damaged: the decoded symbols are not those that were coded")
    decoded = _synthesise(engine, model, values, header.quality, 1 if header.grey else 3)
    return Picture(decoded[: header.height, : header.width], container.chunks.get("icc"))
