"""`lcodec encode` with a target instead of a quality."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import Run


def test_ceiling_is_reported(run: Run, photo: Path) -> None:
    result = run("encode", photo, "--max-size", "1.2k")
    assert result.code == 0
    size = photo.with_suffix(".lcdc").stat().st_size
    assert size <= 1200
    assert "under 1200 bytes" in result.err
    (record,) = run("encode", photo, "-f", "--json", "--max-size", "1.2k").records
    assert record["bytes"] == record["reached"] == size
    assert (record["target"], record["target_value"]) == ("max-size", 1200)
    assert record["slack"] == 1 - size / 1200
    assert 1 <= record["codings"] <= 8


def test_every_input_has_its_own_quality(run: Run, photo: Path, tmp_path: Path) -> None:
    from PIL import Image

    flat = tmp_path / "flat.png"
    Image.new("RGB", (96, 64), "teal").save(flat)
    records = run("encode", photo, flat, "--json", "--bpp", "0.8").records
    assert all(record["bpp"] <= 0.8 for record in records)
    assert records[0]["quality"] < 90 < records[1]["quality"]


def test_floor(run: Run, photo: Path) -> None:
    result = run("encode", photo, "--min-psnr", "30", "--json")
    assert result.records[0]["reached"] >= 30
    assert "over 30.00 dB" in run("encode", photo, "-f", "--min-psnr", "30").err


def test_floor_with_a_model_by_path(run: Run, photo: Path) -> None:
    path = Path(__file__).parents[1] / "golden" / "v1" / "golden.safetensors"
    assert run("encode", photo, "--min-psnr", "10", "-m", path).code == 0


@pytest.mark.parametrize("target", [("--max-size", "30"), ("--min-psnr", "80"), ("--min-ms-ssim", "0.9")])
def test_out_of_reach_writes_nothing(run: Run, photo: Path, target: tuple[str, str]) -> None:
    result = run("encode", photo, *target)
    assert result.code == 5
    assert len(result.err.splitlines()) == 1
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


def test_one_out_of_reach_does_not_stop_the_others(run: Run, photo: Path, tmp_path: Path) -> None:
    from PIL import Image

    flat = shutil.copy(photo, tmp_path / "flat.png")
    Image.new("RGB", (96, 64), "teal").save(flat)
    sizes = [record["bytes"] for record in run("encode", photo, flat, "--json", "-q", "0").records]
    size = sum(sizes) // 2
    result = run("encode", photo, flat, "-f", "--max-size", str(size))
    assert result.code == 1
    assert f"photo.png: {size} bytes is out of reach: quality 0 gives" in result.err
    assert sizes[1] <= (tmp_path / "flat.lcdc").stat().st_size <= size


@pytest.mark.parametrize(
    "options",
    [
        ("--bpp", "1", "--max-size", "4k"),
        ("--min-psnr", "30", "-q", "50"),
        ("--bpp", "0"),
        ("--bpp", "nan"),
        ("--bpp", "inf"),
        ("--max-size", "0"),
        ("--max-size", "4 parsecs"),
        ("--max-size", "-1k"),
        ("--min-ms-ssim", "1"),
    ],
)
def test_senseless_targets(run: Run, photo: Path, options: tuple[str, ...]) -> None:
    result = run("encode", photo, *options)
    assert result.code == 2
    assert not photo.with_suffix(".lcdc").exists()


@pytest.mark.parametrize(
    ("size", "count"),
    [("40k", 40_000), ("40kB", 40_000), ("40KiB", 40_960), ("1.5M", 1_500_000), ("1 MiB", 1 << 20), ("9999", 9999)],
)
def test_sizes(run: Run, photo: Path, size: str, count: int) -> None:
    assert run("encode", photo, "--json", "--max-size", size).records[0]["target_value"] == count


def test_the_command_line_overrides_the_environment(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCODEC_ENCODE_MAX_SIZE", "1200")
    assert run("encode", photo, "--json").records[0]["bytes"] <= 1200
    assert "target" not in run("encode", photo, "-f", "--json", "-q", "50").records[0]
    assert run("encode", photo, "-f", "--json", "--bpp", "1").records[0]["target"] == "bpp"


def test_effort(run: Run, photo: Path) -> None:
    from lcodec.defaults import EFFORT

    default = run("encode", photo, "-o", "-").out
    assert run("encode", photo, "-o", "-", "-e", str(EFFORT)).out == default
    assert run("encode", photo, "-o", "-", "-e", "0").out != default
    assert run("encode", photo, "-e", "10").code == 2
    assert run("encode", photo, "-e", "0", "--max-size", "1.2k").code == 0
