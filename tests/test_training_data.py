"""Photos and pairs to train on: found, read as `encode` reads them, drawn by importance and by shares, and cut."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.errors import PictureError
from lcodec.training.data import Photos, load_photos
from tests.support.pictures import picture
from tests.support.training import crops, folder, photos

__all__ = ["folder", "photos"]  # fixtures


def test_photos_are_found_and_bad_ones_named(photos: Photos, folder: Path) -> None:
    assert len(photos) == 4
    assert photos.skipped == [str(folder / "broken.png")]
    np.testing.assert_array_equal(photos.photo(2), picture(160, 200, seed=2))
    assert crops(photos, 5, 64, 0).shape == (5, 64, 64, 3)
    with pytest.raises(PictureError, match="no photo has"):
        photos.draw(1, 192, np.random.default_rng(0))


def test_busy_photos_are_drawn_more_often_and_count_less(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 192, 3), np.uint8)
    for name, photo in (("busy", noise), ("calm", picture(64, 64, seed=1)), ("flat", np.zeros((64, 64, 3), np.uint8))):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    cuts = load_photos([tmp_path]).draw(20_000, 64, np.random.default_rng(0))
    drawn = np.bincount([cut.photo for cut in cuts]) / len(cuts)
    weighted = np.bincount([cut.photo for cut in cuts], [cut.weight for cut in cuts]) / len(cuts)
    assert drawn[0] > 0.7  # of three fifths of the pixels
    assert 0 < drawn[2] < 0.1  # of one fifth
    np.testing.assert_allclose(weighted, [0.6, 0.2, 0.2], atol=0.01)


def test_photos_in_tar_files_are_the_same(photos: Photos, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(folder, "photos")
    packed = load_photos([tmp_path / "photos.tar"])
    assert len(packed) == len(photos)
    assert {packed.photo(index).tobytes() for index in range(4)} == {
        photos.photo(index).tobytes() for index in range(4)
    }


def test_photos_beyond_memory_are_decoded_when_drawn(photos: Photos, folder: Path, tmp_path: Path) -> None:
    """The same crops come out, whatever is kept; damage that no header shows is named when it is met."""
    few = 100_000  # bytes: one photo of the four
    streamed = load_photos([folder], few)
    assert streamed.skipped == photos.skipped
    for seed in range(6):
        cuts = streamed.draw(8, 64, np.random.default_rng(seed))
        streamed.expect(streamed.draw(8, 64, np.random.default_rng(seed + 1)))
        np.testing.assert_array_equal(streamed.crops(cuts), photos.crops(cuts))
    content = (folder / "0.png").read_bytes()
    for name in ("good.png", "torn.png"):
        (tmp_path / name).write_bytes(content if name == "good.png" else content[:2000])
    torn = load_photos([tmp_path], few)
    assert torn.skipped == []
    assert torn.crops(torn.draw(8, 64, np.random.default_rng(0))).shape == (8, 64, 64, 3)
    assert torn.skipped == [str(tmp_path / "torn.png")]
    (tmp_path / "good.png").write_bytes(content[:2000])
    with pytest.raises(OSError, match="no photo of this step"):
        load_photos([tmp_path], few).crops(torn.draw(8, 64, np.random.default_rng(0)))
