"""`python -m benchmarks.training_speed DATA... --valid DIR --init MODEL`: what makes training fast, and what it buys.

Every variant of the training loop starts from the same model and trains for the same wall time, its rate falling to
nearly zero; then it is validated. Pixels a second alone can mislead: a larger batch is faster and takes fewer steps.
Writes `benchmarks/results/training-speed.csv`. Variants run one after the other: leave the machine to them.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lcodec.training.data import load_photos
from lcodec.training.loop import Settings, train
from lcodec.training.session import begin

RESULTS = Path(__file__).parent / "results" / "training-speed.csv"
#: Name -> what differs from the defaults of `Settings` on two processes.
VARIANTS: dict[str, dict[str, Any]] = {
    "two processes of one thread": {},
    "one process of two threads, the batch of both": {"processes": 1, "batch": 32},
    "float32": {"bfloat16": False},
    "batch of 8 a process": {"batch": 8},
    "batch of 32 a process": {"batch": 32},
    "4 crops of 256 a process": {"batch": 4, "crop": 256},
    "half the learning rate": {"rate": 0.6e-3},
    "twice the learning rate": {"rate": 2.4e-3},
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="photos to train on")
    parser.add_argument("--valid", type=Path, required=True, help="photos to validate on")
    parser.add_argument("--init", required=True, help="model or training state that every variant starts from")
    parser.add_argument("--seconds", type=float, default=120, help="of training for each variant")
    arguments = parser.parse_args()
    photos, valid = load_photos(arguments.data), load_photos([arguments.valid])
    rows = []
    for name, changes in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(Path(folder), hours=arguments.seconds / 3600, processes=2, validate_every=1e9)
            settings = replace(settings, **changes)
            with Console().status(name):
                line = _last(settings, photos, valid, arguments.init)
        speed = line["pixels"] / line["seconds"] / 1e6
        rows.append([name, f"{speed:.2f}", str(line["step"]), f"{line['valid_loss']:.4f}"])
    header = ["variant", "Mpixel/s", "steps", "validation loss"]
    with RESULTS.open("w", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows([header, *rows])
    table = Table(*header, title=f"After {arguments.seconds:g} s each, from {arguments.init}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _last(settings: Settings, photos: Any, valid: Any, init: str) -> dict[str, Any]:
    """Train, and return the last figures; they come through a file, since training forks."""
    lines = settings.out / "lines"

    def report(line: dict[str, Any]) -> None:
        if "valid_loss" in line:
            lines.write_text(json.dumps(line))

    train(settings, photos, valid, begin(photos, settings.seed, init, "mse"), report)
    found: dict[str, Any] = json.loads(lines.read_text())
    return found


if __name__ == "__main__":
    main()
