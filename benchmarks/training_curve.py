"""`python -m benchmarks.training_curve NAME RUN...`: the loss curve of a model's training, as data and as a picture.

Each RUN is the folder of an `lcodec train`, each but the first begun from the one before it, or a CSV that this command
wrote of earlier runs. Writes `benchmarks/results/training-NAME.csv`, a row for each validation and each twentieth of a
run, and the picture of it, with the mean training loss of the steps in between. Losses are of different photos and
crops, and those of runs for different ranges of lambda differ: compare each line with itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.common import read_rows, results_of, write_rows
from lcodec.training.rate_distortion import VALID_QUALITIES

#: The quality whose rate and PSNR a validation's row shows.
MIDDLE = VALID_QUALITIES[len(VALID_QUALITIES) // 2]
#: Of a run, each with a row at least.
PARTS = 20


def rows(runs: list[Path]) -> list[dict[str, Any]]:
    """Points of several runs, each with the mean of the training losses logged since the one before.

    Steps, hours and pixels go on counting from run to run.
    """
    found: list[dict[str, Any]] = []
    before: dict[str, float] = {"step": 0, "seconds": 0, "pixels": 0}
    for source in runs:
        run = found[-1]["run"] if found else 0
        if source.suffix == ".csv":
            found += _earlier(source, run)
            last = found[-1]
            before = {"step": last["step"], "seconds": last["hours"] * 3600, "pixels": last["gigapixels"] * 1e9}
        else:
            lines = _lines(source / "log.jsonl")
            found += _points(run + 1, lines, before)
            before = {key: before[key] + lines[-1][key] for key in before}
    return found


def _earlier(path: Path, run: int) -> list[dict[str, Any]]:
    """Rows of a CSV of earlier runs, which are numbered from `run` + 1."""
    found: list[dict[str, Any]] = []
    for row in read_rows(path):
        numbers = {key: float(value) for key, value in row.items() if key != "learning rate" and value}
        found.append(row | numbers | {"run": run + int(row["run"]), "step": int(row["step"])})
    return found


def _lines(log: Path) -> list[dict[str, Any]]:
    """Lines of a log; of steps that were taken again from an older state, the later ones."""
    kept: list[dict[str, Any]] = []
    for text in log.read_text().splitlines():
        line = json.loads(text)
        while kept and kept[-1]["step"] >= line["step"]:
            kept.pop()
        kept.append(line)
    return kept


def _points(run: int, lines: list[dict[str, Any]], before: dict[str, float]) -> list[dict[str, Any]]:
    found, losses, part = [], [], 0
    for line in lines:
        if line["loss"] is not None:  # not a number, in a step that was not taken
            losses.append(line["loss"])
        if "valid_loss" not in line and int(line["share"] * PARTS) == part:
            continue
        part = int(line["share"] * PARTS)
        middle = next((at for at in line.get("valid", ()) if at["quality"] == MIDDLE), {"bpp": "", "psnr": ""})
        found.append(
            {
                "run": run,
                "step": before["step"] + line["step"],
                "hours": round((before["seconds"] + line["seconds"]) / 3600, 4),
                "gigapixels": round((before["pixels"] + line["pixels"]) / 1e9, 4),
                "learning rate": f"{line.get('learning_rate', line.get('rate')):.3g}",
                "training loss": round(fmean(losses), 4) if losses else "",
                "validation loss": line.get("valid_loss", ""),
                f"bpp at quality {MIDDLE:.0%}": middle["bpp"],
                f"PSNR at quality {MIDDLE:.0%}": middle["psnr"],
            }
        )
        losses = []
    return found


def draw(name: str, points: list[dict[str, Any]], target: Path) -> None:
    """Write the picture, the same bytes for the same points."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    other = axes.twinx()
    for run in sorted({point["run"] for point in points}):
        of_run = [point for point in points if point["run"] == run]
        for where, key, style, color in ((axes, "validation", "o-", "#d6336c"), (other, "training", "s--", "#868e96")):
            label = f"{key} loss" if run == 1 else None
            known = [point for point in of_run if point[f"{key} loss"] != ""]
            seen, losses = ([point[of] for point in known] for of in ("gigapixels", f"{key} loss"))
            where.plot(seen, losses, style, markersize=4, color=color, label=label)
    axes.set_xscale("log")  # machines differ a hundredfold in pixels an hour
    axes.set_xlabel("gigapixels seen")
    axes.set_ylabel("validation loss")
    axes.grid(alpha=0.3)
    other.set_ylabel("training loss")
    axes.set_title(f"{name}: (bits/pixel + lambda distortion) lambda^-1/2")
    figure.legend(loc="outside lower center", ncols=2)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_curve", description=__doc__)
    parser.add_argument("name", help="of the model")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, or CSV, in order")
    arguments = parser.parse_args()
    points = rows(arguments.runs)
    if not points:
        parser.error("the logs are empty")
    target = results_of(arguments.name, "training")
    write_rows(target, points)
    draw(arguments.name, points, target.with_suffix(".svg"))
    print(f"{target}: {len(points)} points")


if __name__ == "__main__":
    main()
