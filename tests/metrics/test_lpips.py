"""LPIPS: what it needs, and its figure with weights of chance, which is that of the `lpips` package."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from lcodec.metrics import MEASURES
from tests.support.pictures import posterised

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the `lpips` package, and torch's cache, both empty."""
    from lcodec.metrics import lpips as module

    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(module, "find_spec", lambda _: package)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    module._weights.cache_clear()
    return tmp_path


def test_lpips_says_what_it_needs(no_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lcodec.metrics import lpips as module

    assert "alexnet" in (MEASURES["lpips"].missing() or "")
    folder = no_weights / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / module.ALEXNET).touch()
    assert "alex.pth" in (MEASURES["lpips"].missing() or "")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert "pip install --no-deps lpips" in (MEASURES["lpips"].missing() or "")


def test_lpips_with_weights_of_chance(no_weights: Path, photo: Pixels) -> None:
    """Its published weights cannot be shipped; with these the figure is that of the `lpips` package 0.1.4."""
    import torch

    from lcodec.metrics import lpips as module

    channels = (3, 64, 192, 384, 256, 256)
    rng = np.random.default_rng(5)
    alexnet, linear = {}, {}
    for i, (number, _, _) in enumerate(module.LAYERS):
        side = (11, 5, 3, 3, 3)[i]
        shape = channels[i + 1], channels[i], side, side
        alexnet[f"features.{number}.weight"] = torch.from_numpy(
            rng.normal(0, 1 / np.sqrt(channels[i] * side * side), shape).astype(np.float32)
        )
        alexnet[f"features.{number}.bias"] = torch.full((channels[i + 1],), 0.01)
        linear[f"lin{i}.model.1.weight"] = torch.from_numpy(rng.random((1, channels[i + 1], 1, 1)).astype(np.float32))
    for file, arrays in ((module._alexnet_file(), alexnet), (module._linear_file(), linear)):
        assert file is not None
        file.parent.mkdir(parents=True)
        torch.save(arrays, file)
    assert MEASURES["lpips"].missing() is None
    assert MEASURES["lpips"](photo, photo) == 0
    value = MEASURES["lpips"](photo, posterised(photo, 40))
    assert value == pytest.approx(0.05682268738746643, rel=1e-4)
