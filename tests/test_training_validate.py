"""Validation on whole photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lcodec.goal import Goal
from lcodec.training.data import Photos, load_photos
from lcodec.training.loop import train
from lcodec.training.objective import objective
from lcodec.training.rate_distortion import VALID_QUALITIES, RateDistortion
from lcodec.training.validate import Validation
from tests.support.pictures import picture
from tests.support.training import MSE, folder, initial, photos, settings

__all__ = ["folder", "photos"]  # fixtures


def test_figures_are_means_over_photos_cut_to_multiples_of_64(photos: Photos) -> None:
    params = initial(photos).params
    line = Validation(MSE, photos, torch.device("cpu"), 0, 1)(params)
    assert [row["quality"] for row in line["valid"]] == list(VALID_QUALITIES)
    results = []
    for index in range(4):
        cut = torch.from_numpy(photos.photo(index)[None, :128, :192].copy())
        with torch.no_grad():
            results.append([objective(params, cut, torch.tensor([q]), None, MSE.goal) for q in VALID_QUALITIES])
    bpp = np.mean([float(row[2].bpp) for row in results])
    psnr = np.mean([-10 * np.log10(float(row[2].mse) / 255**2) for row in results])
    assert line["valid"][2] == {
        "quality": 0.5,
        "bpp": pytest.approx(bpp, abs=1e-5),
        "psnr": pytest.approx(psnr, abs=1e-3),
    }
    assert line["valid_loss"] == pytest.approx(np.mean([[float(one.loss) for one in row] for row in results]), abs=1e-4)


def test_photos_too_small_to_measure_are_left_out(photos: Photos, tmp_path: Path) -> None:
    Image.fromarray(picture(40, 200, seed=0)).save(tmp_path / "narrow.png")
    Image.fromarray(picture(100, 70, seed=0)).save(tmp_path / "small.png")
    few = load_photos([tmp_path])
    cpu = torch.device("cpu")
    assert [tuple(photo.shape) for photo in Validation(MSE, few, cpu, 0, 1).photos] == [(1, 64, 64, 3)]
    assert Validation(RateDistortion(Goal("ms-ssim")), few, cpu, 0, 1).name == ""
    assert Validation(MSE, None, cpu, 0, 1).name == ""


def test_processes_share_the_photos_out(photos: Photos, tmp_path: Path) -> None:
    losses = []
    for processes in (1, 3):  # of four photos
        log = tmp_path / f"{processes}"
        log.mkdir()

        def report(line: dict[str, float], log: Path = log) -> None:  # it may run in a process of its own
            (log / "loss").write_text(str(line["valid_loss"]))

        one_step = settings(log, 1, processes=processes)
        train(one_step, MSE, photos, photos, initial(photos), report)
        losses.append(float((log / "loss").read_text()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
