"""Four small photos, and small networks that begin to learn them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from lcodec.goal import Goal
from lcodec.training.data import Photos, load_photos
from lcodec.training.loop import Settings
from lcodec.training.parameters import start
from lcodec.training.state import Progress, State
from tests.support.golden import SMALL
from tests.support.pictures import picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(4):
        Image.fromarray(picture(160, 200, seed=seed)).save(folder / f"{seed}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return folder


@pytest.fixture(scope="module")
def photos(folder: Path) -> Photos:
    return load_photos([folder])


def crops(photos: Photos, count: int, size: int, seed: int) -> NDArray[np.uint8]:
    return photos.crops(photos.draw(count, size, np.random.default_rng(seed)))


def initial(photos: Photos) -> State:
    params = start(crops(photos, 24, 64, 0), torch.Generator().manual_seed(0), SMALL)
    return State(params, {name: value.clone() for name, value in params.items()}, {}, {}, Progress(), Goal())


def settings(out: Path, steps: int, **others: Any) -> Settings:
    return Settings(out, steps=steps, batch=4, crop=64, rate=2e-3, bfloat16=False, **others)


def ignore(_: dict[str, Any]) -> None:
    """Report nothing."""
