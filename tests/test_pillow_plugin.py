"""The Pillow plug-in: what people do with Image.open and save works with .lcdc files too."""

from __future__ import annotations

import copy
import io
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

import lcodec.pillow_plugin  # noqa: F401
from lcodec import codec, face
from lcodec.container import read_header
from lcodec.defaults import EFFORT
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.command import PHOTO
from tests.support.files import DISPLAY_P3

#: EXIF with a maker and nothing else, and bytes behind that belong to no tag.
EXIF = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHI4s", 0x010F, 2, 4, b"abc\0") + b"\0\0\0\0tail"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(PHOTO) as image:
        crop = image.crop((300, 200, 396, 264))
    crop.info.clear()
    return crop


def save(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "LCODEC", **options)
    return out.getvalue()


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_modes_are_kept(photo: Image.Image, mode: str, tmp_path: Path) -> None:
    image = photo.convert(mode.rstrip("A"))
    image = with_alpha(image) if mode.endswith("A") else image
    image.save(tmp_path / "x.lcdc", quality=80)
    with Image.open(tmp_path / "x.lcdc") as back:
        assert (back.format, back.mode, back.size) == ("LCODEC", mode, (96, 64))
        assert back.get_format_mimetype() == "image/x-lcodec"
        visible = np.asarray(image) if mode in {"L", "RGB"} else np.asarray(image)[10:]
        decoded = np.asarray(back) if mode in {"L", "RGB"} else np.asarray(back)[10:]
        assert np.abs(decoded.astype(int) - visible).mean() < 9
        if mode.endswith("A"):
            assert (np.asarray(back.getchannel("A")) == np.asarray(image.getchannel("A"))).all()


def test_the_same_pixels_as_the_codec(photo: Image.Image) -> None:
    data = save(photo, quality=33)
    zoo = Zoo()
    assert data == codec.encode(Picture(np.asarray(photo)), zoo.load("mse"), 33, effort=EFFORT)
    with Image.open(io.BytesIO(data)) as back:
        assert (np.asarray(back) == codec.decode(data, zoo).pixels).all()
        assert back.info == {"quality": read_header(data).quality_step / 100}


def test_opaque_alpha_is_not_stored(photo: Image.Image) -> None:
    assert save(photo.convert("RGBA")) == save(photo)


def test_opening_reads_header_and_metadata_only(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            Counted.read_bytes += len(data)
            return data

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    with Image.open(PHOTO) as image:
        data = save(image, icc_profile=DISPLAY_P3, exif=b"Exif\0\0" + EXIF, xmp="<x/>")
    assert len(data) > 20_000
    monkeypatch.setattr(codec, "decode", fail)
    monkeypatch.setattr(Zoo, "entries", fail)
    with Image.open(Counted(data), formats=["LCODEC"]) as image:
        assert (image.size, image.mode) == ((768, 512), "RGB")
        assert image.info == {
            "icc_profile": DISPLAY_P3,
            "exif": b"Exif\0\0" + EXIF,
            "xmp": b"<x/>",
            "quality": read_header(data).quality_step / 100,
        }
        sections = read_header(data).sections
        metadata = sum(sections[name] for name in ("icc", "exif", "xmp"))
        assert Counted.read_bytes <= 16 + 2 * 1024 + metadata  # Pillow's own look at the start among them


def test_metadata_follow_pillows_conventions(photo: Image.Image) -> None:
    image = photo.copy()
    image.info["icc_profile"] = DISPLAY_P3
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    with Image.open(io.BytesIO(save(image, exif=exif))) as back:
        assert back.info["icc_profile"] == DISPLAY_P3
        assert back.getexif()[0x010F] == "a maker"
    with Image.open(io.BytesIO(save(image, icc_profile=None))) as back:
        assert "icc_profile" not in back.info
        assert not back.getexif()


@pytest.mark.parametrize(("mode", "result"), [("1", "L"), ("P", "RGB"), ("PA", "RGBA"), ("RGBa", "RGBA"), ("La", "LA")])
def test_modes_that_are_converted(photo: Image.Image, mode: str, result: str) -> None:
    base = photo.convert("L") if mode == "La" else photo
    if mode in {"PA", "RGBa", "La"}:
        base = with_alpha(base)
    image = base.quantize(16).convert("P") if mode == "P" else base.convert(mode)
    if mode == "PA":
        image = photo.convert("P").convert("PA")
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    with Image.open(io.BytesIO(save(image))) as back:
        assert back.mode == result
        back.load()


def test_transparent_colour(photo: Image.Image) -> None:
    image = photo.convert("L")
    image.info["transparency"] = image.getpixel((5, 5))
    with Image.open(io.BytesIO(save(image))) as back:
        assert back.mode == "LA"
        assert back.getpixel((5, 5))[1] == 0  # type: ignore[index]


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "I", "F", "LAB", "YCbCr"])
def test_modes_that_are_refused(mode: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"cannot write mode {mode}"):
        Image.new(mode, (4, 4)).save(tmp_path / "x.lcdc")
    assert not (tmp_path / "x.lcdc").exists()


def test_bad_options(photo: Image.Image) -> None:
    with pytest.raises(ValueError, match="quality"):
        save(photo, quality=101)
    with pytest.raises(OSError, match="no model"):
        save(photo, model="nonesuch")
    with pytest.raises(ValueError, match="quality and bpp exclude each other"):
        save(photo, quality=50, bpp=1)
    with pytest.raises(OSError, match="out of reach"):
        save(photo, max_size=10)
    for name in ("quality", "effort", "max_size"):
        with pytest.raises(TypeError, match=f"{name} must be an? (number|integer), not '60'"):
            save(photo, **{name: "60"})
    for name in ("exif", "icc_profile", "xmp"):
        with pytest.raises(TypeError, match=f"{name} must be bytes, not int"):
            save(photo, **{name: 7})


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_empty_picture(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"empty \\({size[0]}x{size[1]}\\)"):
        Image.new("RGB", size).save(tmp_path / "x.lcdc")
    assert not (tmp_path / "x.lcdc").exists()


def test_damage(photo: Image.Image, tmp_path: Path) -> None:
    data = bytearray(save(photo, icc_profile=DISPLAY_P3))
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"\x8bLCX" + data[4:]))
    for size in (4, 20, 40):
        with pytest.raises(OSError, match=r"truncated|incomplete"):
            Image.open(io.BytesIO(data[:size]))
    with pytest.raises(OSError, match="chunk"):  # the profile is missing
        Image.open(io.BytesIO(data[:200]))
    data[120] ^= 1
    (tmp_path / "x.lcdc").write_bytes(data)
    with Image.open(tmp_path / "x.lcdc") as image, pytest.raises(OSError, match="damaged"):
        image.load()
    with Image.open(tmp_path / "x.lcdc") as image, pytest.raises(OSError, match="damaged"):
        image.verify()


def test_bombs_are_pillows_business(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = save(photo)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_verify_and_close(photo: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "x.lcdc").write_bytes(save(photo))
    with Image.open(tmp_path / "x.lcdc") as image:
        image.verify()
    with Image.open(tmp_path / "x.lcdc") as image:
        pass
    with pytest.raises((OSError, ValueError)):
        image.load()
    loaded = Image.open(tmp_path / "x.lcdc")
    loaded.load()
    assert loaded.fp is None or loaded.fp.closed  # nothing is left open
    assert loaded.copy().tobytes() == loaded.tobytes()


def test_importing_it_needs_no_torch() -> None:
    program = "import sys, lcodec.pillow_plugin; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_exif_is_whole() -> None:
    """What goes in as bytes comes out as the same bytes."""
    with Image.open(io.BytesIO(save(Image.new("L", (3, 2)), exif=EXIF))) as back:
        assert back.info["exif"] == b"Exif\0\0" + EXIF
        assert back.size == (3, 2)


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_stored_upright(photo: Image.Image, orientation: int, as_bytes: bool) -> None:
    exif = oriented(orientation)
    image = photo.copy()
    image.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(image)
    upright.info.clear()
    expected = Image.open(io.BytesIO(save(upright)))
    with Image.open(io.BytesIO(save(photo, exif=exif.tobytes() if as_bytes else exif))) as back:
        assert back.tobytes() == expected.tobytes()
        assert back.getexif()[0x0112] == 1


def test_xmp_turns_a_picture_where_exif_does_not(photo: Image.Image) -> None:
    packet = '<x xmlns:tiff="t" tiff:Orientation="6"/>'
    with Image.open(io.BytesIO(save(photo, xmp=packet))) as back:
        assert back.size == (64, 96)
        assert back.info["xmp"] == packet.replace("6", "1").encode()
    with Image.open(io.BytesIO(save(photo, xmp=packet, exif=oriented(1)))) as back:
        assert back.size == (96, 64)


def test_orientation_that_is_not_saved_turns_nothing(photo: Image.Image) -> None:
    """As with Pillow's own formats: who turned the samples by hand has the old EXIF in `info` still."""
    image = photo.copy()
    image.info["exif"] = oriented(6).tobytes()
    with Image.open(io.BytesIO(save(image))) as back:
        assert back.size == (96, 64)
        assert not back.getexif()


@pytest.mark.parametrize(
    ("mode", "space", "kept"),
    [
        ("L", b"GRAY", True),
        ("LA", b"GRAY", True),
        ("RGB", b"RGB ", True),
        ("P", b"RGB ", True),
        ("L", b"RGB ", False),  # image.convert("L") leaves it in `info`
        ("RGB", b"CMYK", False),  # and so does convert("RGB")
        ("RGBA", b"GRAY", False),
        ("RGB", b"Lab ", False),
    ],
)
def test_only_profiles_that_fit_are_saved(photo: Image.Image, mode: str, space: bytes, kept: bool) -> None:
    image = photo.convert(mode)
    profile = DISPLAY_P3[:16] + space + DISPLAY_P3[20:]
    image.info["icc_profile"] = profile
    for options in ({}, {"icc_profile": profile}):
        with Image.open(io.BytesIO(save(image, **options))) as back:
            assert back.info.get("icc_profile") == (profile if kept else None)


def test_targets_and_effort_as_in_the_command(photo: Image.Image) -> None:
    pixels = photo.width * photo.height
    assert len(save(photo, max_size=1500)) <= 1500
    assert 8 * len(save(photo, bpp=2)) <= 2 * pixels
    with Image.open(io.BytesIO(save(photo, min_psnr=30))) as back:
        assert np.square(np.asarray(back).astype(float) - np.asarray(photo)).mean() <= 255**2 / 10**3
    large = photo.resize((176, 176))
    assert save(large, min_ms_ssim=0.9) == face.encode(large, min_ms_ssim=0.9, device="cpu")
    plain, best = save(photo, effort=0), save(photo, effort=4)
    assert plain == face.encode(photo, effort=0)
    assert best == face.encode(photo, effort=4) != plain
    assert save(photo) == save(photo, effort=EFFORT, quality=50, model="mse")


def test_other_keywords_are_ignored(photo: Image.Image) -> None:
    assert save(photo, optimize=True, subsampling=0, lossless=True, dpi=(300, 300), quality=None) == save(photo)


@pytest.mark.parametrize("image", [0, 1, 2])
def test_pickled(photo: Image.Image, image: int) -> None:
    with Image.open(io.BytesIO(save(photo))) as opened:
        if image:
            opened.load()
        back = copy.deepcopy(opened) if image == 2 else pickle.loads(pickle.dumps(opened))
        assert (back.mode, back.info) == (opened.mode, opened.info)
        assert back.tobytes() == opened.tobytes()
