"""The steerable pyramid against the same filters in NumPy on whole spectra, and by what is known of its sub-bands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lcodec.networks.steerable import BANDS, OCTAVES, pyramid, subbands
from tests.support.pictures import picture

Planes = npt.NDArray[np.float64]


def reference(x: Planes) -> list[Planes]:
    """Sub-bands of (H, W), by filters at full size; every 2^o-th sample of what they leave."""
    height, width = x.shape
    down, along = 2 * np.pi * np.fft.fftfreq(height)[:, None], 2 * np.pi * np.fft.fftfreq(width)
    radius, angle = np.hypot(down, along), np.arctan2(down, along)
    octave = np.log2(np.maximum(radius, 1e-9) / np.pi)  # 0 at the highest frequency of a row

    def low(end: float) -> Planes:
        """1 up to an octave below `end`, then falling to 0, like a cosine in octaves."""
        return np.where(octave <= end - 1, 1, np.where(octave >= end, 0, np.cos(np.pi / 2 * (octave - end + 1))))

    spectrum, left = np.fft.fft2(x), low(0)
    bands = [np.sqrt(1 - left**2)]
    for scale in range(3):
        inner = low(-1 - scale)
        rest = left * np.sqrt(1 - inner**2)
        bands += [-1j * rest * np.cos(angle), -1j * rest * np.sin(angle)]
        left = left * inner
    bands.append(left)
    found = [np.fft.ifft2(spectrum * band) for band in bands]
    assert max(np.abs(band.imag).max() for band in found) < 1e-9
    return [band.real[:: 1 << octave, :: 1 << octave] for band, octave in zip(found, OCTAVES, strict=True)]


@pytest.fixture
def photo() -> torch.Tensor:
    return torch.from_numpy(picture(64, 96).transpose(2, 0, 1)[None] / np.float32(255))


def test_sub_bands_are_those_of_filters_at_full_size(photo: torch.Tensor) -> None:
    found = subbands(photo)
    assert len(found) == len(OCTAVES) == BANDS == 8
    for channel in range(3):
        for band, expected in zip(found, reference(photo[0, channel].double().numpy()), strict=True):
            np.testing.assert_allclose(band[0, channel].numpy(), expected, atol=2e-6)


def test_energies_add_up_to_that_of_the_picture(photo: torch.Tensor) -> None:
    energy = sum(float(band.square().mean()) for band in subbands(photo))
    assert energy == pytest.approx(float(photo.square().mean()), rel=1e-5)


@pytest.mark.parametrize(("cycles", "scale"), [(16, 0), (8, 1), (4, 2)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_wave_is_in_the_sub_band_of_its_scale_and_orientation(cycles: int, scale: int, turned: bool) -> None:
    """At the end of a crossover, where neither the finer nor the coarser scale has any of it."""
    wave = torch.cos(2 * torch.pi * cycles * torch.arange(64) / 64).expand(64, 64)
    bands = subbands((wave.T if turned else wave)[None, None].contiguous())
    energies = [float(band.square().mean()) for band in bands]
    assert energies[1 + 2 * scale + turned] == pytest.approx(0.5, abs=1e-5)
    assert sum(energies) == pytest.approx(0.5, abs=1e-5)


def test_any_size_and_edges_that_do_not_meet(photo: torch.Tensor) -> None:
    bands = pyramid(photo[:, :, :45, :67])
    assert [band.shape[2:] for band in bands] == [
        (-(-45 // (1 << octave)), -(-67 // (1 << octave))) for octave in OCTAVES
    ]
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert max(float(band.abs().max()) for band in pyramid(ramp)[:3]) < 0.02
    assert max(float(band.abs().max()) for band in subbands(ramp)[:3]) > 0.2  # its ends are neighbours there
