"""Every kind of every format is read to the samples that stand in it, or refused with a reason."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from lcodec.errors import PictureError
from lcodec.picture import Picture, read_picture
from tests.support import files
from tests.support.files import Array

MANY = 1 << 28
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
#: Of PNG: colour type and depth, all that there are.
KINDS = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (RGB, GREY_ALPHA, RGBA) for depth in (8, 16)),
]
SIZES = [(1, 1), (1, 33), (33, 1), (7, 5), (9, 17), (32, 32)]


def read(data: bytes) -> tuple[Picture, list[str]]:
    notes: list[str] = []
    return read_picture(io.BytesIO(data), max_pixels=MANY, note=notes.append), notes


def eight(samples: Array, depth: int) -> Array:
    """Samples of any depth, spread over or rounded to 8 bits: round(255 v / (2^depth - 1))."""
    largest = 2**depth - 1
    return ((samples.astype(np.int64) * 510 + largest) // (2 * largest)).astype(np.uint8)


def same_alpha(picture: Picture, expected: Array) -> bool:
    if (expected == 255).all():
        return picture.alpha is None
    return picture.alpha is not None and bool((picture.alpha == expected).all())


# ---------------------------------------------------------------------------------------------------------------- PNG


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "depth", "transparent"),
    [(*kind, False) for kind in KINDS] + [(*kind, True) for kind in KINDS if kind[0] not in {GREY_ALPHA, RGBA}],
)
def test_png(colour: int, depth: int, transparent: bool, interlaced: bool) -> None:
    for index, (height, width) in enumerate(SIZES):
        rng = np.random.default_rng(index)
        samples = rng.integers(0, 2**depth, (height, width, CHANNELS[colour]), dtype=np.uint16)
        chunks = []
        alpha = np.full((height, width), 255, np.uint8)
        if colour == PALETTE:
            palette = rng.integers(0, 256, (2**depth, 3), dtype=np.uint8)
            chunks.append((b"PLTE", palette.tobytes()))
            expected = palette[samples[:, :, 0]]
            if transparent:
                opacity = rng.integers(0, 256, 2**depth // 2, dtype=np.uint8)  # entries without one are opaque
                chunks.append((b"tRNS", opacity.tobytes()))
                alpha = np.pad(opacity, (0, 2**depth - len(opacity)), constant_values=255)[samples[:, :, 0]]
        else:
            colours = samples[:, :, :3] if colour in {RGB, RGBA} else samples[:, :, :1]
            expected = eight(colours, depth)
            if colour in {GREY_ALPHA, RGBA}:
                alpha = eight(samples[:, :, -1], depth)
            elif transparent:
                key = colours[height // 2, width // 2]
                chunks.append((b"tRNS", key.astype(">u2").tobytes()))
                alpha = np.where((colours == key).all(axis=2), 0, 255).astype(np.uint8)
        picture, notes = read(files.png(samples, depth, colour, *chunks, interlaced=interlaced))
        assert (picture.pixels == expected).all(), (height, width)
        assert same_alpha(picture, alpha), (height, width)
        assert notes == (["more than 8 bits a sample, rounded to 8"] if depth == 16 else [])


@pytest.mark.parametrize(("colour", "depth"), [(RGB, 4), (PALETTE, 16), (1, 8), (5, 8), (GREY, 3), (RGBA, 2)])
def test_png_of_no_kind(colour: int, depth: int) -> None:
    data = files.png(np.zeros((2, 2, 1), np.uint8), 8, GREY)
    broken = bytearray(data)
    broken[24:26] = bytes((depth, colour))
    with pytest.raises(PictureError):
        read(bytes(broken))


# --------------------------------------------------------------------------------------------------------------- TIFF


@pytest.fixture
def samples() -> Array:
    return np.random.default_rng(5).integers(0, 1 << 16, (19, 37, 4), dtype=np.uint16)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff(samples: Array, channels: int, bits: int, order: str, planar: bool, tile: int, deflate: bool) -> None:
    own = samples[:, :, :channels] >> (16 - bits)
    tags = ((338, 3, 2),) if channels == 4 else ()  # the fourth is alpha, not multiplied
    photometric = 1 if channels == 1 else 2
    data = files.tiff(
        own, order=order, bits=bits, photometric=photometric, planar=planar, tile=tile, deflate=deflate, tags=tags
    )
    if planar and bits == 16 and not deflate:
        with pytest.raises(PictureError, match="separate planes"):
            read(data)
        return
    picture, notes = read(data)
    upper = planar and bits == 16 and channels > 1  # of these, Pillow has the upper bytes only
    assert np.abs(picture.pixels.astype(int) - eight(own[:, :, :3], bits)).max() <= upper
    if channels == 4:
        assert picture.alpha is not None
        assert np.abs(picture.alpha.astype(int) - eight(own[:, :, 3], bits)).max() <= upper
    assert len(notes) == (bits == 16)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_where_white_is_zero(samples: Array, bits: int) -> None:
    own = samples[:, :, :1] >> (16 - bits)
    picture, _ = read(files.tiff(own, bits=bits, photometric=0))
    assert (picture.pixels == 255 - eight(own, bits)).all()


def test_tiff_of_12_bits(samples: Array) -> None:
    own = samples[:, :36, :1] >> 4
    packed = np.array(
        [np.stack([row >> 4, (row & 15) << 4 | np.roll(row, -1) >> 8], 1)[::2].ravel() for row in own[:, :, 0]]
    )
    third = own[:, 1::2, 0] & 255
    body = np.concatenate([packed.reshape(19, 18, 2), third[:, :, None]], axis=2).reshape(19, 54, 1)
    picture, notes = read(files.tiff(body, photometric=1, tags=((256, 4, 36), (258, 3, 12))))
    assert (picture.pixels == eight(own, 12)).all()
    assert notes == ["more than 8 bits a sample, rounded to 8"]


@pytest.mark.parametrize("tile", [0, 16])
def test_tiff_cmyk(samples: Array, tile: int) -> None:
    own = (samples >> 8).astype(np.uint8)
    picture, notes = read(files.tiff(own, photometric=5, tile=tile))
    rough = (255 - own[:, :, :3].astype(int)) * (255 - own[:, :, 3:].astype(int)) / 255
    assert np.abs(picture.pixels - rough).max() <= 2
    assert notes == ["CMYK, converted to RGB"]


def test_tiff_multiplied_alpha(samples: Array) -> None:
    own = (samples >> 8).astype(np.int64)
    own[:, :, :3] = own[:, :, :3] * own[:, :, 3:] // 255
    picture, _ = read(files.tiff(own, tags=((338, 3, 1),)))
    back = picture.pixels.astype(int) * own[:, :, 3:] / 255
    assert same_alpha(picture, own[:, :, 3].astype(np.uint8))
    assert np.abs(back - own[:, :, :3]).max() <= 1


def test_tiff_of_several_pages(samples: Array) -> None:
    own = samples[:, :, :3] >> 8
    picture, notes = read(files.tiff(own, pages=3))
    assert (picture.pixels == own).all()
    assert notes == ["the first of 3 frames"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("tile", [0, 16])
def test_tiff_orientation(samples: Array, orientation: int, tile: int) -> None:
    own = (samples[:, :, :3] >> 8).astype(np.uint8)
    picture, _ = read(files.tiff(own, tile=tile, tags=((274, 3, orientation),)))
    turned = own if orientation < 5 else own.swapaxes(0, 1)
    turned = turned[::-1] if orientation in {3, 4, 7, 8} else turned
    turned = turned[:, ::-1] if orientation in {2, 3, 6, 7} else turned
    assert (picture.pixels == turned).all()
    assert picture.exif is None


# ---------------------------------------------------------------------------------------------- JPEG, WebP, GIF, AVIF


def save(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def smooth() -> Image.Image:
    rows, columns = np.mgrid[:40, :56]
    return Image.fromarray(np.stack([4 * columns, 5 * rows, 255 - 2 * rows - 2 * columns], -1).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}, {"optimize": True}])
def test_jpeg(smooth: Image.Image, mode: str, options: dict[str, Any]) -> None:
    picture, notes = read(save(smooth.convert(mode), "JPEG", quality=95, **options))
    expected = np.asarray(smooth.convert("L") if mode == "L" else smooth).reshape(picture.pixels.shape)
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 3
    assert bool(notes) == (mode == "CMYK")


def test_jpeg_ycck(smooth: Image.Image) -> None:
    """Adobe's transform 2: the file that Pillow writes as CMYK is not one, but says so by one byte."""
    data = bytearray(save(smooth.convert("CMYK"), "JPEG", quality=95))
    at = data.index(b"Adobe") + 11
    data[at] = 2
    picture, notes = read(bytes(data))
    assert picture.pixels.shape == (40, 56, 3)
    with Image.open(io.BytesIO(bytes(data))) as image:
        independent = np.asarray(image.convert("RGB"))
    assert (picture.pixels == independent).all()
    assert notes == ["CMYK, converted to RGB"]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_animations_are_noted(smooth: Image.Image, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    frames = [smooth.transpose(Image.Transpose.FLIP_TOP_BOTTOM), smooth.transpose(Image.Transpose.ROTATE_180)]
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95}}.get(form, {})
    picture, notes = read(save(smooth, form, save_all=True, append_images=frames, **options))
    assert np.abs(picture.pixels.astype(int) - np.asarray(smooth)).mean() < 6
    assert notes == ["the first of 3 frames"]


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_alpha(smooth: Image.Image, lossless: bool) -> None:
    image = smooth.copy()
    image.putalpha(Image.linear_gradient("L").resize(smooth.size))
    picture, _ = read(save(image, "WEBP", lossless=lossless, exact=True, quality=90))
    assert same_alpha(picture, np.asarray(image.getchannel("A")))
    assert np.abs(picture.pixels.astype(int) - np.asarray(smooth)).mean() < (1e-9 if lossless else 6)


def test_avif_alpha_and_depth(smooth: Image.Image) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    image = smooth.copy()
    image.putalpha(Image.linear_gradient("L").resize(smooth.size))
    picture, notes = read(save(image, "AVIF", quality=100))
    assert picture.alpha is not None
    assert np.abs(picture.alpha.astype(int) - np.asarray(image.getchannel("A"))).max() <= 4
    assert notes == []
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = imagecodecs.avif_encode(np.asarray(smooth).astype(np.uint16) << 2, bitspersample=10, level=95)
    picture, notes = read(deep)
    assert np.abs(picture.pixels.astype(int) - np.asarray(smooth)).mean() < 4
    assert notes == ["more than 8 bits a sample, rounded to 8"]


@pytest.mark.parametrize("grey", [True, False])
def test_gif_transparency(smooth: Image.Image, grey: bool) -> None:
    image = smooth.convert("L") if grey else smooth.quantize(64)
    used: Any = image.getpixel((7, 9))
    picture, _ = read(save(image, "GIF", transparency=used))
    assert same_alpha(picture, np.where(np.asarray(image) == used, 0, 255).astype(np.uint8))
    visible = np.asarray(image) != used
    expected = np.asarray(image.convert("RGB"))
    assert (np.broadcast_to(picture.pixels, expected.shape)[visible] == expected[visible]).all()


# ---------------------------------------------------------------------------------------------------------- PPM, BMP


@pytest.mark.parametrize("largest", [1, 7, 255, 1000, 65535])
@pytest.mark.parametrize("magic", ["P2", "P3", "P5", "P6"])
def test_ppm(magic: str, largest: int) -> None:
    channels = 3 if magic in {"P3", "P6"} else 1
    own = np.random.default_rng(largest).integers(0, largest + 1, (5, 7, channels))
    header = f"{magic}\n# a comment\n7 5\n{largest}\n".encode()
    if magic in {"P2", "P3"}:
        body = " ".join(map(str, own.ravel())).encode()
    else:
        body = own.astype(">u2" if largest > 255 else np.uint8).tobytes()
    picture, notes = read(header + body)
    assert np.abs(picture.pixels - own * 255 / largest).max() <= 0.51 + (largest > 255)  # Pillow rounds twice
    assert picture.grey == (channels == 1)
    assert len(notes) == (largest > 255)


@pytest.mark.parametrize("magic", ["P1", "P4"])
def test_pbm(magic: str) -> None:
    own = np.random.default_rng(2).integers(0, 2, (5, 11))
    rows = b"".join(files.packed(row, 1) for row in own)
    body = " ".join(map(str, own.ravel())).encode() if magic == "P1" else rows
    picture, _ = read(f"{magic} 11 5\n".encode() + body)
    assert (picture.pixels[:, :, 0] == 255 * (1 - own)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(smooth: Image.Image, mode: str) -> None:
    image = smooth.quantize(16) if mode == "P" else smooth.convert(mode)
    picture, notes = read(save(image, "BMP"))
    expected = np.asarray(image.convert("L" if mode in {"1", "L"} else "RGB"))
    assert (picture.pixels == expected.reshape(picture.pixels.shape)).all()
    assert notes == []


# --------------------------------------------------------------------------------------------------------- strictness


@pytest.mark.parametrize("kind", ["png grey", "png colour", "tiff", "pgm", "ppm"])
def test_strict_depth_refuses_more_than_8_bits(kind: str, samples: Array) -> None:
    def file(bits: int) -> bytes:
        own = samples >> (16 - bits)
        if kind == "tiff":
            return files.tiff(own[:, :, :3], bits=bits)
        if kind.startswith("p") and "g " in kind:
            colour = GREY if kind == "png grey" else RGB
            return files.png(own[:, :, : CHANNELS[colour]], bits, colour)
        channels, magic = (1, "P5") if kind == "pgm" else (3, "P6")
        body = own[:, :, :channels].astype(">u2" if bits == 16 else np.uint8).tobytes()
        return f"{magic} 37 19 {2**bits - 1}\n".encode() + body

    with pytest.raises(PictureError, match="8 bits"):
        read_picture(io.BytesIO(file(16)), max_pixels=MANY, strict_depth=True)
    assert read_picture(io.BytesIO(file(8)), max_pixels=MANY, strict_depth=True).width == 37
