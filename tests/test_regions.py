"""Regions: no seams between them, on any number of threads, in memory that does not grow with the picture."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lcodec.codec import decode, encode
from lcodec.container import unpack
from lcodec.defaults import MEMORY
from lcodec.errors import LimitError
from lcodec.execution import memory, regions
from lcodec.execution.engine import Engine
from lcodec.execution.memory import workers_to_decode, workers_to_encode
from lcodec.execution.regions import Layout, Region
from lcodec.execution.stages import Analyses, Synthesis
from lcodec.picture import Picture
from lcodec.training.export import model_arrays
from lcodec.training.parameters import FIXED, SIZES, start
from lcodec.zoo import Zoo, as_model
from tests.support.pictures import picture

ZOO = Zoo([Path(__file__).parent / "golden" / "v1"])
MODEL = ZOO.load("golden")
GIBIBYTE = 1 << 30


@pytest.fixture(params=[4, 8])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Cut into small regions; the smaller are narrower than the halo of the synthesis."""
    monkeypatch.setattr(regions, "WHOLE", 0)
    monkeypatch.setattr(regions, "REGION", request.param)
    return int(request.param)


def on_threads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine of `count` cores."""
    monkeypatch.setattr(Engine, "cores", count)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 300), (300, 1), (64, 165), (203, 310)])
def test_a_picture_of_regions_is_its_latents_synthesised_as_a_whole(
    height: int, width: int, channels: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_threads(3, monkeypatch)
    data = encode(Picture(picture(height, width, channels)), MODEL, 60)
    container = unpack(data)
    assert container.header.region == 16 * side
    assert len(container.parts) > 1
    size = -(-height // 16), -(-width // 16)
    latents = np.empty((*size, MODEL.entropy.channels), np.int32)
    for region, part in zip(Layout(size, side).regions, container.parts, strict=True):
        values, _ = MODEL.entropy.decode(
            part.hyper, part.latents, region.size, container.header.quality_step, contextual=False, dependent=False
        )
        latents[region.top : region.bottom, region.left : region.right] = values
    whole = np.empty((height, width, channels), np.uint8)
    network = Synthesis(Engine("cpu", "numpy", 0), MODEL, container.header.quality_step)
    network.pixels(latents, (0, 0), Region(0, 0, *size), whole)
    assert np.abs(decode(data, ZOO).pixels.astype(int) - whole).max() <= 1


def test_the_analysis_sees_across_borders() -> None:
    pixels = picture(203, 310)
    analyses = Analyses(Engine("cpu", "numpy", 0), MODEL, 5000)
    whole = analyses.latents(pixels, Region(0, 0, 13, 20))
    for region in Layout((13, 20), 4).regions:
        part = analyses.latents(pixels, region)
        assert np.abs(part - whole[region.top : region.bottom, region.left : region.right]).max() < 1e-3


def test_the_number_of_threads_changes_nothing(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Picture(picture(190, 250))
    files, pictures = set(), []
    for count in (1, 2, 16):
        on_threads(count, monkeypatch)
        files.add(encode(original, MODEL, 40))
        pictures.append(decode(min(files), ZOO).pixels)
    assert len(files) == 1
    assert all(np.abs(pixels.astype(int) - pictures[0]).max() <= 1 for pixels in pictures)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_both_engines_read_regions(backend: str, side: int) -> None:
    original = Picture(picture(100, 140))
    data = encode(original, MODEL, 70, device="cpu", backend=backend)  # type: ignore[arg-type]
    pixels = [decode(data, ZOO, device="cpu", backend=reader).pixels for reader in ("numpy", "torch")]  # type: ignore[arg-type]
    assert np.abs(pixels[0].astype(int) - pixels[1]).max() <= 1


def test_a_small_picture_is_not_cut() -> None:
    assert unpack(encode(Picture(picture(100, 140)), MODEL, 70)).header.region == 0


def peak(height: int) -> tuple[int, int]:
    """Peak bytes of encoding and of decoding, besides the picture and its file."""
    original = Picture(picture(height, 64))
    encode(original, MODEL, 50)  # what is made once and kept
    tracemalloc.start()
    data = encode(original, MODEL, 50)
    encoding = tracemalloc.get_traced_memory()[1]
    tracemalloc.clear_traces()
    tracemalloc.reset_peak()
    decode(data, ZOO)
    decoding = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return encoding - 2 * len(data), decoding - 2 * len(data) - original.pixels.size


def test_memory_does_not_grow_with_the_height(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "WHOLE", 0)
    monkeypatch.setattr(regions, "REGION", 8)
    on_threads(1, monkeypatch)
    low, high = peak(512), peak(4096)
    assert all(after < 1.1 * before for before, after in zip(low, high, strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_memory_limits_the_workers(size: str) -> None:
    largest = Layout((1875, 1875), 64)  # 30,000 x 30,000 pixels
    sizes = SIZES[size]
    assert workers_to_encode(sizes, MEMORY, largest, 2) == workers_to_decode(sizes, MEMORY, largest, 2) == 2
    for most in (workers_to_encode, workers_to_decode):
        counts = [most(sizes, count * GIBIBYTE, largest, 64) for count in (1, 2, 4, 8)]
        assert counts == sorted(counts)
        assert counts[0] < counts[-1]
        with pytest.raises(LimitError, match=r"at least \d+ MiB"):
            most(sizes, 100 << 20, largest, 2)
        with pytest.raises(LimitError, match=r"limited to less than 1 MiB$"):
            most(sizes, 1000, largest, 2)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 300), st.integers(1, 64), st.sampled_from(sorted(SIZES))
)
def test_the_least_that_would_do_does(height: int, width: int, units: int, cores: int, size: str) -> None:
    rows = Layout((height, width), 4 * units)
    for most in (workers_to_encode, workers_to_decode):
        with pytest.raises(LimitError) as error:
            most(SIZES[size], 0, rows, cores)
        least = int(str(error.value).split("at least ")[1].split(" MiB")[0])
        assert most(SIZES[size], least << 20, rows, cores) >= 1


@pytest.mark.parametrize("size", [*SIZES, "generative"])
def test_a_worker_takes_no_more_than_is_planned(size: str) -> None:
    """Whatever the widths of the networks: what is really allocated for a region stays under its estimate."""
    sizes = SIZES.get(size) or replace(SIZES["small"], synthesis_fine_blocks=5, noise=48)
    crops = np.stack([picture(64, 64, seed=seed) for seed in range(48)])
    params = start(crops, torch.Generator().manual_seed(0), sizes)
    params[f"{FIXED}latent_std"].clamp_(min=1e-3)  # so few crops have no more principal components
    model = as_model(model_arrays(params), size)
    engine, region = Engine("cpu", "numpy", 0), Region(8, 8, 40, 40)
    entropy, analyses, network = engine.entropy(model), Analyses(engine, model, 5000), Synthesis(engine, model, 5000)
    pixels, values = picture(768, 768), np.zeros((48, 48, entropy.channels), np.int32)

    def work() -> None:
        latents = analyses.latents(pixels, region)
        entropy.encode(latents, analyses.hyper_latents(latents), 5000)
        network.pixels(values, (8, 8), region, pixels.copy())

    work()  # what is made once and kept
    tracemalloc.start()
    work()
    taken = tracemalloc.get_traced_memory()[1] - pixels.size
    tracemalloc.stop()
    planned = memory.workspace(sizes, Layout(region.size, 32))
    assert 0.5 * planned < taken < planned
