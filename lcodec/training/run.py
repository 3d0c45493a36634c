"""What surrounds a training run: what it begins from, and the model and card that it ends with."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lcodec import __version__
from lcodec.goal import LAMBDA_RANGE, Aim, Goal
from lcodec.training.data import Photos
from lcodec.training.export import model_arrays, parameters_of, write_model
from lcodec.training.loop import STATE_FILE, Settings
from lcodec.training.parameters import SIZES, Parameters, respaced, start
from lcodec.training.rounding import rounding_loss
from lcodec.training.state import Progress, State, goal_of, load_state
from lcodec.zoo import Entry, Zoo

__all__ = ["begin", "finish"]

#: Crops that the initial KLT is measured on, and their side.
_START_CROPS, _START_SIDE = 384, 128
#: Photos that the cost of fixed point is measured on, and their largest side.
_MEASURED, _MEASURED_SIDE = 8, 512


def begin(photos: Photos, seed: int, init: str | None, aim: Aim, size: str = "small") -> State:
    """State at step 0: from the photos' KLT, or from `init`, a model or a training state (its moving average).

    Raises:
        ModelError: `init` cannot be used.
    """
    if init is None:
        crops = photos.crops(photos.draw(_START_CROPS, _START_SIDE, np.random.default_rng(seed)))
        params, origin = start(crops, torch.Generator().manual_seed(seed), SIZES[size]), "the KLT of the photos"
    else:
        params, origin = _given(init), Path(init).name
    ema, goal = {name: value.clone() for name, value in params.items()}, Goal(aim, LAMBDA_RANGE)
    return State(params, ema, {}, {}, Progress(history=[origin]), goal)


def _given(init: str) -> Parameters:
    """Parameters of a state or a model, with the gains of today's range of lambda."""
    path = Path(init)
    if path.suffix == ".safetensors" and (goal := goal_of(path)):
        return respaced(load_state(path).ema, goal.lambdas, LAMBDA_RANGE)
    model = Zoo().load(init)
    return respaced(parameters_of(model.arrays), model.goal.lambdas, LAMBDA_RANGE)


def finish(
    settings: Settings, command: str, photos: Photos, held_out: Photos | None, notes: str
) -> tuple[Entry, float]:
    """Export the run's moving average into its folder, as a model of the folder's name.

    Args:
        settings: of the run.
        command: that made it, for the card.
        photos: it was trained on.
        held_out: validation photos, if any.
        notes: Markdown that ends the card.

    Returns:
        The model's entry, and the share of the rate that fixed point costs, on up to 8 of the validation photos (on
        training photos if there are none).
    """
    state = load_state(settings.out / STATE_FILE)
    arrays = model_arrays(state.ema)
    measured = held_out or photos
    some = range(0, len(measured), -(-len(measured) // _MEASURED))
    loss = rounding_loss(state.ema, arrays, [_cut(measured.photo(index)) for index in some])
    name = settings.out.resolve().name
    summary = f"{state.goal.aim}, {state.progress.pixels / 1e9:.2f} gigapixels in {state.progress.step} steps"
    card = _card(name, command, state, settings, photos, loss) + notes
    return write_model(settings.out, name, state.goal, summary, arrays, card), loss


def _cut(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle of a photo, sides multiples of 64 up to 512."""
    height, width = (min(side // 64 * 64, _MEASURED_SIDE) for side in photo.shape[:2])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return photo[top : top + height, left : left + width]


def _card(name: str, command: str, state: State, settings: Settings, photos: Photos, loss: float) -> str:
    """Model card: what it was made of and how, so that it can be made again."""
    progress, (low, high) = state.progress, state.goal.lambdas
    passed_over = f"; {len(photos.skipped)} unreadable files passed over" if photos.skipped else ""
    crops = f"{settings.batch} crops of {settings.crop}x{settings.crop} from each of {settings.processes} processes"
    rows = {
        "aim": state.goal.aim,
        "lambda": f"{low:g} to {high:g} times the distortion, log-linear in quality",
        "made by": f"`{command}`",
        "started from": ", then ".join(progress.history),
        "photos": f"{len(photos)} ({photos.pixels / 1e6:.0f} megapixels){passed_over}",
        "steps": f"{progress.step:,} of {crops}; {progress.skipped_steps} without a finite gradient, not taken",
        "pixels seen": f"{progress.pixels:,}",
        "hours": f"{progress.seconds / 3600:.2f} ({settings.device})",
        "seed": str(settings.seed),
        "fixed point costs": f"{loss:+.3%} of the rate",
        "versions": f"lcodec {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }
    lines = [f"# {name}", "", "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), "", ""]
    return "\n".join(lines)
