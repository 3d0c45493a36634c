"""`lcodec decode`: names, formats, streams, and the picture that comes back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from lcodec.cli.batch.files import picture_format, picture_name
from lcodec.container import read_header
from lcodec.errors import UsageError

from .conftest import Run


def test_default_output_is_a_png_beside_the_input(run: Run, coded: Path, crop: Image.Image) -> None:
    result = run("decode", coded)
    assert (result.code, result.out) == (0, b"")
    assert "coded.lcdc -> " in result.err
    with Image.open(coded.with_suffix(".png")) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (96, 64), "RGB")
        difference = np.abs(np.asarray(image).astype(int) - np.asarray(crop)).mean()
    assert difference < 12


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.png", "PNG"),
        ("x.jpg", "JPEG"),
        ("x.JPEG", "JPEG"),
        ("x.webp", "WEBP"),
        ("x.tif", "TIFF"),
        ("x.ppm", "PPM"),
        ("x.bmp", "BMP"),
        ("x", "PNG"),
    ],
)
def test_suffix_gives_the_format(run: Run, coded: Path, tmp_path: Path, name: str, kind: str) -> None:
    assert run("decode", coded, "-o", tmp_path / name).code == 0
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (96, 64))


def test_format_overrules_the_suffix(run: Run, coded: Path, tmp_path: Path) -> None:
    assert run("decode", coded, "-o", tmp_path / "x.png", "--format", "webp").code == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "WEBP"


def test_format_names_the_default_output(run: Run, coded: Path, tmp_path: Path) -> None:
    assert run("decode", coded, "--format", "bmp", "-O", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "coded.bmp").is_file()


def test_unknown_suffix_is_refused(run: Run, coded: Path, tmp_path: Path) -> None:
    result = run("decode", coded, "-o", tmp_path / "x.heic")
    assert result.code == 2
    assert "--format" in result.err
    with pytest.raises(UsageError):
        picture_format("x.psd")


@pytest.mark.parametrize(
    ("source", "name"),
    [("a.lcdc", "a.png"), ("a.b.LCDC", "a.b.png"), ("a", "a.png"), ("photo.v2", "photo.v2.png")],
)
def test_picture_name(source: str, name: str) -> None:
    assert picture_name(Path(source), "png") == name


@pytest.mark.parametrize("form", ["png", "webp", "tiff", "bmp", "ppm"])
def test_lossless_formats_agree(run: Run, coded_bytes: bytes, form: str) -> None:
    def pixels(data: bytes) -> bytes:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB").tobytes()

    png = run("decode", "-", stdin=coded_bytes)
    other = run("decode", "-", "--format", form, stdin=coded_bytes)
    assert pixels(png.out) == pixels(other.out)


def test_json(run: Run, coded: Path, coded_bytes: bytes) -> None:
    (record,) = run("decode", coded, "--json").records
    steps = read_header(coded_bytes).quality_step
    assert (record["bytes"], record["model"], record["quality"]) == (len(coded_bytes), "mse", steps / 100)
    assert record["output_bytes"] == coded.with_suffix(".png").stat().st_size
    assert json.loads(run("decode", coded, "--json", "-o", "-").err)["output"] == "-"


def test_grey_comes_back_grey(run: Run, photo: Path) -> None:
    with Image.open(photo) as image:
        image.convert("L").save(photo)
    data = run("encode", photo, "-o", "-").out
    for form, mode in (("png", "L"), ("ppm", "L"), ("jpg", "L"), ("tiff", "L")):
        with Image.open(io.BytesIO(run("decode", "-", "--format", form, stdin=data).out)) as image:
            assert image.mode == mode


def test_profile_comes_back(run: Run, photo: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(photo) as image:
        image.save(photo, icc_profile=profile)
    data = run("encode", photo, "-o", "-").out
    with Image.open(io.BytesIO(run("decode", "-", stdin=data).out)) as image:
        assert image.info["icc_profile"] == profile


def test_odd_sizes_come_back(run: Run, photo: Path) -> None:
    for size in ((1, 1), (17, 3), (65, 33)):
        with Image.open(photo) as image:
            image.resize(size).save(photo.with_name("odd.bmp"))
        data = run("encode", photo.with_name("odd.bmp"), "-o", "-").out
        with Image.open(io.BytesIO(run("decode", "-", stdin=data).out)) as image:
            assert image.size == size


def test_part_size_and_quality(run: Run, coded: Path) -> None:
    whole = np.load(io.BytesIO(run("decode", coded, "-o", "-", "--format", "npy").out))
    part = np.load(io.BytesIO(run("decode", coded, "--crop", "40x30+8+4", "-o", "-", "--format", "npy").out))
    assert np.array_equal(part, whole[4:34, 8:48])
    both = run("decode", coded, "--resize", "50%", "--crop", "40x30+8+4", "-o", "-", "--format", "ppm").out
    assert both.startswith(b"P6\n20 15\n")
    jpeg = ("decode", coded, "-o", "-", "--format", "jpg")
    sizes = [len(run(*jpeg, "--jpeg-quality", quality).out) for quality in ("20", "95", "100")]
    assert sizes == sorted(sizes)
    assert sizes[1] == len(run(*jpeg).out)
    assert run("decode", coded, "--srgb", "-o", "-", "--format", "npy").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--crop", "97x64+0+0"], "the part 97x64+0+0 is not inside the picture, which is 96x64"),
        (["--crop", "0x64+0+0"], "'0x64+0+0' is not WxH+X+Y in pixels"),
        (["--resize", "x"], "'x' is not WxH in pixels, Wx, xH or N%"),
        (["--resize", "0%"], "'0%' is not WxH in pixels"),
        (["--resize", "0x5"], "'0x5' is not WxH in pixels"),
        (["--resize", "5x0"], "'5x0' is not WxH in pixels"),
        (["--jpeg-quality", "0"], "'0' is not a whole number from 1 to 100."),
    ],
)
def test_parts_and_sizes_that_make_no_sense(run: Run, coded: Path, arguments: list[str], said: str) -> None:
    for dry in ([], ["-n"]):
        result = run("decode", coded, *arguments, *dry)
        assert (result.code, said in result.err) == (2, True)
    assert not coded.with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("size", "form", "code", "said"),
    [
        ("65501x1", "jpg", 1, "JPEG holds at most 65,500 pixels a side, and the picture is 65501x1"),
        ("1x16384", "webp", 1, "WebP holds at most 16,383 pixels a side, and the picture is 1x16384"),
        ("99999x99999", "png", 5, "99999x99999 is over the limit of "),
    ],
)
def test_a_size_that_cannot_be_written_is_refused_before_decoding(
    size: str, form: str, code: int, said: str, run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lcodec.codec.decode", None)
    for dry in ([], ["-n"]):
        result = run("decode", coded, "--resize", size, "--format", form, *dry)
        assert result.code == code
        assert result.err.startswith(f"lcodec: {coded}: {said}")


def test_run_over_folders_knows_another_size(run: Run, coded: Path, tmp_path: Path) -> None:
    arguments = ["decode", "-r", coded.parent, "-O", tmp_path / "out", "--json"]
    assert "skipped" not in run(*arguments).records[0]
    assert run(*arguments).records[0]["skipped"] == "current"
    assert run(*arguments, "--jpeg-quality", "50").records[0]["skipped"] == "current"  # which PNG knows nothing of
    assert "skipped" not in run(*arguments, "--resize", "50%").records[0]
