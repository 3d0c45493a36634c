"""The metrics of `lcodec eval`: each against an implementation that is not ours."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lcodec.errors import LcodecError
from lcodec.metrics import MEASURES, haarpsi, psnr, psnr_y
from lcodec.metrics.ssimulacra2 import TAPS, WEIGHTS
from tests.support.pictures import picture

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
PHOTO = Path(__file__).parent / "data" / "photo.jpg"


@pytest.fixture(scope="module")
def photo() -> Pixels:
    with Image.open(PHOTO) as image:
        return np.asarray(image.convert("RGB").crop((100, 100, 420, 339)))


def posterised(pixels: Pixels, step: int) -> Pixels:
    return np.clip(pixels.astype(int) // step * step + step // 2, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("step", "colour", "red"),
    [
        (5, 0.9975828782521533, 0.9943606077695021),
        (20, 0.9539799769514673, 0.8912576058875507),
        (80, 0.6176527248262171, 0.40748394760974),
    ],
)
def test_haarpsi_is_that_of_piq(photo: Pixels, step: int, colour: float, red: float) -> None:
    """Figures of `piq.haarpsi(data_range=255)` 0.8.0 in float64; its YIQ has a fourth decimal, which colour shows."""
    other = posterised(photo, step)
    assert haarpsi(photo, other) == pytest.approx(colour, abs=2e-4)
    assert haarpsi(photo[:, :, :1], other[:, :, :1]) == pytest.approx(red, abs=1e-12)


def test_properties_of_haarpsi(photo: Pixels) -> None:
    near, far = posterised(photo, 10), posterised(photo, 60)
    assert haarpsi(photo, photo) == pytest.approx(1, abs=1e-9)
    assert haarpsi(photo, near) == pytest.approx(haarpsi(near, photo), abs=1e-12)
    assert 0 < haarpsi(photo, far) < haarpsi(photo, near) < 1
    black = np.zeros((32, 32, 3), np.uint8)
    assert haarpsi(black, black) == 1
    with pytest.raises(ValueError, match="16 pixels"):
        haarpsi(black[:15], black[:15])


def test_psnr_y_is_that_of_pillows_luma(photo: Pixels) -> None:
    noise = np.random.default_rng(1).normal(0, 12, photo.shape)
    other = np.clip(photo + noise, 0, 255).astype(np.uint8)
    planes = [np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None] for pixels in (photo, other)]
    assert psnr_y(photo, other) == pytest.approx(psnr(*planes), abs=0.02)  # Pillow rounds its luma
    assert psnr_y(*planes) == pytest.approx(psnr(*planes))


def test_ssimulacra2_reads_as_its_authors_say(photo: Pixels) -> None:
    """Of its documentation: 100 is equal; about 30 is the average of libjpeg-turbo at quality 20, 4:2:0."""
    measure = MEASURES["ssimulacra2"]
    scores = []
    for quality in (5, 20, 60, 95):
        file = BytesIO()
        Image.fromarray(photo).save(file, "JPEG", quality=quality, subsampling=2)
        with Image.open(file) as image:
            scores.append(measure(photo, np.asarray(image)))
    assert measure(photo, photo) == pytest.approx(100, abs=1e-6)
    assert scores == sorted(scores)
    assert 15 < scores[1] < 60


def blurred(planes: Floats) -> Floats:
    """The blur, with zeros beyond the edges; its window has a test of its own. (H, W, 3) -> (H, W, 3)."""
    planes = np.pad(planes, ((4, 4), (4, 4), (0, 0)))
    for axis in (0, 1):
        planes = np.apply_along_axis(np.convolve, axis, planes, [*TAPS[:0:-1], *TAPS], mode="valid")
    return planes


def positive_xyb(linear: Floats) -> Floats:
    """The colour space of JPEG XL, shifted and stretched as SSIMULACRA2 has it. (H, W, 3) -> (H, W, 3)."""
    red, green = (0.3, 0.23, 0.24342268924547819), (0.622, 0.692, 0.20476744424496821)
    cones = np.stack([red, green, 1 - np.add(red, green)])  # (3, 3): by R, G, B, then by long, middle, short
    bias = 0.0037930732552754493
    long, middle, short = np.moveaxis(np.cbrt(linear @ cones + bias) - np.cbrt(bias), 2, 0)
    x, y = (long - middle) / 2, (long + middle) / 2
    return np.stack([14 * x + 0.42, y + 0.01, short - y + 0.55], axis=2)


def reference_ssimulacra2(first: Pixels, second: Pixels) -> float:
    """Version 2.1 by its description, for sides that are multiples of 32; only window and weights are lcodec's."""
    pair = [np.where((v := p / 255) <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) for p in (first, second)]
    maps = []
    for _ in range(6):
        one, two = map(positive_xyb, pair)
        mean1, mean2 = blurred(one), blurred(two)
        structure = 2 * (blurred(one * two) - mean1 * mean2) + 0.0009
        structure /= blurred(one * one) - mean1**2 + blurred(two * two) - mean2**2 + 0.0009
        edges = (1 + abs(two - mean2)) / (1 + abs(one - mean1)) - 1
        dissimilar = np.maximum(0, 1 - (1 - (mean1 - mean2) ** 2) * structure)
        maps.append((dissimilar, np.maximum(0, edges), np.maximum(0, -edges)))
        pair = [(p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in pair]
    features = [
        (kind[:, :, channel] ** power).mean() ** (1 / power)
        for channel in range(3)
        for scale in maps
        for power in (1, 4)
        for kind in scale
    ]
    error = 0.9562382616834844 * float(WEIGHTS.ravel() @ features)
    error = 2.326765642916932 * error - 0.020884521182843837 * error**2 + 6.248496625763138e-05 * error**3
    return 100 - 10 * max(error, 0) ** 0.6276336467831387


@pytest.mark.parametrize("step", [12, 40, 90])
def test_ssimulacra2_is_that_of_its_description(step: int) -> None:
    with Image.open(PHOTO) as image:
        first = np.asarray(image.convert("RGB").crop((100, 100, 420, 356)))
    second = posterised(first, step)
    assert MEASURES["ssimulacra2"](first, second) == pytest.approx(reference_ssimulacra2(first, second), abs=1e-6)


def test_the_blur_of_ssimulacra2_is_nearly_a_gaussian() -> None:
    gaussian = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2)) / (1.5 * np.sqrt(2 * np.pi))
    assert pytest.approx(gaussian, abs=2e-3) == TAPS
    assert TAPS[0] + 2 * sum(TAPS[1:]) == pytest.approx(1, abs=1e-12)
    assert 2 * sum(tap * i**2 for i, tap in enumerate(TAPS)) == pytest.approx(1.5**2, abs=1e-9)


@pytest.mark.skipif("LCODEC_KODAK" not in os.environ, reason="LCODEC_KODAK does not name Kodak's folder")
def test_ssimulacra2_of_kodak_is_that_of_the_reference() -> None:
    """The mean of JPEG (libjpeg-turbo 3.2, 4:2:0, quality 10), by the C++ program, version 2.1."""
    scores = []
    for path in sorted(Path(os.environ["LCODEC_KODAK"]).glob("*.png")):
        with Image.open(path) as image:
            original = image.convert("RGB")
        file = BytesIO()
        original.save(file, "JPEG", quality=10, subsampling=2, optimize=True)
        with Image.open(file) as image:
            scores.append(MEASURES["ssimulacra2"](np.asarray(original), np.asarray(image)))
    assert len(scores) == 24
    assert np.mean(scores) == pytest.approx(-13.911570, abs=0.05)


def test_ssimulacra2_of_small_odd_and_grey_pictures() -> None:
    measure = MEASURES["ssimulacra2"]
    for shape in ((8, 8, 3), (9, 33, 1), (31, 17, 3)):
        first = picture(*shape)
        assert measure(first, first) == pytest.approx(100, abs=1e-6)
        assert (measure(first, posterised(first, 50)) or 100) < 90
    assert measure(first[:7], first[:7]) is None


@pytest.mark.parametrize("name", ["psnr", "psnr-y", "ms-ssim", "haarpsi"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour(name: str, channels: int) -> None:
    first, second = picture(170, 190, channels, seed=1), picture(170, 190, channels, seed=2)
    measure = MEASURES[name]
    value = measure(first, second)
    assert value is not None
    assert measure.scale(value) > 0


def test_what_is_not_defined_has_no_value() -> None:
    small = picture(20, 20)
    assert MEASURES["psnr"](small, small) is None  # infinite
    assert MEASURES["ms-ssim"](small, posterised(small, 9)) is None  # under 161 pixels


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the `lpips` package, and torch's cache, both empty."""
    from lcodec.metrics import lpips as module

    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(module, "find_spec", lambda _: package)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    module._weights.cache_clear()
    return tmp_path


def test_lpips_says_what_it_needs(no_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lcodec.metrics import lpips as module

    assert "alexnet" in (MEASURES["lpips"].missing() or "")
    folder = no_weights / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / module.ALEXNET).touch()
    assert "alex.pth" in (MEASURES["lpips"].missing() or "")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert "pip install --no-deps lpips" in (MEASURES["lpips"].missing() or "")


def test_lpips_with_weights_of_chance(no_weights: Path, photo: Pixels) -> None:
    """Its published weights cannot be shipped; with these the figure is that of the `lpips` package 0.1.4."""
    import torch

    from lcodec.metrics import lpips as module

    channels = (3, 64, 192, 384, 256, 256)
    rng = np.random.default_rng(5)
    alexnet, linear = {}, {}
    for i, (number, _, _) in enumerate(module.LAYERS):
        side = (11, 5, 3, 3, 3)[i]
        shape = channels[i + 1], channels[i], side, side
        alexnet[f"features.{number}.weight"] = torch.from_numpy(
            rng.normal(0, 1 / np.sqrt(channels[i] * side * side), shape).astype(np.float32)
        )
        alexnet[f"features.{number}.bias"] = torch.full((channels[i + 1],), 0.01)
        linear[f"lin{i}.model.1.weight"] = torch.from_numpy(rng.random((1, channels[i + 1], 1, 1)).astype(np.float32))
    for file, arrays in ((module._alexnet_file(), alexnet), (module._linear_file(), linear)):
        assert file is not None
        file.parent.mkdir(parents=True)
        torch.save(arrays, file)
    assert MEASURES["lpips"].missing() is None
    assert MEASURES["lpips"](photo, photo) == 0
    value = MEASURES["lpips"](photo, posterised(photo, 40))
    assert value == pytest.approx(0.05682268738746643, rel=1e-4)


needs_butteraugli = pytest.mark.skipif(
    MEASURES["butteraugli"].missing() is not None, reason="butteraugli_main is not on the PATH"
)


@needs_butteraugli
def test_butteraugli_follows_the_distances_of_jpeg_xl(photo: Pixels) -> None:
    """A distance asked of JPEG XL is the largest difference; the 3-norm of all of them is some half of it."""
    imagecodecs = pytest.importorskip("imagecodecs")
    measure = MEASURES["butteraugli"]
    shares = []
    for distance in (0.5, 1, 2, 4):
        coded = imagecodecs.jpegxl_encode(photo, effort=7, distance=distance)
        value = measure(photo, imagecodecs.jpegxl_decode(coded))
        assert value is not None
        shares.append(value / distance)
    assert min(shares) > 0.3
    assert max(shares) < 1
    assert measure(photo, photo) == 0
    assert measure(photo[:, :, :1], photo[:, :, :1]) == 0


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of butteraugli_main."""
    file = folder / "butteraugli_main"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_butteraugli_is_given_both_pictures_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Pixels
) -> None:
    program(tmp_path, monkeypatch, f'cp "$1" "$2" {tmp_path}; echo 3.5; echo "3-norm: 1.25"')
    other = posterised(photo, 20)
    assert MEASURES["butteraugli"](photo, other) == 1.25
    for name, pixels in (("original.ppm", photo), ("decoded.ppm", other)):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image), pixels)
    assert MEASURES["butteraugli"](photo[:7], other[:7]) is None


@pytest.mark.parametrize(("script", "reason"), [("echo bad >&2; exit 1", "bad"), ("echo 3.5", "no 3-norm")])
def test_butteraugli_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Pixels, script: str, reason: str
) -> None:
    program(tmp_path, monkeypatch, script)
    with pytest.raises(LcodecError, match=reason):
        MEASURES["butteraugli"](photo, photo)


def test_butteraugli_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "libjxl-devtools" in (MEASURES["butteraugli"].missing() or "")


def test_lower_is_better_becomes_higher_on_the_axis() -> None:
    scale = MEASURES["lpips"].scale
    assert scale(0.01) == pytest.approx(20)
    assert scale(0.1) < scale(0.01)
    assert replace(MEASURES["psnr"], function=lambda *_: 3.0)(picture(4, 4), picture(4, 4)) == 3
