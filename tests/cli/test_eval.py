"""`lcodec eval`: the report, what is left out of it, and going on after an interruption."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.compare import evaluate, plots, sets
from lcodec.compare.codecs import RIVALS, Codec
from lcodec.compare.plan import make_plan
from lcodec.compare.report import Report, point
from lcodec.errors import LcodecError
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.pictures import picture

from .conftest import Run

FAST = ("--codec", "jpeg@20,80", "--codec", "webp@20,80", "--metric", "psnr", "--metric", "haarpsi")


@pytest.fixture
def folder(tmp_path: Path, crop: Image.Image) -> Path:
    """Two pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    crop.save(folder / "a.png")
    crop.convert("L").resize((64, 48)).save(folder / "b.png")
    return folder


def test_the_report_as_json(run: Run, folder: Path) -> None:
    result = run("eval", folder, *FAST, "--json")
    assert (result.code, result.err) == (0, "")
    (report,) = result.records
    assert [c["name"] for c in report["codecs"]] == ["jpeg-420", "jpeg-444", "webp"]
    assert len(report["results"]) == 2 * 3 * 2
    for mean in report["means"]:
        own = [r for r in report["results"] if (r["codec"], r["setting"]) == (mean["codec"], mean["setting"])]
        assert mean["pictures"] == len(own) == 2
        assert mean["bpp"] == pytest.approx(sum(r["bpp"] for r in own) / 2)
        assert mean["metrics"]["psnr"] == pytest.approx(sum(r["metrics"]["psnr"] for r in own) / 2)
    sizes = {picture["digest"]: picture["width"] * picture["height"] for picture in report["pictures"]}
    assert all(r["bpp"] == pytest.approx(8 * r["bytes"] / sizes[r["digest"]]) for r in report["results"])
    assert len(report["bd_rates"]) == 2 * 3 * 2


def test_tables_on_the_terminal(run: Run, folder: Path) -> None:
    result = run("eval", folder, *FAST)
    text = result.out.decode()
    assert "BD-rate against JPEG 4:2:0" in text
    assert "WebP" in text
    assert result.err == ""


def test_a_model_beside_a_rival(run: Run, photo: Path) -> None:
    result = run("eval", photo, "--codec", "mse@10,90", "--codec", "webp@20,80", "--metric", "psnr", "--json")
    (report,) = result.records
    assert [c["title"] for c in report["codecs"]] == ["lcodec mse", "WebP"]
    low, high = report["means"][:2]
    assert low["bpp"] < high["bpp"]
    assert low["metrics"]["psnr"] < high["metrics"]["psnr"]


def test_a_codec_named_again_gets_more_settings(run: Run, photo: Path) -> None:
    again = ("--codec", "jpeg@20", "--codec", "webp@50", "--codec", "jpeg-444@60,20", "--codec", "webp@10")
    (report,) = run("eval", photo, *again, "--metric", "psnr", "--json").records
    points = [(mean["codec"], mean["setting"]) for mean in report["means"]]
    assert points == [("jpeg-420", 20), ("jpeg-444", 20), ("jpeg-444", 60), ("webp", 50), ("webp", 10)]


def test_a_codec_named_again_keeps_its_usual_settings() -> None:
    usual = RIVALS["webp"].settings
    assert make_plan(["webp", "webp@33,5"], ["psnr"]).settings == {"webp": (*usual, 33)}
    assert make_plan(["webp@33,5", "webp"], ["psnr"]).settings == {"webp": (33, *usual[1:2], *usual[:1], *usual[2:])}


def test_curves_go_from_small_files_to_large_ones(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    drawn: list[plots.Line] = []
    monkeypatch.setattr(plots, "draw_lines", lambda _, lines, __: drawn.extend(lines))
    run("eval", photo, "--codec", "webp@80,20,50", "--metric", "psnr", "--out", tmp_path / "out")
    (line,) = drawn
    assert [bpp for bpp, _ in line.points] == sorted(bpp for bpp, _ in line.points)


def test_files_of_the_report(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("eval", folder, *FAST, "--out", out)
    assert result.code == 0
    with (out / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {row["picture"] for row in rows} == {"a.png", "b.png"}
    assert len((out / "means.csv").read_text().splitlines()) == 1 + 6
    assert len((out / "bd-rates.csv").read_text().splitlines()) == 1 + 12
    assert json.loads((out / "report.json").read_text())["means"]
    assert (out / "report.html").stat().st_size > 10_000
    if "matplotlib" not in result.err:
        assert (out / "curves-psnr.svg").read_text().lstrip().startswith("<?xml")
        with Image.open(out / "curves-haarpsi.png") as image:
            assert image.width > 800


def test_a_full_disk_is_named_by_the_file_and_leaves_no_part_of_it(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = count()

    def full(_: int) -> None:
        if not next(room):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    out, failed = tmp_path / "out", set()
    for files in range(20):
        room = count(-files)
        result = run("eval", photo, "--codec", "webp@20,80", "--metric", "psnr", "--out", out)
        if not result.code:
            break
        name, reason = result.err.removeprefix("lcodec: ").rstrip("\n").rsplit(": ", 1)
        assert (result.code, reason) == (1, os.strerror(errno.ENOSPC))
        assert not Path(name).exists() or Path(name).stat().st_size
        failed.add(Path(name).name)
        shutil.rmtree(out / "equal-size", ignore_errors=True)
        for path in out.iterdir():
            assert path.stat().st_size
            assert not path.name.startswith(".")
    assert {"report.json", "pictures.csv", "means.csv", "bd-rates.csv", "report.html"} <= failed
    assert plots.missing() or {"curves-psnr.svg", "curves-psnr.png"} <= failed
    assert {Path(name).suffix for name in failed} >= {".webp", ".json"}


def test_results_that_cannot_be_kept_name_their_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "results.jsonl"
    store, result = evaluate.Store(path), evaluate.Result("0", "webp", "1", 50)
    store.add(result)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 9, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            store.add(replace(result, setting=60))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert list(evaluate.Store(path).results.values()) == [result]


def test_left_out_and_noted(run: Run, folder: Path, crop: Image.Image) -> None:
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("passed over")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:500])
    shutil.copy(folder / "a.png", folder / "copy.png")
    Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20).save(folder / "deep.png")
    crop.convert("CMYK").save(folder / "print.jpg")
    crop.save(folder / "moving.gif", save_all=True, append_images=[crop.rotate(180)])
    result = run("eval", folder, *FAST, "--json")
    assert result.code == 0
    (report,) = result.records
    assert [p["name"] for p in report["pictures"]] == ["a.png", "b.png", "deep.png", "moving.gif", "print.jpg"]
    assert [item["name"] for item in report["left_out"]] == ["broken.png", "copy.png", "notes.txt"]
    for words in (
        "left out: notes.txt: not a picture",
        "left out: broken.png: the picture is damaged",
        "left out: copy.png: the same picture as a.png",
        "deep.png: more than 8 bits a sample, rounded to 8",
        "print.jpg: CMYK, converted to RGB",
        "moving.gif: the first of 2 frames",
    ):
        assert words in result.err
    assert "hidden" not in result.err


def test_a_picture_beyond_the_limit_is_left_out_without_advice_that_eval_does_not_take(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lcodec.defaults.MAX_PIXELS", 96 * 64 - 1)
    result = run("eval", photo, *FAST)
    assert result.code == 1
    assert f"left out: {photo}: more than 6143 pixels\n" in result.err


def test_a_report_inside_the_folder_is_not_its_input(run: Run, folder: Path) -> None:
    for _ in range(2):
        result = run("eval", folder, *FAST, "--out", folder / "report", "--json")
        assert len(result.records[0]["pictures"]) == 2
        assert "left out" not in result.err


def test_a_report_among_the_pictures_is_refused_and_one_around_them_is_not(run: Run, folder: Path) -> None:
    refused = run("eval", folder, *FAST, "--out", folder)
    assert refused.code == 2
    assert "another folder" in refused.err
    assert run("eval", folder, *FAST, "--json", "--out", folder.parent).code == 0


def test_a_named_input_that_fails_counts(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("eval", photo, tmp_path / "none.png", *FAST, "--json")
    assert result.code == 1
    assert "left out: " in result.err
    assert len(result.records) == 1
    assert run("eval", tmp_path / "none.png", *FAST).code == 1


def test_interrupted_and_resumed(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, calls, measure = tmp_path / "out", [], evaluate._measure

    def interrupted(task: evaluate.Task) -> evaluate.Result:
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(task)
        return measure(task)

    monkeypatch.setattr(evaluate, "_measure", interrupted)
    assert run("eval", folder, *FAST, "--out", out).code == 130
    results = out / "results.jsonl"
    assert len(results.read_text().splitlines()) == 5
    results.write_text(results.read_text()[:-20])  # as if the last line had been cut short

    again = []
    monkeypatch.setattr(evaluate, "_measure", lambda task: again.append(task) or measure(task))
    assert run("eval", folder, *FAST, "--out", out).code == 0
    assert len(again) == 12 - 4
    again.clear()
    assert run("eval", folder, *FAST, "--out", out).code == 0
    assert run("eval", folder, *FAST, "--codec", "jpeg@20,30,80", "--out", out).code == 0
    assert [task.setting for task in again] == [30] * 4
    again.clear()
    assert run("eval", folder, *FAST[:4], "--metric", "psnr-y", "--out", out).code == 0
    assert len(again) == 12  # a metric that was not measured
    again.clear()
    assert run("eval", folder, *FAST, "--out", out).code == 0
    assert run("eval", folder, *FAST[:4], "--metric", "haarpsi", "--metric", "psnr-y", "--out", out).code == 0
    assert again == []  # the others were kept


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Four photos with room for 16 patches each, and a small one."""
    folder = tmp_path / "several"
    folder.mkdir()
    for seed in range(4):
        Image.fromarray(picture(260, 270, seed=seed)).save(folder / f"{seed}.png")
    Image.fromarray(picture(60, 300)).save(folder / "small.png")
    return folder


SETS = ("--codec", "jpeg-444@5,95", "--metric", "psnr", "--set-metric", "spectrum", "--set-metric", "marginals")


def test_all_pictures_together(run: Run, several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    result = run("eval", several, *SETS, "--json", "--out", out)
    assert result.code == 0
    (report,) = result.records
    assert [each["name"] for each in report["set_metrics"]] == ["octave-1", "octave-2", "octave-3", "marginals"]
    low, high = report["sets"]
    assert (low["setting"], high["setting"]) == (5, 95)
    assert low["bpp"] < high["bpp"]
    assert high["figures"]["marginals"]["high"] < low["figures"]["marginals"]["low"]
    with (out / "sets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["marginals_low"]) == pytest.approx(low["figures"]["marginals"]["low"], abs=1e-6)

    again = []
    monkeypatch.setattr(sets, "_judge", again.append)
    second = run("eval", several, *SETS, "--json", "--out", out)
    assert (again, second.records[0]["sets"]) == ([], report["sets"])
    text = run("eval", several, *SETS, "--out", out).out.decode()
    assert "All pictures together, with 95 % intervals" in text


def test_a_set_that_is_too_small_for_a_measure_is_refused_in_a_line(run: Run, several: Path) -> None:
    result = run("eval", several, *SETS[:4], "--set-metric", "auc", "--json")
    assert result.code == 0
    why = "needs 256 patches of 64x64 pixels from 8 photos at least; there are 64 from 4"
    assert result.err == f"lcodec: missing: auc: {why}\n"
    (report,) = result.records
    assert report["missing"]["auc"] == why
    assert (report["sets"], report["set_metrics"]) == ([], [])


def test_a_codec_that_fails_on_one_picture_has_no_figures_of_the_set(
    run: Run, several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_once = sets.code_once

    def failing(codec: Codec, original: Picture, setting: float) -> tuple[int, Picture, float, float]:
        if setting == 5:
            raise LcodecError("no more")
        return code_once(codec, original, setting)

    monkeypatch.setattr(sets, "code_once", failing)
    result = run("eval", several, *SETS, "--json")
    assert result.code == 1
    assert result.err == "lcodec: all pictures together: jpeg-444@5: no more\n"
    assert [each["setting"] for each in result.records[0]["sets"]] == [95]


def test_jobs_give_the_same_figures(run: Run, folder: Path) -> None:
    one, two = (run("eval", folder, *FAST, "--jobs", jobs, "--json").records[0]["results"] for jobs in (1, 2))
    strip = [[{k: v for k, v in r.items() if not k.endswith("_s")} for r in results] for results in (one, two)]
    assert strip[0] == strip[1]


def test_a_failing_codec_costs_only_its_own_results(run: Run, folder: Path) -> None:
    Image.new("RGB", (16400, 16), "red").save(folder / "wide.png")  # WebP ends at 16,383
    result = run("eval", folder, *FAST, "--json")
    assert result.code == 1
    assert "wide.png: webp@20: WebP holds at most 16,383 pixels a side" in result.err
    (report,) = result.records
    assert {(m["codec"], m["pictures"]) for m in report["means"]} == {("jpeg-420", 3), ("jpeg-444", 3), ("webp", 2)}
    refused = [d for d in report["bd_rates"] if "webp" in {d["codec"], d["anchor"]}]
    assert len(refused) == 2 * 2 * 2  # pairs, each way, metrics
    assert all(d["refused"] == "their means are over different pictures" for d in refused)


def test_a_picture_without_a_metric_is_left_out_of_its_curves_with_its_rate(
    run: Run, folder: Path, crop: Image.Image, tmp_path: Path
) -> None:
    asked = ("--codec", "jpeg@20,80", "--codec", "webp@20,80", "--metric", "psnr", "--metric", "ms-ssim")
    crop.resize((161, 161)).save(folder / "a.png")  # the only one for MS-SSIM
    (alone,) = run("eval", folder, *asked, "--json").records
    Image.new("L", (160, 400), 255).save(folder / "white.png")  # coded without loss, at far lower rates
    out = tmp_path / "out"
    result = run("eval", folder, *asked, "--json", "--out", out)
    assert result.code == 0
    left_out = "too small for it, or coded without loss at a setting"
    assert f"lcodec: left out of PSNR: white.png: {left_out}\n" in result.err
    assert f"lcodec: left out of MS-SSIM: b.png, white.png: {left_out}\n" in result.err
    (report,) = result.records
    assert report["bd_rates"] == alone["bd_rates"]
    assert all(delta["refused"] is None for delta in report["bd_rates"])
    for mean, other in zip(report["means"], alone["means"], strict=True):
        assert (mean["metrics"], mean["metric_bpp"]) == (other["metrics"], other["metric_bpp"])
        assert mean["metric_bpp"]["psnr"] == other["bpp"] > mean["bpp"]
        assert mean["metric_bpp"]["ms-ssim"] != other["bpp"]
    with (out / "means.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["psnr_bpp"]) for row in rows] == [pytest.approx(m["bpp"], abs=1e-6) for m in alone["means"]]
    text = " ".join(run("eval", folder, *asked).out.decode().split())
    assert "PSNR, dB (1 left out)" in text
    assert "MS-SSIM (2 left out)" in text


def test_where_no_picture_has_a_metric_everywhere_settings_are_left_out_instead() -> None:
    def result(digest: str, setting: float, psnr: float | None) -> evaluate.Result:
        return evaluate.Result(digest, "webp", "1", setting, bpp=setting / 10, metrics={"psnr": psnr})

    found = {"a": (30.0, 40.0, None), "b": (20.0, None, None), "c": (None, None, None)}
    results = [
        result(name, setting, psnr)
        for name, values in found.items()
        for setting, psnr in zip((10, 20, 30), values, strict=True)
    ]
    report = Report([], [], ["webp"], {}, ["psnr"], results)
    assert report.without("psnr") == {"c"}
    assert [mean.metrics["psnr"] for mean in report.means()] == [25, None, None]
    assert [point(mean, "psnr") for mean in report.means()] == [(1, 25), None, None]


def test_curves_that_do_not_overlap_are_refused(run: Run, photo: Path) -> None:
    arguments = ("--codec", "webp@0,1", "--codec", "jpeg-444@97,100", "--metric", "psnr", "--json")
    (report,) = run("eval", photo, *arguments).records
    assert len(report["bd_rates"]) == 2
    assert all(d["percent"] is None and "share no quality" in d["refused"] for d in report["bd_rates"])


def test_a_missing_codec_is_named_and_the_rest_goes_on(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = run("eval", photo, "--codec", "bpg", "--codec", "webp@20", "--metric", "psnr", "--json")
    assert result.code == 0
    assert result.err.startswith("lcodec: missing: bpg-420, bpg-444: bpgenc and bpgdec are not on the PATH; heic-444")
    assert [c["name"] for c in result.records[0]["codecs"]] == ["webp"]
    assert run("eval", photo, "--codec", "bpg").code == 2


@pytest.mark.parametrize("wanted", ["gif", "webp@x", "webp@101", "mse@-1"])
def test_nonsense_is_refused(run: Run, photo: Path, wanted: str) -> None:
    result = run("eval", photo, "--codec", wanted)
    assert (result.code, result.out) == (2, b"")


def test_names_are_neither_markup_nor_formulas(run: Run, folder: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"a[b]$x_{<i>&:smile:\xff$.safetensors")
    try:
        shutil.copy(Zoo().folders[-1] / "mse.safetensors", tmp_path / odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    (folder / "a.png").rename(folder / "<b>$[red].png")
    out = tmp_path / "out"
    result = run("eval", folder, "--codec", f"{tmp_path / odd}@20,50", "--metric", "psnr", "--out", out)
    assert (result.code, "Traceback" in result.err) == (0, False)
    shown = r"a[b]$x_{<i>&:smile:\xff$"
    assert shown in result.out.decode()
    report = json.loads((out / "report.json").read_text())
    assert report["codecs"][0]["title"] == f"lcodec {shown}"
    assert "<b>$[red].png" in (out / "pictures.csv").read_text()
    assert "<i>" not in (out / "report.html").read_text().split("<!DOCTYPE")[-1].split('id="report">')[1]


def test_an_exact_picture_is_valid_json_and_is_resumed_as_such(run: Run, tmp_path: Path) -> None:
    Image.new("L", (32, 32), 255).save(tmp_path / "white.png")
    out = tmp_path / "out"
    arguments = ("eval", tmp_path / "white.png", "--codec", "webp@90", "--metric", "psnr", "--out", out, "--json")
    first = run(*arguments)
    for text in (first.out.decode(), (out / "report.json").read_text(), (out / "results.jsonl").read_text()):
        assert "Infinity" not in text
    assert first.records[0]["means"][0]["metrics"]["psnr"] is None
    assert run(*arguments).out == first.out
