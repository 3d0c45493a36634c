"""Training on small networks: it learns, resumes bit for bit, runs in two processes and exports what it learned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lcodec import metrics
from lcodec.codec import decode, encode
from lcodec.container import read_header
from lcodec.entropy.bits import SCALE_MIN, bin_bits
from lcodec.errors import LcodecError
from lcodec.goal import UNSAID, Goal
from lcodec.metrics.differentiable import ms_ssim
from lcodec.picture import Picture
from lcodec.training.data import Photos, load_photos
from lcodec.training.export import model_arrays, parameters_of, write_model
from lcodec.training.gradient import Gradient
from lcodec.training.loop import STATE_FILE, train
from lcodec.training.objective import objective
from lcodec.training.parameters import ANCHORS, Parameters, at_quality, effective, respaced, unfold
from lcodec.training.rounding import LOSS_MAX, rounding_loss
from lcodec.training.run import begin
from lcodec.training.state import load_state
from lcodec.zoo import Zoo, as_model
from tests.support.pictures import picture
from tests.support.training import crops, folder, ignore, initial, photos, settings

__all__ = ["folder", "photos"]  # fixtures


def test_photos_are_found_and_bad_ones_named(photos: Photos, folder: Path) -> None:
    assert len(photos) == 4
    assert photos.skipped == [str(folder / "broken.png")]
    np.testing.assert_array_equal(photos.photo(2), picture(160, 200, seed=2))
    assert crops(photos, 5, 64, 0).shape == (5, 64, 64, 3)
    with pytest.raises(ValueError, match="no photo has"):
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


def test_the_loss_counts_pictures_by_their_weights(photos: Photos) -> None:
    params, batch = initial(photos).params, torch.from_numpy(crops(photos, 2, 64, 0))
    quality = torch.tensor([0.2, 0.8])
    first, second = (float(objective(params, batch[i : i + 1], quality[i : i + 1], None).loss) for i in range(2))
    both = objective(params, batch, quality, None, weight=torch.tensor([0.5, 2.0]))
    assert float(both.loss) == pytest.approx((0.5 * first + 2 * second) / 2, rel=1e-5)


def test_photos_in_tar_files_are_the_same(photos: Photos, folder: Path, tmp_path: Path) -> None:
    import tarfile

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


def test_photos_of_the_next_step_are_decoded_while_this_one_computes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed, events = load_photos([folder], 100_000), []
    expect, computed = streamed.expect, Gradient.__call__
    monkeypatch.setattr(streamed, "expect", lambda cuts: (events.append("expect"), expect(cuts)))
    monkeypatch.setattr(Gradient, "__call__", lambda *given: (events.append("compute"), computed(*given))[1])
    train(settings(tmp_path, 3), streamed, None, initial(streamed), ignore)
    assert events == 3 * ["expect", "compute"]


def test_loss_falls(photos: Photos, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    state = initial(photos)
    batch = torch.from_numpy(crops(photos, 4, 64, 9))
    quality = torch.tensor([0.1, 0.4, 0.6, 0.9])

    def loss(params: Parameters) -> float:
        with torch.no_grad():
            return float(objective(params, batch, quality, None).loss)

    before = loss(state.ema)
    train(settings(tmp_path, 80), photos, photos, state, lines.append)
    state = load_state(tmp_path / STATE_FILE)
    assert loss(state.ema) < 0.9 * before
    assert lines[-1]["share"] == 1
    assert lines[-1]["crop"] == 128  # the finish
    assert lines[-1]["valid_loss"] > 0


@pytest.mark.parametrize("size", [(176, 176), (192, 161), (233, 201)])
def test_ms_ssim_is_that_of_the_metrics(size: tuple[int, int]) -> None:
    first = picture(*size, seed=1)
    noise = np.random.default_rng(0).normal(0, 25, first.shape)
    second = (first + noise).clip(0, 255).astype(np.uint8)
    got = ms_ssim(*(torch.from_numpy(np.stack([image, first])).float() for image in (first, second)))
    assert float(got[0]) == pytest.approx(metrics.ms_ssim(first, second), abs=1e-4)
    assert float(got[1]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scale", [0.01, 0.12, 0.3, 1.0, 40.0, 1000.0])
def test_bits_are_those_of_the_bin_with_their_gradients(scale: float) -> None:
    deviation = torch.linspace(-3.7, 4.9, 40, dtype=torch.float64) * max(scale, 1)
    edges = torch.stack((deviation - 0.5, deviation + 0.5)).abs() / max(scale, SCALE_MIN)
    tails = torch.special.log_ndtr(-edges).exp()
    probability = torch.where(deviation.abs() < 0.5, 1 - tails.sum(0), (tails[0] - tails[1]).abs())
    log_scale = torch.full_like(deviation, scale).log()
    sure = probability > 1e-30
    bits = bin_bits(deviation.float(), log_scale.float())
    assert torch.allclose(bits[sure].double(), -probability[sure].log2(), rtol=1e-4, atol=1e-3)
    assert bits.isfinite().all()
    arguments = [deviation[sure].requires_grad_(), log_scale[sure].requires_grad_()]
    assert torch.autograd.gradcheck(bin_bits, arguments, eps=1e-7, atol=1e-5)


def test_bits_grow_with_a_gradient_far_beyond_what_float32_holds() -> None:
    deviation = torch.tensor([1.0, 3.0, 10.0, 100.0, 1000.0], requires_grad=True)
    bits = bin_bits(deviation, torch.tensor(-9.0))
    bits.sum().backward()
    assert torch.allclose(bits, ((deviation - 0.5) / SCALE_MIN) ** 2 / 2 / np.log(2), rtol=0.3, atol=6)
    assert deviation.grad is not None
    assert (deviation.grad.diff() > 0).all()


def test_ms_ssim_can_be_trained_for(photos: Photos) -> None:
    params = {name: value.requires_grad_() for name, value in initial(photos).params.items()}
    batch = torch.from_numpy(crops(photos, 1, 128, 9)).repeat(1, 2, 2, 1)
    with torch.autocast("cpu", torch.bfloat16):
        result = objective(params, batch, torch.tensor([0.5]), torch.Generator(), Goal("ms-ssim"))
    result.loss.backward()  # type: ignore[no-untyped-call]
    gradient = params["synthesis.up.weight"].grad
    assert gradient is not None
    assert 0 < float(gradient.norm()) < 1e3


def test_resumes_bit_for_bit(photos: Photos, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for out in (whole, halves):
        out.mkdir()
    train(settings(whole, 20), photos, None, initial(photos), ignore)

    def stop_at_ten(line: dict[str, Any]) -> None:
        if line["step"] == 9:  # the step that runs when the signal comes is the last
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(settings(halves, 20), photos, None, initial(photos), stop_at_ten)
    assert load_state(halves / STATE_FILE).progress.step == 10
    train(settings(halves, 20), photos, None, None, ignore)
    first, second = load_state(whole / STATE_FILE), load_state(halves / STATE_FILE)
    assert first.progress.step == second.progress.step == 20
    for part in ("params", "ema", "moment1", "moment2"):
        one, other = getattr(first, part), getattr(second, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_begins_from_a_state_of_any_name(photos: Photos, tmp_path: Path) -> None:
    train(settings(tmp_path, 2), photos, None, initial(photos), ignore)
    kept = (tmp_path / STATE_FILE).rename(tmp_path / "kept.safetensors")
    begun = begin(photos, 0, str(kept), "mse")
    assert begun.progress.history == ["kept.safetensors"]
    assert all(torch.allclose(value, begun.params[name], atol=1e-5) for name, value in load_state(kept).ema.items())
    kept.write_bytes(b"no state, and no model")
    with pytest.raises(LcodecError, match="cannot read the model"):
        begin(photos, 0, str(kept), "mse")


def test_a_loss_that_is_not_finite_loses_nothing(photos: Photos, tmp_path: Path) -> None:
    train(settings(tmp_path, 2), photos, None, initial(photos), ignore)
    kept = (tmp_path / STATE_FILE).read_bytes()
    broken = initial(photos)
    broken.params["synthesis.up.bias"][0] = float("nan")
    with pytest.raises(LcodecError, match="finite"):
        train(settings(tmp_path, 50), photos, None, broken, ignore)
    assert (tmp_path / STATE_FILE).read_bytes() == kept


@pytest.mark.parametrize("processes", [1, 2])
def test_a_state_that_cannot_be_written_is_named(photos: Photos, tmp_path: Path, processes: int) -> None:
    (tmp_path / STATE_FILE).mkdir()
    with pytest.raises(LcodecError, match=f"cannot write .*{STATE_FILE}: "):
        train(settings(tmp_path, 2, processes=processes), photos, None, initial(photos), ignore)


def test_a_killed_process_ends_the_run_with_a_word(photos: Photos, tmp_path: Path) -> None:
    def die(_: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(LcodecError, match=r"ended early \(SIGKILL\)"):
        train(settings(tmp_path, 2, processes=2), photos, None, initial(photos), die)


def test_folding_is_inverted(photos: Photos) -> None:
    params = initial(photos).params
    again = unfold(effective(params))
    for name, value in params.items():
        torch.testing.assert_close(again[name], value, rtol=2e-3, atol=2e-3)


def test_export_keeps_rate_and_parameters(photos: Photos, tmp_path: Path) -> None:
    train(settings(tmp_path, 60), photos, None, initial(photos), ignore)
    params = load_state(tmp_path / STATE_FILE).ema
    arrays = model_arrays(params)
    again = parameters_of(arrays)
    assert again.keys() == params.keys()
    write_model(tmp_path, "small", Goal(), "for a test", arrays, "# small\n")
    zoo = Zoo([tmp_path])
    model = zoo.load("small")
    assert model.entropy_id == as_model(arrays, "small").entropy_id
    original = picture(128, 192, seed=7)
    for quality in (0.1, 0.5, 1.0):
        with torch.no_grad():
            estimate = objective(params, torch.from_numpy(original[None]), torch.tensor([quality]), None)
            same = objective(again, torch.from_numpy(original[None]), torch.tensor([quality]), None)
        data = encode(Picture(original), model, 100 * quality)
        coded = 8 * (len(data) - read_header(data).overhead) / (128 * 192)
        # An escape is cheaper than a Gaussian's far tail, and this network, hardly trained, has many.
        assert 0.9 * float(estimate.bpp) < coded < 1.01 * float(estimate.bpp) + 40 * 8 / (128 * 192)
        assert float(same.bpp) == pytest.approx(float(estimate.bpp), rel=0.01)
        mse = ((decode(data, zoo).pixels.astype(float) - original) ** 2).mean()
        assert mse == pytest.approx(float(estimate.mse), rel=0.05)


def test_cost_of_fixed_point_is_small_and_would_be_seen(photos: Photos) -> None:
    params = initial(photos).params
    crop = photos.photo(0)[:128, :192]
    assert abs(rounding_loss(params, model_arrays(params), [crop])) < LOSS_MAX
    wrong = params | {name: params[name] + 2 for name in params if name.startswith("base.out") and "bias" in name}
    assert rounding_loss(params, model_arrays(wrong), [crop]) > 0.01


def test_gains_are_linear_between_anchors() -> None:
    table = torch.arange(8.0)[:, None]
    got = at_quality(table, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(got[:, 0, 0, 0], torch.tensor([0.0, 3.5, 7.0]))


def test_gains_follow_lambda_into_another_range() -> None:
    old, new = Goal("mse", (0.01, 1.0)), Goal("mse", (0.001, 10.0))
    table = torch.linspace(1, 3, 5)[:, None] + torch.tensor([[0.0, 10.0]])
    other = torch.rand(3, 3)
    params = respaced({"gain.scale": table, "analysis.in.bias": other}, old.lambdas, new.lambdas)
    assert params["analysis.in.bias"] is other
    assert params["gain.scale"].shape == (ANCHORS, 2)
    before = at_quality(table, torch.tensor([0.0, 0.25, 1.0]))
    after = at_quality(params["gain.scale"], torch.tensor([0.25, 0.375, 0.75]))
    assert old.multiplier(0.25) == pytest.approx(new.multiplier(0.375))
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(params["gain.scale"][0], torch.tensor([0.0, 10.0]))  # as at the end, further on


def test_a_model_says_what_it_was_trained_for(photos: Photos, tmp_path: Path) -> None:
    arrays = model_arrays(initial(photos).params)
    goal = Goal("ms-ssim", (0.0005, 0.3))
    write_model(tmp_path, "small", goal, "for a test", arrays, "# small\n")
    assert Zoo([tmp_path]).load("small").goal == goal
    assert Zoo().load("mse").goal.aim == "mse"
    assert Goal.of(None) == UNSAID
    with pytest.raises(ValueError, match="lambda"):
        Goal.of({"lambdas": "2 1"})


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


def test_torchrun_trains_as_forked_processes_do(folder: Path, tmp_path: Path) -> None:
    options = ["lcodec.cli", "train", str(folder), "--batch", "1", "--crop", "64", "--steps", "2", "--processes", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    states = []
    for name, launcher in (("forked", []), ("torchrun", ["torch.distributed.run", "--nproc-per-node", "2", "-m"])):
        command = [sys.executable, "-W", "ignore", "-m", *launcher, *options, "--out", str(tmp_path / name)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count(f"{name}.safetensors: ") == 1
        assert result.stderr.count("files skipped") == 1
        states.append(load_state(tmp_path / name / STATE_FILE))
    forked, launched = states
    assert launched.progress.pixels == forked.progress.pixels == 2 * 2 * 64**2
    assert all(torch.equal(value, launched.params[name]) for name, value in forked.params.items())
