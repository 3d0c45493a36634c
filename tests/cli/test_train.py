"""`lcodec train`: whole runs, and requests that make no sense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from lcodec.cli import training_log
from lcodec.goal import Goal
from lcodec.training.data import Photos
from lcodec.training.export import model_arrays, write_model
from lcodec.training.settings import STATE_FILE
from lcodec.training.state import load_state
from lcodec.zoo import Zoo
from tests.support.pictures import picture
from tests.support.training import folder, initial, photos

from .conftest import Run

__all__ = ["folder", "photos"]  # fixtures


def test_photos_smaller_than_the_usual_crop_will_do(run: Run, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((96, 64)).save(tmp_path / "small.png")  # no noise: hardly any direction varies
    Image.fromarray(picture(40, 96, seed=1)).save(tmp_path / "smaller.png")
    (tmp_path / "screens").mkdir()
    Image.fromarray(picture(70, 64, seed=2)).save(tmp_path / "screens" / "0.png")
    out, few = tmp_path / "run", ("--crop", "64", "--batch", "2", "-j", "1")
    also = ("--also", f"{tmp_path / 'screens'}=0.25")
    given = [tmp_path / "small.png", tmp_path / "smaller.png", *also, *few, "-O", out]
    done = run("train", *given, "--steps", "1", "--aim", "mse")
    assert done.code == 0, done.err
    assert "1 of the photos have a side under 64 pixels and are not drawn from" in done.err
    assert "run.safetensors: " in done.err
    assert (out / "best.safetensors").exists()
    assert "0.25 of the crops from 1 of them" in (out / "run.md").read_text()
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["learning_rate"] == pytest.approx(1.2e-3 / 200)
    again = run("train", *given, "--seconds", "0.001", "--quiet", "--resume")
    assert (again.code, again.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--steps", "1", "--device", "cuda"], 2, "no CUDA device here"),
        (["--steps", "1", "--seconds", "1"], 2, "give one of --hours, --seconds and --steps"),
        ([], 2, "give one of --hours, --seconds and --steps"),
        (["--steps", "1", "--also", "{photos}"], 2, "is not PATH=SHARE"),
        (["--steps", "1", "--also", "{photos}=nan"], 2, "is not PATH=SHARE"),
        (["--steps", "1", "--also", "{photos}=0.5", "--also", "{photos}=0.5"], 2, "leave none for DATA"),
        (["--steps", "1", "--also", "nowhere=0.5"], 2, "there is no nowhere"),
        (["--steps", "1", "--crop", "192"], 1, "no photo has both sides of 192 pixels or more"),
        (["--steps", "1", "--crop", "128", "--aim", "ms-ssim"], 2, "--aim ms-ssim needs crops of at least 192"),
        (["--steps", "1", "--model", "ms-ssim"], 2, "--aim ms-ssim needs crops of at least 192"),
        (["--steps", "1", "--notes", "{photos}/0.png"], 2, "cannot be read as text"),
        (["--steps", "1", "--init", "nosuch"], 4, "nosuch"),
        (["--steps", "1", "--seed", "-1"], 2, "is not a whole number from 0"),
        (["--steps", "1", "--seed", "99999999999999999999"], 2, "is not a whole number from 0"),
    ],
)
def test_requests_that_make_no_sense_leave_no_folder(
    run: Run,
    folder: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    given = [argument.format(photos=folder) for argument in arguments]
    result = run("train", folder, "-O", tmp_path / "run", *given)
    assert result.code == code, result.err
    lines = [line for line in result.err.splitlines() if not line.startswith("Try ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("index", [b"[]", b"{}", b'{"models": [], "metrics": 7}', b"no JSON", b"\xff", None])
def test_another_programs_index_is_refused_before_photos_are_read(
    run: Run, tmp_path: Path, index: bytes | None
) -> None:
    out = tmp_path / "run"
    if index is None:
        (out / "index.json").mkdir(parents=True)
    else:
        out.mkdir()
        (out / "index.json").write_bytes(index)
    (tmp_path / "none").mkdir()
    result = run("train", tmp_path / "none", "-O", out, "--steps", "1")
    assert (result.code, result.err.count("\n")) == (2, 1 + result.err.count("\nTry "))
    assert str(out / "index.json") in result.err
    assert [path.name for path in out.iterdir()] == ["index.json"]


@pytest.mark.parametrize(("name", "shown"), [(b"\xe9", r"\xe9"), (b"\xe9/mine", r"\xe9"), (b"a\nb", r"a\nb")])
def test_a_folder_that_cannot_name_a_model_is_refused_before_photos_are_read(
    run: Run, tmp_path: Path, name: bytes, shown: str
) -> None:
    out = tmp_path / os.fsdecode(name)
    result = run("train", tmp_path, "-O", out, "--steps", "1")
    assert (result.code, result.err.count("\n")) == (2, 1 + result.err.count("\nTry "))
    assert shown in result.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("init", "code", "message"),
    [
        (["nosuch"], 4, "nosuch"),
        (["nosuch", "--model", "hific"], 4, "nosuch"),
        (["hific"], 4, "is a generative synthesis"),
        (["hific", "--model", "hific"], 4, "hific"),
        (["m.safetensors", "--model", "hific"], 4, "is not UTF-8: a training state cannot name it"),
    ],
)
def test_a_model_to_start_from_is_refused_before_photos_are_read(
    run: Run, tmp_path: Path, init: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"\xe9")
    (folder / "none").mkdir(parents=True)
    (mse,) = (entry.path for entry in Zoo().entries() if entry.name == "mse")
    (folder / "m.safetensors").write_bytes(mse.read_bytes())
    monkeypatch.chdir(folder)
    result = run("train", "none", "-O", "run", "--steps", "1", "--init", *init)
    assert (result.code, result.err.count("\n")) == (code, 1), result.err
    assert message in result.err


def test_command_trains_in_two_processes_and_ends_on_a_signal(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-W", "ignore", "-m", "lcodec.cli", "train", str(folder), "--out", str(out)]
    command += ["--processes", "2", "--batch", "1", "--crop", "64", "--lr", "1e-4"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = subprocess.Popen([*command, "--steps", "100000"], env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not ((out / "log.jsonl").exists() and (out / "log.jsonl").stat().st_size):
        assert started.poll() is None, started.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    _, talk = started.communicate(timeout=60)
    assert started.returncode == 130, talk
    done = load_state(out / STATE_FILE).progress.step
    other = subprocess.run(
        [*command, "--resume", "--steps", "9", "--model", "ms-ssim"], capture_output=True, check=False
    )
    assert (other.returncode, other.stderr.count(b"\n")) == (2, 1)
    assert b"is of a run for mse" in other.stderr
    broken_out = tmp_path / "broken"
    broken_out.mkdir()
    (broken_out / STATE_FILE).write_bytes(b"no state")
    no_state = [*command, "--out", str(broken_out), "--resume", "--steps", "9"]
    other = subprocess.run(no_state, capture_output=True, check=False)
    assert (other.returncode, other.stderr.count(b"\n")) == (4, 1)
    notes = tmp_path / "notes.md"
    notes.write_text("## Photos\n\nDrawn by the tests.\n")
    more = ["--resume", "--steps", str(done + 2), "--notes", str(notes), "--valid", str(folder), "--memory", "150k"]
    resumed = subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    broken = str(folder / "broken.png")
    assert resumed.stderr.count(f"skipped, unreadable: {broken}") == 2  # to train on, and to validate on
    assert "decoded as they are drawn" in resumed.stderr
    card = (out / "run.md").read_text()
    assert "| fixed point costs | " in card
    assert card.endswith(notes.read_text())
    assert load_state(out / STATE_FILE).progress.step == done + 2
    assert Zoo([out]).load("run").entropy
    anew = subprocess.run([*command, "--steps", "1"], env=environment, capture_output=True, text=True, check=False)
    assert anew.returncode == 2
    assert "--resume" in anew.stderr


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught, training_log.log_of(tmp_path / "run") as log:
            log.write("more than there is room for")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "run" / "log.jsonl")


def test_a_size_is_for_a_new_model(run: Run, tmp_path: Path) -> None:
    result = run("train", tmp_path, "--size", "large", "--init", "mse", "--steps", "1", "-O", tmp_path / "out")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--size is for a new model" in result.err
    assert not (tmp_path / "out").exists()


def test_a_generative_synthesis_for_an_installed_model(
    run: Run, folder: Path, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty steps, told apart from other runs when they go on, and what comes out decodes."""
    write_model(tmp_path / "models", "plain", Goal(), "", model_arrays(initial(photos).params), "")
    out = tmp_path / "real"
    monkeypatch.setenv("LCODEC_MODELS", os.pathsep.join(map(str, (tmp_path / "models", out))))
    few = (folder, "--crop", "64", "--batch", "2", "-j", "1", "-O", out)
    done = run("train", *few, "--model", "hific", "--init", "plain", "--steps", "20")
    assert done.code == 0, done.err
    (line,) = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert line["learning_rate"] < 1e-4
    assert line.keys() >= {"psnr_lost", "top_octave", "locked", "margin", "norm_synthesis", "norm_critic"}
    coded = tmp_path / "a.lcdc"
    assert run("encode", folder / "0.png", "-m", "real", "-o", coded).code == 0
    assert run("decode", coded).code == 0
    assert run("decode", coded, "--realism", "0", "-o", tmp_path / "b.png").code == 0
    assert run("models", "check").code == 0

    on = run("train", *few, "--steps", "21", "--resume")
    assert on.code == 0, on.err
    wrong = run("train", *few, "--steps", "22", "--resume", "--aim", "mse")
    assert (wrong.code, "is of a run for hific, not mse" in wrong.err) == (2, True)
    elsewhere = (*few[:-1], tmp_path / "other", "--steps", "1")
    for arguments, code, message in (
        (("--model", "hific"), 2, "is trained for the model of --init"),
        (("--model", "hific", "--init", "plain", "--aim", "mse"), 2, "has no --aim"),
        (("--model", "hific", "--init", "real"), 4, "is a generative synthesis; one is trained for the model plain"),
        (("--init", out / STATE_FILE), 4, "is not an lcodec model"),
    ):
        refused = run("train", *elsewhere, *arguments)
        assert (refused.code, message in refused.err) == (code, True), refused.err
    monkeypatch.setenv("LCODEC_MODELS", str(out))
    gone = run("train", *few, "--steps", "22", "--resume")
    assert (gone.code, "no model named 'plain'" in gone.err) == (4, True)


def test_a_metric_from_photos_and_frames(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told apart from codecs everywhere."""
    frames, out = tmp_path / "frames", tmp_path / "pim"
    frames.mkdir()
    for end in "ab":
        Image.fromarray(picture(70, 80, seed=3)).save(frames / f"clip-{end}.png")
    few = (folder, "--pairs", frames, "--batch", "2", "-j", "1", "-O", out)
    done = run("train", *few, "--model", "pim", "--steps", "1", "--valid", folder)
    assert done.code == 0, done.err
    assert "pim.safetensors: 0.3 MB" in done.err
    (line,) = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert (line["crop"], line["learning_rate"]) == (64, pytest.approx(3e-4 / 200))
    assert line.keys() >= {"contrast", "agreement", "distance", "valid_loss"}
    assert "| photos | 5 " in (out / "pim.md").read_text()
    assert run("train", *few, "--steps", "2", "--resume").code == 0
    wrong = run("train", *few, "--steps", "3", "--resume", "--aim", "mse")
    assert (wrong.code, "is of a run for pim, not mse" in wrong.err) == (2, True)

    monkeypatch.setenv("LCODEC_MODELS", str(out))
    listed = run("models")
    assert any(row.split()[:2] == ["pim", "metric"] for row in listed.out.decode().splitlines())
    assert run("models", "check", "pim").out == b"pim: ok\n"
    (record,) = [record for record in run("models", "list", "--json").records if record["name"] == "pim"]
    assert record.keys() == {"name", "aim", "summary", "bytes", "id", "sha256", "path"}
    for name in ("pim", out / "pim.safetensors"):
        for command in (("encode", folder / "0.png", "-o", tmp_path / "a.lcdc"), ("eval", folder / "0.png")):
            option = "-m" if command[0] == "encode" else "--codec"
            refused = run(*command, option, name)
            assert (refused.code, refused.err.count("\n")) == (4, 1)
            assert "is a metric, not a codec" in refused.err
    assert not (tmp_path / "a.lcdc").exists()
    measured = run("eval", folder / "0.png", "--codec", "jpeg-444@20,80", "--metric", "pim", "--json").records[0]
    coarse, fine = (mean["metrics"]["pim"] for mean in measured["means"])
    assert coarse > fine > 0
    (out / "pim.safetensors").write_bytes(b"no metric")
    assert run("models", "check", "pim").code == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "pim", "--aim", "mse"), "it has no --aim, --init or --also"),
        (("--model", "pim", "--init", "mse"), "it has no --aim, --init or --also"),
        (("--model", "pim", "--also", "{photos}=0.5"), "it has no --aim, --init or --also"),
        (("--pairs", "{photos}"), "--pairs are for --model pim"),
    ],
)
def test_requests_of_a_metric_that_make_no_sense(
    run: Run, folder: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [argument.format(photos=folder) for argument in arguments]
    result = run("train", folder, "-O", tmp_path / "run", "--steps", "1", *given)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert message in result.err
    assert not (tmp_path / "run").exists()


def test_a_folder_without_pairs_is_said(run: Run, folder: Path, tmp_path: Path) -> None:
    result = run("train", folder, "-O", tmp_path / "run", "--steps", "1", "--model", "pim", "--pairs", folder)
    assert (result.code, "no photo found" in result.err) == (1, True)
