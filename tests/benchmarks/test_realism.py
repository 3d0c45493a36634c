"""The parts of `benchmarks.realism`."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import equal_bytes
from benchmarks.common import read_rows, shipped, splice
from benchmarks.crops import FAILURES
from benchmarks.crops import SHOWN as CROPS
from benchmarks.realism import CARD, CSV, _law, of_set, photos_in, table, told_apart
from lcodec.metrics.sets import SET_MEASURES, patches_of
from tests.support.pictures import picture


def test_the_card_shows_the_committed_results_of_the_shipped_model() -> None:
    rows, text = read_rows(CSV), CARD.read_text(encoding="utf-8")
    assert {row["model"] for row in rows} == {shipped(generative=True)["hific"]}, "run `python -m benchmarks.realism`"
    assert splice(text, table(rows), "realism") == text


@pytest.mark.parametrize("path", [CROPS, FAILURES], ids=lambda path: path.stem)
def test_the_crops_are_of_the_shipped_model(path: Path) -> None:
    with Image.open(path) as image:
        assert image.info["comment"].decode() == shipped(generative=True)["hific"], "run `python -m benchmarks.crops`"


def test_the_page_shows_the_committed_results_at_equal_bytes_of_the_shipped_models() -> None:
    rows, text = read_rows(equal_bytes.CSV), equal_bytes.PAGE.read_text(encoding="utf-8")
    labels = {name: label.removeprefix(f"{name} ") for name, label in (shipped() | shipped(generative=True)).items()}
    for row in rows:
        if row["codec"] in labels:
            assert f"model {labels[row['codec']]}" in row["version"], "run `python -m benchmarks.equal_bytes`"
    assert splice(text, equal_bytes.table(rows), "equal-bytes") == text


def test_the_law_joins_both_ends() -> None:
    curve = [{"realism": f"{share}", "psnr": f"{psnr}"} for share, psnr in ((0, 30), (0.5, 29), (1, 28))]
    found = [_law(row, curve) for row in curve]
    assert [found[0], found[2]] == pytest.approx([30, 28])
    assert 29 < found[1] < 30  # a quarter of the way in distortion


def test_critics_of_other_photos_tell_what_is_to_be_told() -> None:
    originals = [picture(130, 130, seed=seed) for seed in range(4)]
    pairs = [(each, np.full_like(each, 128)) for each in originals]
    found, least, most = told_apart(patches_of(pairs[:2]), patches_of(pairs[2:]), 12)
    assert 0.9 < least <= found["auc"].value <= most <= 1


def test_what_a_small_set_lacks_is_said_once_and_left_empty(capsys: pytest.CaptureFixture[str]) -> None:
    originals = [picture(300, 300, seed=seed) for seed in range(5)]
    patches, told = patches_of((each, each) for each in originals), set[str]()
    columns = [of_set(patches, patches, 1, told) for _ in range(2)]
    assert columns[0] == columns[1]
    assert columns[0]["octave-1"] == "1.000"
    assert {columns[0][name] for name in ("kid", "kid_low", "auc", "auc_least")} == {""}
    assert capsys.readouterr().out.count("auc is left out: needs 256 patches") == 1
    names = {figure.name for measure in SET_MEASURES.values() for figure in measure.figures}
    assert names < columns[0].keys()


def test_photos_of_folders_and_of_tar_files_are_spread_evenly(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(picture(20, 20, seed=number)).save(tmp_path / f"{number}.png")
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for number in range(4):
            archive.add(tmp_path / f"{number}.png", f"in/{number}.png")
    found = [photo.decode() for photo in photos_in([tmp_path], 5)]  # 0, 2, 4 of the folder, 0 and 2 of the tar file
    for pixels, number in zip(found, (0, 2, 4, 0, 2), strict=True):
        assert pixels is not None
        assert (pixels == picture(20, 20, seed=number)).all()
    assert len(photos_in([tmp_path], 99)) == 10
    with pytest.raises(SystemExit, match="no photos in"):
        photos_in([tmp_path / "none"], 3)
