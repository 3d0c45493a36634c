"""The exact part: NumPy float64, int64 arithmetic and torch float64 must give the same integers, always."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcodec.arrays import INTEGER
from lcodec.entropy.integer import ACTIVATION_MAX, EXPONENT_MAX, WEIGHT_MAX, FixedOps, check_bound, times_exp2
from lcodec.entropy.selftest import self_test
from lcodec.entropy.tables import load_tables
from lcodec.errors import ModelError
from lcodec.training.export import model_arrays
from tests.support.golden import CONTEXTUAL, SMALL, parameters
from tests.support.specified import Arrays, Int64Ops, inputs, known_of, networks


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return {name: value for name, value in model_arrays(parameters(CONTEXTUAL)).items() if name.startswith(INTEGER)}


@pytest.mark.parametrize("kind", ["usual", "full", "extreme"])
@pytest.mark.parametrize("batch", [1, 2, 16, 17])
def test_all_implementations_agree(arrays: Arrays, batch: int, kind: str) -> None:
    z = inputs(batch, SMALL.hyper_latents, kind, batch)
    known = known_of(z, SMALL, kind)
    wanted = networks(Int64Ops(arrays), z, known)
    doubles = z.astype(np.float64), known.astype(np.float64)
    for got, want in zip(networks(FixedOps(arrays), *doubles), wanted, strict=True):
        np.testing.assert_array_equal(got, want)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tensors = [torch.from_numpy(value) for value in doubles]
        for got, want in zip(networks(FixedOps(arrays, torch), *tensors), wanted, strict=True):
            np.testing.assert_array_equal(got.numpy(), want)
    torch.set_num_threads(1)


def test_memory_layout_does_not_matter(arrays: Arrays) -> None:
    z = inputs(2, SMALL.hyper_latents, "full", 1).astype(np.float64)
    known = known_of(z, SMALL, "full").astype(np.float64)
    wanted = networks(FixedOps(arrays), z, known)
    strided = np.repeat(known, 2, axis=3)[..., ::2]
    for other in (np.asfortranarray(known), strided, known[::-1][::-1]):
        for got, want in zip(networks(FixedOps(arrays), np.asfortranarray(z), other), wanted, strict=True):
            np.testing.assert_array_equal(got, want)
    tensor = torch.from_numpy(known).permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    for got, want in zip(networks(FixedOps(arrays, torch), torch.from_numpy(z), tensor), wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), want)


def test_blas_threads_do_not_matter() -> None:
    program = (
        "import zlib\nfrom lcodec.entropy.integer import FixedOps\nfrom lcodec.training.export import model_arrays\n"
        "from lcodec.arrays import INTEGER\nfrom tests.support.golden import CONTEXTUAL, SMALL, parameters\n"
        "from tests.support.specified import inputs, known_of, networks\n"
        "a = {n: v for n, v in model_arrays(parameters(CONTEXTUAL)).items() if n.startswith(INTEGER)}\n"
        "z = inputs(5, SMALL.hyper_latents, 'full', 3).astype(float)\n"
        "out = networks(FixedOps(a), z, known_of(z, SMALL, 'full').astype(float))\n"
        "print(zlib.crc32(b''.join(o.astype('<i8').tobytes() for o in out)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1


@given(
    st.lists(st.integers(-ACTIVATION_MAX, ACTIVATION_MAX), min_size=1, max_size=20),
    st.integers(-EXPONENT_MAX, EXPONENT_MAX),
    st.integers(-8, 8),
)
def test_powers_are_shifts(values: list[int], exponent: int, bits: int) -> None:
    x = np.array(values, np.float64)[:, None]
    exponents = np.array([exponent])
    got = times_exp2(np, x, exponents, bits)
    same = times_exp2(torch, torch.from_numpy(x), exponents, bits).numpy()
    mantissa, right = int(load_tables().exp2[exponent % 1024]), 15 - exponent // 1024 - bits
    for value, result, other in zip(values, got[:, 0], same[:, 0], strict=True):
        product = value * mantissa
        want = (product + (1 << (right - 1))) >> right if right > 0 else product << -right
        want = max(-ACTIVATION_MAX, min(ACTIVATION_MAX, want))
        assert want == result == other
        real = value * 2.0 ** (exponent / 1024 + bits)
        assert abs(want - max(-ACTIVATION_MAX, min(ACTIVATION_MAX, real))) <= 0.51 + abs(real) * 2**-14


def test_bound_is_asserted_on_loading() -> None:
    layer = {
        "t.weight": np.full((2, 1280), WEIGHT_MAX, np.int16),
        "t.bias": np.zeros(2, np.int64),
        "t.shift": np.full(2, 14, np.uint8),
    }
    FixedOps(layer)
    worst = np.full((1, 1, 1, 1280), ACTIVATION_MAX, np.float64)
    assert FixedOps(layer).linear("t", worst)[0, 0, 0, 0] == ACTIVATION_MAX
    with pytest.raises(ModelError, match="not exact"):
        FixedOps({**layer, "t.weight": np.full((2, 40_000), WEIGHT_MAX, np.int16)})
    with pytest.raises(ModelError, match="not exact"):
        check_bound("t", layer["t.weight"], np.array([1 << 52, 0]), layer["t.shift"])
    with pytest.raises(ModelError, match="shift"):
        check_bound("t", layer["t.weight"], layer["t.bias"], np.array([0, 14]))


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_the_least_integer_is_out_of_bounds(part: str) -> None:
    """Its magnitude is no number of its type: NumPy gives it back as it is."""
    layer = {"weight": np.ones((2, 3), np.int16), "bias": np.zeros(2, np.int64), "shift": np.full(2, 14, np.uint8)}
    layer[part].flat[0] = np.iinfo(layer[part].dtype).min
    with pytest.raises(ModelError, match="not exact"):
        check_bound("t", **layer)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_sums_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (3, 640))
    x = rng.integers(-ACTIVATION_MAX, ACTIVATION_MAX + 1, 640)
    order = rng.permutation(640)
    exact = weight @ x
    assert ((weight[:, order].astype(np.float64) @ x[order].astype(np.float64)) == exact).all()


def test_self_test_passes_on_every_backend() -> None:
    self_test(np)
    self_test(torch, torch.device("cpu"))
    self_test(np, None, 4 * SMALL.hyper)
