"""What surrounds a training run: what it begins from, and the card that goes with what it ends with."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lcodec import __version__
from lcodec.errors import ModelError
from lcodec.goal import LAMBDA_RANGE
from lcodec.legible import legible
from lcodec.training.adversarial import Realism
from lcodec.training.data import Photos
from lcodec.training.export import parameters_of
from lcodec.training.generative import grown
from lcodec.training.parameters import FIXED, SIZES, Parameters, respaced, size_name, start
from lcodec.training.protocol import Finished, TrainingObjective
from lcodec.training.settings import BEST_FILE, STATE_FILE, Settings
from lcodec.training.state import Progress, State, goal_of, load_state
from lcodec.zoo import Zoo

__all__ = ["LARGER", "begin", "begin_from", "begin_generative", "examples", "finish"]

#: Crops that the initial KLT is measured on, and their side; where no photo is as large, that of the smallest crop.
_START_CROPS, _START_SIDES = 384, (128, 64)
#: Standard deviation of the rounding of pixels in [-0.5, 0.5] to 8 bits. A few flat pictures vary less than that in
#: many directions, whose quantisation steps would be out of the range of the format.
_ROUNDING = 1 / (255 * math.sqrt(12))
#: Photos that the export may measure something on, and their largest side.
_MEASURED = 8, 512
#: Training photos that it may choose something by, and their largest side: many small ones, and some larger.
_CHOSEN, LARGER = (24, 256), (6, 512)


def begin(photos: Photos, seed: int, objective: TrainingObjective, size: str) -> State:
    """State at step 0 of the codec's networks, from the photos' KLT.

    Raises:
        PictureError: no photo is large enough.
    """
    side = next((side for side in _START_SIDES if photos.fits(side)), _START_SIDES[-1])
    crops = photos.crops(photos.draw(_START_CROPS, side, np.random.default_rng(seed)))
    params = start(crops, torch.Generator().manual_seed(seed), SIZES[size])
    params[f"{FIXED}latent_std"].clamp_(min=_ROUNDING)
    return _first(params, "the KLT of the photos", objective)


def begin_from(init: str, objective: TrainingObjective) -> State:
    """Do as `begin`, from the name or file of a model, or from a training state (its average).

    Raises:
        ModelError: it cannot be used.
    """
    return _first(_given(init), Path(init).name, objective)


def begin_generative(seed: int, objective: Realism) -> State:
    """State at step 0 of a generative synthesis for the objective's model.

    Raises:
        ModelError: the model cannot be trained on.
    """
    return _first(grown(objective.model, seed), objective.model.name, objective)


def _first(params: Parameters, origin: str, objective: TrainingObjective) -> State:
    ema = {name: value.clone() for name, value in params.items()}
    about = objective.metadata() | {"size": size_name(params)}
    return State(params, ema, {}, {}, Progress(history=[origin]), about)


def _given(init: str) -> Parameters:
    """Parameters of a state or a model, with the gains of today's range of lambda."""
    path = Path(init)
    if path.suffix == ".safetensors" and (goal := goal_of(path)):
        return respaced(load_state(path).ema, goal.lambdas, LAMBDA_RANGE)
    model = Zoo().load(init)
    if model.base is not None or model.architecture.noise:  # which these networks would be trained without
        raise ModelError(f"{init} is a generative synthesis: --model hific trains one, other models start from none")
    return respaced(parameters_of(model.arrays), model.goal.lambdas, LAMBDA_RANGE)


def finish(
    settings: Settings,
    objective: TrainingObjective,
    command: str,
    photos: Photos,
    held_out: Photos | None,
    notes: str,
) -> list[str]:
    """Export the run's best average into its folder, under the folder's name.

    Args:
        settings: of the run.
        objective: that exports it.
        command: that made it, for the card.
        photos: it was trained on.
        held_out: validation photos, if any; the export measures on some of them, else on some that it was trained on.
        notes: Markdown that ends the card.

    Returns:
        What the objective says of it, in lines.
    """
    state = load_state(settings.out / STATE_FILE)
    best = settings.out / BEST_FILE  # runs of older versions have none
    params = (load_state(best) if best.exists() else state).ema
    name = settings.out.resolve().name

    def card(rows: Mapping[str, str]) -> str:
        return _card(name, dict(rows) | _rows(command, state, settings, photos)) + notes

    summary = f"{state.progress.pixels / 1e9:.2f} gigapixels in {state.progress.step} steps"
    least = objective.min_crop
    measured = (held_out and examples(held_out, least, *_MEASURED)) or examples(photos, least, *_MEASURED)
    trained, larger = (examples(photos, least, *these) for these in (_CHOSEN, LARGER))
    return objective.export(Finished(settings.out, name, summary, params, measured, trained, larger, card))


def examples(
    photos: Photos, smallest: int, count: int = _CHOSEN[0], most: int = _CHOSEN[1]
) -> list[npt.NDArray[np.uint8]]:
    """The middles of up to `count` photos with no side under `smallest`, sides multiples of 64 up to `most`."""
    large = np.flatnonzero((photos.sizes >= smallest).all(axis=1)).tolist()
    found = []
    for index in large[:: -(-len(large) // count) or 1]:
        try:
            photo = photos.photo(index)
        except OSError:  # damage that no header shows
            continue
        height, width = (min(side // 64 * 64, most) for side in photo.shape[:2])
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        found.append(photo[top : top + height, left : left + width])
    return found


def _rows(command: str, state: State, settings: Settings, photos: Photos) -> dict[str, str]:
    """What the card says of any run."""
    progress = state.progress
    passed_over = f"; {len(photos.skipped)} unreadable files passed over" if photos.skipped else ""
    shares = "".join(
        f"; {share:g} of the crops from {int((photos.kinds == kind).sum())} of them"
        for kind, share in enumerate(photos.shares[1:], 1)
    )
    crops = f"{settings.batch} crops of {settings.crop}x{settings.crop} from each of {settings.processes} processes"
    return {
        "made by": f"`{command}`",
        "started from": ", then ".join(progress.history),
        "photos": f"{len(photos)} ({photos.pixels / 1e6:.0f} megapixels){shares}{passed_over}",
        "steps": f"{progress.step:,} of {crops}; {progress.skipped_steps} without a finite gradient, not taken",
        "pixels seen": f"{progress.pixels:,}",
        "hours": f"{progress.seconds / 3600:.2f} ({settings.device})",
        "seed": str(settings.seed),
        "versions": f"lcodec {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }


def _card(name: str, rows: Mapping[str, str]) -> str:
    """Model card: what it was made of and how, so that it can be made again.

    The command and what the run started from hold names of files, which may be any bytes.
    """
    table = (f"| {key} | {legible(value)} |" for key, value in rows.items())
    return "\n".join([f"# {name}", "", "| | |", "|---|---|", *table, "", ""])
