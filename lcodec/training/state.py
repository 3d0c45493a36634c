"""State of a training run on disk: one safetensors file, written whole or not at all.

Arrays are named "params/...", "ema/...", "moment1/..." and "moment2/..."; progress and goal are metadata.
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

__all__ = ["Progress", "State", "goal_of", "load_state", "save_state"]


@dataclass
class Progress:
    """How far a run is, over all its sittings."""

    step: int = 0
    seconds: float = 0.0  #: wall time of steps
    pixels: int = 0  #: seen, all processes
    adam_steps: int = 0  #: since the optimiser's moments were last zero
    skipped_steps: int = 0  #: steps without a finite gradient, not taken
    history: list[str] = field(default_factory=list)  #: what the parameters started from


@dataclass
class State:
    """All that a run needs to go on exactly where it was."""

    params: Parameters
    ema: Parameters
    moment1: Parameters
    moment2: Parameters
    progress: Progress
    goal: Goal


def save_state(path: Path, state: State) -> None:
    """Write `state`, whole or not at all."""
    arrays: dict[str, Tensor] = {}
    for part in ("params", "ema", "moment1", "moment2"):
        arrays |= {f"{part}/{name}": value.detach().cpu().contiguous() for name, value in getattr(state, part).items()}
    write_whole(
        path, save(arrays, {"progress": json.dumps(asdict(state.progress)), **state.goal.metadata()}), replace=True
    )


def goal_of(path: Path) -> Goal | None:
    """Goal of the run that wrote a file with `save_state`, whatever its name; None for any other file."""
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            return Goal.of(metadata) if "progress" in metadata else None
    except (OSError, SafetensorError):
        return None


def load_state(path: Path) -> State:
    """Read what `save_state` wrote."""
    parts: dict[str, Parameters] = {"params": {}, "ema": {}, "moment1": {}, "moment2": {}}
    with safe_open(path, framework="pt") as handle:
        metadata = handle.metadata()
        progress = Progress(**json.loads(metadata["progress"]))
        for key in handle.keys():  # noqa: SIM118 - no mapping
            part, _, name = key.partition("/")
            parts[part][name] = handle.get_tensor(key)
    return State(**parts, progress=progress, goal=Goal.of(metadata))
