"""Four small photos, small networks that begin to learn them, and a run of a few steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from lcodec.goal import Goal
from lcodec.training.data import Photos, load_photos
from lcodec.training.flat import Flat
from lcodec.training.gradient import Gradient
from lcodec.training.loop import train
from lcodec.training.parameters import SIZES, start
from lcodec.training.protocol import TrainingObjective
from lcodec.training.rate_distortion import RateDistortion
from lcodec.training.settings import Settings
from lcodec.training.state import Progress, State
from tests.support.pictures import picture

SMALL = replace(SIZES["small"], fine=16, coarse=24, latents=32, hyper=24, hyper_latents=8, context=24)
MSE = RateDistortion(Goal())


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
    return State(params, {name: value.clone() for name, value in params.items()}, {}, {}, Progress(), MSE.metadata())


def settings(out: Path, steps: int | None, **others: Any) -> Settings:
    return Settings(out, steps, batch=4, crop=64, learning_rate=2e-3, bfloat16=False, **others)


def gradient_of(
    state: State, objective: TrainingObjective = MSE, device: str = "cpu", *, bfloat16: bool = False
) -> Gradient:
    params = {name: value.to(device) for name, value in state.params.items()}
    groups = [Flat({name: params[name] for name in group.parameters}) for group in objective.groups(params)]
    return Gradient(objective, params, groups, bfloat16=bfloat16)


def ignore(_: dict[str, Any]) -> None:
    """Report nothing."""


def run(out: Path, steps: int, photos: Photos, begin: State | None = None, report: Any = ignore, **others: Any) -> None:
    """Train for rate and MSE, without validation."""
    train(settings(out, steps, **others), MSE, photos, None, begin, report)
