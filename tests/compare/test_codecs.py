"""The codecs that ours are compared with: each there and back, and what is said where one is missing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.compare.codecs import RIVALS, open_codec
from lcodec.compare.plan import choose
from lcodec.errors import ModelError, UsageError
from lcodec.metrics import psnr
from lcodec.picture import Picture
from tests.support.command import PHOTO, ROOT
from tests.support.generative import GOLDEN, NAME, add_generative
from tests.support.pictures import picture

AT_HAND = [
    pytest.param(
        rival.name, marks=pytest.mark.skipif(rival.missing() is not None, reason=f"{rival.name}: {rival.missing()}")
    )
    for rival in RIVALS.values()
]


@pytest.fixture(scope="module")
def photo() -> Picture:
    with Image.open(PHOTO) as image:
        return Picture(np.asarray(image.convert("RGB").crop((300, 200, 428, 264))))


@pytest.mark.parametrize("name", AT_HAND)
def test_there_and_back(name: str, photo: Picture) -> None:
    codec = open_codec(name)
    assert codec.settings == tuple(sorted(codec.settings, reverse=codec.first > codec.last))
    sizes, distortions = [], []
    for setting in (codec.settings[1], codec.settings[5]):
        codec.check(setting)
        data = codec.encode(photo, setting)
        decoded = codec.decode(data)
        assert decoded.pixels.shape == photo.pixels.shape
        sizes.append(len(data))
        distortions.append(psnr(photo.pixels, decoded.pixels))
    assert sizes[0] < sizes[1]
    assert 15 < distortions[0] < distortions[1]
    assert codec.version() == codec.version()
    codec.encode(photo, codec.first)
    codec.encode(photo, codec.last)


@pytest.mark.parametrize("name", AT_HAND)
def test_grey_pictures_of_odd_sizes(name: str) -> None:
    codec = open_codec(name)
    grey = Picture(picture(45, 67, 1))
    assert codec.decode(codec.encode(grey, codec.settings[4])).pixels.shape[:2] == (45, 67)


@pytest.mark.parametrize("name", ["jpeg", "avif"])
def test_chroma_is_kept_in_444(name: str) -> None:
    """A colour edge at every column: 4:2:0 cannot keep it."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = (200, 30, 30)
    pixels[:, 1::2] = (30, 90, 200)
    stripes = Picture(pixels)
    errors = []
    for chroma in ("420", "444"):
        codec = open_codec(f"{name}-{chroma}")
        if codec.missing():
            pytest.skip(f"{name}: {codec.missing()}")
        errors.append(psnr(pixels, codec.decode(codec.encode(stripes, 90)).pixels))
    assert errors[1] > errors[0] + 6


def test_names_and_settings() -> None:
    assert choose("webp") == [("webp", None)]
    assert choose("webp@10,5,10") == [("webp", (10, 5))]
    assert choose("jpeg@20") == [("jpeg-420", (20,)), ("jpeg-444", (20,))]
    assert choose("jpeg-444") == [("jpeg-444", None)]
    assert choose("runs/a@b/m.safetensors@14.5") == [("runs/a@b/m.safetensors", (14.5,))]


def test_a_file_is_taken_as_one_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r@2").mkdir()
    file = "r@2/m:realism=1.safetensors"
    (tmp_path / file).write_bytes((ROOT / "models" / "mse.safetensors").read_bytes())
    assert choose(file) == [(file, None)]
    assert choose(f"{file}:realism=0") == [(f"{file}:realism=0", None)]
    assert choose(f"{file}:realism=0@30") == [(f"{file}:realism=0", (30,))]
    assert open_codec(f"{file}:realism=0").title == "lcodec m:realism=1, realism 0"
    (tmp_path / "jpeg").touch()
    assert choose("jpeg@20") == [("jpeg-420", (20,)), ("jpeg-444", (20,))]


@pytest.mark.parametrize("wanted", ["webp@", "webp@good", "webp@1,,2"])
def test_settings_are_numbers(wanted: str) -> None:
    with pytest.raises(UsageError, match="settings are numbers"):
        choose(wanted)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no codec is called 'gif' .*mse.*jpeg2000"):
        open_codec("gif")
    with pytest.raises(UsageError, match="quality, 1 to 100, not 0"):
        open_codec("jpeg-420").check(0)
    with pytest.raises(UsageError, match=r"distance, 0\.1 to 25, not nan"):
        open_codec("jxl").check(float("nan"))


@pytest.mark.parametrize(("name", "model"), [("jpeg:realism=1", "jpeg"), ("jpeg-420:realism=0", "jpeg-420")])
def test_rivals_have_no_realism(name: str, model: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}: {model} has no realism, only models have$"):
        open_codec(name)


def test_a_missing_bpg_offers_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "")
    assert "heic-444" in (open_codec("bpg-444").missing() or "")


def test_bpg_by_its_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Picture) -> None:
    """With stand-ins that copy: what they are told, and what becomes of their output."""
    said = tmp_path / "said"
    script = f"#!{sys.executable}\nimport shutil, sys\n"
    script += f"open({str(said)!r}, 'a').write(' '.join(sys.argv) + ' ')\n"
    script += "shutil.copy(sys.argv[-1], sys.argv[sys.argv.index('-o') + 1])\n"
    for name in ("bpgenc", "bpgdec"):
        program = tmp_path / name
        program.write_text(script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    codec = open_codec("bpg-444")
    assert codec.missing() is None
    decoded = codec.decode(codec.encode(photo, 30))
    assert (decoded.pixels == photo.pixels).all()
    assert "-f 444 -q 30" in said.read_text()


def test_a_model_file_without_an_index(tmp_path: Path, photo: Picture) -> None:
    entry = ROOT / "models" / "mse.safetensors"
    file = tmp_path / "mine.safetensors"
    file.write_bytes(entry.read_bytes())
    codec = open_codec(str(file))
    assert codec.title == "lcodec mine"
    assert psnr(photo.pixels, codec.decode(codec.encode(photo, 50)).pixels) > 20


def test_a_model_at_a_realism(photo: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCODEC_MODELS", os.pathsep.join(map(str, (GOLDEN, add_generative(tmp_path)))))
    open_codec.cache_clear()
    plain, half, real = (open_codec(name) for name in ("golden", "golden:realism=0.5", NAME))
    assert half.title == "lcodec golden, realism 0.5"
    assert len({each.version() for each in (plain, half, real)}) == 3
    data = plain.encode(photo, 40)
    assert half.encode(photo, 40) == data
    shown = [plain.decode(data), half.decode(data), open_codec("golden:realism=1").decode(data)]
    assert psnr(shown[0].pixels, shown[1].pixels) > psnr(shown[0].pixels, shown[2].pixels)
    assert np.array_equal(shown[2].pixels, real.decode(real.encode(photo, 40)).pixels)
    for wrong in ("golden:realism=2", "golden:realism=", "golden:realism=nan"):
        with pytest.raises(UsageError, match="realism is a number from 0 to 1"):
            open_codec(wrong)
    with pytest.raises(ModelError, match="no generative model for what ms-ssim coded") as caught:
        open_codec("ms-ssim:realism=0.5")
    assert "(LCODEC_MODELS names its folder, --codec its file; ms-ssim:realism=0 needs none)" in str(caught.value)
    open_codec.cache_clear()
