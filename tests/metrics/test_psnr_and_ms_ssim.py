"""PSNR and MS-SSIM against their definitions and against pytorch-msssim."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.metrics import MIN_SIDE_PX, ms_ssim, ms_ssim_db, psnr
from lcodec.metrics.ms_ssim import ssim


def photo(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """A picture with structure at every scale: a random walk along both axes, stretched over 0..255."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=(height, width, channels)).cumsum(axis=0).cumsum(axis=1)
    low, high = walk.min(), walk.max()
    return np.round((walk - low) * (255 / (high - low))).astype(np.uint8)


def damaged(picture: np.ndarray, strength: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=picture.shape) * strength
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)


pictures = st.builds(
    photo, st.integers(161, 200), st.integers(161, 200), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1)
)


def reference(first: np.ndarray, second: np.ndarray, *, exact_window: bool = False) -> float:
    """pytorch-msssim in float64. Its own window has float32 weights, whose sum is not quite 1."""
    import pytorch_msssim
    import torch

    tensors = [torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float64)) for picture in (first, second)]
    win = None
    if exact_window:
        gaussian = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))
        win = (gaussian / gaussian.sum()).repeat(first.shape[2], 1, 1, 1)  # (C, 1, 1, 11)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small convolutions only wait for each other on a busy machine
    try:
        return float(pytorch_msssim.ms_ssim(*tensors, data_range=255, win=win))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("shape", [(161, 161, 3), (512, 768, 3), (177, 243, 3), (333, 162, 1), (200, 191, 3)])
@pytest.mark.parametrize("strength", [2, 40])
def test_ms_ssim_is_that_of_pytorch_msssim(shape: tuple[int, int, int], strength: float) -> None:
    first = photo(*shape, seed=1)
    second = damaged(first, strength, seed=2)
    measured = ms_ssim(first, second)
    assert measured == pytest.approx(reference(first, second), abs=1e-5)
    assert measured == pytest.approx(reference(first, second, exact_window=True), abs=1e-9)


def test_plain_ssim_is_that_of_pytorch_msssim() -> None:
    import pytorch_msssim
    import torch

    first = photo(60, 75, 1, seed=1)
    second = damaged(first, 30, seed=2)
    tensors = [torch.from_numpy(each.transpose(2, 0, 1)[None].astype(np.float64)) for each in (first, second)]
    wanted = float(pytorch_msssim.ssim(*tensors, data_range=255))
    assert ssim(*(each[:, :, 0].astype(np.float64) for each in (first, second))) == pytest.approx(wanted, abs=1e-5)


def test_ms_ssim_of_unrelated_and_opposite_pictures() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 256, size=(2, 180, 165, 3)).astype(np.uint8)
    assert ms_ssim(first, second) == pytest.approx(reference(first, second), abs=1e-5)
    assert ms_ssim(first, 255 - first) == 0  # structure is negative at some scale


def test_ms_ssim_in_flat_and_extreme_pictures() -> None:
    black, white = np.zeros((170, 181, 3), np.uint8), np.full((170, 181, 3), 255, np.uint8)
    assert ms_ssim(black, white) == pytest.approx(reference(black, white, exact_window=True), abs=1e-5)
    assert ms_ssim(white, white) == 1


@settings(max_examples=15)
@given(pictures, st.integers(0, 2**32 - 1))
def test_properties(picture: np.ndarray, seed: int) -> None:
    other = damaged(picture, 10, seed)
    assert psnr(picture, picture) == math.inf
    assert ms_ssim(picture, picture) == 1
    assert psnr(picture, other) == psnr(other, picture)
    assert ms_ssim(picture, other) == ms_ssim(other, picture)
    assert ms_ssim(picture, other) == pytest.approx(ms_ssim(picture.swapaxes(0, 1), other.swapaxes(0, 1)), abs=1e-6)
    worse = damaged(picture, 60, seed)
    assert psnr(picture, worse) < psnr(picture, other)
    assert 0 <= ms_ssim(picture, worse) < ms_ssim(picture, other) < 1


@given(st.integers(0, 255), st.integers(0, 255))
def test_psnr_of_flat_pictures(first: int, second: int) -> None:
    pair = np.full((3, 5, 3), first, np.uint8), np.full((3, 5, 3), second, np.uint8)
    expected = math.inf if first == second else 20 * math.log10(255 / abs(first - second))
    assert psnr(*pair) == pytest.approx(expected)


def test_psnr_is_one_mean_over_all_channels() -> None:
    first, second = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    second[:, :, 0] = 3
    assert psnr(first, second) == pytest.approx(10 * math.log10(255**2 / 3))


def test_ms_ssim_db() -> None:
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(0) == 0
    assert ms_ssim_db(1) == math.inf
    with pytest.raises(ValueError, match="at most 1"):
        ms_ssim_db(1.01)


@pytest.mark.parametrize("shape", [(MIN_SIDE_PX - 1, 300, 3), (300, MIN_SIDE_PX - 1, 1)])
def test_ms_ssim_refuses_small_pictures(shape: tuple[int, int, int]) -> None:
    small = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=f"at least 161 pixels a side, this picture has {shape[1]}x{shape[0]}"):
        ms_ssim(small, small)


@pytest.mark.parametrize("measure", [psnr, ms_ssim])
def test_pictures_must_match(measure) -> None:
    first = np.zeros((170, 170, 3), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        measure(first, first[:, :, :1])
    with pytest.raises(ValueError, match="uint8"):
        measure(first, first.astype(np.float32))
    with pytest.raises(ValueError, match="height, width, channels"):
        measure(first[:, :, 0], first[:, :, 0])
    with pytest.raises(ValueError, match="height, width, channels"):
        measure(first[:0], first[:0])
