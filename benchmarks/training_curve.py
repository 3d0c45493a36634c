"""`python -m benchmarks.training_curve RUN`: the loss curve of a training run, as data and as a picture.

RUN is the folder of `lcodec train`. Writes `benchmarks/results/training-NAME.csv`, a row for each validation, and the
picture of it, with the mean training loss of the steps in between. The two losses are of different photos and crops:
compare each with itself.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def rows(log: Path) -> list[dict[str, Any]]:
    """Validations of a log, each with the mean of the training losses logged since the one before."""
    found, losses = [], []
    for text in log.read_text().splitlines():
        line = json.loads(text)
        losses.append(line["loss"])
        if "valid_loss" not in line:
            continue
        middle = line["valid"][len(line["valid"]) // 2]
        found.append(
            {
                "step": line["step"],
                "hours": round(line["seconds"] / 3600, 4),
                "gigapixels": round(line["pixels"] / 1e9, 4),
                "learning rate": f"{line['rate']:.3g}",
                "training loss": round(sum(losses) / len(losses), 4),
                "validation loss": line["valid_loss"],
                f"bpp at quality {middle['quality']:.0%}": middle["bpp"],
                f"PSNR at quality {middle['quality']:.0%}": middle["psnr"],
            }
        )
        losses = []
    return found


def draw(name: str, points: list[dict[str, Any]], target: Path) -> None:
    """Write the picture, the same bytes for the same points."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    hours = [point["hours"] for point in points]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(hours, [point["validation loss"] for point in points], "o-", color="#d6336c", label="validation photos")
    axes.set_xlabel("hours of training")
    axes.set_ylabel("validation loss")
    axes.grid(alpha=0.3)
    other = axes.twinx()
    other.plot(hours, [point["training loss"] for point in points], "s--", color="#868e96", label="training crops")
    other.set_ylabel("training loss")
    axes.set_title(f"{name}: (bits/pixel + lambda distortion) lambda^-1/2")
    figure.legend(loc="outside lower center", ncols=2)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_curve", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run of `lcodec train`")
    run = parser.parse_args().run.resolve()
    points = rows(run / "log.jsonl")
    if not points:
        parser.error(f"{run} has no validation in its log")
    target = RESULTS / f"training-{run.name}.csv"
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, points[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(points)
    draw(run.name, points, target.with_suffix(".svg"))
    print(f"{target}: {len(points)} validations")


if __name__ == "__main__":
    main()
