"""What surrounds a training run: what it begins from, and the model and card that it ends with."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from lcodec import __version__
from lcodec.training.data import Photos
from lcodec.training.export import model_arrays, parameters_of, write_model
from lcodec.training.loop import STATE_FILE, Settings
from lcodec.training.parameters import Parameters, start
from lcodec.training.state import Progress, State, load_state
from lcodec.zoo import Entry, Zoo

__all__ = ["begin", "finish"]

#: Crops that the initial KLT is measured on, and their side.
_START_CROPS, _START_SIDE = 384, 128


def begin(photos: Photos, seed: int, init: str | None) -> State:
    """State at step 0: from the photos' KLT, or from `init`, a model or a training state (its moving average).

    Raises:
        ModelError: `init` cannot be used.
    """
    if init is None:
        crops = photos.crops(_START_CROPS, _START_SIDE, np.random.default_rng(seed))
        params, origin = start(crops, torch.Generator().manual_seed(seed)), "the KLT of the photos"
    else:
        params, origin = _given(init), Path(init).name
    return State(params, {name: value.clone() for name, value in params.items()}, {}, {}, Progress(history=[origin]))


def _given(init: str) -> Parameters:
    path = Path(init)
    if path.name == STATE_FILE and path.exists():
        return load_state(path).ema
    if path.suffix == ".safetensors" and path.exists():
        arrays = load_file(path)
        if "gain.latents" in arrays:  # bare parameters
            return {name: value.float() for name, value in arrays.items()}
    return parameters_of(Zoo().load(init).arrays)


def finish(settings: Settings, command: str, photos: Photos) -> Entry:
    """Export the run's moving average into its folder, as a model of the folder's name."""
    state = load_state(settings.out / STATE_FILE)
    name = settings.out.resolve().name
    summary = f"{settings.aim}, {state.progress.pixels / 1e9:.2f} gigapixels in {state.progress.step} steps"
    return write_model(
        settings.out,
        name,
        settings.aim,
        summary,
        model_arrays(state.ema),
        _card(name, command, state.progress, settings, photos),
    )


def _card(name: str, command: str, progress: Progress, settings: Settings, photos: Photos) -> str:
    """Model card: what it was made of and how, so that it can be made again."""
    rows = {
        "aim": settings.aim,
        "made by": f"`{command}`",
        "started from": ", then ".join(progress.history),
        "photos": f"{len(photos)} ({len(photos.pixels) / 1e6:.0f} megapixels)",
        "steps": f"{progress.step} ({progress.skipped_steps} without a finite gradient, not taken)",
        "pixels seen": f"{progress.pixels:,}",
        "hours": f"{progress.seconds / 3600:.2f} on {settings.processes} processes ({settings.device})",
        "seed": str(settings.seed),
        "versions": f"lcodec {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }
    return "\n".join(
        [f"# {name}", "", "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), ""]
    )
