"""Blocks in bands, by one thread or several, are the blocks that the operations compose."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.entropy.integer import ACTIVATION_MAX
from lcodec.networks import bands, crew
from lcodec.networks.ops import NumpyOps, Ops, crop
from lcodec.networks.ops_tape import TapeOps, Traced
from lcodec.networks.transforms import LATENT_STRIDE, analysis, synthesis
from lcodec.zoo import Zoo

MODEL = Zoo([Path(__file__).parent / "golden" / "v1"]).load("golden")
FLOATS, FIXED = NumpyOps(MODEL.decoder), MODEL.entropy.ops
SIDES = st.integers(1, 14)


@given(st.integers(1, 2), SIDES, SIDES, st.integers(1, 60), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_bands_and_threads_change_nothing(batch: int, height: int, width: int, positions: int, threads: int) -> None:
    rng = np.random.default_rng(height * width)
    floats = rng.standard_normal((batch, height, width, MODEL.architecture.fine)).astype(np.float32)
    integers = rng.integers(-ACTIVATION_MAX, ACTIVATION_MAX, (batch, height, width, MODEL.architecture.context))
    fixed = integers.astype(np.float64)
    with (
        pytest.MonkeyPatch.context() as patch,
        ThreadPoolExecutor(threads) as pool,
        crew.at_work(pool, threads, Event()),
    ):
        patch.setattr(bands, "BAND_POSITIONS", positions)
        float_block, fixed_block = FLOATS.block("synthesis.fine.0", floats), FIXED.block("context.block", fixed)
        linear = FIXED.linear("context.block.expand", fixed)
    wanted = Ops.block(FLOATS, "synthesis.fine.0", floats)
    assert np.abs(float_block - wanted).max() < 1e-4 * np.abs(wanted).max()
    np.testing.assert_array_equal(fixed_block, Ops.block(FIXED, "context.block", fixed))
    np.testing.assert_array_equal(linear, FIXED.linear("context.block.expand", fixed))


def test_a_crew_is_each_threads_own() -> None:
    with ThreadPoolExecutor(2) as pool, crew.at_work(pool, 2, Event()):
        assert len(crew.parts(100, 10)) == 2
        assert crew.each(lambda _: len(crew.parts(100, 10)), [0, 1]) == [1, 1]
    assert len(crew.parts(100, 10)) == 1


@given(st.tuples(SIDES, SIDES, SIDES, SIDES), SIDES, SIDES, st.integers(0, 1))
@settings(max_examples=30, deadline=None)
def test_a_tile_is_part_of_the_whole(around: tuple[int, int, int, int], rows: int, columns: int, near: int) -> None:
    """Whether what is around it goes on, as far as it is seen, or ends at the border of the picture."""
    sizes, rng = MODEL.architecture, np.random.default_rng(rows)
    halo = max(sizes.analysis_halo, sizes.synthesis_halo)
    edges = tuple(min(edge, halo) if near else halo for edge in around)
    top, bottom, left, right = ((0 if edge < halo else 2) for edge in edges)  # of the picture, beyond the tile
    height, width = edges[0] + rows + edges[1], edges[2] + columns + edges[3]
    latents = rng.standard_normal((1, top + height + bottom, left + width + right, sizes.latents)).astype(np.float32)
    gain = np.ones(sizes.fine, np.float32)
    beyond = (top, bottom, left, right)
    cut = tuple(a + b for a, b in zip(beyond, edges, strict=True))
    whole = crop(synthesis(FLOATS, latents, gain), tuple(LATENT_STRIDE * each for each in cut))
    tile = synthesis(FLOATS, crop(latents, beyond), gain, edges=edges)
    assert np.abs(tile - whole).max() < 1e-4 * max(1, np.abs(whole).max())
    picture = synthesis(FLOATS, latents, gain)
    encoder = NumpyOps(MODEL.encoder)
    tile = analysis(encoder, crop(picture, tuple(LATENT_STRIDE * each for each in beyond)), gain, edges)
    whole = crop(analysis(encoder, picture, gain), cut)
    assert np.abs(tile - whole).max() < 1e-4 * max(1, np.abs(whole).max())


def test_the_gradient_of_a_tile() -> None:
    sizes, rng = MODEL.architecture, np.random.default_rng(0)
    latents = rng.standard_normal((1, 12, 13, sizes.latents)).astype(np.float32)
    edges, gain = (sizes.synthesis_halo, 0, 2, sizes.synthesis_halo), np.ones(sizes.fine, np.float32)
    start = Traced.start(latents)
    tile = synthesis(TapeOps(MODEL.decoder), start, gain, edges=edges)
    cotangent = rng.standard_normal(tile.value.shape).astype(np.float32)
    padded = np.pad(cotangent, ((0, 0), *((16 * edges[i], 16 * edges[i + 1]) for i in (0, 2)), (0, 0)))
    other = Traced.start(latents)
    wanted = synthesis(TapeOps(MODEL.decoder), other, gain).gradient(other, padded)
    got = tile.gradient(start, cotangent)
    assert np.abs(got - wanted).max() < 1e-4 * np.abs(wanted).max()
