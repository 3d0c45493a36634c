"""Picture files: every mode, orientation and depth comes out as the samples that a viewer would show."""

from __future__ import annotations

import io
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, features

from lcodec.errors import PictureError, UsageError
from lcodec.picture import Picture, parse_colour, read_picture
from tests.support import files
from tests.support.command import PHOTO

MANY = 1 << 28
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]  # only its header is looked at

Array = NDArray[Any]


def read(data: bytes) -> Picture:
    return read_picture(io.BytesIO(data), max_pixels=MANY)


def save(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(PHOTO) as image:
        return image.crop((300, 200, 340, 230))


def deep_png(samples: Array, *chunks: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG of samples (H, W, 1 to 4); Pillow writes none in colour."""
    return files.png(samples, 16, {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]], *chunks)


def rounded(samples: Array) -> Array:
    return ((samples.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)


@pytest.fixture(scope="module")
def deep() -> Array:
    return np.random.default_rng(0).integers(0, 1 << 16, (9, 13, 4), dtype=np.uint16)


# -------------------------------------------------------------------------------------------------- formats and modes


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_lossless_formats(photo: Image.Image, form: str) -> None:
    picture = read(save(photo, form, **({"lossless": True} if form == "WEBP" else {})))
    assert (picture.pixels == np.asarray(photo)).all()
    assert (picture.width, picture.height, picture.grey, picture.icc) == (40, 30, False, None)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats(photo: Image.Image, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    picture = read(save(photo, form, quality=95))
    assert picture.pixels.shape == (30, 40, 3)
    assert np.abs(picture.pixels.astype(int) - np.asarray(photo)).mean() < 12


def test_path_and_stream_agree() -> None:
    picture = read_picture(PHOTO, max_pixels=MANY)
    assert picture.pixels.shape == (512, 768, 3)
    assert (picture.pixels == read(PHOTO.read_bytes()).pixels).all()
    assert picture.pixels.flags.c_contiguous


def test_stream_that_cannot_seek(photo: Image.Image) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

    assert (read_picture(Pipe(save(photo)), max_pixels=MANY).pixels == np.asarray(photo)).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM", "JPEG"])
def test_grey_stays_grey(photo: Image.Image, form: str) -> None:
    grey = photo.convert("L")
    picture = read(save(grey, form, **({"quality": 100} if form == "JPEG" else {})))
    assert picture.grey
    assert np.abs(picture.pixels[:, :, 0].astype(int) - np.asarray(grey)).max() <= (2 if form == "JPEG" else 0)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM"])
def test_one_bit_is_grey(photo: Image.Image, form: str) -> None:
    bits = photo.convert("1")
    picture = read(save(bits, form))
    assert (picture.pixels[:, :, 0] == np.asarray(bits) * 255).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette_becomes_rgb(photo: Image.Image, form: str) -> None:
    palette = photo.quantize(16)
    picture = read(save(palette, form))
    assert (picture.pixels == np.asarray(palette.convert("RGB"))).all()


def test_first_frame_of_an_animation(photo: Image.Image) -> None:
    other = ImageOps.invert(photo)
    for form, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        picture = read(save(photo, form, save_all=True, append_images=[other], **options))
        assert np.abs(picture.pixels.astype(int) - np.asarray(photo)).mean() < 12, form


def test_name_does_not_matter(photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(save(photo, "PNG"))
    assert (read_picture(path, max_pixels=MANY).pixels == np.asarray(photo)).all()


# ---------------------------------------------------------------------------------------------------- transparency


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1), ("PA", 3)])
def test_opaque_alpha_is_dropped(photo: Image.Image, mode: str, channels: int) -> None:
    form = "TIFF" if mode == "PA" else "PNG"
    image = photo.convert("L" if mode == "LA" else "RGB")
    with_alpha = image.quantize(16).convert("PA") if mode == "PA" else image.convert(mode)
    picture = read(save(with_alpha, form) if mode != "PA" else save(with_alpha.convert("RGBA"), form))
    expected = np.asarray(with_alpha.convert("L" if mode == "LA" else "RGB")).reshape(30, 40, channels)
    assert (picture.pixels == expected).all()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept(photo: Image.Image, form: str, mode: str) -> None:
    image = photo.convert(mode)
    image.putpixel((3, 5), (0, 0, 0, 254) if mode == "RGBA" else (0, 254))
    picture = read(save(image, form, **({"lossless": True} if form == "WEBP" else {})))
    assert picture.alpha is not None
    assert picture.alpha[5, 3] == 254
    assert (picture.alpha == 255).sum() == 1199
    expected = np.asarray(image.convert("RGBA"))[:, :, : picture.pixels.shape[2]]
    assert (picture.pixels == expected).all()
    assert picture.grey == (mode == "LA" and form != "WEBP")  # WebP has no grey


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_transparent_entry_of_a_palette(photo: Image.Image, form: str) -> None:
    palette = photo.quantize(16)
    used: Any = palette.getpixel((0, 0))
    picture = read(save(palette, form, transparency=used))
    assert picture.alpha is not None
    assert (picture.alpha == np.where(np.asarray(palette) == used, 0, 255)).all()
    unused = save(palette, form, transparency=255) if form == "GIF" else save(palette, form, transparency=b"\xff" * 16)
    assert (read(unused).pixels == np.asarray(palette.convert("RGB"))).all()
    assert read(unused).alpha is None


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_transparent_colour(photo: Image.Image, mode: str) -> None:
    image = photo.convert(mode)
    used: Any = image.getpixel((0, 0))
    picture = read(save(image, "PNG", transparency=used))
    same = (np.asarray(image).reshape(30, 40, -1) == used).all(axis=2)
    assert picture.alpha is not None
    assert (picture.alpha == np.where(same, 0, 255)).all()
    if mode == "RGB":
        assert read(save(image, "PNG", transparency=(1, 254, 1))).alpha is None


def test_alpha_is_dropped_or_flattened_where_that_is_asked_for(photo: Image.Image) -> None:
    image = photo.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(photo.size))
    data = save(image)
    dropped = read_picture(io.BytesIO(data), max_pixels=MANY, alpha="drop")
    assert dropped.alpha is None
    assert (dropped.pixels == np.asarray(photo)).all()
    for background in ((255, 255, 255), (10, 200, 30)):
        flat = read_picture(io.BytesIO(data), max_pixels=MANY, alpha="flatten", background=background)
        expected = Image.alpha_composite(Image.new("RGBA", photo.size, (*background, 255)), image).convert("RGB")
        assert flat.alpha is None
        assert np.abs(flat.pixels.astype(int) - np.asarray(expected)).max() <= 1


def test_grey_flattened_on_a_colour_becomes_rgb() -> None:
    picture = Picture(np.full((2, 2, 1), 100, np.uint8), GREY_PROFILE, alpha=np.full((2, 2), 51, np.uint8))
    assert picture.flattened((255, 255, 255)).pixels[0, 0].tolist() == [224]
    assert picture.flattened((255, 255, 255)).icc == GREY_PROFILE
    coloured = picture.flattened((255, 0, 50))
    assert (coloured.pixels[0, 0].tolist(), coloured.icc, coloured.alpha) == ([224, 20, 60], None, None)


@pytest.mark.parametrize(
    "text", ["red", "#ff0000", "#f00", "rgb(255, 0, 0)", "rgb(300,0,0)", "rgb(70000,0,0)", "rgb(200%,0%,0%)"]
)
def test_colours(text: str) -> None:
    assert parse_colour(text) == (255, 0, 0)
    with pytest.raises(UsageError, match="not a colour: use a name"):
        parse_colour(text + "x")


# -------------------------------------------------------------------------------------------------------- orientation


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(photo: Image.Image, form: str, orientation: int) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"JPEG": {"quality": 100, "subsampling": 0}, "AVIF": {"quality": 100}}.get(form, {})
    if form == "WEBP":
        options = {"lossless": True}
    picture = read(save(photo, form, exif=exif, **options))
    upright = photo.copy()
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels - expected).mean() < (4 if form in {"JPEG", "AVIF"} else 1e-9)


def test_nonsense_in_exif_does_not_cost_the_picture(photo: Image.Image) -> None:
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"x", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = save(photo, "JPEG", exif=exif)
        assert read(data).pixels.shape == (30, 40, 3)
    exif_9 = Image.Exif()
    exif_9[0x0112] = 9
    assert read(save(photo, "PNG", exif=exif_9)).pixels.shape == (30, 40, 3)


# -------------------------------------------------------------------------------------------------------------- depth


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png(deep: Array, channels: int) -> None:
    samples = deep[:, :, :channels]
    assert (read(deep_png(samples)).pixels == rounded(samples)).all()


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bit_png_with_alpha(deep: Array, channels: int) -> None:
    samples = deep[:, :, -channels:].copy()
    samples[:, :, -1] = 65535
    picture = read(deep_png(samples))
    assert (picture.pixels == rounded(samples[:, :, :-1])).all()
    assert picture.alpha is None
    samples[:, :, -1] = deep[:, :, 0]
    alpha = read(deep_png(samples)).alpha
    assert alpha is not None
    assert (alpha == rounded(samples[:, :, -1])).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png_with_a_transparent_colour(deep: Array, channels: int) -> None:
    samples = deep[:, :, :channels]
    used = samples[4, 4].astype(">u2")
    alpha = read(deep_png(samples, (b"tRNS", used.tobytes()))).alpha
    assert alpha is not None
    assert np.argwhere(alpha != 255).tolist() == [[4, 4]]
    assert alpha[4, 4] == 0
    assert (read(deep_png(samples, (b"tRNS", (used ^ 1).tobytes()))).pixels == rounded(samples)).all()


def test_16_bit_grey_tiff_and_pgm(deep: Array) -> None:
    samples = deep[:, :, 0]
    assert (read(save(Image.fromarray(samples), "TIFF")).pixels[:, :, 0] == rounded(samples)).all()
    pgm = b"P5 13 9 65535\n" + samples.astype(">u2").tobytes()
    assert (read(pgm).pixels[:, :, 0] == rounded(samples)).all()


def test_16_bit_ppm(deep: Array) -> None:
    samples = deep[:, :, :3]
    ppm = b"P6 13 9 65535\n" + samples.astype(">u2").tobytes()
    assert np.abs(read(ppm).pixels.astype(int) - rounded(samples)).max() <= 1  # Pillow rounds halves otherwise


@pytest.mark.parametrize("mode", ["I", "F"])
def test_deeper_samples_are_refused(mode: str) -> None:
    with pytest.raises(PictureError, match="not supported"):
        read(save(Image.new(mode, (4, 4)), "TIFF"))


# ------------------------------------------------------------------------------------------------- colour and profiles


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(photo: Image.Image, form: str) -> None:
    picture = read(save(photo.convert("CMYK"), form, **({"quality": 100} if form == "JPEG" else {})))
    assert picture.icc is None
    assert np.abs(picture.pixels.astype(int) - np.asarray(photo)).mean() < 3


def test_unusable_cmyk_profile_is_passed_over(photo: Image.Image) -> None:
    cmyk = photo.convert("CMYK")
    plain = read(save(cmyk, "TIFF"))
    for profile in (SRGB[:16] + b"CMYK" + SRGB[20:], b"nonsense", SRGB):
        picture = read(save(cmyk, "TIFF", icc_profile=profile))
        assert picture.icc is None
        assert (picture.pixels == plain.pixels).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_profile_is_kept(photo: Image.Image, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    assert read(save(photo, form, icc_profile=SRGB)).icc == SRGB


@pytest.mark.parametrize(
    ("mode", "profile", "kept"),
    [
        ("L", GREY_PROFILE, True),
        ("L", SRGB, False),
        ("RGB", GREY_PROFILE, False),
        ("P", SRGB, True),
        ("RGB", b"short", False),
        ("RGB", SRGB[:36] + b"what" + SRGB[40:], False),
    ],
)
def test_profile_of_another_kind_is_dropped(photo: Image.Image, mode: str, profile: bytes, kept: bool) -> None:
    assert read(save(photo.convert(mode), "TIFF", icc_profile=profile)).icc == (profile if kept else None)


def test_profile_of_deep_pictures_is_kept(deep: Array) -> None:
    chunk = (b"iCCP", b"x\0\0" + zlib.compress(SRGB))
    assert read(deep_png(deep[:, :, :3], chunk)).icc == SRGB


def test_lab_is_refused() -> None:
    with pytest.raises(PictureError, match="LAB"):
        read(save(Image.new("LAB", (4, 4)), "TIFF"))


@pytest.mark.parametrize(("form", "mode"), [("PPM", "RGB"), ("PPM", "L"), ("TIFF", "RGB"), ("TIFF", "L")])
def test_plain_samples_are_read_into_their_place(form: str, mode: str, photo: Image.Image) -> None:
    """Without a second copy, which Pillow would make of four bytes a pixel."""
    large = photo.convert(mode).resize((1024, 768))
    data = io.BytesIO(save(large, form))
    tracemalloc.start()
    pixels = read_picture(data, max_pixels=1 << 20).pixels
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(pixels, np.asarray(large).reshape(pixels.shape))
    assert peak < pixels.nbytes + (1 << 19)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros((4, 4), np.uint8),
        lambda: np.zeros((4, 4, 4), np.uint8),
        lambda: np.zeros((0, 4, 3), np.uint8),
        lambda: np.zeros((4, 4, 3), np.float32),
    ],
)
def test_a_picture_is_8_bit_grey_or_rgb(make: Callable[[], Any]) -> None:
    with pytest.raises(PictureError):
        Picture(make())
