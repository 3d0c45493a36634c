"""The curves of other codecs: each plausible and with its origin, and published delta rates come out of them."""

import numpy as np
import pytest

from benchmarks.published import Curve, names, rival

# fmt: off
# CompressAI 869a9f5d, results/image/kodak/jpeg.json
COMPRESSAI_JPEG = Curve(
    "JPEG",
    bpp=(
        0.22115, 0.32661, 0.42313, 0.50839, 0.58787, 0.66013, 0.72895, 0.78603, 0.84972, 0.906,
        0.96438, 1.03721, 1.1274, 1.23985, 1.36883, 1.57181, 1.85882, 2.3502, 3.40134,
    ),
    psnr=(
        23.7799, 26.5772, 28.0422, 29.0418, 29.7847, 30.3783, 30.9032, 31.3078, 31.7048, 32.0587,
        32.3993, 32.7899, 33.2347, 33.7926, 34.3943, 35.239, 36.3289, 37.9121, 40.5567,
    ),
    ms_ssim=(
        0.803071, 0.889862, 0.923584, 0.942709, 0.953349, 0.960616, 0.966143, 0.969692, 0.97265, 0.975253,
        0.977267, 0.979276, 0.981364, 0.983707, 0.98575, 0.988191, 0.990552, 0.992981, 0.995637,
    ),
)
# fmt: on


@pytest.mark.parametrize(
    ("name", "metric", "against_bpg", "against_vtm"),
    [
        (COMPRESSAI_JPEG, "psnr", 143.05, 208.49),
        (COMPRESSAI_JPEG, "ms_ssim", 91.74, 139.84),
        ("bmshj2018-factorized", "psnr", 32.55, 68.10),
        ("bmshj2018-hyperprior", "psnr", 3.93, 30.48),
        ("bmshj2018-hyperprior", "ms_ssim", -12.58, 7.31),
        ("bmshj2018-hyperprior-ms-ssim", "ms_ssim", -47.28, -35.63),
        ("mbt2018-mean", "psnr", -3.28, 21.28),
        ("mbt2018", "ms_ssim", -20.28, -2.13),
        ("vtm", "psnr", -18.02, 0),
        ("vtm", "ms_ssim", -17.70, 0),
        ("elic2022", "psnr", -26.58, -7.03),
    ],
)
def test_figures_of_published_curves(name, metric, against_bpg, against_vtm):
    curve = rival(name) if isinstance(name, str) else name
    assert curve.bd_rate_against(rival("bpg-444"), metric).percent == pytest.approx(against_bpg, abs=0.006)
    assert curve.bd_rate_against(rival("vtm"), metric).percent == pytest.approx(against_vtm, abs=0.006)


@pytest.mark.parametrize(
    ("name", "psnr", "top", "ms_ssim"),
    [
        ("jpeg-420", 115.23, 38, 60.26),
        ("mozjpeg-420", 94.11, 37.28, 30.89),
        ("webp", 41.02, 38, 25.10),
        ("jpeg2000", 22.80, 38, 34.25),
        ("jxl", 55.39, 38, 19.97),
        ("heic-420", 8.28, 38, 9.43),
        ("avif-444", -1.80, 38, -3.93),
        ("avif-444-default", 8.08, 38, -20.86),
        ("vvc-420", -11.94, 38, -10.47),
    ],
)
def test_figures_of_measured_curves(name, psnr, top, ms_ssim):
    """Against HEIC 4:4:4 in fixed windows; the window shrinks where a curve ends earlier."""
    result = rival(name).bd_rate_against(rival("heic-444"), "psnr", window=(28, 38))
    assert result.percent == pytest.approx(psnr, abs=0.006)
    assert (result.low, result.high) == (28, pytest.approx(top, abs=0.006))
    result = rival(name).bd_rate_against(rival("heic-444"), "ms_ssim", window=(11, 20))
    assert result.percent == pytest.approx(ms_ssim, abs=0.006)


@pytest.mark.parametrize("name", names())
def test_every_rival_is_a_plausible_curve_with_its_origin(name):
    curve = rival(name)
    assert curve.title
    assert curve.source
    assert curve.settings
    order = np.argsort(curve.bpp)
    assert all(0.01 < rate < 6 for rate in curve.bpp)
    assert all(20 < value < 52 for value in curve.psnr)
    assert (np.diff(np.array(curve.psnr)[order]) > 0).all()
    if curve.ms_ssim is None:
        with pytest.raises(ValueError, match="without MS-SSIM"):
            curve.quality("ms_ssim")
    else:
        assert all(0.7 < value < 1 for value in curve.ms_ssim)
        assert (np.diff(np.array(curve.ms_ssim)[order]) > 0).all()


def test_unknown_rival():
    with pytest.raises(ValueError, match="no rival is called 'jpeg'; there are jpeg-420"):
        rival("jpeg")


def test_a_curve_needs_a_quality_for_each_rate():
    with pytest.raises(ValueError, match="2 qualities for 1 rates"):
        Curve("broken", (1.0,), (30.0, 31.0))
