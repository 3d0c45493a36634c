"""`python -m benchmarks.anchors DIR`: do the figures of `lcodec eval` agree with the rivals' curves measured before?

DIR is what `lcodec eval KODAK --out DIR` wrote. Each codec of the report that `benchmarks.published` has a curve of is
compared with it by BD-rate, over PSNR 28 to 38 dB and MS-SSIM 11 to 20 dB; over 1 % either way fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.common import show
from benchmarks.published import Curve, Metric, names, rival

WINDOWS: dict[Metric, tuple[float, float]] = {"psnr": (28, 38), "ms_ssim": (11, 20)}  # dB
LIMIT = 1.0  # percent


def curves(report: Path) -> dict[str, Curve]:
    """Read the curves of a report, by the names of the codecs."""
    record = json.loads(report.read_text(encoding="utf-8"))
    found = {}
    for codec in record["codecs"]:
        means = [mean for mean in record["means"] if mean["codec"] == codec["name"]]
        found[codec["name"]] = Curve(
            codec["title"],
            bpp=tuple(mean["bpp"] for mean in means),
            psnr=tuple(mean["metrics"]["psnr"] for mean in means),
            ms_ssim=tuple(mean["metrics"]["ms-ssim"] for mean in means),
        )
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anchors", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `lcodec eval --out` wrote")
    measured = curves(parser.parse_args().folder / "report.json")
    rows = []
    worst = 0.0
    for name, curve in measured.items():
        if name in names():
            deltas = [
                curve.bd_rate_against(rival(name), metric, window=window).percent for metric, window in WINDOWS.items()
            ]
            worst = max(worst, *map(abs, deltas))
            shown = (f"{delta:+.2f}" for delta in deltas)
            rows.append({"codec": curve.title} | dict(zip(WINDOWS, shown, strict=True)))
    heads = ("codec", *WINDOWS)
    show(rows, dict(zip(heads, heads, strict=True)), "BD-rate against the curves measured before, %")
    sys.exit(f"one differs by {worst:.2f} %" if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
