"""The training loop: data-parallel Adam with a moving average of the weights, resumable at any step.

Each process draws its own crops; gradients are averaged. The networks run in bfloat16 under autocast where the device
has instructions for it. On a GPU, steps are launched ahead of it: nothing waits for a result, but every READ_EVERY
steps (see also `lcodec.training.gradient`). What is trained, and for what, the objective says.

Measured on two cores, and left: SOAP in place of Adam (as good after as many steps, which took 10 to 20 % longer),
torch.compile (steps 45 % longer), bfloat16 gains and malloc's thresholds (2 % shorter each).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from lcodec.errors import LcodecError
from lcodec.training.data import Cut, Photos, cropper
from lcodec.training.flat import Flat
from lcodec.training.gradient import Gradient
from lcodec.training.launch import launch
from lcodec.training.protocol import Batch, TrainingObjective
from lcodec.training.settings import BEST_FILE, STATE_FILE, Settings
from lcodec.training.state import State, load_state, save_state
from lcodec.training.validate import Validation

__all__ = ["READ_EVERY", "Report", "train"]

#: Called with the figures of a step.
Report = Callable[[dict[str, Any]], None]

#: In this last share of a run, crops have twice the side and a quarter of the number. A quarter of what a run for
#: MS-SSIM gained came in the last 0.15 of it (`benchmarks/results/training-ms-ssim-fast.csv`).
FINISH = 0.3
EMA_DECAY = 0.999
#: A run gives up after so many steps in a row without a finite gradient.
MAX_SKIPPED = 20
#: A GPU's figures are read, and reported, every so many steps: to read them is to wait until it stands still. As often
#: as the command logs them (`lcodec.cli.train`).
READ_EVERY = 20


class _Trainer:
    """One process's part of a run."""

    def __init__(
        self, rank: int, world: int, settings: Settings, objective: TrainingObjective, state: State, photos: Photos
    ) -> None:
        self.rank, self.world, self.settings, self.objective, self.photos = rank, world, settings, objective, photos
        self.device = torch.device("cpu")
        if settings.device == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", rank)))
            torch.cuda.set_device(self.device)
        self.progress, self.about = state.progress, state.about
        params = {name: value.to(self.device) for name, value in sorted(state.params.items())}
        self.groups = objective.groups(params)
        self.trained = [Flat({name: params[name] for name in group.parameters}) for group in self.groups]
        self.averages = [
            Flat({name: state.ema[name].to(self.device) for name in group.parameters}) for group in self.groups
        ]
        self.params = params | {name: value for flat in self.trained for name, value in flat.tensors.items()}
        self.kept = [self.params[name] for name in objective.kept]
        self.optimisers = [
            self._adam(group.betas, flat, state) for group, flat in zip(self.groups, self.trained, strict=True)
        ]
        self.gradient = Gradient(objective, self.params, self.trained, bfloat16=settings.bfloat16)
        self.crops = cropper(photos, self.device)
        self.may_enlarge = objective.enlarges and photos.fits(2 * settings.crop)
        self.drawn = self._draw()  # of the step to come
        # Steps without a finite gradient: all, and the latest in a row. Progress knows of them once they are read.
        self.passed_over = torch.tensor([float(self.progress.skipped_steps), 0.0], device=self.device)

    def _adam(self, betas: tuple[float, float], flat: Flat, state: State) -> torch.optim.Adam:
        """Adam of a group's parameters, with the moments in `state`, if it has them."""
        tensors = list(flat.tensors.values())
        adam = torch.optim.Adam(tensors, lr=self.settings.learning_rate, betas=betas, fused=True)
        for name, tensor in flat.tensors.items():
            if name in state.moment1:
                adam.state[tensor] = {
                    "step": torch.tensor(float(self.progress.adam_steps), device=self.device),
                    "exp_avg": state.moment1[name].to(self.device),
                    "exp_avg_sq": state.moment2[name].to(self.device),
                }
        return adam

    def average(self) -> dict[str, Tensor]:
        """All parameters, those that are trained as their moving average."""
        return self.params | {name: value for flat in self.averages for name, value in flat.tensors.items()}

    def step(self) -> None:
        """Take one step. A GPU may still be at it afterwards: `read` waits."""
        progress, learning_rate = self.progress, self.settings.learning_rate_now(self.progress)
        noise_seed, cuts, qualities = self.drawn
        crops, taken = self.crops(cuts), progress.step
        progress.step += 1
        progress.pixels += crops.shape[:3].numel() * self.world
        self.drawn = self._draw()
        self.photos.expect(self.drawn[1])  # decoded while this step computes
        weights = np.array([cut.weight for cut in cuts], np.float32)
        taken_before = np.array(taken, np.float32)
        quality, weight, step = (
            torch.from_numpy(given).to(self.device, non_blocking=True) for given in (qualities, weights, taken_before)
        )
        self.gradient.noise.manual_seed(noise_seed)
        figures, flat = self.gradient(Batch(crops, quality, weight, step), self.objective.kind(taken))
        if self.world > 1:
            dist.all_reduce(flat)
            flat /= self.world
        norms = self._update(flat, learning_rate)
        self.figures = torch.cat((figures, norms, self.passed_over))
        self.line = {"step": progress.step, "pixels": progress.pixels, "learning_rate": learning_rate}
        self.line["crop"] = crops.shape[1]

    def read(self) -> dict[str, Any]:
        """Figures of the latest step, once it is done.

        Raises:
            LcodecError: the gradients of too many steps in a row were not finite.
        """
        *figures, skipped, in_a_row = self.figures.tolist()
        self.progress.adam_steps -= int(skipped) - self.progress.skipped_steps
        self.progress.skipped_steps = int(skipped)
        if in_a_row >= MAX_SKIPPED:
            raise LcodecError(f"no finite gradient in {MAX_SKIPPED} steps; the last good state is kept")
        norms = ["norm"] if len(self.groups) == 1 else [f"norm_{group.name}" for group in self.groups]
        names = (*self.objective.figures, *norms)
        return self.line | {name: round(figure, 5) for name, figure in zip(names, figures, strict=True)}

    def _draw(self) -> tuple[int, list[Cut], npt.NDArray[np.float32]]:
        """Seed of the noise, crops and qualities of the next step, one quality in each of as many equal parts of 0..1.

        They follow from (seed, step, rank), so a resumed run draws what it would have drawn.
        """
        settings, size, count = self.settings, self.settings.crop, self.settings.batch
        if settings.share(self.progress) >= 1 - FINISH and self.may_enlarge:
            size, count = 2 * size, max(1, count // 4)
        rng = np.random.default_rng((settings.seed, self.progress.step, self.rank))
        seed, cuts = int(rng.integers(1 << 62)), self.photos.draw(count, size, rng)
        uniform = (np.arange(count, dtype=np.float32) + rng.random(count, np.float32)) / np.float32(count)
        return seed, cuts, self.objective.qualities(uniform)

    def _update(self, flat: Tensor, learning_rate: float) -> Tensor:
        """Adam, unless the gradient is not finite, and the moving averages; norms of the groups' gradients.

        Args:
            flat: gradients of all groups, then what the objective keeps.
            learning_rate: of the run.
        """
        progress = self.progress
        parts = torch.split(flat, [len(group) for group in self.trained] + [kept.numel() for kept in self.kept])
        norms = torch.stack([torch.linalg.vector_norm(part) for part in parts[: len(self.trained)]])
        not_finite = (~norms.isfinite()).any().float()
        for index, (group, trained, adam) in enumerate(zip(self.groups, self.trained, self.optimisers, strict=True)):
            for tensor, part in zip(trained.tensors.values(), trained.views(parts[index]).values(), strict=True):
                tensor.grad = part
            for settings in adam.param_groups:
                settings["lr"] = learning_rate * group.learning_rate_factor
            # What a gradient scaler tells the fused optimiser, so that no decision waits for the GPU: divide gradients
            # by the one, and do nothing if the other is 1.
            adam.grad_scale = (norms[index] / group.clip_norm).clamp(min=1)  # type: ignore[attr-defined]
            adam.found_inf = not_finite  # type: ignore[attr-defined]
            adam.step()
        for kept, part in zip(self.kept, parts[len(self.trained) :], strict=True):
            kept.copy_(torch.where(not_finite > 0, kept, part.view_as(kept)))
        self.passed_over = torch.stack((self.passed_over[0] + not_finite, (self.passed_over[1] + 1) * not_finite))
        progress.adam_steps += 1
        decay = min(EMA_DECAY, (1 + progress.adam_steps) / (10 + progress.adam_steps))
        for average, trained in zip(self.averages, self.trained, strict=True):
            average.vector.lerp_(trained.vector, 1 - decay)
        return norms

    def agree(self, before: float, stop: bool) -> bool:
        """Set the clock to the first process's, for all; whether any process wants to stop.

        Args:
            before: seconds of earlier sittings.
            stop: this one wants to.
        """
        now = before + time.monotonic() - self.settings.begun
        clock = torch.tensor([now if self.rank == 0 else 0.0, float(stop)], dtype=torch.float64)
        if self.world > 1:
            dist.all_reduce(clock)
        self.progress.seconds = float(clock[0])
        return bool(clock[1] > 0)

    def save(self, *, best: bool) -> None:
        """Write the state, and the average as the best so far; the first process's task."""
        if self.rank == 0:
            first, second = (
                {
                    name: adam.state[tensor][key]
                    for flat, adam in zip(self.trained, self.optimisers, strict=True)
                    for name, tensor in flat.tensors.items()
                }
                for key in ("exp_avg", "exp_avg_sq")
            )
            average, about = self.average(), self.about | self.objective.metadata()
            _write(self.settings.out / STATE_FILE, State(self.params, average, first, second, self.progress, about))
            if best:
                _write(self.settings.out / BEST_FILE, State({}, average, {}, {}, self.progress, about))


def _write(path: Path, state: State) -> None:
    try:
        save_state(path, state)
    except OSError as error:
        raise LcodecError(f"cannot write {path}: {error.strerror}; what stood there before is kept") from error


def train(
    settings: Settings,
    objective: TrainingObjective,
    photos: Photos,
    valid: Photos | None,
    begin: State | None,
    report: Report,
) -> None:
    """Train until `settings` say it is done; the state and the best average are in `settings.out`.

    Args:
        settings: of the run.
        objective: what is trained, and for what.
        photos: to train on.
        valid: whole photos to validate on, if any.
        begin: state to start from; None resumes from `settings.out`.
        report: called by the first process with a dict of figures after every step; on a GPU, every READ_EVERY.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the state is saved.
        LcodecError: the gradients stayed infinite or undefined, the state cannot be written, or a process was killed.
        PictureError: no photo is as large as a crop.
    """

    def work(rank: int, world: int, asked_to_stop: Callable[[], bool]) -> None:
        state = begin if begin is not None else load_state(settings.out / STATE_FILE)
        trainer = _Trainer(rank, world, settings, objective, state, photos)
        validation = Validation(objective, valid, trainer.device, rank, world)
        if _steps(trainer, validation, asked_to_stop, report):
            raise KeyboardInterrupt

    launch(work, settings.processes, settings.device)


def _steps(trainer: _Trainer, validation: Validation, asked_to_stop: Callable[[], bool], report: Report) -> bool:
    """Step, report, validate and save until the run is over, or a signal asks for its end: whether it did."""
    settings, progress = trainer.settings, trainer.progress
    if progress.validated_on != validation.name:
        progress.best, progress.validated_on = None, validation.name
    before = saved = validated = progress.seconds
    saving_took = validating_took = 0.0
    ending, stopping = settings.share(progress) >= 1, False
    while not ending and not stopping:
        trainer.step()
        stopping = trainer.agree(before, asked_to_stop())
        ending = settings.share(progress) >= 1
        begun = progress.seconds
        validating = begun - validated >= settings.interval(settings.validate_every, validating_took) or ending
        saving = begun - saved >= settings.interval(settings.save_every, saving_took) or ending or stopping
        validating = validating and validation.name != ""
        if settings.device == "cuda" and progress.step % READ_EVERY and not (validating or saving):
            continue
        line = trainer.read() | {"seconds": round(begun, 2), "share": round(settings.share(progress), 5)}
        best = progress.best is None  # nothing is validated yet, or ever
        if validating:
            line |= validation(trainer.average())
            loss = line["valid_loss"] if math.isfinite(line["valid_loss"]) else math.inf
            best = progress.best is None or loss <= progress.best
            progress.best = loss if best else progress.best
            stopping = trainer.agree(before, asked_to_stop()) or stopping
            validated, validating_took = progress.seconds, progress.seconds - begun
        if saving or stopping or (validating and best):
            begun = progress.seconds
            trainer.save(best=best)
            stopping = trainer.agree(before, asked_to_stop()) or stopping
            saved, saving_took = progress.seconds, progress.seconds - begun
        progress.reserve = validating_took + saving_took
        if trainer.rank == 0:
            report(line)
    return stopping
