"""`lcodec train`: photos to a model file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lcodec.cli import completion, options
from lcodec.errors import ModelError, PictureError, UsageError

if TYPE_CHECKING:
    from lcodec.goal import Aim

__all__ = ["train"]

_EPILOG = """\b
Examples:
  lcodec train photos/ more.tar --hours 8 --out runs/mine
  lcodec train photos/ --hours 8 --out runs/mine --resume
  lcodec train photos/ --init mse --hours 2 --out runs/tuned
  LCODEC_MODELS=runs/mine lcodec encode -m mine photo.jpg

\b
DATA are folders (searched recursively), tar files of pictures, or pictures.
OUT gets log.jsonl, state.safetensors (to resume from), and at the end the
model: OUT's name with .safetensors, its card, and index.json.
"""


@click.command(epilog=_EPILOG)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model",
    "aim",
    type=click.Choice(["mse", "ms-ssim"]),
    show_default="mse, or that of the run resumed",
    help="Distortion to train for.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from the state in OUT.")
@click.option(
    "--init",
    metavar="MODEL",
    shell_complete=completion.models_and(),
    help="Start from a model (name or file) or a training state.",
)
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Length of the run, over all sittings.")
@click.option("--steps", type=click.IntRange(min=1), help="Length of the run in steps.")
@click.option("--valid", multiple=True, type=click.Path(path_type=Path, exists=True), help="Photos to validate on.")
@click.option(
    "--memory",
    type=options.Size(),
    metavar="SIZE",
    show_default="half of this machine's",
    help="Decoded photos kept in memory; more are decoded again as they are drawn.",
)
@click.option(
    "--notes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Markdown that ends the model's card: the photos' sources and licences, known limits.",
)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, help="Crops a process and step.")
@click.option(
    "--crop", type=click.IntRange(min=64), default=128, show_default=True, help="Side of a crop, a multiple of 64."
)
@click.option(
    "--lr",
    "rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1.2e-3,
    show_default=True,
    help="Peak learning rate.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of crops and noise; after --init, another one draws new ones.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    show_default="cores; 1 with cuda",
    help="Data-parallel processes. Several GPUs: torchrun.",
)
def train(
    data: tuple[Path, ...],
    aim: Aim | None,
    out: Path,
    resume: bool,
    init: str | None,
    hours: float | None,
    steps: int | None,
    valid: tuple[Path, ...],
    memory: int | None,
    notes: Path | None,
    batch: int,
    crop: int,
    rate: float,
    seed: int,
    device: str,
    processes: int | None,
) -> int:
    """Train a model on the photos in DATA.

    One model covers every quality. Ctrl-C saves the state and exits 130.
    """
    if (hours is None) == (steps is None):
        raise UsageError("give either --hours or --steps")
    if crop % 64:
        raise UsageError("--crop must be a multiple of 64")
    from lcodec.metrics.differentiable import MIN_CROP
    from lcodec.training.loop import STATE_FILE, Settings, launched
    from lcodec.training.loop import train as run

    state_file = out / STATE_FILE
    if resume and init:
        raise UsageError("--resume and --init exclude each other")
    if resume and not state_file.exists():
        raise UsageError(f"nothing to resume: there is no {state_file}")
    if not resume and state_file.exists():
        raise UsageError(f"{state_file} exists: --resume goes on from it; name another --out to start anew")
    aim = _aim(aim, state_file if resume else None)
    if crop < MIN_CROP[aim]:
        raise UsageError(f"--model {aim} needs crops of at least {MIN_CROP[aim]} pixels")
    from lcodec.training.data import load_photos
    from lcodec.training.rounding import LOSS_MAX
    from lcodec.training.run import begin, finish

    alone = 1 if device == "cuda" else os.cpu_count() or 1
    rank, processes = launched() or (0, processes or alone)
    try:
        photos = load_photos(data, memory, processes)
        held_out = load_photos(valid, memory) if valid else None
    except ValueError as error:
        raise PictureError(str(error)) from error
    skipped = [*photos.skipped, *(held_out.skipped if held_out else ())]
    if rank == 0:
        for name in skipped:
            click.echo(f"skipped, unreadable: {name}", err=True)
        megapixels = f"{photos.pixels / 1e6:.0f} megapixels{'' if photos.kept else ', decoded as they are drawn'}"
        click.echo(f"{len(photos)} photos, {megapixels}; {len(skipped)} files skipped", err=True)
    out.mkdir(parents=True, exist_ok=True)
    settings = Settings(out, steps, hours, batch, crop, rate, seed, processes, device)
    start = None if resume else begin(photos, seed, init, aim)
    with (out / "log.jsonl").open("a") as log:
        run(settings, photos, held_out, start, _Reporter(log))
    if rank:  # one of torchrun's others: the first has the state, and the last word
        return 0
    command = " ".join(["lcodec", *sys.argv[1:]])
    entry, loss = finish(settings, command, photos, held_out, notes.read_text() if notes else "")
    click.echo(f"fixed point costs {loss:+.3%} of the rate (at most {LOSS_MAX:.1%} is expected)", err=True)
    click.echo(f"{entry.path}: {entry.size / 1e6:.1f} MB, {entry.entropy_id}-{entry.synthesis_id}", err=True)
    return 0


def _aim(wanted: Aim | None, resumed: Path | None) -> Aim:
    """What to train for; a run goes on for what it began with."""
    if resumed is None:
        return wanted or "mse"
    from lcodec.training.state import goal_of

    goal = goal_of(resumed)
    if goal is None:
        raise ModelError(f"{resumed} is no training state, or damaged")
    if wanted not in (None, goal.aim):
        raise UsageError(f"{resumed} is of a run for {goal.aim}, not {wanted}")
    return goal.aim


class _Reporter:
    """Writes every twentieth step to the log, and shows progress: a bar on a terminal, else plain lines."""

    EVERY = 20

    def __init__(self, log: Any) -> None:
        self.log = log
        self.bar: Any = None

    def __call__(self, line: dict[str, Any]) -> None:
        validated = "valid_loss" in line
        if line["step"] % self.EVERY and not validated and line["share"] < 1:
            return
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        speed = line["pixels"] / max(line["seconds"], 1e-9) / 1e6
        left = line["seconds"] * (1 / max(line["share"], 1e-9) - 1)
        text = (
            f"step {line['step']}  loss {line['loss']:.3f}  {line['bpp']:.3f} bpp  {line['psnr']:.2f} dB  "
            f"{speed:.2f} Mpixel/s  {left / 60:.0f} min left"
        )
        if validated:
            text += f"  validation {line['valid_loss']:.4f}"
        if sys.stderr.isatty():
            if self.bar is None:
                from tqdm import tqdm

                self.bar = tqdm(total=1.0, bar_format="{percentage:3.0f}% |{bar}| {desc}")
            self.bar.n = line["share"]
            self.bar.set_description_str(text)
        elif validated or line["step"] % (25 * self.EVERY) == 0:
            click.echo(text, err=True)
