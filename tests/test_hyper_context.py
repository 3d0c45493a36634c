"""The context of hyper-latents: exact round trips, what a file says of it, and that it pays when it is trained."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from benchmarks.hyper_context import saved, with_context
from lcodec.arrays import HYPER_CONTEXT, INTEGER, select
from lcodec.codec import decode, encode
from lcodec.container import pack, read_header, unpack
from lcodec.entropy.model import EntropyModel
from lcodec.errors import DamagedError, ModelError
from lcodec.networks.ops_torch import TorchOps
from lcodec.networks.steps import Cell, walk_hyper
from lcodec.picture import Picture
from lcodec.training.export import fixed_arrays, network_arrays
from lcodec.training.parameters import effective
from lcodec.zoo import Zoo, as_model
from tests.support.command import COMMAND, ENVIRONMENT
from tests.support.golden import CONTEXTUAL, GOLDEN, SMALL, parameters, zoo_of
from tests.support.pictures import picture

FOLDER = GOLDEN / "v1-context"
ZOO = zoo_of(FOLDER)
MODEL = ZOO.load("golden")
TORCH = EntropyModel(select(MODEL.arrays, INTEGER), torch, torch.device("cpu"))


@settings(max_examples=30)
@given(st.integers(1, 23), st.integers(1, 23), st.integers(0, 10_000), st.floats(0.01, 30), st.integers(0, 99))
def test_round_trip(rows: int, columns: int, quality_step: int, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    latents = rng.normal(0, 1, (rows, columns, SMALL.latents)).astype(np.float32)
    size = -(-rows // 4), -(-columns // 4)
    hyper_latents = rng.normal(0, spread, (*size, SMALL.hyper_latents)).astype(np.float32)
    for writer, reader in ((MODEL.entropy, TORCH), (TORCH, MODEL.entropy)):
        coded = writer.encode(latents, hyper_latents, quality_step)
        sections = coded.hyper, coded.latents
        values, check = reader.decode(*sections, (rows, columns), quality_step, contextual=True, dependent=False)
        assert check == coded.check
        assert np.array_equal(values, coded.values)


def test_no_cell_depends_on_those_that_come_later() -> None:
    ops, seen = TorchOps(effective(parameters(CONTEXTUAL))), []
    steps = torch.ones(1, 1, 1, CONTEXTUAL.hyper_latents)

    def walked(changed: int) -> list[torch.Tensor]:
        seen.clear()

        def code(_cell: Cell, log_scale: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
            seen.append(torch.cat((log_scale, mean), -1))
            return torch.full_like(mean, 2.0 if len(seen) > changed else 1.0)

        with torch.no_grad():
            walk_hyper(ops, (1, 3, 5), steps, code, torch.float32)
        return list(seen)

    plain = walked(16)
    assert all(float(predicted.abs().max()) > 0 for predicted in plain[4:])  # the first step has no context
    for changed in (4, 8, 12):
        others = walked(changed)
        assert all(torch.equal(one, other) for one, other in zip(plain[: changed + 4], others, strict=False)), changed
        assert not all(torch.equal(one, other) for one, other in zip(plain, others, strict=True)) or changed == 12


def _without_context(tmp_path: Path, **changed: Any) -> Zoo:
    """A zoo with a model of the same id that has no context, or another one."""
    kept = {name: value for name, value in MODEL.arrays.items() if not name.startswith(HYPER_CONTEXT)} | changed
    save_file(kept, tmp_path / "older.safetensors", MODEL.goal.metadata())
    zoo = Zoo([tmp_path])
    assert zoo.load(str(tmp_path / "older.safetensors")).entropy_id == MODEL.entropy_id
    return zoo


def test_a_model_without_it_says_so(tmp_path: Path) -> None:
    data = encode(Picture(picture(70, 90)), MODEL, 50)
    assert read_header(data).hyper_context
    older = _without_context(tmp_path)
    with pytest.raises(ModelError, match="older than the one that the file was made with"):
        decode(data, older)
    plain = encode(Picture(picture(70, 90)), older.load(str(tmp_path / "older.safetensors")), 50)
    assert not read_header(plain).hyper_context
    for zoo in (older, ZOO):  # a file of before decodes with either
        assert decode(plain, zoo).pixels.shape == (70, 90, 3)
    (tmp_path / "new.lcdc").write_bytes(data)
    asked = ["decode", "-m", tmp_path / "older.safetensors", tmp_path / "new.lcdc", "-o", tmp_path / "new.png"]
    result = subprocess.run([*COMMAND, *map(str, asked)], env=ENVIRONMENT, check=False, capture_output=True)
    assert (result.returncode, result.stderr.count(b"\n")) == (4, 1)
    assert not (tmp_path / "new.png").exists()


def test_another_context_is_found_by_the_symbol_check(tmp_path: Path) -> None:
    data = encode(Picture(picture(70, 90)), MODEL, 50)
    contexts = dict(select(MODEL.arrays, (HYPER_CONTEXT,)))
    contexts["hyper_context.out.1.bias"] = contexts["hyper_context.out.1.bias"] + (1 << 22)
    with pytest.raises(DamagedError, match="damaged"):
        decode(data, _without_context(tmp_path, **contexts))


@pytest.mark.parametrize(("width", "height"), [(1 << 14, 1 << 14), (1 << 22, 16)])
def test_a_declared_size_that_the_bytes_cannot_hold_costs_nothing(width: int, height: int) -> None:
    container = unpack((FOLDER / "06-129x193-grey-q0.lcdc").read_bytes())
    header = replace(container.header, width=width, height=height)
    begun = time.process_time()
    with pytest.raises(DamagedError, match="cannot be"):
        decode(pack(header, container.parts, {}), ZOO)
    assert time.process_time() - begun < 0.5


def test_it_pays_where_hyper_latents_are_alike() -> None:
    before, generator = parameters(), torch.Generator().manual_seed(0)

    def samples(count: int) -> list[tuple[float, torch.Tensor]]:
        """Hyper-latents of which each position is a little like all others."""
        common = torch.randn((count, 1, 1, SMALL.hyper_latents), generator=generator)
        own = torch.randn((count, 4, 5, SMALL.hyper_latents), generator=generator)
        return [(index / count, 3 * common[index] + 0.3 * own[index]) for index in range(count)]

    after = with_context(before, samples(60), steps=60)
    assert saved(after, samples(20)) > 0.05
    assert all(torch.equal(after[name], value) for name, value in before.items())
    arrays = dict(zoo_of(GOLDEN / "v1").load("golden").arrays)
    added = fixed_arrays(network_arrays(after), (HYPER_CONTEXT,))
    assert added
    assert all(name.startswith(HYPER_CONTEXT) for name in added)
    assert as_model(arrays | added, "more").entropy_id == as_model(arrays, "less").entropy_id
