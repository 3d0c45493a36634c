"""`python -m benchmarks.training_speed DATA... --valid DIR --init MODEL`: what makes training fast, and what it buys.

Every variant of the training loop starts from the same model and trains for the same wall time, its learning rate
falling to zero; then it is validated. Pixels a second alone can mislead: a larger batch is faster and takes fewer
steps. Losses compare the variants with each other: in a run of minutes, from a model trained for hours, all of them
end above the loss before it. Rows that differ in the learning rate alone do the same work: their speeds show the
machine's noise. With `--device cuda` only speed is looked at, from a quarter of the time on, when all that is recorded
is recorded. Writes `benchmarks/results/training-speed.csv`, the rows of its device. Variants run one after the other:
leave the machine to them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console

from benchmarks.common import RESULTS, add_out, read_rows, show, write_rows
from lcodec.cores import cores
from lcodec.goal import Goal
from lcodec.training.data import load_photos
from lcodec.training.gradient import Gradient
from lcodec.training.loop import train
from lcodec.training.parameters import ANCHORS
from lcodec.training.rate_distortion import RateDistortion
from lcodec.training.run import begin_from
from lcodec.training.settings import Settings

CSV = RESULTS / "training-speed.csv"

HEADS = ("device", "variant", "seconds", "Mpixel/s", "steps", "validation loss")


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
#: What differs from 96 crops a step, recorded, in bfloat16, on a GPU.
ON_A_GPU: dict[str, dict[str, Any]] = {
    "96 crops": {},
    "64 crops": {"batch": 64},
    "128 crops": {"batch": 128},
    "192 crops": {"batch": 192},
    "96 crops, float32": {"bfloat16": False},
}
#: Likewise in the place of a part of the loop.
REPLACED_ON_A_GPU: dict[str, tuple[str, Any]] = {
    "96 crops, weights cast one by one": ("lcodec.training.rate_distortion.RateDistortion.cast", lambda *_: ()),
    "96 crops, launched kernel by kernel": ("lcodec.training.gradient.Gradient.__call__", Gradient._run),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="photos to train on")
    parser.add_argument("--valid", type=Path, help="photos to validate on, with the CPU")
    parser.add_argument("--init", required=True, help="model or training state that every variant starts from")
    parser.add_argument("--seconds", type=float, default=90, help="of training for each variant")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    gpu = arguments.device == "cuda"
    if gpu == bool(arguments.valid):
        parser.error("--valid is for the CPU, and is needed there")
    device = torch.cuda.get_device_name() if gpu else f"{cores()} cores"
    photos, valid = load_photos(arguments.data), load_photos([arguments.valid]) if arguments.valid else None
    settings, variants, replacements = Settings(Path(), seconds=arguments.seconds, processes=2), VARIANTS, REPLACED
    if gpu:
        settings = replace(settings, processes=1, device="cuda", batch=96)
        variants, replacements = ON_A_GPU, REPLACED_ON_A_GPU
    rows = []
    for name in (*variants, *replacements):
        replaced = replacements.get(name)
        instead: AbstractContextManager[Any] = patch(*replaced) if replaced else nullcontext()
        with tempfile.TemporaryDirectory() as folder, instead, Console().status(name):
            these = replace(settings, out=Path(folder), begun=time.monotonic(), **variants.get(name, {}))
            lines = _lines(these, photos, valid, arguments.init)
        rows.append(dict(zip(HEADS, (device, name, *_figures(lines, these)), strict=True)))
    others = [row for row in read_rows(arguments.out) if row["device"] != device]
    write_rows(arguments.out, others + rows)
    show(rows, dict(zip(HEADS, HEADS, strict=True)), f"From {arguments.init}")


def _figures(lines: list[dict[str, Any]], settings: Settings) -> list[str]:
    """Seconds, megapixels a second, steps and validation loss of a variant."""
    last = lines[-1]
    if not settings.learning_rate:
        return ["0", "", "0", f"{last['valid_loss']:.4f}"]
    if settings.device == "cuda":  # crops of twice the side, in the end, are recorded anew
        lines = [line for line in lines if line["share"] >= 0.25 and line["crop"] == settings.crop]
        if len(lines) < 2:
            raise SystemExit("--seconds leaves nothing to look at once all is recorded, which takes some seconds")
        pixels, seconds = (lines[-1][key] - lines[0][key] for key in ("pixels", "seconds"))
    else:
        pixels, seconds = last["pixels"], last["seconds"]
    loss = f"{last['valid_loss']:.4f}" if "valid_loss" in last else ""
    return [f"{last['seconds']:.0f}", f"{pixels / seconds / 1e6:.2f}", str(last["step"]), loss]


def _lines(settings: Settings, photos: Any, valid: Any, init: str) -> list[dict[str, Any]]:
    """Train, and return all figures; they come through a file, since training forks."""
    file = settings.out / "lines"

    def report(line: dict[str, Any]) -> None:
        with file.open("a") as lines:
            lines.write(json.dumps(line) + "\n")

    objective = RateDistortion(Goal())
    train(settings, objective, photos, valid, begin_from(init, objective), report)
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    main()
