"""Effort: gradients are right, costs are the coder's, and nothing that comes out is worse than without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lcodec.codec import decode, encode
from lcodec.container import unpack
from lcodec.effort import EFFORT_MAX, levels, refine
from lcodec.effort.descent import Descent
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.coder import SymbolEncoder
from lcodec.entropy.cost import symbol_bits
from lcodec.errors import UsageError
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Region
from lcodec.execution.stages import Analyses, Synthesis
from lcodec.goal import MS_SSIM_WEIGHT, Goal
from lcodec.metrics import ms_ssim
from lcodec.networks.gains import gain_at
from lcodec.networks.ops import NumpyOps
from lcodec.networks.ops_tape import TapeOps, Traced
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.steps import STEPS
from lcodec.networks.transforms import LATENT_STRIDE, analysis, synthesis
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.golden import MODEL, ZOO
from tests.support.pictures import picture

GENERATOR = np.random.default_rng(5)


def floats(*shape: int) -> np.ndarray:
    return GENERATOR.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("network", [analysis, synthesis])
def test_gradients_are_those_of_torch(network: object) -> None:
    forward = network is synthesis
    arrays = MODEL.decoder if forward else MODEL.encoder
    gain = gain_at(arrays["gain.synthesis" if forward else "gain.analysis"], 3000)
    x = floats(1, 4, 6, MODEL.entropy.channels) if forward else floats(1, 64, 96, 3)
    start = Traced.start(x)
    out = network(TapeOps(arrays), start, gain)  # type: ignore[operator]
    cotangents = [floats(*out.value.shape) for _ in range(2)]
    leaf = torch.tensor(x, requires_grad=True)
    expected = network(TorchOps({k: torch.tensor(v) for k, v in arrays.items()}), leaf, torch.tensor(gain))  # type: ignore[operator]
    np.testing.assert_allclose(out.value, expected.detach(), atol=1e-4)
    for cotangent in cotangents:
        (wanted,) = torch.autograd.grad((expected * torch.tensor(cotangent)).sum(), leaf, retain_graph=True)
        np.testing.assert_allclose(out.gradient(start, cotangent), wanted, atol=1e-3, rtol=1e-3)


def test_concatenation_has_a_gradient() -> None:
    x, y = Traced.start(floats(1, 1, 1, 2)), floats(1, 1, 1, 5)
    joined = TapeOps({}).concat(x, x * np.float32(3))
    np.testing.assert_allclose(joined.gradient(x, y[..., :4]), y[..., :2] + 3 * y[..., 2:4], rtol=1e-6)


def test_symbol_bits_are_what_the_coder_spends() -> None:
    indexes = GENERATOR.integers(0, 128, 4000).astype(np.uint8)
    symbols = np.rint(GENERATOR.standard_normal(4000) * 0.11 * 2 ** (0.073 * indexes)).astype(np.int32)
    symbols[:40] *= 20
    coder = SymbolEncoder()
    coder.put(indexes, symbols)
    bits = float(symbol_bits(indexes, symbols).sum())
    assert abs(8 * len(coder.finish()) - bits) < 64 + 2 * 40


def test_symbols_are_the_cheapest() -> None:
    latents = floats(2, 2, 4) * 3
    indexes, means = np.full(4, 60, np.uint8), np.array([0.0, 5.0, -9.0, 30.0])
    place = [(slice(0, None, 2), slice(0, None, 2), slice(0, 4))]
    wanted = latents[0, 0] - means / 16
    assert (Rdoq(latents, latents, np.full(4, 1e6, np.float32))(0, indexes, means, place) == np.rint(wanted)).all()
    small = Rdoq(latents, latents, np.full(4, 1e-6, np.float32))(0, indexes, means, place)
    assert (np.abs(small) <= np.abs(np.rint(wanted))).all()
    assert (small != np.rint(wanted)).any()


@pytest.mark.parametrize("together", [1, 2])
def test_each_step_moves_what_it_codes_among_the_others_as_decoded(together: int) -> None:
    """Two passes over a picture of several bands: what moves, and where the rest stands at that time."""
    latents, decoded = floats(6, 4, 8) * 3, floats(6, 4, 8)
    seen: list[np.ndarray] = []
    coded = decoded.copy()
    wanted = latents.copy()

    def compensate(values: np.ndarray, moving: np.ndarray) -> None:
        np.testing.assert_array_equal(values, np.where(moving, wanted, coded))
        values += np.where(moving, np.float32(0.25), np.float32(0))
        wanted[moving] += np.float32(0.25)
        seen.append(moving.copy())

    choose = Rdoq(latents, decoded, np.full(8, 1e6, np.float32), together)
    choose.compensate = compensate
    for _ in range(2):
        for step, positions in enumerate(STEPS):
            for band in (slice(0, 4), slice(4, 6)):
                where = [
                    (slice(band.start + row, band.stop, 2), slice(column, None, 2), slice(2 * group, 2 * group + 2))
                    for group, (row, column) in enumerate(positions)
                ]
                count = sum(coded[place].size for place in where)
                symbols, begin = choose(step, np.full(count, 60, np.uint8), np.zeros(count), where), 0
                for place in where:
                    end = begin + coded[place].size
                    np.testing.assert_array_equal(symbols[begin:end], np.rint(wanted[place]).ravel())
                    coded[place] = symbols[begin:end].reshape(coded[place].shape)
                    begin = end
    assert len(seen) == 2 * len(STEPS) // together
    assert (np.sum(seen, axis=0) == 2).all()


def test_a_move_makes_the_error_smaller_and_leaves_the_others() -> None:
    pixels = picture(64, 96)
    gain, inverse = (gain_at(MODEL.decoder[f"gain.{name}"], 5000) for name in ("synthesis", "inverse"))
    latents = floats(4, 6, MODEL.entropy.channels)
    descent = Descent(MODEL.decoder, MODEL.architecture.synthesis_halo, inverse, gain, pixels, latents)

    def error(values: np.ndarray) -> float:
        decoded = synthesis(NumpyOps(MODEL.decoder), values[None] * inverse, gain)[0]
        return float(np.square((decoded + 0.5) * 255 - pixels).sum())

    moving = GENERATOR.random(latents.shape) < 0.7
    moved = latents.copy()
    descent.move(moved, moving, 0.02)
    assert (moved == latents)[~moving].all()
    assert error(moved) < error(latents)


def objective(original: np.ndarray, data: bytes, quality: float) -> float:
    coded = unpack(data)
    errors = np.square(decode(data, ZOO).pixels.astype(float) - original).sum() / original.shape[2]
    return float(
        8 * sum(len(part.hyper) + len(part.latents) for part in coded.parts)
        + MODEL.goal.multiplier(quality / 100) * errors
    )


@pytest.mark.parametrize("size", [(64, 96), (80, 144), (70, 130)])  # even and odd numbers of latents; padding
def test_refinement_descends_on_the_cost(size: tuple[int, int]) -> None:
    # A trained one: where symbols lie in the far tails, the coder's escapes are cheaper than Gaussians.
    model = Zoo().load("mse")
    pixels, quality = picture(*size), 6000
    engine = Engine("cpu", "numpy", pixels.size)
    region = Region(0, 0, *(-(-side // LATENT_STRIDE) for side in size))
    networks, entropy = Analyses(engine, model, quality), engine.entropy(model)
    latents = networks.latents(pixels, region)
    hyper = networks.hyper_latents(latents)
    coded, decoded = entropy.encode(latents, hyper, quality), np.empty_like(pixels)
    Synthesis(engine, model, quality).pixels(coded.values, (0, 0), region, decoded)
    at_level = entropy.at_quality(quality)
    inverse, gain = (gain_at(model.decoder[f"gain.{name}"], quality) for name in ("inverse", "synthesis"))
    symbols = (
        torch.tensor((x * steps)[None], dtype=torch.float32)
        for x, steps in ((latents, at_level.steps), (hyper, at_level.hyper_steps))
    )
    values, hyper_values = symbols
    target = torch.tensor(pixels[None], dtype=torch.float32)

    def cost(multiplier: float) -> float:
        refiner = refine.Refiner(model.arrays | model.decoder, at_level, inverse, gain, "mse", multiplier)
        return float(refiner._loss(values, hyper_values, target, torch.round))

    bits, both = cost(0), cost(1)
    assert bits == pytest.approx(8 * (len(coded.hyper) + len(coded.latents)), rel=0.02, abs=64)
    assert both - bits == pytest.approx(np.square(decoded.astype(float) - pixels).sum() / 3, rel=0.02)


@pytest.mark.parametrize("effort", range(1, EFFORT_MAX + 1))
def test_never_worse_than_without(effort: int, monkeypatch: pytest.MonkeyPatch) -> None:
    level = levels.LEVELS[effort]
    short = replace(level, iterations=min(level.iterations, 3))
    monkeypatch.setitem(levels.LEVELS, effort, short)
    monkeypatch.setattr(refine, "TILE", 1)  # several tiles
    told: list[float] = []
    for quality, size in ((5, (70, 130, 3)), (80, (33, 15, 1))):
        original = picture(*size)
        plain = encode(Picture(original), MODEL, quality)
        better = encode(Picture(original), MODEL, quality, effort=effort, progress=told.append)
        assert objective(original, better, quality) <= objective(original, plain, quality) + 1e-6
    assert len(told) == short.iterations * (6 + 1)
    assert all(0 <= part < 1 for part in told)


def test_effort_is_deterministic() -> None:
    original = Picture(picture(48, 64))
    for effort in (2, 5):
        assert encode(original, MODEL, 30, effort=effort) == encode(original, MODEL, 30, effort=effort)


def test_effort_out_of_range() -> None:
    for effort in (-1, EFFORT_MAX + 1):
        with pytest.raises(UsageError, match="effort"):
            encode(Picture(picture(8, 8)), MODEL, 50, effort=effort)


@pytest.mark.parametrize("effort", [1, 5])
def test_objective_follows_the_model(effort: int) -> None:
    """A model trained for MS-SSIM: never worse by it, and pictures too small for it are coded as without effort."""
    model = replace(MODEL, goal=Goal("ms-ssim"))
    original = picture(192, 168)

    def objective(data: bytes) -> float:
        similarity = ms_ssim(original, decode(data, ZOO).pixels)
        bits = 8 * sum(len(part.hyper) + len(part.latents) for part in unpack(data).parts)
        return bits + model.goal.multiplier(0.5) * 192 * 168 * MS_SSIM_WEIGHT * (1 - similarity)

    plain, better = (encode(Picture(original), model, 50, effort=level) for level in (0, effort))
    assert objective(better) <= objective(plain)
    small = Picture(picture(160, 200))
    assert encode(small, model, 50, effort=effort) == encode(small, model, 50)
