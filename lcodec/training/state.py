"""State of a training run on disk: one safetensors file, written whole or not at all.

Arrays are named "params/...", "ema/...", "moment1/..." and "moment2/..."; progress, and what the objective says of
itself, are metadata.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lcodec.atomic import write_whole
from lcodec.goal import Goal
from lcodec.training.parameters import Parameters

__all__ = ["Progress", "State", "about_of", "goal_of", "load_state", "save_state"]


@dataclass
class Progress:
    """How far a run is, over all its sittings."""

    step: int = 0
    seconds: float = 0.0  #: wall time
    reserve: float = 0.0  #: seconds that the latest validation and the latest saving took
    pixels: int = 0  #: seen, all processes
    adam_steps: int = 0  #: since the optimiser's moments were last zero
    skipped_steps: int = 0  #: steps without a finite gradient, not taken
    history: list[str] = field(default_factory=list)  #: what the parameters started from
    best: float | None = None  #: smallest validation loss, that of the average in the run's BEST_FILE
    validated_on: str = ""  #: the photos of that validation


@dataclass
class State:
    """All that a run needs to go on exactly where it was."""

    params: Parameters
    ema: Parameters  #: moving averages, and what is not trained
    moment1: Parameters
    moment2: Parameters
    progress: Progress
    about: dict[str, str]  #: what the objective says of itself (`TrainingObjective.metadata`)


def save_state(path: Path, state: State) -> None:
    """Write `state`, whole or not at all; of the averages, those that are not the parameters themselves."""
    averages = {name: value for name, value in state.ema.items() if value is not state.params.get(name)}
    parts = {"params": state.params, "ema": averages, "moment1": state.moment1, "moment2": state.moment2}
    arrays: dict[str, Tensor] = {}
    for part, tensors in parts.items():
        arrays |= {f"{part}/{name}": value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_whole(path, save(arrays, {**state.about, "progress": json.dumps(asdict(state.progress))}), replace=True)


def about_of(path: Path) -> dict[str, str] | None:
    """What the objective said in a file by `save_state`, whatever the file's name; None for any other file."""
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            return metadata if "progress" in metadata else None
    except (OSError, SafetensorError):
        return None


def goal_of(path: Path) -> Goal | None:
    """Goal of the run that wrote a file with `save_state`; None for any other file, or a run with no such goal."""
    try:
        about = about_of(path)
        return None if about is None else Goal.of(about)
    except ValueError:
        return None


def load_state(path: Path) -> State:
    """Read what `save_state` wrote."""
    parts: dict[str, Parameters] = {"params": {}, "ema": {}, "moment1": {}, "moment2": {}}
    with safe_open(path, framework="pt") as handle:
        about = dict(handle.metadata())
        progress = Progress(**json.loads(about.pop("progress")))
        for key in handle.keys():  # noqa: SIM118 - no mapping
            part, _, name = key.partition("/")
            parts[part][name] = handle.get_tensor(key)
    parts["ema"] = parts["params"] | parts["ema"]
    return State(**parts, progress=progress, about=about)
