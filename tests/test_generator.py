"""The generative decoder: noise by place, realism by weights, no seams, and the same bytes as its base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcodec.arrays import SYNTHESIS
from lcodec.codec import decode, encode
from lcodec.container import read_header, unpack
from lcodec.entropy.section import MEAN_STEPS
from lcodec.errors import ModelError, UsageError
from lcodec.execution import regions, stages
from lcodec.networks.gains import gain_at
from lcodec.networks.generator import blend, noise
from lcodec.networks.ops import NumpyOps
from lcodec.networks.transforms import synthesis
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.generative import GOLDEN, NAME, add_generative, generative_arrays
from tests.support.pictures import picture

ORIGINAL = Picture(picture(75, 130))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_generative(tmp_path_factory.mktemp("generative"))


@pytest.fixture
def zoo(folder: Path) -> Zoo:
    return Zoo([GOLDEN, folder])


def plain_and_real(zoo: Zoo, original: Picture = ORIGINAL, effort: int = 0) -> tuple[bytes, bytes]:
    plain, real = (encode(original, zoo.load(name), 40, effort=effort) for name in ("golden", NAME))
    return plain, real


# ------------------------------------------------------------------------------------------------------------ noise


def test_noise_is_gaussian_and_independent() -> None:
    values = noise(0, 0, 60, 70, 48).astype(np.float64)
    assert abs(values.mean()) < 0.01
    assert abs(values.var() - 1) < 0.01
    assert abs((values**4).mean() - 3) < 0.1
    for axis in range(3):
        for shift in (1, 2, 8):
            assert abs((values * np.roll(values, shift, axis)).mean()) < 0.02
    assert abs(np.corrcoef(values.reshape(-1, 48).T) - np.eye(48)).max() < 0.08


def test_noise_is_what_the_format_says() -> None:
    """A plain computation of one value, in unbounded integers."""

    def mixed(x: int) -> int:
        x = (x ^ x >> 16) * 0x7FEB352D % 2**32
        x = (x ^ x >> 15) * 0x846CA68B % 2**32
        return x ^ x >> 16

    row, column, channel = 70_000, 3, 47
    place = mixed(mixed((row + 1) * 0x9E3779B1 % 2**32) ^ (column + 1) * 0x85EBCA77 % 2**32)
    index = mixed((place + (channel + 1) * 0xC2B2AE3D) % 2**32) >> 22
    ranks = np.unique(noise(0, 0, 200, 200, 4))
    assert len(ranks) == 1024
    assert noise(row, column, 1, 1, 48)[0, 0, channel] == ranks[index]


@given(st.integers(0, 1 << 21), st.integers(0, 1 << 21), st.integers(1, 9), st.integers(1, 9))
def test_noise_depends_on_the_place_alone(top: int, left: int, height: int, width: int) -> None:
    whole = noise(top, left, height + 3, width + 2, 5)
    assert np.array_equal(noise(top + 3, left + 2, height, width, 5), whole[3:, 2:])


# ---------------------------------------------------------------------------------------------------------- realism


@pytest.mark.parametrize("effort", [0, 2])
def test_the_same_bytes_but_for_the_wish(zoo: Zoo, effort: int) -> None:
    plain, real = plain_and_real(zoo, effort=effort)
    assert unpack(plain).parts == unpack(real).parts
    header = read_header(real)
    assert replace(header, synthesis_id=read_header(plain).synthesis_id) == read_header(plain)
    assert sum(first != second for first, second in zip(plain, real, strict=True)) <= 4 + 4  # the id, the checksum


def test_realism_of_either_file(zoo: Zoo) -> None:
    plain, real = plain_and_real(zoo)
    exact, textured = decode(plain, zoo).pixels, decode(real, zoo).pixels
    assert np.abs(exact.astype(int) - textured).mean() > 3
    for data in (plain, real):
        assert np.array_equal(decode(data, zoo, realism=0).pixels, exact)
        assert np.array_equal(decode(data, zoo, realism=1).pixels, textured)
        assert np.array_equal(decode(data, zoo, realism=1, model=NAME).pixels, textured)
    errors = []
    for realism in (0.0, 0.01, 0.25, 0.5, 0.75, 1.0):
        pixels = decode(plain, zoo, realism=realism).pixels
        assert np.array_equal(decode(real, zoo, realism=realism).pixels, pixels)
        errors.append(float(np.square(pixels - exact.astype(float)).mean()))
    assert errors == sorted(errors)
    assert errors[1] < 0.5  # it begins where the plain picture is
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="realism must be 0 to 1"):
            decode(plain, zoo, realism=wrong)


def test_what_fades_in() -> None:
    real = generative_arrays()
    plain = {name: value for name, value in Zoo([GOLDEN]).load("golden").arrays.items() if name.startswith(SYNTHESIS)}
    half = blend(plain, real, 0.5)
    assert half.keys() == real.keys()
    for name in ("synthesis.up.weight", "gain.synthesis"):
        assert np.array_equal(half[name], plain[name].astype(np.float32))  # the two have the same
    bias = "synthesis.shortcut.bias"
    assert np.allclose(half[bias], (plain[bias].astype(float) + real[bias]) / 2, atol=1e-6)
    for name in ("synthesis.noise.weight", "synthesis.noise.bias", "synthesis.fine.3.merge.weight"):
        assert np.array_equal(half[name], real[name].astype(np.float32) / 2)
    with pytest.raises(ModelError, match=r"do not fit together: one has no synthesis\.up"):
        blend(plain, {name: value for name, value in real.items() if "up" not in name}, 0.5)
    with pytest.raises(ModelError, match="do not fit together"):
        blend(plain, real | {"synthesis.out.bias": np.zeros(3, np.float16)}, 0.5)


def test_what_is_not_installed_is_said(zoo: Zoo, folder: Path) -> None:
    plain, real = plain_and_real(zoo)
    bare = Zoo([GOLDEN])
    with pytest.raises(ModelError, match=r"that the file names is not installed .*; realism 0 shows .* golden"):
        decode(real, bare)
    with pytest.raises(ModelError, match=r"that the file names is not installed .*; realism 0 shows .* golden"):
        decode(real, bare, realism=0.5)
    with pytest.raises(ModelError, match="no generative model for what golden coded is installed"):
        decode(plain, bare, realism=0.5)
    assert np.array_equal(decode(real, bare, realism=0).pixels, decode(plain, bare).pixels)
    with pytest.raises(ModelError, match="golden has no realism to choose"):
        decode(plain, zoo, realism=1, model="golden")
    given_by_path = Zoo([GOLDEN])
    given_by_path.load(str(folder / f"{NAME}.safetensors"))
    assert np.array_equal(decode(plain, given_by_path, realism=1).pixels, decode(real, zoo).pixels)


# ------------------------------------------------------------------------------------------- pictures of all kinds


@pytest.mark.parametrize("realism", [0.5, 1.0])
def test_tiles_and_regions_do_not_show(zoo: Zoo, realism: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over all latents of the whole picture, by hand, against tiles of several sizes, and against regions."""
    model, plain = zoo.load(NAME).at(realism), zoo.load("golden")
    original = Picture(picture(150, 210))

    def decoded(tile: int) -> np.ndarray:
        monkeypatch.setattr(stages, "TILE", tile)
        return decode(data, zoo, realism=realism, device="cpu", backend="numpy").pixels.astype(int)

    for side in (0, 4):
        if side:
            monkeypatch.setattr(regions, "WHOLE", 0)
            monkeypatch.setattr(regions, "REGION", side)
        data = encode(original, plain, 60)
        pictures = [decoded(tile) for tile in (64, 1, 3, 5)]
        assert all(np.abs(pixels - pictures[0]).max() <= 1 for pixels in pictures)
        assert all((pixels != pictures[0]).mean() < 0.01 for pixels in pictures)
        if side:
            assert unpack(data).header.region == 64
            continue
        container = unpack(data)
        size = -(-original.height // 16), -(-original.width // 16)
        values, _ = plain.entropy.decode(
            container.parts[0].hyper, container.parts[0].latents, size, 6000, contextual=False, dependent=False
        )
        arrays = model.decoder
        latents = values * gain_at(arrays["gain.inverse"], 6000) / np.float32(MEAN_STEPS)
        everywhere = noise(0, 0, 2 * size[0], 2 * size[1], 48)[None]
        gain = gain_at(arrays["gain.synthesis"], 6000)
        by_hand = synthesis(NumpyOps(arrays), latents[None].astype(np.float32), gain, everywhere)[0]
        expected = np.rint((by_hand + 0.5) * 255).clip(0, 255)[: original.height, : original.width]
        assert np.abs(pictures[0] - expected).max() <= 1


@pytest.mark.parametrize("kind", ["odd", "tiny", "grey", "alpha"])
def test_kinds_of_pictures_on_both_engines(zoo: Zoo, kind: str) -> None:
    pixels = {
        "odd": picture(33, 47),
        "tiny": picture(1, 1),
        "grey": picture(40, 50)[:, :, :1],
        "alpha": picture(40, 50),
    }
    alpha = np.arange(2000, dtype=np.uint8).reshape(40, 50) if kind == "alpha" else None
    original = Picture(pixels[kind], alpha=alpha)
    _, data = plain_and_real(zoo, original)
    for realism in (None, 0.3):
        first, second = (decode(data, zoo, realism=realism, device="cpu", backend=name) for name in ("numpy", "torch"))  # type: ignore[arg-type]
        assert first.pixels.shape == original.pixels.shape
        assert np.abs(first.pixels.astype(int) - second.pixels).max() <= 1
        assert (first.alpha is None) == (alpha is None)
        assert alpha is None or np.array_equal(first.alpha, alpha)


def test_its_sizes_count_noise_and_blocks(zoo: Zoo) -> None:
    plain, real = (zoo.load(name).architecture for name in ("golden", NAME))
    assert (plain.noise, real.noise) == (0, 48)
    assert real.synthesis_fine_blocks == plain.synthesis_fine_blocks + 2
    assert real.synthesis_halo == plain.synthesis_halo + 1
    block = plain.fine**2 * 6 + 9 * plain.fine
    more = (2 * block + 48 * plain.fine) / 64
    assert real.multiply_adds()[0] == plain.multiply_adds()[0]
    assert real.multiply_adds()[1] - plain.multiply_adds()[1] == pytest.approx(more)
