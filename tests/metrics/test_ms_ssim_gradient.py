"""The gradient of MS-SSIM in NumPy against torch's, pytorch-msssim's in float64, and differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lcodec import metrics
from lcodec.metrics import MIN_SIDE_PX, differentiable
from lcodec.metrics.ms_ssim_gradient import Similarity
from tests.support.pictures import picture

Picture = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Such small convolutions only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noisy(original: np.ndarray, strength: float, seed: int = 0) -> Picture:
    """Not clipped, not rounded."""
    noise = np.random.default_rng(seed).normal(0, strength, original.shape)
    return (original + noise).astype(np.float32)


def of_torch(decoded: np.ndarray, original: np.ndarray) -> tuple[float, np.ndarray]:
    x = torch.from_numpy(decoded).requires_grad_()
    similarity = differentiable.ms_ssim(x[None], torch.from_numpy(original.astype(np.float32))[None]).sum()
    (gradient,) = torch.autograd.grad(similarity, x)
    return float(similarity.detach()), gradient.numpy()


def exact(decoded: torch.Tensor, original: np.ndarray) -> torch.Tensor:
    """pytorch-msssim of (H, W, 3) in float64, with weights of float64 too."""
    import pytorch_msssim

    gaussian = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    window = (gaussian / gaussian.sum()).repeat(3, 1, 1, 1)
    pair = (each.permute(2, 0, 1)[None] for each in (decoded, torch.from_numpy(original.astype(np.float64))))
    return pytorch_msssim.ms_ssim(*pair, data_range=255, win=window)


def apart(got: np.ndarray, wanted: np.ndarray) -> float:
    """Length of the difference of two gradients, relative to the second."""
    return float(np.linalg.norm(got.astype(np.float64) - wanted) / np.linalg.norm(wanted))


def smooth(original: np.ndarray) -> np.ndarray:
    """Greyish, with little contrast: 120..135."""
    grey = original.mean(axis=2, keepdims=True)
    return np.round(120 + grey / 17 + [0, 1, 2]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(161, 161), (176, 192), (192, 161), (162, 175), (233, 201)])
@pytest.mark.parametrize("strength", [2, 40])
def test_value_and_gradient_are_those_of_torch(size: tuple[int, int], strength: float) -> None:
    original = picture(*size, seed=1)
    decoded = noisy(original, strength)
    similarity, gradient = Similarity(original).gradient(decoded)
    assert gradient.dtype == np.float32
    assert gradient.shape == decoded.shape
    of_float32, gradient_of_float32 = of_torch(decoded, original)
    assert similarity == pytest.approx(of_float32, abs=1e-5)
    assert apart(gradient, gradient_of_float32) < 1e-4
    # float32 is all that this needs: closer to float64 than torch's own is.
    x = torch.from_numpy(decoded.astype(np.float64)).requires_grad_()
    of_float64 = exact(x, original)
    (gradient_of_float64,) = torch.autograd.grad(of_float64, x)
    assert similarity == pytest.approx(float(of_float64.detach()), abs=1e-7)
    assert apart(gradient, gradient_of_float64.numpy()) < 3e-6


def random_picture() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (177, 180, 3)).astype(np.uint8)


@pytest.mark.parametrize("original", [smooth(picture(177, 180)), random_picture()], ids=["greyish", "noise"])
@pytest.mark.parametrize("strength", [0.3, 10])
def test_of_greyish_and_of_random_pictures(original: np.ndarray, strength: float) -> None:
    decoded = noisy(original, strength)
    similarity, gradient = Similarity(original).gradient(decoded)
    x = torch.from_numpy(decoded.astype(np.float64)).requires_grad_()
    wanted = exact(x, original)
    assert similarity == pytest.approx(float(wanted.detach()), abs=1e-7)
    assert apart(gradient, torch.autograd.grad(wanted, x)[0].numpy()) < 3e-6
    assert apart(gradient, of_torch(decoded, original)[1]) < 5e-3  # torch's variances are rounded


def test_opposite_structure_has_the_gradient_of_the_scales_that_are_left() -> None:
    """A mean similarity under 1e-4 counts as 1e-4, as in torch, where the measure itself has 0."""
    original = random_picture()
    decoded = 255 - original.astype(np.float32)
    similarity, gradient = Similarity(original).gradient(decoded)
    wanted, gradient_wanted = of_torch(decoded, original)
    assert metrics.ms_ssim(255 - original, original) == 0
    assert similarity == pytest.approx(wanted, rel=1e-4)
    assert apart(gradient, gradient_wanted) < 1e-3


@pytest.mark.parametrize("size", [(176, 192), (177, 201)])
def test_of_8_bit_pictures_the_value_is_that_of_the_metrics(size: tuple[int, int]) -> None:
    original = picture(*size, seed=3)
    decoded = noisy(original, 9).clip(0, 255).astype(np.uint8)
    similarity, _ = Similarity(original).gradient(decoded.astype(np.float32))
    assert similarity == pytest.approx(metrics.ms_ssim(decoded, original), abs=1e-7)


def test_gradient_is_that_of_differences() -> None:
    original = picture(161, 177, seed=4)
    decoded = noisy(original, 6)
    _, gradient = Similarity(original).gradient(decoded)
    # Corners, an edge, the middle; a picture of odd height has black above its first row.
    for at in ((0, 0, 0), (160, 176, 1), (0, 90, 2), (80, 0, 1), (83, 91, 2)):
        ahead, behind = (torch.from_numpy(decoded.astype(np.float64)) for _ in range(2))
        ahead[at] += 0.01
        behind[at] -= 0.01
        slope = float(exact(ahead, original) - exact(behind, original)) / 0.02
        assert gradient[at] == pytest.approx(slope, rel=1e-3, abs=1e-4 * float(np.abs(gradient).max()))


def test_steps_along_the_gradient_raise_the_similarity(photo: np.ndarray) -> None:
    to = Similarity(photo)
    decoded = noisy(photo, 12)
    reached = []
    for _ in range(4):
        similarity, gradient = to.gradient(decoded)
        reached.append(similarity)
        decoded = decoded + gradient * (0.5 / np.abs(gradient).max())
    assert reached == sorted(reached)
    assert reached[-1] > reached[0]
    # And what it promises to first order is what a small step brings.
    step = gradient * (0.01 / np.abs(gradient).max())
    gain = to.gradient(decoded + step)[0] - to.gradient(decoded)[0]
    similarity, gradient = to.gradient(decoded)
    assert gain == pytest.approx(float((gradient.astype(np.float64) * step).sum()), rel=0.02)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shift", [0, 3, 255])
def test_flat_pictures_give_finite_numbers(level: int, shift: int) -> None:
    original = np.full((161, 170, 3), level, np.uint8)
    for decoded in (original + np.float32(shift), noisy(original, 1) + np.float32(shift)):
        similarity, gradient = Similarity(original).gradient(decoded)
        wanted, _ = of_torch(decoded, original)
        assert similarity == pytest.approx(wanted, abs=1e-3)  # torch's variances are off by 0.01 here
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 1e-3


def test_equal_pictures_have_similarity_1_and_no_gradient(photo: np.ndarray) -> None:
    similarity, gradient = Similarity(photo).gradient(photo.astype(np.float32))
    assert similarity == 1
    assert not gradient.any()


def test_one_original_serves_many_pictures_and_may_be_of_floats(photo: np.ndarray) -> None:
    original = photo.copy()
    to, to_floats = Similarity(original), Similarity(photo.astype(np.float32))
    original[:] = 0  # it was copied
    for strength in (3, 9):
        decoded = noisy(photo, strength)
        kept = decoded.copy()
        similarity, gradient = Similarity(photo).gradient(decoded)
        for each in (to, to_floats):
            again, gradient_again = each.gradient(decoded)
            assert again == similarity
            np.testing.assert_array_equal(gradient_again, gradient)
        np.testing.assert_array_equal(decoded, kept)


def test_refuses_small_pictures_and_those_of_another_size() -> None:
    with pytest.raises(ValueError, match="at least 161 pixels a side, this picture has 300x160"):
        Similarity(np.zeros((MIN_SIDE_PX - 1, 300, 3), np.uint8))
    with pytest.raises(ValueError, match="height, width, channels"):
        Similarity(np.zeros((170, 170), np.uint8))
    with pytest.raises(ValueError, match="one shape"):
        Similarity(np.zeros((170, 170, 3), np.uint8)).gradient(np.zeros((170, 171, 3), np.float32))
