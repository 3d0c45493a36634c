"""The command line on pages of text: exact where that pays, and said so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lcodec import container
from lcodec.container import pack, unpack
from tests.support.command import PHOTO, run_without
from tests.support.pictures import page

from .conftest import Run, outputs

TEXT = page(96, 160)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A page of text, alone in its folder."""
    path = tmp_path / "text.png"
    Image.fromarray(TEXT).save(path)
    return path


def pixels_of(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_text_comes_back_as_it_was(run: Run, text: Path, tmp_path: Path) -> None:
    result = run("encode", text, "-q", "100")
    assert result.code == 0
    assert "note" not in result.err
    assert text.with_suffix(".lcdc").stat().st_size < text.stat().st_size
    assert run("decode", text.with_suffix(".lcdc"), "-o", tmp_path / "again.png").code == 0
    assert (pixels_of(tmp_path / "again.png") == TEXT).all()
    for edit in (["--crop", "60x40+8+16"], ["--realism", "0.5", "--crop", "60x40+8+16"]):
        assert run("decode", text.with_suffix(".lcdc"), "-fo", tmp_path / "part.png", *edit).code == 0
        assert (pixels_of(tmp_path / "part.png") == TEXT[16:56, 8:68]).all()


def test_a_target_that_is_met_without_loss_says_so(run: Run, text: Path) -> None:
    result = run("encode", text, "-e", "0", "--min-psnr", "30")
    assert result.code == 0
    assert "  lossless, over 30.00 dB, " in result.err
    assert "inf" not in result.err
    (record,) = run("encode", text, "-f", "-e", "0", "--min-psnr", "30", "--json").records
    assert (record["reached"], record["slack"]) == (None, None)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_other_kinds_of_samples(run: Run, tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(TEXT).convert(mode)
    if mode != "L":
        image.putalpha(Image.linear_gradient("L").resize((160, 96)))
    image.save(tmp_path / "a.png")
    assert run("encode", tmp_path / "a.png", "-q", "90").code == 0
    assert run("decode", tmp_path / "a.lcdc", "-o", tmp_path / "b.png").code == 0
    again = pixels_of(tmp_path / "b.png")
    seen = again[..., -1:] > 0 if mode != "L" else np.True_
    assert (np.where(seen, again, 0) == np.where(seen, np.asarray(image), 0)).all()


def test_info_says_how_much_is_exact(run: Run, text: Path, tmp_path: Path) -> None:
    coded = text.with_suffix(".lcdc")
    run("encode", text)
    shown = run("info", coded).out.decode()
    assert "exact     100.0 % of the pixels" in shown
    (record,) = run("info", "--check", "--json", coded).records
    assert record["exact_share"] == 1
    assert record["sections"]["exact"] + record["overhead"] == record["bytes"] == coded.stat().st_size

    mixed = page(96, 240)
    with Image.open(PHOTO) as photo:
        mixed[:, 160:] = np.asarray(photo.crop((300, 200, 380, 296)))
    Image.fromarray(mixed).save(text)
    run("encode", text, "-fq", "80")
    (record,) = run("info", "--json", coded).records
    assert record["exact_share"] == pytest.approx(2 / 3, abs=0.02)
    assert record["sections"]["latents"] > 0
    data = bytearray(coded.read_bytes())
    data[-20] ^= 1
    coded.write_bytes(data)
    assert run("info", "--json", coded).records[0]["exact_share"] is None
    assert "of the pixels" not in run("info", coded).out.decode()
    assert run("info", "--check", coded).code == 3


def test_info_of_a_photo_does_not_speak_of_it(run: Run, coded: Path) -> None:
    assert "exact" not in run("info", coded).out.decode()
    assert "exact_share" not in run("info", "--json", coded).records[0]


def test_folders_take_it_as_any_file(run: Run, many: Path, tmp_path: Path) -> None:
    Image.fromarray(TEXT).save(many / "0" / "text.png")
    whole = ("encode", "-r", many, "-O", tmp_path / "out", "-m", "mse-fast", "--if-smaller", "-j", "2")
    assert run(*whole).code == 0
    made = outputs(tmp_path / "out")
    assert "exact" in container.read_header(made["0/text.lcdc"]).sections
    assert run(*whole).code == 0
    assert outputs(tmp_path / "out") == made
    assert run("decode", "-r", tmp_path / "out", "-O", tmp_path / "back").code == 0
    assert (pixels_of(tmp_path / "back" / "0" / "text.png") == TEXT).all()


def test_a_floor_that_only_equal_pixels_meet(run: Run, text: Path) -> None:
    result = run("encode", text, "--min-psnr", "90", "--json")
    assert result.code == 0
    assert "Infinity" not in result.out.decode()
    assert json.loads(result.out)["target_value"] == 90


def test_damaged_parts_are_one_line(run: Run, text: Path) -> None:
    coded = text.with_suffix(".lcdc")
    run("encode", text)
    parts = unpack(coded.read_bytes())
    coded.write_bytes(pack(parts.header, [container.Part(b"", b"", parts.parts[0].exact[:-40])], {}))
    for command in (["decode", "-f", coded], ["info", "--check", coded]):
        result = run(*command)
        assert result.code == 3
        assert len(result.err.splitlines()) == 1
        assert "exact parts" in result.err


def test_an_older_version_would_refuse_it(run: Run, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag 8 is unknown to it."""
    coded = text.with_suffix(".lcdc")
    run("encode", text)
    monkeypatch.setattr(container, "_HAS_EXACT", 0)
    result = run("decode", "-f", coded)
    assert (result.code, len(result.err.splitlines())) == (3, 1)
    assert "made by a later lcodec" in result.err


def test_torch_is_not_needed(text: Path) -> None:
    done = run_without({"torch"}, "encode", text)
    assert (done.returncode, "note" in done.stderr) == (0, False)


def test_memory_is_no_reason_to_refuse(run: Run, text: Path) -> None:
    """Where there is not enough of it to look for exact parts, the networks code the page."""
    Image.fromarray(page(600, 800)).save(text)
    said = run("encode", text, "--memory", "10M", "-m", "mse-fast").err
    least = said.split("at least ")[1].split(" MiB")[0]
    assert run("encode", text, "--memory", f"{least}MiB", "-m", "mse-fast").code == 0
    assert "exact" not in container.read_header(text.with_suffix(".lcdc").read_bytes()).sections
