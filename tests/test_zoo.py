"""The zoo: one entropy part with several syntheses; sizes that a model says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from benchmarks.hyper_context import WIDTH
from lcodec import defaults
from lcodec.arrays import SYNTHESIS
from lcodec.codec import decode, encode
from lcodec.container import read_header, unpack
from lcodec.errors import ModelError
from lcodec.goal import Goal
from lcodec.networks.architecture import Architecture
from lcodec.picture import Picture
from lcodec.training.export import model_arrays, write_model
from lcodec.training.parameters import SIZES, start
from lcodec.zoo import Zoo
from tests.support.generative import add_synthesis
from tests.support.pictures import picture

GOLDEN = Path(__file__).parent / "golden" / "v1"
ORIGINAL = Picture(picture(50, 70))
#: Widths that are no multiples of each other, and other numbers of blocks in every part.
ODD = Architecture(
    fine=12,
    coarse=20,
    latents=28,
    hyper=18,
    hyper_latents=10,
    context=22,
    analysis_fine_blocks=1,
    analysis_coarse_blocks=3,
    synthesis_coarse_blocks=2,
    synthesis_fine_blocks=5,
    context_blocks=3,
)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A folder with a second synthesis for the golden model: darker, and one block deeper."""
    golden = Zoo([GOLDEN]).load("golden")
    arrays = {name: value for name, value in golden.arrays.items() if name.startswith(SYNTHESIS)}
    arrays["synthesis.shortcut.bias"] = arrays["synthesis.shortcut.bias"] - np.float16(0.1)
    for name in [name for name in arrays if name.startswith("synthesis.fine.0.")]:
        arrays[name.replace(".0.", ".3.")] = arrays[name]
    return add_synthesis(tmp_path, "dark", arrays, "mse")


def test_a_second_synthesis_shares_the_bytes(second: Path) -> None:
    zoo = Zoo([GOLDEN, second])
    first, other = (encode(ORIGINAL, zoo.load(name), 60) for name in ("golden", "dark"))
    assert unpack(first).parts == unpack(other).parts
    assert read_header(first).entropy_id == read_header(other).entropy_id
    assert read_header(first).synthesis_id != read_header(other).synthesis_id
    bright, dark = (decode(data, Zoo([second, GOLDEN])).pixels for data in (first, other))
    assert dark.mean() < bright.mean() - 10
    assert (
        zoo.load("dark").architecture.synthesis_fine_blocks == zoo.load("golden").architecture.synthesis_fine_blocks + 1
    )
    for data, synthesis, expected in ((first, "dark", dark), (other, "golden", bright)):
        assert np.array_equal(decode(data, zoo, model=synthesis).pixels, expected)
        path = str(second / "dark.safetensors") if synthesis == "dark" else synthesis
        assert np.array_equal(decode(data, zoo, model=path).pixels, expected)


def test_what_is_missing_is_said(second: Path) -> None:
    data = encode(ORIGINAL, Zoo([GOLDEN, second]).load("dark"), 60)
    with pytest.raises(ModelError, match=r"not installed.*realism 0 shows the file with golden"):
        decode(data, Zoo([GOLDEN]))
    with pytest.raises(ModelError, match="not installed"):
        decode(data, Zoo([second]))  # the synthesis without the model that it is for
    with pytest.raises(ModelError, match="is a synthesis for the model"):
        Zoo([second]).load("dark")
    with pytest.raises(ModelError, match="cannot decode"):
        decode(data, Zoo([GOLDEN]), model="mse")


def test_a_model_of_odd_sizes_says_them_itself(tmp_path: Path) -> None:
    crops = np.stack([picture(64, 64, seed=seed) for seed in range(24)])
    params = start(crops, torch.Generator().manual_seed(3), ODD)
    assert Architecture.of(params) == ODD
    for name, value in params.items():
        if ".reduce.weight" in name or name.startswith("context"):
            value.mul_(3)
    write_model(tmp_path, "odd", Goal("mse"), "", model_arrays(params), "")
    zoo = Zoo([tmp_path])
    model = zoo.load("odd")
    assert model.architecture == ODD
    assert model.entropy.context_halo == ODD.context_halo == 3
    original = Picture(picture(130, 75))
    for effort in (0, 2):
        data = encode(original, model, 70, effort=effort)
        assert data == encode(original, model, 70, effort=effort, memory=400 << 20)
        pictures = [decode(data, zoo, device="cpu", backend=name).pixels for name in ("numpy", "torch")]  # type: ignore[arg-type]
        assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_an_unknown_aim_is_an_error(tmp_path: Path) -> None:
    """Not taken for the mean squared error, as if effort could go on for it."""
    save_file(dict(Zoo([GOLDEN]).load("golden").arrays), tmp_path / "future.safetensors", {"aim": "taste"})
    with pytest.raises(ModelError, match="'taste' is not something to train for"):
        Zoo().load(str(tmp_path / "future.safetensors"))


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = dict(Zoo([GOLDEN]).load("golden").arrays)
    with pytest.raises(ModelError, match=r"has no hyper_synthesis\.up"):
        Architecture.of({name: value for name, value in arrays.items() if name != "hyper_synthesis.up.weight"})
    arrays["synthesis.up.weight"] = arrays["synthesis.up.weight"][:-1]
    with pytest.raises(ModelError, match=r"synthesis\.up does not fit"):
        Architecture.of(arrays)


def test_sizes_by_name_are_those_of_the_shipped_models() -> None:
    assert tuple(SIZES) == defaults.SIZES
    for name, size in (("ms-ssim-fast", "small"), ("ms-ssim", "large")):
        assert Zoo().load(name).architecture == replace(SIZES[size], hyper_context=WIDTH)
    encoding, decoding = SIZES["small"].multiply_adds()
    assert encoding < decoding
    deeper = replace(SIZES["small"], synthesis_fine_blocks=4)
    block = 128 * 128 * 6 + 9 * 128
    assert deeper.multiply_adds()[1] - decoding == pytest.approx(block / 64)
    assert deeper.parameters - SIZES["small"].parameters == block + 6 * 128
