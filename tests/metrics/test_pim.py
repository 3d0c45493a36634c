"""PIM: a distance, from a file; where there is none, it says how to get one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lcodec import zoo
from lcodec.errors import ModelError
from lcodec.metrics import MEASURES
from lcodec.metrics import pim as module
from lcodec.networks import pim as network
from lcodec.training.export import write_metric
from lcodec.training.pim import metric_arrays
from tests.support.pictures import posterised

Pixels = npt.NDArray[np.uint8]
PARAMS = network.start_pim("small", torch.Generator().manual_seed(1))
PIM = MEASURES["pim"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a metric of chance, and no other."""
    monkeypatch.setattr(zoo, "_bundled", lambda: tmp_path / "none")
    monkeypatch.setenv("LCODEC_MODELS", str(tmp_path))
    write_metric(tmp_path, "pim", "random weights", metric_arrays(PARAMS), "# pim\n")
    return tmp_path


def test_a_distance(installed: Path, photo: Pixels) -> None:
    other = posterised(photo, 40)
    assert PIM(photo, photo) == 0
    value = PIM(photo, other)
    assert value is not None
    assert value > 0
    assert PIM(other, photo) == pytest.approx(value, rel=1e-6)
    grey = photo[:, :, 1:2]
    assert PIM(grey, other[:, :, 1:2]) == pytest.approx(PIM(grey.repeat(3, axis=2), other[:, :, 1:2].repeat(3, axis=2)))
    assert PIM(photo[:31], other[:31]) is None  # too small
    assert PIM(photo[:32, :33], other[:32, :33]) is not None


def test_the_file_has_the_distances_of_what_was_trained(installed: Path, photo: Pixels) -> None:
    """But for the rounding of weights to float16."""
    other = posterised(photo, 40)
    given = [torch.from_numpy(pixels[None] / np.float32(255)) for pixels in (photo, other)]
    assert PIM(photo, other) == pytest.approx(float(network.distance(PARAMS, *given)), rel=5e-3)
    assert (installed / "pim.safetensors").stat().st_size < 4e6
    large = metric_arrays(network.start_pim("large", torch.Generator()))
    assert sum(value.nbytes for value in large.values()) < 3.9e6


def test_strips_are_as_if_all_were_computed_at_once(photo: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [torch.from_numpy(pixels[None, :150, :90] / np.float32(255)) for pixels in (photo, posterised(photo, 40))]
    for size in network.SIZES:
        params = network.start_pim(size, torch.Generator().manual_seed(2))
        monkeypatch.setattr(network, "_STRIP", 1 << 30)
        whole = network.distance(params, *given)
        monkeypatch.setattr(network, "_STRIP", 90 * 2 * 12)
        torch.testing.assert_close(network.distance(params, *given), whole)


def test_means_over_places_are_those_of_each_sub_band(installed: Path, photo: Pixels) -> None:
    patches = np.stack([photo[:64, :64], photo[32:96, 32:96]])
    bands = network.bands_of(torch.from_numpy(patches / np.float32(255)))
    expected = [
        network.encode(PARAMS, index, network.features(PARAMS, index, band)).mean(dim=(1, 2)).numpy()
        for index, band in enumerate(bands)
    ]
    assert module.means_of(patches) == pytest.approx(np.concatenate(expected, axis=1), abs=5e-3)


def test_it_is_differentiable(installed: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand((2, 32, 32, 3), generator=generator) for _ in range(2))
    torch.testing.assert_close(module.loss(second, first), network.distance(PARAMS, first, second), rtol=5e-3, atol=0)
    second.requires_grad_()
    value = network.distance(PARAMS, first, second)
    (gradient,) = torch.autograd.grad(value.sum(), second)
    direction = torch.randn(gradient.shape, generator=generator)
    with torch.no_grad():
        step = 1e-3
        moved = [network.distance(PARAMS, first, second + sign * step * direction).sum() for sign in (1, -1)]
    assert float((gradient * direction).sum()) == pytest.approx(float(moved[0] - moved[1]) / (2 * step), rel=0.02)
    same = first.clone().requires_grad_()
    (at_rest,) = torch.autograd.grad(network.distance(PARAMS, first, same).sum(), same)
    assert not at_rest.any()  # no root, whose slope would be infinite there


def test_a_missing_or_damaged_file_is_said(installed: Path, photo: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PIM.missing() is None
    monkeypatch.setattr(module, "has", lambda _: False)
    assert PIM.missing() == "pip install 'lcodec[torch]'"
    monkeypatch.undo()
    monkeypatch.setattr(zoo, "_bundled", lambda: installed / "none")
    monkeypatch.setenv("LCODEC_MODELS", str(installed / "none"))
    assert "lcodec train --model pim" in (PIM.missing() or "")
    with pytest.raises(ModelError, match="no metric named 'pim'"):
        module.pim(photo, photo)
    file = installed / "pim.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cannot read"):
        zoo.read_metric(file)
    (installed / "index.json").write_text("[]")
    monkeypatch.setenv("LCODEC_MODELS", str(installed))
    assert "cannot read" in (PIM.missing() or "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pim.3.conv.1.bias": None}, "has no pim.3.conv.1.bias"),
        ({"pim.gain": np.float16(1)}, "do not fit together"),
        ({"pim.0.encode.1.weight": np.ones((4, 7), np.float16)}, "do not fit together"),
        ({"pim.7.conv.0.weight": np.ones((32, 5), np.float16)}, "do not fit together"),
    ],
)
def test_arrays_that_do_not_fit_are_said(
    changed: dict[str, npt.NDArray[np.float16] | None], said: str, tmp_path: Path
) -> None:
    arrays = metric_arrays(PARAMS) | changed
    kept = {name: np.asarray(value) for name, value in arrays.items() if value is not None}
    entry = write_metric(tmp_path, "pim", "not whole", kept, "# pim\n")
    with pytest.raises(ModelError, match=said):
        module.arrays_of(entry.path)
