"""The spine: both implementations write and read each other's streams, at every size and quality."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Event, Thread
from time import sleep
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec import container
from lcodec.codec import decode, encode
from lcodec.container import read_header, unpack
from lcodec.effort import Effort
from lcodec.entropy import model
from lcodec.errors import LimitError, ModelError, UsageError
from lcodec.execution import engine, regions, stages
from lcodec.execution.regions import Region
from lcodec.networks import crew
from lcodec.picture import Picture
from lcodec.zoo import Zoo
from tests.support.command import PHOTO
from tests.support.golden import GOLDEN, MODEL, ZOO, zoo_of
from tests.support.pictures import picture


@settings(max_examples=40)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([1, 3]),
    st.floats(0, 100),
    st.binary(max_size=40),
    st.integers(0, 99),
    st.sampled_from(["v1", "v1-context"]),
)
def test_numpy_and_torch_read_each_other(
    height: int, width: int, channels: int, quality: float, icc: bytes, seed: int, golden: str
) -> None:
    zoo = zoo_of(GOLDEN / golden)
    coder = zoo.load("golden")
    original = Picture(picture(height, width, channels, seed), icc or None)
    for writer in ("numpy", "torch"):
        data = encode(original, coder, quality, device="cpu", backend=writer)  # type: ignore[arg-type]
        first = decode(data, zoo, backend="numpy")
        second = decode(data, zoo, device="cpu", backend="torch")
        assert first.pixels.shape == original.pixels.shape
        assert first.icc == second.icc == original.icc
        assert np.abs(first.pixels.astype(int) - second.pixels).max() <= 1
        header = read_header(data)
        assert (header.width, header.height, header.grey) == (width, height, channels == 1)


def test_tiles_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Picture(picture(300, 420))
    whole = encode(original, MODEL, 60)
    pixels = decode(whole, ZOO).pixels
    monkeypatch.setattr(stages, "TILE", 8)
    monkeypatch.setattr(model, "HYPER_TILE", 1)
    assert decode(whole, ZOO).pixels.shape == pixels.shape
    assert np.abs(decode(whole, ZOO).pixels.astype(int) - pixels).max() <= 1
    tiled = encode(original, MODEL, 60)
    assert abs(len(tiled) - len(whole)) <= 16  # a latent on the edge between two symbols may fall to the other
    assert np.abs(decode(tiled, ZOO).pixels.astype(int) - pixels).mean() < 0.1


def test_an_interrupted_encoder_does_not_finish_what_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first region is interrupted while another thread is at the second, which tells how far it is."""
    monkeypatch.setattr(regions, "WHOLE", 0)
    monkeypatch.setattr(regions, "REGION", 4)
    monkeypatch.setattr(engine, "cores", lambda: 2)
    at_work, ended = Event(), Event()

    def code(*arguments: Any) -> None:
        region: Region = arguments[-2]
        tell: Callable[[float], None] = arguments[-1]
        if region.left:
            try:
                at_work.set()
                for _ in range(10_000):
                    tell(0.5)
                    sleep(0.005)
            except Exception:
                ended.set()
                raise
        at_work.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(Effort, "code", code)
    with pytest.raises(KeyboardInterrupt):
        encode(Picture(picture(64, 128)), MODEL, 50, exact=False)
    assert ended.is_set()


def test_an_interrupted_network_ends_within_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody tells of progress; BLAS has one thread until all are out."""
    monkeypatch.setattr(engine, "cores", lambda: 2)
    on_cpu, at_work, ended, layers = engine.Engine("cpu", "numpy", 1), Event(), Event(), []

    def region(_: int) -> None:
        for layer in range(10_000):
            crew.each(sleep, [0.001])
            layers.append(layer)
            at_work.set()

    def wait(spread: engine.Spread) -> None:
        with pytest.raises(CancelledError):
            spread(region, [0])
        ended.set()

    def interrupted() -> None:
        with on_cpu.spread(1) as spread:
            Thread(target=wait, args=[spread]).start()
            at_work.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(layers) < 5_000
    assert ended.wait(60)


def test_encoding_is_deterministic() -> None:
    original = Picture(picture(70, 50))
    assert encode(original, MODEL, 40) == encode(original, MODEL, 40)


def test_every_step_of_quality_has_an_effect() -> None:
    original = Picture(picture(64, 64))
    streams = {unpack(encode(original, MODEL, quality)).parts[0].latents for quality in range(0, 101, 5)}
    assert len(streams) == 21


def test_requests_are_checked() -> None:
    original = Picture(picture(8, 8))
    for quality in (-0.1, 100.1, float("nan")):
        with pytest.raises(UsageError, match="quality"):
            encode(original, MODEL, quality)
    data = encode(original, MODEL, 50)
    with pytest.raises(LimitError, match="8x8"):
        decode(data, ZOO, max_pixels=63)
    with pytest.raises(ModelError, match="not installed"):
        decode(data, Zoo())


def test_shipped_model_on_the_photo() -> None:
    """The shipped model codes at the rate that its hyper-latents and latents take, and well."""
    from PIL import Image

    zoo = Zoo()
    with Image.open(PHOTO) as image:
        original = np.asarray(image.convert("RGB"))
    sizes, errors = [], []
    for quality in (0, 25, 60, 75, 100):
        data = encode(Picture(original), zoo.load("mse"), quality)
        assert read_header(data).overhead <= 40
        sizes.append(len(data))
        errors.append(float(((decode(data, zoo).pixels.astype(float) - original) ** 2).mean()))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert 8 * sizes[2] / original[..., 0].size < 1.5
    assert errors[2] < 65  # 30 dB


def test_sides_are_limited_for_the_writer_as_for_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SIDE_MAX", 100)
    for shape, fits in (((1, 100, 1), True), ((100, 1, 3), True), ((1, 101, 1), False), ((101, 1, 3), False)):
        narrow = Picture(np.zeros(shape, np.uint8))
        if fits:
            assert decode(encode(narrow, MODEL, 50), ZOO).pixels.shape == shape
        else:
            with pytest.raises(LimitError, match="a side of more than 100 pixels"):
                encode(narrow, MODEL, 50)
