"""The training loop: data-parallel Adam with a moving average of the weights, resumable at any step.

Each of `processes` processes (forked here with gloo, or started by torchrun) draws its own crops and runs one
thread; gradients are averaged. On a CPU two such processes train faster than one of two threads. The networks
run in bfloat16 under autocast where the device has instructions for it. On a GPU, steps are launched ahead of it:
nothing waits for a result, but every READ_EVERY steps (see also `lcodec.training.gradient`).

Measured on two such cores, and left: SOAP in place of Adam (as good after as many steps, which took 10 to 20 % longer),
torch.compile (steps 45 % longer), bfloat16 gains and malloc's thresholds (2 % shorter each).
"""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    start_processes,
)

from lcodec.errors import LcodecError
from lcodec.goal import Goal
from lcodec.training.data import Cut, Photos
from lcodec.training.gradient import Gradient, cropper
from lcodec.training.objective import objective
from lcodec.training.parameters import FIXED, Parameters
from lcodec.training.state import Progress, State, load_state, save_state

__all__ = ["STATE_FILE", "Settings", "launched", "learning_rate", "train"]

#: Called with the figures of a step.
Report = Callable[[dict[str, Any]], None]

#: In the folder of a run.
STATE_FILE = "state.safetensors"
#: Qualities at which validation photos are coded.
VALID_QUALITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
#: In this last share of a run, crops have twice the side and a quarter of the number. A quarter of what a run for
#: MS-SSIM gained came in the last 0.15 of it (`benchmarks/results/training-ms-ssim.csv`).
FINISH = 0.3
#: Rate at the start of the warm-up and at the end, relative to the peak.
RATE_FLOOR = 0.01
WARM_UP_STEPS = 200
BETAS = (0.9, 0.99)
EMA_DECAY = 0.999
#: Gradients of a larger norm are shortened to it. Typical norms are 3 to 10.
CLIP_NORM = 20.0
#: A run gives up after so many steps in a row without a finite gradient.
MAX_SKIPPED = 20
#: A GPU's figures are read, and reported, every so many steps: to read them is to wait until it stands still. As often
#: as the command logs them (`lcodec.cli.train`).
READ_EVERY = 20


@dataclass(frozen=True)
class Settings:
    """What a run is asked for. Exactly one of `steps` and `hours` (over all sittings) ends it."""

    out: Path
    steps: int | None = None
    hours: float | None = None
    batch: int = 16  #: crops a process
    crop: int = 128  #: side in pixels, a multiple of 64
    rate: float = 1.2e-3
    seed: int = 0
    processes: int = 1
    device: str = "cpu"
    bfloat16: bool = True  #: where it is the faster type
    save_every: float = 300.0  #: seconds
    validate_every: float = 900.0  #: seconds

    def share(self, progress: Progress) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.steps is not None:
            return min(progress.step / self.steps, 1.0)
        return min(progress.seconds / (3600 * (self.hours or 0)), 1.0)


def learning_rate(settings: Settings, progress: Progress) -> float:
    """Linear warm-up whenever the optimiser is new, then a cosine to nearly zero at the end of the run."""
    warm = min(1.0, (progress.adam_steps + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * settings.share(progress)))
    return settings.rate * max(RATE_FLOOR, min(warm, cosine))


def _valid_photos(photos: Photos, device: torch.device) -> list[Tensor]:
    """Photos (1, H, W, 3), cut to multiples of 64."""
    sides = [tuple(int(side) // 64 * 64 for side in size) for size in photos.sizes]
    cut = (photos.photo(index)[None, :height, :width] for index, (height, width) in enumerate(sides))
    return [torch.from_numpy(photo.copy()).to(device) for photo in cut]


def _validate(params: Parameters, photos: list[Tensor], rank: int, world: int, goal: Goal) -> dict[str, Any]:
    """Rate (rounded symbols), PSNR and loss of whole validation photos at every quality, averaged over processes."""
    totals = torch.zeros(len(VALID_QUALITIES), 4, dtype=torch.float64)
    with torch.no_grad():
        for photo in photos[rank::world]:
            for row, quality in enumerate(VALID_QUALITIES):
                result = objective(params, photo, torch.tensor([quality], device=photo.device), None, goal)
                psnr = 10 * math.log10(255**2 / max(float(result.mse), 1e-9))
                totals[row] += torch.tensor([float(result.bpp), psnr, float(result.loss), 1.0], dtype=torch.float64)
    if world > 1:
        dist.all_reduce(totals)
    means = (totals[:, :3] / totals[:, 3:]).tolist()
    return {
        "valid": [
            {"quality": quality, "bpp": round(bpp, 5), "psnr": round(psnr, 4)}
            for quality, (bpp, psnr, _) in zip(VALID_QUALITIES, means, strict=True)
        ],
        "valid_loss": round(sum(row[2] for row in means) / len(means), 5),
    }


class _Trainer:
    """One process's part of a run."""

    def __init__(self, rank: int, world: int, settings: Settings, state: State, photos: Photos) -> None:
        self.rank, self.world, self.settings, self.photos = rank, world, settings, photos
        self.device = torch.device("cpu")
        if settings.device == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", rank)))
            torch.cuda.set_device(self.device)
        self.progress, self.goal = state.progress, state.goal
        # Sorted, so that sums over parameters do not depend on whether the state came from a file.
        self.params = {name: value.to(self.device) for name, value in sorted(state.params.items())}
        self.ema = {name: value.to(self.device) for name, value in state.ema.items()}
        self.trained = {
            name: value.requires_grad_() for name, value in self.params.items() if not name.startswith(FIXED)
        }
        self.tensors = list(self.trained.values())
        self.values = [tensor.detach() for tensor in self.tensors]
        self.averages = [self.ema[name] for name in self.trained]
        self.optimiser = torch.optim.Adam(self.tensors, lr=settings.rate, betas=BETAS, fused=True)
        for name in state.moment1:
            self.optimiser.state[self.trained[name]] = {
                "step": torch.tensor(float(self.progress.adam_steps), device=self.device),
                "exp_avg": state.moment1[name].to(self.device),
                "exp_avg_sq": state.moment2[name].to(self.device),
            }
        self.gradient = Gradient(self.params, self.tensors, self.goal, settings.bfloat16)
        self.crops = cropper(photos, self.device)
        self.drawn = self._draw()  # of the step to come
        # Steps without a finite gradient: all, and the latest in a row. Progress knows of them once they are read.
        self.passed_over = torch.tensor([float(self.progress.skipped_steps), 0.0], device=self.device)

    def step(self) -> None:
        """Take one step. A GPU may still be at it afterwards: `read` waits."""
        progress, rate = self.progress, learning_rate(self.settings, self.progress)
        noise_seed, cuts, qualities = self.drawn
        crops = self.crops(cuts)
        progress.step += 1
        progress.pixels += crops.shape[:3].numel() * self.world
        self.drawn = self._draw()
        self.photos.expect(self.drawn[1])  # decoded while this step computes
        weights = np.array([cut.weight for cut in cuts], np.float32)
        quality, weight = (torch.from_numpy(x).to(self.device, non_blocking=True) for x in (qualities, weights))
        self.gradient.noise.manual_seed(noise_seed)
        figures, flat = self.gradient(crops, quality, weight)
        if self.world > 1:
            dist.all_reduce(flat)
            flat /= self.world
        norm = torch.linalg.vector_norm(flat)
        self._update(flat, rate, norm)
        self.figures = torch.cat((figures, norm[None], self.passed_over))
        self.line = {"step": progress.step, "pixels": progress.pixels, "rate": rate, "crop": crops.shape[1]}

    def read(self) -> dict[str, Any]:
        """Figures of the latest step, once it is done.

        Raises:
            LcodecError: the gradients of too many steps in a row were not finite.
        """
        loss, bpp, psnr, norm, skipped, in_a_row = self.figures.tolist()
        self.progress.adam_steps -= int(skipped) - self.progress.skipped_steps
        self.progress.skipped_steps = int(skipped)
        if in_a_row >= MAX_SKIPPED:
            raise LcodecError(f"no finite gradient in {MAX_SKIPPED} steps; the last good state is kept")
        read = {"loss": round(loss, 5), "bpp": round(bpp, 5), "psnr": round(psnr, 4), "norm": round(norm, 4)}
        return self.line | read

    def _draw(self) -> tuple[int, list[Cut], npt.NDArray[np.float32]]:
        """Seed of the noise, crops and qualities of the next step, one quality in each of as many equal parts of 0..1.

        They follow from (seed, step, rank), so a resumed run draws what it would have drawn.
        """
        settings = self.settings
        finishing = settings.share(self.progress) >= 1 - FINISH
        size, count = (2 * settings.crop, max(1, settings.batch // 4)) if finishing else (settings.crop, settings.batch)
        rng = np.random.default_rng((settings.seed, self.progress.step, self.rank))
        seed, cuts = int(rng.integers(1 << 62)), self.photos.draw(count, size, rng)
        return seed, cuts, (np.arange(count, dtype=np.float32) + rng.random(count, np.float32)) / np.float32(count)

    def _update(self, flat: Tensor, rate: float, norm: Tensor) -> None:
        """Adam, unless the gradient is not finite, and the moving average.

        Args:
            flat: gradient of all trained parameters, in their order.
            rate: learning rate.
            norm: of `flat`.
        """
        progress = self.progress
        parts = torch.split(flat, [tensor.numel() for tensor in self.tensors])
        for tensor, part in zip(self.tensors, parts, strict=True):
            tensor.grad = part.view_as(tensor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # What a gradient scaler tells the fused optimiser, so that no decision waits for the GPU: divide gradients by
        # the one, and do nothing if the other is 1.
        not_finite = (~norm.isfinite()).float()
        self.optimiser.grad_scale = (norm / CLIP_NORM).clamp(min=1)  # type: ignore[attr-defined]
        self.optimiser.found_inf = not_finite  # type: ignore[attr-defined]
        self.optimiser.step()
        self.passed_over = torch.stack((self.passed_over[0] + not_finite, (self.passed_over[1] + 1) * not_finite))
        progress.adam_steps += 1
        decay = min(EMA_DECAY, (1 + progress.adam_steps) / (10 + progress.adam_steps))
        torch._foreach_lerp_(self.averages, self.values, 1 - decay)

    def agree(self, seconds: float, stop: bool) -> bool:
        """Add the step's time to the clock, the first process's for all; whether any process wants to stop."""
        clock = torch.tensor([seconds if self.rank == 0 else 0.0, float(stop)], dtype=torch.float64)
        if self.world > 1:
            dist.all_reduce(clock)
        self.progress.seconds += float(clock[0])
        return bool(clock[1] > 0)

    def save(self) -> None:
        """Write the state; the first process's task."""
        if self.rank == 0:
            adam = self.optimiser.state
            first, second = (
                {name: adam[tensor][key] for name, tensor in self.trained.items()} for key in ("exp_avg", "exp_avg_sq")
            )
            state = State(self.params, self.ema, first, second, self.progress, self.goal)
            path = self.settings.out / STATE_FILE
            try:
                save_state(path, state)
            except OSError as error:
                raise LcodecError(f"cannot write {path}: {error.strerror}; what stood there before is kept") from error


def _run(
    rank: int, world: int, settings: Settings, photos: Photos, valid: Photos | None, begin: State | None, report: Report
) -> None:
    """One process: step, report, validate and save until the run is over or a signal asks for its end.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; the state is saved.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    state = begin if begin is not None else load_state(settings.out / STATE_FILE)
    trainer = _Trainer(rank, world, settings, state, photos)
    progress = trainer.progress
    valid_photos = [] if valid is None else _valid_photos(valid, trainer.device)
    saved = validated = progress.seconds
    stopping = False
    with _deferred_signals() as asked_to_stop:
        while settings.share(progress) < 1 and not stopping:
            begun = time.perf_counter()
            trainer.step()
            line = {} if settings.device == "cuda" and progress.step % READ_EVERY else trainer.read()
            stopping = trainer.agree(time.perf_counter() - begun, asked_to_stop())
            share = settings.share(progress)
            saving = progress.seconds - saved >= settings.save_every or share >= 1 or stopping
            if not line and not saving:
                continue
            line = (line or trainer.read()) | {"seconds": round(progress.seconds, 2), "share": round(share, 5)}
            if saving:
                saved = progress.seconds
                trainer.save()
            if valid_photos and (progress.seconds - validated >= settings.validate_every or share >= 1):
                validated = progress.seconds
                line |= _validate(trainer.ema, valid_photos, rank, world, trainer.goal)
            if rank == 0:
                report(line)
    if stopping:
        raise KeyboardInterrupt


@contextmanager
def _deferred_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question that the loop asks after each step."""
    came: list[int] = []
    old = {number: signal.signal(number, lambda got, _: came.append(got)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def launched() -> tuple[int, int] | None:
    """Rank of this process and number of processes, where torchrun started them; else None."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return None


def _forked(rank: int, port: int, failures: SimpleQueue[Exception], settings: Settings, *arguments: Any) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=settings.processes,
        timeout=timedelta(minutes=30),
    )
    try:
        _run(rank, settings.processes, settings, *arguments)
    except KeyboardInterrupt:
        pass  # saved; the parent knows, it got the signal too
    except (LcodecError, OSError) as error:
        failures.put(error)
        raise
    finally:
        dist.destroy_process_group()


def _ended(processes: ProcessContext, failures: SimpleQueue[Exception]) -> bool:
    """Whether all processes are done, after a moment's wait; a failure of one is raised as its own, not as torch's."""
    try:
        done: bool = processes.join(timeout=0.2)
        return done
    except ProcessException as error:
        if not failures.empty():
            raise failures.get() from None
        if isinstance(error, ProcessExitedException):  # no exception of its own: out of memory, for one
            how = error.signal_name or f"exit code {error.exit_code}"
            raise LcodecError(f"a process of the run ended early ({how}); the state saved last is kept") from None
        raise


def train(settings: Settings, photos: Photos, valid: Photos | None, begin: State | None, report: Report) -> None:
    """Train until `settings` say it is done; the state is in `settings.out`/state.safetensors.

    Args:
        settings: of the run.
        photos: to train on.
        valid: whole photos to validate on, if any.
        begin: state to start from; None resumes from `settings.out`.
        report: called by the first process with a dict of figures after every step; on a GPU, every READ_EVERY.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; the state is saved.
        LcodecError: the gradients stayed infinite or undefined, the state cannot be written, or a process was killed.
    """
    if launched() is not None:
        # The clock and the sums of validation are exchanged on the CPU, gradients where they are.
        dist.init_process_group("cpu:gloo,cuda:nccl" if settings.device == "cuda" else "gloo")
        try:
            _run(dist.get_rank(), dist.get_world_size(), settings, photos, valid, begin, report)
        finally:
            dist.destroy_process_group()
    elif settings.processes == 1:
        _run(0, 1, settings, photos, valid, begin, report)
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Forked, not spawned: the processes share the photos in memory.
        failures: SimpleQueue[Exception] = get_context("fork").SimpleQueue()
        arguments = (port, failures, settings, photos, valid, begin, report)
        processes = start_processes(  # type: ignore[no-untyped-call]
            _forked, arguments, nprocs=settings.processes, start_method="fork", join=False
        )
        with _deferred_signals() as asked_to_stop:
            passed_on = False
            while not _ended(processes, failures):
                if asked_to_stop() and not passed_on:  # a terminal signals all of them, `kill` only this one
                    passed_on = True
                    for pid in processes.pids():
                        os.kill(pid, signal.SIGINT)
            if asked_to_stop():
                raise KeyboardInterrupt
