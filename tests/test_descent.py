"""What effort is made of: gradients, descents, refinement, and the choice of symbols."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lcodec.effort import encoder, refine
from lcodec.effort.descent import FASTEST, SLOWEST, STEEP, Descent, Pace, relaxed
from lcodec.effort.rdoq import Rdoq
from lcodec.entropy.coder import SymbolEncoder
from lcodec.entropy.cost import symbol_bits
from lcodec.execution.engine import Engine
from lcodec.execution.regions import Region
from lcodec.execution.stages import Analyses, Synthesis
from lcodec.goal import Aim
from lcodec.metrics.differentiable import distortion
from lcodec.networks.gains import gain_at
from lcodec.networks.ops_tape import TapeOps, Traced
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.transforms import LATENT_STRIDE, analysis, synthesis
from lcodec.zoo import Zoo
from tests.support.golden import MODEL
from tests.support.pictures import picture

GENERATOR = np.random.default_rng(5)


def floats(*shape: int) -> np.ndarray:
    return GENERATOR.standard_normal(shape).astype(np.float32)


def test_steps_are_shorter_where_gradients_turn() -> None:
    """By the angle in the metric of the curvature, within bounds, whatever the gradients are."""
    curvature = GENERATOR.uniform(1, 50, 8).astype(np.float32)
    one = floats(5, 4, 8)
    # Two directions at an angle whose cosine is the one aimed at, in the metric of the curvature.
    across = floats(5, 4, 8)
    across -= one * np.float32(np.vdot(across, one / curvature) / np.vdot(one, one / curvature))
    across *= np.sqrt(np.vdot(one, one / curvature) / np.vdot(across, across / curvature), dtype=np.float32)
    turned = 0.7 * one + math.sqrt(1 - 0.7**2) * across
    steady, slower, faster, none = (Pace(0.7) for _ in range(4))
    steady.look(turned.astype(np.float32), 5 * one, curvature)
    assert steady.factor == pytest.approx(1, rel=1e-5)
    none.look(one, np.zeros_like(one), curvature)
    assert none.factor == 1
    slower.look(one, -3 * one, curvature)
    faster.look(one, 2 * one, curvature)
    assert SLOWEST <= slower.factor < 1 < faster.factor <= FASTEST
    for _ in range(20):
        slower.look(one, -one, curvature)
        faster.look(one, one, curvature)
    assert (slower.factor, faster.factor) == (SLOWEST, FASTEST)


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
    assert (Rdoq(latents, np.full(4, 1e6, np.float32))(indexes, means, place) == np.rint(wanted)).all()
    small = Rdoq(latents, np.full(4, 1e-6, np.float32))(indexes, means, place)
    assert (np.abs(small) <= np.abs(np.rint(wanted))).all()
    assert (small != np.rint(wanted)).any()
    stretch = np.array([1, 2, 1, 0.5], np.float32)
    far = Rdoq(latents, np.full(4, 1e6, np.float32), stretch=stretch)(indexes, means, place)
    assert (far == np.rint(wanted * stretch)).all()


def descent_at(
    quality: int, pixels: np.ndarray, aim: Aim = "mse"
) -> tuple[Descent, Callable[[torch.Tensor], torch.Tensor]]:
    """A descent on a picture, and the cost that its gradient is of, in torch."""
    gain, inverse = (gain_at(MODEL.decoder[f"gain.{name}"], quality) for name in ("synthesis", "inverse"))
    descent = Descent(MODEL.decoder, MODEL.architecture.synthesis_halo, inverse, gain, pixels, aim, 0.02)
    ops = TorchOps({name: torch.tensor(value) for name, value in MODEL.decoder.items()})

    def loss(latents: torch.Tensor) -> torch.Tensor:
        decoded = synthesis(ops, latents[None] * torch.tensor(inverse), torch.tensor(gain))[0]
        samples, wanted = (decoded[None] + 0.5) * 255, torch.tensor(pixels[None]).float()
        mse = (samples - wanted).square().mean(dim=(1, 2, 3))
        return 0.02 * pixels[..., 0].size * distortion(aim, samples, wanted, mse).sum()

    return descent, loss


@pytest.mark.parametrize(("aim", "tile"), [("mse", 64), ("mse", 3), ("ms-ssim", 64)])
def test_descent_has_the_gradient_of_the_cost(aim: Aim, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lcodec.effort.descent.TILE", tile)
    height, width = (176, 192) if aim == "ms-ssim" else (80, 112)
    pixels, decoded = picture(height, width), floats(height // 16, width // 16, MODEL.entropy.channels)
    descent, loss = descent_at(5000, pixels, aim)
    leaf = torch.tensor(decoded, requires_grad=True)
    (wanted,) = torch.autograd.grad(loss(leaf), leaf)
    found = descent.gradient(decoded)
    if tile == 64:
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
    else:  # a tile sees the errors of its own pixels, and of those in its halo
        inner = np.corrcoef(found.ravel(), wanted.numpy().ravel())[0, 1]
        assert inner > 0.99


def test_latents_move_to_where_the_cost_is_less() -> None:
    latents, decoded = (floats(4, 6, MODEL.entropy.channels) for _ in range(2))
    descent, loss = descent_at(5000, picture(64, 96))
    gradient = descent.gradient(decoded)
    curvature = GENERATOR.uniform(5, 20, MODEL.entropy.channels).astype(np.float32)
    still, half, whole = (relaxed(latents, decoded, gradient, curvature, part, "mse") for part in (0, 0.5, 1))
    np.testing.assert_array_equal(still, latents)
    np.testing.assert_allclose(half, (latents + whole) / 2, atol=1e-4)
    moved = decoded + 0.001 * (whole - decoded)
    assert loss(torch.tensor(moved)) < loss(torch.tensor(decoded))


def test_steps_are_shorter_where_ms_ssim_is_steep() -> None:
    curvature = GENERATOR.uniform(5, 20, 40).astype(np.float32)
    latents, errors = floats(1, 3, 40), floats(1, 1, 40)
    steepness = np.array([1, STEEP, 4 * STEEP], np.float32)[:, None]
    decoded, gradient = latents + errors, errors * curvature * steepness
    plain, moved = (relaxed(latents, decoded, gradient, curvature, 0.1, aim) - latents for aim in ("mse", "ms-ssim"))
    np.testing.assert_allclose(moved, plain * [[1.0], [1.0], [0.25]], atol=1e-4)
    unmoved = relaxed(latents, latents, np.zeros_like(gradient), curvature, 0.1, "ms-ssim")
    np.testing.assert_array_equal(unmoved, latents)  # no errors, no gradient


def test_drafts_are_nearly_the_code() -> None:
    model, engine, pixels = Zoo().load("mse"), Engine("cpu", "numpy", 0), picture(96, 128)
    networks = Analyses(engine, model, 6000)
    latents = networks.latents(pixels, Region(0, 0, 6, 8))
    exact, draft = (
        entropy.encode(latents, networks.hyper_latents(latents), 6000)
        for entropy in (engine.entropy(model), engine.drafting(model))
    )
    assert len(draft.latents) == pytest.approx(len(exact.latents), rel=0.01)
    assert (np.abs(draft.values - exact.values) > 1).mean() < 0.01  # in 1/16 of a step


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
        refiner = refine.Refiner(model.arrays | model.decoder, at_level, inverse, gain, "mse", multiplier, 1)
        rounded = 2 * [lambda distances, _: torch.round(distances)]
        return float(refiner._loss(values, hyper_values, target, *rounded))

    bits, both = cost(0), cost(1)
    assert bits == pytest.approx(8 * (len(coded.hyper) + len(coded.latents)), rel=0.02, abs=64)
    assert both - bits == pytest.approx(np.square(decoded.astype(float) - pixels).sum() / 3, rel=0.02)


@given(st.integers(1, 500), st.integers(1, 20))
def test_tiles_of_refinement(length: int, tile: int) -> None:
    """They follow one another, as equal as can be; none is too large with its halo; there are no more than need be."""
    parts, halo = refine._cut(length, tile), encoder.HALO
    assert [at for part in parts for at in range(length)[part]] == list(range(length))
    assert max(part.stop - part.start for part in parts) == -(-length // len(parts))
    for part in parts:
        assert len(range(length)[max(0, part.start - halo) : part.stop + halo]) <= tile + 2 * halo
    assert len(parts) <= -(-length // tile)


@pytest.mark.parametrize("name", ["mse", "mse-fast"])
def test_a_gradient_takes_no_more_memory_than_is_counted(name: str) -> None:
    model = Zoo().load(name)
    sizes, pixels = model.architecture, picture(320, 384)
    gain, inverse = (gain_at(model.decoder[f"gain.{part}"], 5000) for part in ("synthesis", "inverse"))
    decoded = floats(20, 24, sizes.latents)
    tracemalloc.start()
    try:
        Descent(model.decoder, sizes.synthesis_halo, inverse, gain, pixels, "mse", 0.02).gradient(decoded)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.3 * sizes.descent_bytes(20, 24) < taken < sizes.descent_bytes(20, 24)
