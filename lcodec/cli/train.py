"""`lcodec train`: photos to a model file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.cli import completion, console
from lcodec.cli.parameters import FolderName, Number, Size, WholeNumber
from lcodec.cli.training_log import Reporter, describe, log_of
from lcodec.cores import cores
from lcodec.defaults import SIZES
from lcodec.errors import ModelError, UsageError
from lcodec.extras import require
from lcodec.goal import AIMS, Aim
from lcodec.legible import legible

if TYPE_CHECKING:
    from lcodec.training.data import Photos
    from lcodec.training.protocol import TrainingObjective
    from lcodec.training.state import State

__all__ = ["train"]

#: What --model calls a generative synthesis, and a metric.
_GENERATIVE, _METRIC = "hific", "pim"

_EPILOG = """\b
Examples:
  lcodec train photos/ more.tar --hours 8 -O runs/mine
  lcodec train photos/ --hours 8 -O runs/mine --resume
  lcodec train photos/ --init mse --seconds 700 --device cuda -O runs/tuned
  lcodec train photos/ --model hific --init mse --hours 8 -O runs/real
  lcodec train photos/ --model pim --pairs frames/ --hours 8 -O runs/pim
  lcodec train photos/ --also screens.tar=0.1 --hours 8 -O runs/mine
  LCODEC_MODELS=runs/mine lcodec encode -m mine photo.jpg

\b
DATA are folders (searched recursively), tar files of pictures, or pictures.
OUT gets log.jsonl, state.safetensors (to resume from), best.safetensors (the
best average so far), and at the end the model: OUT's name with .safetensors,
its card, and index.json.
"""


def _shares(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[tuple[Path, float]]:
    """Sources of photos and the share of the crops that comes from each: PATH=0.1."""
    found = []
    for value in values:
        name, _equals, number = value.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not name or not 0 < share < 1:
            raise click.BadParameter(f"{value!r} is not PATH=SHARE with a share above 0 and under 1 (screens.tar=0.1).")
        if not Path(name).exists():
            raise click.BadParameter(f"there is no {name}.")
        found.append((Path(name), share))
    if sum(share for _, share in found) >= 1:
        raise click.BadParameter("the shares leave none for DATA.")
    return found


@click.command(epilog=_EPILOG)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--aim",
    type=click.Choice(AIMS),
    show_default="mse, or that of the run resumed",
    help="Distortion to train for.",
)
@click.option(
    "--model",
    type=click.Choice([*AIMS, _GENERATIVE, _METRIC]),
    help=f"{_GENERATIVE}: a generative synthesis for the model of --init, which stays as it is. "
    f"{_METRIC}: a metric, from photos and --pairs. mse and ms-ssim: the same as --aim.",
)
@click.option(
    "--pairs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help=f"For {_METRIC}: folders or tar files of frames a moment apart, NAME-a.jpg and NAME-b.jpg; half of the crops.",
)
@click.option("-O", "--out", type=FolderName(), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from the state in OUT.")
@click.option(
    "--init",
    metavar="MODEL",
    shell_complete=completion.models_and(),
    help="Start from a model (name or file) or a training state.",
)
@click.option(
    "--size",
    type=click.Choice(SIZES),
    show_default="small, or that of --init",
    help="Size of the networks of a new model.",
)
@click.option("--hours", type=Number(min=0, min_open=True), help="Length of the run, over all sittings.")
@click.option("--seconds", type=Number(min=0, min_open=True), help="The same in seconds.")
@click.option("--steps", type=WholeNumber(min=1), help="Length of the run in steps.")
@click.option(
    "--also",
    multiple=True,
    callback=_shares,
    metavar="PATH=SHARE",
    help="Draw this share of the crops from other pictures: screens.tar=0.1.",
)
@click.option("--valid", multiple=True, type=click.Path(path_type=Path, exists=True), help="Photos to validate on.")
@click.option(
    "--memory",
    type=Size(),
    metavar="SIZE",
    show_default="half of this machine's",
    help="Decoded photos kept in memory; more are decoded again as they are drawn.",
)
@click.option(
    "--notes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Markdown that ends the model's card: the photos' sources and licences, known limits.",
)
@click.option(
    "--batch", type=WholeNumber(min=1), show_default=f"16; 256 for {_METRIC}", help="Crops a process and step."
)
@click.option(
    "--crop",
    type=WholeNumber(min=64),
    show_default=f"128; 64 for {_METRIC}",
    help="Side of a crop, a multiple of 64.",
)
@click.option(
    "--lr",
    "learning_rate",
    type=Number(min=0, min_open=True),
    show_default=f"1.2e-3; 1e-4 for {_GENERATIVE}, 3e-4 for {_METRIC}",
    help="Peak learning rate.",
)
@click.option(
    "--seed",
    type=WholeNumber(min=0, max=10**9),
    default=0,
    show_default=True,
    help="Of crops and noise; after --init, another one draws new ones.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    envvar="LCODEC_DEVICE",
    help="Where to train.",
)
@click.option(
    "-j",
    "--jobs",
    "--processes",
    "processes",
    type=WholeNumber(min=1),
    metavar="N",
    show_default="cores; 1 with cuda",
    help="Data-parallel processes. Several GPUs: torchrun.",
)
@click.option("--quiet", is_flag=True, help="Report errors only.")
def train(
    data: tuple[Path, ...],
    aim: Aim | None,
    model: str | None,
    pairs: tuple[Path, ...],
    out: Path,
    resume: bool,
    init: str | None,
    size: str | None,
    hours: float | None,
    seconds: float | None,
    steps: int | None,
    also: list[tuple[Path, float]],
    valid: tuple[Path, ...],
    memory: int | None,
    notes: Path | None,
    batch: int | None,
    crop: int | None,
    learning_rate: float | None,
    seed: int,
    device: str,
    processes: int | None,
    quiet: bool,
) -> int:
    """Train a model on the photos in DATA.

    One model covers every quality. Give one of --hours, --seconds and --steps. A run of so many hours or seconds ends
    when this time is over, all included but the export, its learning rate at zero. Ctrl-C saves the state and exits
    130.
    """
    begun = time.monotonic()
    if [hours, seconds, steps].count(None) != 2:
        raise UsageError("give one of --hours, --seconds and --steps")
    if crop is not None and crop % 64:
        raise UsageError("--crop must be a multiple of 64")
    _refuse_contradictions(model, aim, init, size, resume=resume, also=bool(also))
    require("torch", "lcodec train")
    ending = _text(notes)
    from lcodec.training.export import refuse_folder
    from lcodec.training.launch import device_of, launched
    from lcodec.training.loop import train as run
    from lcodec.training.run import finish
    from lcodec.training.settings import STATE_FILE, Settings

    device = device_of(device)
    rank, processes = launched() or (0, processes or (1 if device == "cuda" else cores()))
    if device == "cuda" and processes > 1 and launched() is None:
        raise UsageError("torchrun starts processes on several GPUs; -j does not")
    refuse_folder(out)
    state_file = out / STATE_FILE
    if resume and not state_file.exists():
        raise UsageError(f"nothing to resume: there is no {state_file}")
    if not resume and state_file.exists():
        raise UsageError(f"{state_file} exists: --resume goes on from it; name another --out to start anew")
    resumed = state_file if resume else None
    objective = _objective(aim or model, init, resumed)
    crop = crop or objective.crop
    if crop < objective.min_crop:
        raise UsageError(f"--aim {objective.metadata()['aim']} needs crops of at least {objective.min_crop} pixels")
    if pairs and objective.frames == 1:
        raise UsageError(f"--pairs are for --model {_METRIC}")
    begin = None if resume else _beginning(objective, seed, init, size)
    with console.progress("reading", show=not quiet):
        photos, held_out = _load(objective, data, pairs, valid, memory, processes, also)
    photos.check(crop)
    if held_out is not None:
        held_out.check(objective.min_crop)
    start = begin and begin(photos)
    if rank == 0 and not quiet:
        describe(photos, held_out, crop)
    peak = learning_rate or objective.learning_rate
    length = hours * 3600 if hours else seconds
    settings = Settings(out, steps, length, batch or objective.batch, crop, peak, seed, processes, device, begun=begun)
    with log_of(out) as log:
        run(settings, objective, photos, held_out, start, Reporter(log, objective.figures, quiet=quiet))
    if rank:  # one of torchrun's others: the first has the state, and the last word
        return 0
    for line in finish(settings, objective, " ".join(["lcodec", *sys.argv[1:]]), photos, held_out, ending):
        if not quiet:
            click.echo(legible(line), err=True)
    return 0


def _refuse_contradictions(
    model: str | None, aim: str | None, init: str | None, size: str | None, *, resume: bool, also: bool
) -> None:
    if resume and init:
        raise UsageError("--resume and --init exclude each other")
    if size and (resume or init):
        raise UsageError("--size is for a new model: --resume and --init keep the size of what they start from")
    if model == _GENERATIVE and (aim or not (init or resume)):
        raise UsageError(f"--model {_GENERATIVE} is trained for the model of --init, and has no --aim")
    if model == _METRIC and (aim or init or also):
        raise UsageError(f"--model {_METRIC} begins anew, from DATA and --pairs: it has no --aim, --init or --also")


def _objective(wanted: str | None, init: str | None, resumed: Path | None) -> TrainingObjective:
    """What to train, and for what; a run goes on for what it began with."""
    from lcodec.cli.batch.coding import located
    from lcodec.goal import LAMBDA_RANGE, Goal
    from lcodec.training.adversarial import Realism
    from lcodec.training.pim import PerceptualInformation
    from lcodec.training.rate_distortion import RateDistortion
    from lcodec.training.state import about_of
    from lcodec.zoo import METRIC, REALISM, Zoo

    if resumed is None:
        if wanted == _METRIC:
            return PerceptualInformation()
        if wanted == _GENERATIVE and init is not None:
            return Realism(Zoo().load(init), located(init))
        return RateDistortion(Goal(next((aim for aim in AIMS if aim == wanted), "mse"), LAMBDA_RANGE))
    about = about_of(resumed)
    names = {REALISM: _GENERATIVE, METRIC: _METRIC}
    try:
        goal = None if about is None or about["aim"] in names else Goal.of(about)
    except (KeyError, ValueError):
        about = None
    if about is None:
        raise ModelError(f"{resumed} is not a training state, or is damaged")
    began = names[about["aim"]] if goal is None else goal.aim
    if wanted not in {None, began}:
        raise UsageError(f"{resumed} is of a run for {began}, not {wanted}")
    if goal is not None:
        return RateDistortion(goal)
    if began == _METRIC:
        return PerceptualInformation()
    model = Zoo().load(about["model"])
    if model.entropy_id.hex() != about["entropy_id"]:
        raise ModelError(f"{resumed} is for the model {about['entropy_id']}, and {about['model']} is another now")
    return Realism(model, about["model"])


def _load(
    objective: TrainingObjective,
    data: Sequence[Path],
    pairs: Sequence[Path],
    valid: Sequence[Path],
    memory: int | None,
    processes: int,
    also: Sequence[tuple[Path, float]],
) -> tuple[Photos, Photos | None]:
    """What is trained on, and what is validated on, if anything."""
    from lcodec.training.data import load_pairs, load_photos

    if objective.frames == 1:
        return load_photos(data, memory, processes, also), load_photos(valid, memory) if valid else None
    held_out = load_pairs((), memory, photos=valid) if valid else None
    return load_pairs(pairs, memory, processes, data), held_out


def _beginning(
    objective: TrainingObjective, seed: int, init: str | None, size: str | None
) -> Callable[[Photos], State]:
    """What makes the state at step 0, of photos; a model that it comes of instead is read here, or refused."""
    from lcodec.training.adversarial import Realism
    from lcodec.training.pim import PerceptualInformation, begin_pim
    from lcodec.training.run import begin, begin_from, begin_generative

    if isinstance(objective, Realism):
        given = begin_generative(seed, objective)
    elif init is not None:
        given = begin_from(init, objective)
    elif isinstance(objective, PerceptualInformation):
        return lambda photos: begin_pim(photos, seed, size or SIZES[0])
    else:
        return lambda photos: begin(photos, seed, objective, size or SIZES[0])
    return lambda _: given


def _text(notes: Path | None) -> str:
    try:
        return notes.read_text() if notes else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{notes} cannot be read as text: {error}") from error
