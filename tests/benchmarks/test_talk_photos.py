"""The talk's figures that are made of photos, models and published numbers, without any photo."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.common import open_model, read_rows, shipped, splice
from benchmarks.panel import shifted, squared_error
from benchmarks.talk import elo, hyperprior, klt, pictures, slowness, years
from benchmarks.talk.common import OUT, Given, panels
from tests.support.pictures import picture

pytest.importorskip("torch")


def test_bits_fall_with_what_the_model_knows() -> None:
    from lcodec.training.export import parameters_of

    params = parameters_of(open_model("mse")[1].arrays)
    pixels = np.full((320, 320, 3), 128, np.uint8)
    pixels[:160, :160] = picture(160, 160)  # busy in one corner: no fixed distribution of a channel knows that
    found = hyperprior.latents(params, pixels, 70)
    side, alone, context = found.bits
    fixed = hyperprior.entropy(np.rint(found.whole).astype(np.int16).reshape(-1, found.whole.shape[2]))
    assert 0 < side < alone
    assert fixed > alone + side > context + side
    assert found.first.shape == found.means.shape == found.scales.shape == (10, 10, found.whole.shape[2])


@pytest.mark.parametrize("row", read_rows(OUT / "hyperprior.csv"), ids=lambda row: row["quality"])
def test_bits_fall_on_kodak(row: dict[str, str]) -> None:
    assert float(row["factorised_bpp"]) > float(row["hyperprior_bpp"]) > float(row["context_bpp"])


def test_entropy_is_that_of_each_channel() -> None:
    symbols = np.stack((np.arange(64) % 4, np.arange(64) % 2, np.zeros(64)), axis=1).astype(np.int16)
    assert hyperprior.entropy(symbols) == pytest.approx(64 * 3)


def test_coherence_tells_a_grating_from_two_that_cross() -> None:
    rows, columns = np.mgrid[:16, :16] * (np.pi / 4)
    grating, crossed = np.cos(rows + columns), np.cos(rows) * np.cos(columns)
    found = klt.coherence(np.stack([np.repeat(each[..., None], 3, axis=2).ravel() for each in (grating, crossed)]))
    assert found[0] > 0.8
    assert found[1] < 0.1


def test_the_layer_began_as_an_orthonormal_transform() -> None:
    layer, deviations = klt.trained()
    assert layer.shape == (320, 768)
    assert (np.diff(deviations) <= 0).all()  # channels of a KLT, by falling variance
    assert np.linalg.norm(layer, axis=1) == pytest.approx(np.ones(320), abs=1)
    assert klt.mosaic(layer).shape == (142, 142, 3)


def test_years_are_of_the_committed_results() -> None:
    rows = years.points()
    assert rows == read_rows(OUT / "years.csv"), "run `python -m benchmarks.talk years`"
    rate = {row["codec"]: float(row["bd_rate_bpg"]) for row in rows}
    assert rate["BPG"] == 0
    assert rate["JPEG"] > rate["WebP"] > rate["JPEG 2000"] > 0 > rate["VTM (VVC)"]


def test_elo_of_the_user_study() -> None:
    found = dict(zip(elo.CODECS, elo.elo(elo.counts()).round(), strict=True))
    ranked = sorted(found, key=lambda name: -found[name])
    assert ranked[:3] == ["HiFiC Hi", "HiFiC Mi", "BPG high"]
    assert [found[name] for name in ranked] == [1793, 1694, 1647, 1548, 1544, 1543, 1391, 1302, 1038]
    committed = {row["codec"]: float(row["elo"]) for row in read_rows(OUT / "elo.csv")}
    assert committed == found


def test_elo_of_two_is_that_of_their_odds() -> None:
    strong, weak = elo.elo(np.array([[0.0, 10.0], [1.0, 0.0]]))
    assert strong - weak == pytest.approx(400)
    assert strong + weak == pytest.approx(3000)


def test_each_of_the_pair_wins_by_its_own_metric() -> None:
    rows = read_rows(OUT / "pair.csv")
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        assert (ours["model"], theirs["model"]) == (shipped()["mse"], shipped()["ms-ssim"])
        assert float(ours["bpp"]) == pytest.approx(float(theirs["bpp"]), rel=0.02)
        assert float(ours["psnr"]) > float(theirs["psnr"])
        assert float(ours["ms_ssim"]) < float(theirs["ms_ssim"])


def test_photos_are_kept_as_jpeg_and_maps_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure, (photo, small) = panels(2, 300)
    original = picture(160, 200)
    pictures.show(photo, original, "photo")
    pictures.show(small, original[:20, :30], "map")
    pictures.save_photos(figure, Given(tmp_path), "both")
    found = re.findall(r"data:image/(\w+);base64,([^\"]+)\"", (tmp_path / "both.svg").read_text())
    kept = {kind: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for kind, data in found}
    assert kept["jpeg"].shape == (160, 200, 3)
    assert np.abs(kept["jpeg"].astype(int) - original).mean() < 6
    assert (kept["png"] == original[:20, :30]).all()


def test_steps_bring_each_metric_down() -> None:
    import torch

    from benchmarks.blind_spots import LOSSES, noise, remade

    original = torch.from_numpy(picture(168, 168)[None] / np.float32(255))
    for name, loss in LOSSES.items():
        found = remade(original, name, 30)
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        assert found.shape == original.shape
        assert float(loss(found, original)) < 0.95 * float(loss(noise(168), original)), name


def test_every_metric_of_every_picture_is_in_the_table(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.blind_spots import LOSSES, write
    from lcodec.metrics import MEASURES

    Image.fromarray(picture(120, 150)).save(tmp_path / "photo.png")
    rows = write(tmp_path / "photo.png", 72, 3, Given(tmp_path))
    assert [row["minimised"] for row in rows] == [
        "noise",
        *(name for name in LOSSES if name != "ms-ssim"),
    ]  # 161 pixels
    assert {name for name, measure in MEASURES.items() if measure.missing() is None} <= rows[0].keys()
    assert float(rows[1]["psnr"]) > float(rows[0]["psnr"])
    assert read_rows(tmp_path / "blind_spots.csv") == rows
    assert (tmp_path / "blind_spots.svg").exists()


def test_the_page_shows_the_committed_table() -> None:
    from benchmarks.blind_spots import PAGE, as_text

    text = PAGE.read_text(encoding="utf-8")
    assert splice(text, as_text(read_rows(OUT / "blind_spots.csv")), "blind-spots") == text


def test_metrics_disagree_about_what_each_made() -> None:
    rows = {row["minimised"]: row for row in read_rows(OUT / "blind_spots.csv")}
    assert float(rows["ms-ssim"]["ms-ssim"]) > float(rows["wasserstein"]["ms-ssim"])
    assert float(rows["wasserstein"]["wasserstein"]) < float(rows["ms-ssim"]["wasserstein"])
    assert float(rows["mse"]["psnr"]) > max(float(rows[name]["psnr"]) for name in ("ms-ssim", "wasserstein"))


def test_distortions_are_as_far_as_the_next_frame() -> None:
    first = picture(192, 192, seed=3)
    made = slowness.versions(first, shifted(first))
    assert tuple(made) == slowness.VERSIONS
    errors = [squared_error(first, version) for version in made.values()]
    assert errors == pytest.approx([errors[0]] * len(errors), rel=0.05)


def test_frames_a_moment_apart_are_near_in_what_was_learned() -> None:
    rows = read_rows(OUT / "slowness.csv")
    pim = {(row["pair"], row["version"]): float(row["pim"]) for row in rows}
    frames = [pair for pair, version in pim if version == "next frame"]
    assert len(frames) >= 30
    for version in slowness.VERSIONS[1:]:
        assert np.mean([pim[pair, "next frame"] < pim[pair, version] for pair in frames]) > 0.9
