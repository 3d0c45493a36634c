"""The talk's figures: what has a known answer, and that the committed results are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common import RESULTS, read_rows
from benchmarks.talk import banana, divergence, macadam, quantisation, realism_curve, transforms
from benchmarks.talk.__main__ import ORDER, figures, main
from benchmarks.talk.common import OUT, Given

#: Bits a sample at the distortions of `transforms.DISTORTIONS`, and the coding gain in dB (Ahmed et al. 1974, Fig. 5).
AUTOREGRESSIVE = {
    "KLT": ((2.199, 1.699, 1.038, 0.581, 0.279, 0.167), 6.762),
    "DCT": ((2.205, 1.705, 1.044, 0.587, 0.284, 0.171), 6.726),
    "DFT": ((2.358, 1.858, 1.197, 0.709, 0.329, 0.189), 5.803),
    "WHT": ((2.386, 1.886, 1.225, 0.726, 0.333, 0.188), 5.638),
    "Haar": ((2.391, 1.891, 1.230, 0.730, 0.335, 0.190), 5.606),
    "identity": ((3.322, 2.822, 2.161, 1.661, 1.161, 0.869), 0.0),
}


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_transforms_of_the_autoregressive_source(name: str) -> None:
    basis = transforms.bases()[name]
    assert np.allclose(basis @ basis.T, np.eye(transforms.SIZE))
    rates, gain = AUTOREGRESSIVE[name]
    found = [transforms.rate(transforms.variances(basis), distortion) for distortion in transforms.DISTORTIONS]
    assert found == pytest.approx(rates, abs=7e-4)
    assert transforms.coding_gain(basis) == pytest.approx(gain, abs=5e-4)


def test_the_transform_of_the_source_gains_most() -> None:
    gains = [transforms.coding_gain(basis) for basis in transforms.bases().values()]
    assert gains == sorted(gains, reverse=True)


@pytest.mark.parametrize(
    ("rate", "least", "real", "random"),
    [(0.5, 0.5, 0.586, 1.0), (1.0, 0.25, 0.268, 0.5), (2.0, 0.0625, 0.0635, 0.125)],
)
def test_gaussian_source_in_closed_form(rate: float, least: float, real: float, random: float) -> None:
    assert realism_curve.least_distortion(rate) == pytest.approx(least, abs=5e-5)
    assert realism_curve.least_distortion(rate, 0) == pytest.approx(real, abs=5e-4)
    assert realism_curve.posterior_sampling(rate) == pytest.approx(random, abs=5e-5)


def test_ellipses_in_each_space() -> None:
    found = {name: macadam.measures(macadam.half_axes(space)) for name, space in macadam.SPACES.items()}
    rows = read_rows(macadam.DATA)
    assert len(rows) == 25
    ratios = [float(row["a_1000"]) / float(row["b_1000"]) for row in rows]
    assert found["xy"]["mean_ratio_of_axes"] == pytest.approx(np.mean(ratios))
    assert found["xy"]["mean_ratio_of_axes"] == pytest.approx(2.952, abs=5e-4)
    assert found["CIELAB"]["mean_ratio_of_axes"] == pytest.approx(3.446, abs=5e-4)
    assert found["Oklab"]["mean_ratio_of_axes"] < found["xy"]["mean_ratio_of_axes"]


def test_spaces_have_their_whites() -> None:
    white = np.array([macadam.WHITE[:2] / macadam.WHITE.sum()])
    assert macadam.lab(white) == pytest.approx(np.array([[76.0693, 0, 0]]), abs=1e-3)  # of half the luminance
    assert macadam.oklab(white) == pytest.approx(np.array([[0.5 ** (1 / 3), 0, 0]]), abs=5e-4)


@pytest.mark.parametrize("row", read_rows(OUT / "banana.csv"), ids=lambda row: row["codec"])
def test_the_codecs_of_the_toy_source_reach_the_slide(row: dict[str, str]) -> None:
    assert float(row["loss"]) == pytest.approx(banana.SLIDE[row["codec"]], abs=0.05)


def test_a_short_training_falls_towards_the_slide() -> None:
    pytest.importorskip("torch")
    from benchmarks.talk import toy

    short, longer = (
        {name: toy.measure(codec, count=10_000)[2] for name, codec in banana.trained(total).items()}
        for total in (15, 120)
    )
    for name, slide in banana.SLIDE.items():
        assert slide < longer[name] < short[name]


def test_the_density_is_that_of_the_samples() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.talk import toy

    sides = torch.linspace(-25, 15, 401)
    grid = torch.stack(torch.meshgrid(sides, sides, indexing="ij"), -1)
    weights = toy.density(grid) * (sides[1] - sides[0]) ** 2
    assert float(weights.sum()) == pytest.approx(1, abs=1e-3)
    samples = toy.banana(50_000, torch.Generator().manual_seed(0))
    assert (weights[..., None] * grid).sum((0, 1)).tolist() == pytest.approx(samples.mean(0).tolist(), abs=0.06)


@pytest.mark.parametrize("index", [0, 1])
def test_a_critic_bounds_the_divergence(index: int) -> None:
    torch = pytest.importorskip("torch")
    kind = divergence.divergences()[index]
    x = torch.linspace(-divergence.EDGE, divergence.EDGE, divergence.PLACES)
    p, q = (divergence.log_density(parts, x).exp() for parts in (divergence.P, divergence.Q))
    step, middle = float(x[1] - x[0]), (p + q) / 2
    relative = [
        float((each * (each / against).log()).sum()) * step for each, against in ((p, q), (p, middle), (q, middle))
    ]
    true = relative[0] if index == 0 else (relative[1] + relative[2]) / 2
    best = divergence.bound(kind, (p / q).log(), x)
    assert best == pytest.approx(true, abs=1e-4)
    found = divergence.train(kind, range(400), 400)[1][-1][1]
    assert best - 0.02 < found <= best + 1e-4
    committed = [row for row in read_rows(OUT / "divergence.csv") if row["divergence"] == kind.title][-1]
    assert float(committed["true_nats"]) == pytest.approx(true, abs=1e-4)
    assert 0 <= float(committed["true_nats"]) - float(committed["bound_nats"]) < 1e-3


def test_soft_rounding_goes_from_nothing_to_rounding() -> None:
    torch = pytest.importorskip("torch")
    y = torch.linspace(-2.2, 2.2, 45, dtype=torch.float64) + 0.01
    assert quantisation.soft_round(y, 1e-3) == pytest.approx(y, abs=1e-6)
    assert quantisation.soft_round(y, 1e3) == pytest.approx(y.round(), abs=1e-6)
    assert quantisation.soft_unround(quantisation.soft_round(y, 5.0), 5.0) == pytest.approx(y, abs=1e-9)


def test_the_loss_of_rounding_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(quantisation, "SOURCE", 60_000)  # for a sum that is as exact
    gain = torch.tensor(0.4, dtype=torch.float64)
    x, weights = quantisation.source()
    k = (gain * x).round()
    cost = quantisation.bits(k - 0.5, k + 0.5) + quantisation.LAMBDA * (x - k / gain) ** 2
    assert float(quantisation.rounded(gain)) == pytest.approx(float((weights * cost).sum()), abs=2e-4)


def test_decoders_of_a_gaussian_lie_on_the_curve() -> None:
    pytest.importorskip("torch")
    rows = [row for row in read_rows(OUT / "realism_curve.csv") if row["source"] == "Gaussian"]
    assert len(rows) == 7 * len(realism_curve.RATES)
    for row in rows:
        least = realism_curve.least_distortion(float(row["bits"]), float(row["perception_w2"]))
        assert float(row["distortion"]) == pytest.approx(least, abs=0.015)


def test_every_figure_is_committed_with_its_numbers() -> None:
    page = (OUT / "talk.html").read_text(encoding="utf-8")
    for figure in figures():
        assert (OUT / f"{figure.name}.svg").exists(), f"run `{figure.command}`"
        assert (OUT / f"{figure.name}.csv").exists()
        assert len(re.findall(r"\.(?= |$)", figure.text)) == 3  # sentences
        assert f'<section id="{figure.name}">' in page
    assert read_rows(OUT / "complexity.csv") == read_rows(RESULTS / "complexity.csv"), (
        "run `python -m benchmarks.talk complexity`"
    )


def test_figures_are_short() -> None:
    for name in ORDER:
        assert len((Path(transforms.__file__).parent / f"{name}.py").read_text().splitlines()) < 150


def test_the_same_picture_is_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for folder in ("one", "two"):
        transforms.FIGURE.run(Given(tmp_path / folder))
    for file in ("transforms.csv", "transforms.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert read_rows(tmp_path / "one" / "transforms.csv") == read_rows(OUT / "transforms.csv")


def test_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.talk.common.has", lambda module: module != "torch")
    assert main(["banana", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "banana: passed over, it needs torch" in told
    assert "Traceback" not in told
    for wrong in (["nonsense"], ["--photos", str(tmp_path / "none")]):
        with pytest.raises(SystemExit) as ended:
            main([*wrong, "--out", str(tmp_path)])
        assert ended.value.code == 2
