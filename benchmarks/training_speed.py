"""`python -m benchmarks.training_speed DATA... --valid DIR --init MODEL`: what makes training fast, and what it buys.

Every variant of the training loop starts from the same model and trains for the same wall time, its learning rate
falling to zero; then it is validated. Pixels a second alone can mislead: a larger batch is faster and takes fewer
steps. Losses compare the variants with each other: in a run of minutes, from a model trained for hours, all of them
end above the loss before it. Rows that differ in the learning rate alone do the same work: their speeds show the
machine's noise. Writes `benchmarks/results/training-speed.csv`. Variants run one after the other: leave the machine to
them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console

from benchmarks.common import RESULTS, show, write_rows
from lcodec.goal import Goal
from lcodec.training.data import load_photos
from lcodec.training.loop import train
from lcodec.training.parameters import ANCHORS
from lcodec.training.rate_distortion import RateDistortion
from lcodec.training.run import begin_from
from lcodec.training.settings import Settings

CSV = RESULTS / "training-speed.csv"

HEADS = ("variant", "seconds", "Mpixel/s", "steps", "validation loss")


class MuonAndAdam:
    """Muon for the matrices, Adam for kernels, biases and gains: what `torch.optim.Adam` is replaced by in one variant.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). Its steps are scaled to the size of
    Adam's, so the same learning rate serves. Gradients are not shortened, whose norms stay under the loop's limit here.
    """

    def __init__(self, params: list[torch.Tensor], lr: float, betas: tuple[float, float], fused: bool) -> None:
        self._matrices = [param for param in params if param.ndim == 2 and len(param) != ANCHORS]
        others = [param for param in params if not any(param is matrix for matrix in self._matrices)]
        self._muon = torch.optim.Muon(self._matrices, lr, weight_decay=0, adjust_lr_fn="match_rms_adamw")
        self._adam = ADAM(others, lr=lr, betas=betas, fused=fused)
        self.param_groups = [*self._muon.param_groups, *self._adam.param_groups]

    @property
    def state(self) -> dict[torch.Tensor, Any]:
        """As Adam's, for the training state: Muon has no second moment."""
        moments = {matrix: self._muon.state[matrix]["momentum_buffer"] for matrix in self._matrices}
        states = {matrix: {"exp_avg": first, "exp_avg_sq": first * 0} for matrix, first in moments.items()}
        return {**states, **self._adam.state}

    def step(self) -> None:
        """Update all parameters."""
        self._muon.step()
        self._adam.step()


ADAM = torch.optim.Adam
#: Name -> what differs from the defaults of `Settings` on two processes.
VARIANTS: dict[str, dict[str, Any]] = {
    "before": {"seconds": None, "steps": 1, "learning_rate": 0.0},
    "two processes of one thread": {},
    "one process of two threads, the batch of both": {"processes": 1, "batch": 32},
    "float32": {"bfloat16": False},
    "batch of 8 a process": {"batch": 8},
    "batch of 32 a process": {"batch": 32},
    "4 crops of 256 a process": {"batch": 4, "crop": 256},
    "half the learning rate": {"learning_rate": 0.6e-3},
    "twice the learning rate": {"learning_rate": 2.4e-3},
}
#: Name -> what is put in the place of a part of the loop, at `Settings`' defaults on two processes.
REPLACED: dict[str, tuple[str, Any]] = {
    "crops of 128 to the end": ("lcodec.training.loop.FINISH", 0.0),
    "Muon for the matrices": ("torch.optim.Adam", MuonAndAdam),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="photos to train on")
    parser.add_argument("--valid", type=Path, required=True, help="photos to validate on")
    parser.add_argument("--init", required=True, help="model or training state that every variant starts from")
    parser.add_argument("--seconds", type=float, default=90, help="of training for each variant")
    arguments = parser.parse_args()
    photos, valid = load_photos(arguments.data), load_photos([arguments.valid])
    rows = []
    for name in (*VARIANTS, *REPLACED):
        changes, replaced = VARIANTS.get(name, {}), REPLACED.get(name)
        instead: AbstractContextManager[Any] = patch(*replaced) if replaced else nullcontext()
        with tempfile.TemporaryDirectory() as folder, instead:
            settings = Settings(Path(folder), seconds=arguments.seconds, processes=2)
            settings = replace(settings, **changes)
            with Console().status(name):
                line = _last(settings, photos, valid, arguments.init)
        pixels, seconds, steps = (line[key] if settings.learning_rate else 0 for key in ("pixels", "seconds", "step"))
        speed = f"{pixels / seconds / 1e6:.2f}" if seconds else ""
        figures = name, f"{seconds:.0f}", speed, str(steps), f"{line['valid_loss']:.4f}"
        rows.append(dict(zip(HEADS, figures, strict=True)))
    write_rows(CSV, rows)
    show(rows, dict(zip(HEADS, HEADS, strict=True)), f"From {arguments.init}")


def _last(settings: Settings, photos: Any, valid: Any, init: str) -> dict[str, Any]:
    """Train, and return the last figures; they come through a file, since training forks."""
    lines = settings.out / "lines"

    def report(line: dict[str, Any]) -> None:
        if "valid_loss" in line:
            lines.write_text(json.dumps(line))

    objective = RateDistortion(Goal())
    train(settings, objective, photos, valid, begin_from(init, objective), report)
    found: dict[str, Any] = json.loads(lines.read_text())
    return found


if __name__ == "__main__":
    main()
