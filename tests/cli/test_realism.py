"""Realism at the command line: `encode -m` of a generative model, `decode --realism`, what `info` and errors say."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lcodec
import lcodec.pillow_plugin
from lcodec.errors import UsageError
from tests.support.generative import GOLDEN, NAME, add_generative

from .conftest import Run


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the generative model; it and the golden model are installed."""
    folder = tmp_path / "generative"
    folder.mkdir()
    monkeypatch.setenv("LCODEC_MODELS", f"{GOLDEN}{os.pathsep}{add_generative(folder)}")
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_either_file_either_way(run: Run, installed: Path, photo: Path, tmp_path: Path) -> None:
    for name in ("golden", NAME):
        assert run("encode", photo, "-m", name, "-o", tmp_path / f"{name}.lcdc").code == 0
    found = {}
    for name in ("golden", NAME):
        for realism in (None, "0", "0.5", "1"):
            target = tmp_path / f"{name}-{realism}.png"
            options = [] if realism is None else ["--realism", realism]
            assert run("decode", tmp_path / f"{name}.lcdc", *options, "-o", target).code == 0
            found[name, realism] = pixels(target)
            with Image.open(target) as image:
                marked = b"algorithmicallyEnhanced" in str(image.info.get("xmp", "")).encode()
            assert marked == (realism not in {None, "0"} or (realism is None and name == NAME))
    for realism in ("0", "0.5", "1"):
        assert np.array_equal(found["golden", realism], found[NAME, realism])
    assert np.array_equal(found["golden", None], found["golden", "0"])
    assert np.array_equal(found[NAME, None], found[NAME, "1"])
    assert run("decode", tmp_path / f"{NAME}.lcdc", "--metadata", "none", "-f", "-o", tmp_path / "bare.png").code == 0
    with Image.open(tmp_path / "bare.png") as image:
        assert "xmp" not in image.info
    result = run("decode", tmp_path / f"{NAME}.lcdc", "-o", tmp_path / "x.ppm")
    assert (result.code, "ppm cannot hold it, left out: XMP" in result.err) == (0, True)


def test_info_says_what_the_file_asks_for(
    run: Run, installed: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = tmp_path / "real.lcdc"
    assert run("encode", photo, "-m", NAME, "-o", coded).code == 0
    assert (
        f"model     {NAME}, for what golden coded (--realism 0 shows it exactly)  (" in run("info", coded).out.decode()
    )
    (record,) = run("info", "--json", coded).records
    assert (record["model"], record["coded_by"]) == (NAME, "golden")
    monkeypatch.setenv("LCODEC_MODELS", str(GOLDEN))
    assert "model     not installed, for what golden coded (--realism 0" in run("info", coded).out.decode()
    for options in ([], ["--realism", "1"]):
        result = run("decode", coded, *options)
        assert (result.code, result.err.count("\n")) == (4, 1)
        assert f"{record['entropy_id']}-{record['synthesis_id']}" in result.err
        assert "; realism 0 shows the file with golden" in result.err
    assert run("decode", coded, "--realism", "0").code == 0


@pytest.mark.parametrize("realism", ["-0.1", "1.5", "nan", "much"])
def test_realism_out_of_range_is_refused(run: Run, coded: Path, realism: str) -> None:
    result = run("decode", coded, "--realism", realism)
    assert result.code == 2
    assert "--realism" in result.err


def test_a_model_without_a_generative_one(run: Run, photo: Path, tmp_path: Path) -> None:
    coded = tmp_path / "structure.lcdc"
    assert run("encode", photo, "-m", "ms-ssim", "-o", coded).code == 0
    result = run("decode", coded, "--realism", "0.5")
    assert result.code == 4
    assert "no generative model for what ms-ssim coded is installed" in result.err
    assert run("decode", coded, "--realism", "0").code == 0


def test_a_run_over_a_folder_knows_its_realism(run: Run, installed: Path, photo: Path, tmp_path: Path) -> None:
    assert run("encode", photo, "-m", NAME, "-O", tmp_path / "coded").code == 0
    made = []
    for options in ([], ["--realism", "0.5"], ["--realism", "0.5"], ["--realism", "0"]):
        result = run("decode", "-r", tmp_path / "coded", "-O", tmp_path / "out", "--json", *options)
        assert result.code == 0
        made.append(len([record for record in result.records if record.get("seconds")]))
    assert made == [1, 1, 0, 1]


def test_python_has_the_same_keyword(installed: Path, photo: Path) -> None:
    with Image.open(photo) as image:
        data = lcodec.encode(image, model=NAME)
        plain = lcodec.encode(image, model="golden")
        image.save(photo.with_name("plug.lcdc"), model=NAME)
    exact, real = lcodec.decode(plain), lcodec.decode(data)
    assert (exact != real).any()
    assert np.array_equal(lcodec.decode(data, realism=0), exact)
    assert np.array_equal(lcodec.decode(plain, realism=1), real)
    assert "algorithmicallyEnhanced" in str(lcodec.decode_image(plain, realism=0.5).info["xmp"])
    with pytest.raises(UsageError, match="realism"):
        lcodec.decode(data, realism=2)
    with pytest.raises(TypeError, match="realism must be a number"):
        lcodec.decode(data, realism="much")  # type: ignore[arg-type]
    with Image.open(photo.with_name("plug.lcdc")) as image:
        assert np.array_equal(np.asarray(image), real)
        assert "algorithmicallyEnhanced" in str(image.info["xmp"])
    with Image.open(photo.with_name("plug.lcdc")) as image:
        image.realism = 0  # type: ignore[attr-defined]
        assert np.array_equal(np.asarray(image), exact)
        assert "xmp" not in image.info
    with Image.open(photo.with_name("plug.lcdc")) as image:
        image.realism = 3  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="realism"):
            image.load()
