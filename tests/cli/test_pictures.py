"""Pictures of every kind through the command line: what is kept, dropped, flattened, noted and refused."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.command import COMMAND, ENVIRONMENT

from .conftest import Run


@pytest.fixture
def cutout(crop: Image.Image, tmp_path: Path) -> Path:
    """A transparent picture of 96x64 pixels, turned by its EXIF, with a profile."""
    image = crop.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    path = tmp_path / "cutout.png"
    image.save(path, exif=exif)
    return path


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_alpha_and_exif_come_back(run: Run, cutout: Path) -> None:
    coded = run("encode", cutout, "-o", "-").out
    with Image.open(cutout) as image:
        wanted = np.asarray(image.getchannel("A")).T[:, ::-1]  # orientation 6: a quarter to the right
    for form in ("png", "webp", "tiff"):
        result = run("decode", "-", "--format", form, stdin=coded)
        assert "note" not in result.err
        back = opened(result.out)
        assert (back.mode, back.size) == ("RGBA", (64, 96))
        assert (np.asarray(back.getchannel("A")) == wanted).all()
        assert back.getexif()[0x010F] == "a maker"
        assert back.getexif().get(0x0112, 1) == 1
    array = np.load(io.BytesIO(run("decode", "-", "--format", "npy", stdin=coded).out))
    assert array.shape == (96, 64, 4)
    assert (array[:, :, 3] == wanted).all()


def test_formats_without_alpha_get_a_background(run: Run, cutout: Path) -> None:
    coded = run("encode", cutout, "-o", "-").out
    for form in ("jpg", "ppm", "bmp"):
        result = run("decode", "-", "--format", form, stdin=coded)
        assert f"lcodec: -: note: {form} keeps no transparency: flattened on rgb(255,255,255)\n" in result.err
        assert np.asarray(opened(result.out))[:, -1].min() > 240  # transparent there
        result = run("decode", "-", "--format", form, "--background", "black", "--quiet", stdin=coded)
        assert result.err == ""
        assert np.asarray(opened(result.out))[:, -1].max() < 15


def test_alpha_by_request(run: Run, cutout: Path) -> None:
    def pixels(*arguments: str) -> np.ndarray:
        coded = run("encode", cutout, "-o", "-", *arguments).out
        return np.load(io.BytesIO(run("decode", "-", "--format", "npy", stdin=coded).out))

    assert pixels("--alpha", "drop").shape == (96, 64, 3)
    assert pixels("--alpha", "flatten")[:, -1].mean() > 245
    red = pixels("--alpha", "flatten", "--background", "#f00")[:, -1].mean(axis=0)
    assert red[0] > 240
    assert red[1:].max() < 25


def test_metadata_by_request(run: Run, cutout: Path) -> None:
    for wanted, kept in (("all", {"exif"}), ("none", set()), ("icc,xmp", set()), ("exif", {"exif"})):
        run("encode", cutout, "-f", "--metadata", wanted)
        (record,) = run("info", "--json", cutout.with_suffix(".lcdc")).records
        assert set(record["sections"]) - {"hyper", "latents", "alpha"} == kept


def test_info_shows_the_chunks(run: Run, cutout: Path) -> None:
    run("encode", cutout)
    text = run("info", "--check", cutout.with_suffix(".lcdc")).out.decode()
    assert "64x96 colour with alpha\n" in text
    for word in ("exif", "alpha", "check     ok"):
        assert f"  {word}" in text


def test_notes(run: Run, photo: Path, crop: Image.Image) -> None:
    moving = photo.with_name("moving.gif")
    crop.quantize(32).save(moving, save_all=True, append_images=[crop.rotate(180).quantize(32)])
    deep = photo.with_name("deep.png")
    Image.fromarray(np.asarray(crop.convert("L")).astype(np.uint16) * 257).save(deep)
    result = run("encode", moving, deep, "-f")
    assert result.code == 0
    notes = [line for line in result.err.splitlines() if ": note: " in line]
    assert notes == [
        f"lcodec: {moving}: note: the first of 2 frames",
        f"lcodec: {deep}: note: more than 8 bits a sample, rounded to 8",
    ]
    assert run("encode", moving, deep, "-f", "--quiet").err == ""
    records = run("encode", moving, deep, "-f", "--json").records
    assert [record["notes"] for record in records] == [
        ["the first of 2 frames"],
        ["more than 8 bits a sample, rounded to 8"],
    ]


def test_eval_flattens(run: Run, cutout: Path) -> None:
    result = run("eval", cutout, "--codec", "webp@90", "--metric", "psnr", "--json")
    assert result.code == 0
    assert "cutout.png: transparent, flattened on white\n" in result.err
    assert result.records[0]["results"][0]["metrics"]["psnr"] > 25


def test_strict_depth(run: Run, photo: Path) -> None:
    deep = photo.with_name("deep.png")
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(deep)
    result = run("encode", deep, "--depth", "strict")
    assert result.code == 1
    assert result.err == f"lcodec: {deep}: more than 8 bits a sample (--depth round keeps 8)\n"
    assert not deep.with_suffix(".lcdc").exists()
    assert run("encode", photo, "--depth", "strict").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--metadata", "iptc"],
        ["--metadata", ""],
        ["--alpha", "maybe"],
        ["--depth", "16"],
        ["--alpha", "flatten", "--background", "nocolour"],
        ["--background", "nocolour"],  # also where it is of no use
    ],
)
def test_nonsense_is_refused(run: Run, photo: Path, arguments: list[str]) -> None:
    result = run("encode", photo, *arguments)
    assert (result.code, result.out) == (2, b"")
    assert not photo.with_suffix(".lcdc").exists()
    assert run("decode", photo, "--background", "nocolour").code == 2


def test_a_damaged_tiff_is_one_line(crop: Image.Image, tmp_path: Path) -> None:
    """Also where the library that decodes it writes to standard error itself."""
    path = tmp_path / "a.tif"
    crop.save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[200:260] = b"\xff" * 60
    path.write_bytes(data)
    done = subprocess.run(
        [*COMMAND, "encode", "--quiet", path], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{path}: the picture is damaged or truncated: " in done.stderr


def test_what_is_left_out_is_noted_and_listed(run: Run, crop: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    crop.save(path, comment=b"the day we met", dpi=(300, 300))
    result = run("encode", path, "-o", "-")
    assert result.err.splitlines()[0] == f"lcodec: {path}: note: comment left out"
    record = run("encode", "-f", "--json", path).records[0]
    assert record["notes"] == ["comment left out"]
    for form in ("jpg", "png", "tiff"):
        decoded = opened(run("decode", path.with_suffix(".lcdc"), "-o", "-", "--format", form).out)
        assert decoded.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".hif", ".jxl"])
def test_pictures_of_plugins_are_found_in_folders(suffix: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / f"a{suffix}").write_bytes(b"no such picture")
    result = run("encode", "-r", folder, "-O", tmp_path / "coded")
    assert f"a{suffix}" in result.err
    assert "not a picture" in result.err
