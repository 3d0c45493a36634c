"""What `lcodec train` says: what it found, and of a run while it goes on its progress, and the log in its folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lcodec.atomic import naming
from lcodec.errors import LcodecError
from lcodec.legible import legible, to_json

if TYPE_CHECKING:
    from lcodec.training.data import Photos

__all__ = ["Reporter", "describe", "log_of"]


@contextmanager
def log_of(out: Path) -> Iterator[TextIO]:
    """Make the run's folder, and open its log. Raises LcodecError where that cannot be."""
    path = out / "log.jsonl"
    try:
        out.mkdir(parents=True, exist_ok=True)
        log = path.open("a")
    except OSError as error:
        raise LcodecError(f"cannot write to {out}: {error.strerror}") from error
    with naming(path), log:  # around the closing too, which writes what could not be written before
        yield log


def describe(photos: Photos, held_out: Photos | None, crop: int) -> None:
    """Say what was found, and what of it is not used."""
    skipped = [*photos.skipped, *(held_out.skipped if held_out else ())]
    for name in skipped:
        click.echo(f"skipped, unreadable: {legible(name)}", err=True)
    if small := int((photos.sizes < crop).any(axis=1).sum()):
        click.echo(f"{small} of the photos have a side under {crop} pixels and are not drawn from", err=True)
    megapixels = f"{photos.pixels / 1e6:.0f} megapixels{'' if photos.kept else ', decoded as they are drawn'}"
    click.echo(f"{len(photos)} photos, {megapixels}; {len(skipped)} files skipped", err=True)


class Reporter:
    """Writes every twentieth step to the log, and shows progress: a bar on a terminal, else plain lines."""

    EVERY = 20
    #: Figures that are shown; the log has all.
    SHOWN = 6

    def __init__(self, log: TextIO, figures: Sequence[str], *, quiet: bool) -> None:
        self.log, self.figures, self.quiet = log, figures, quiet
        self.bar: Any = None

    def __call__(self, line: dict[str, Any]) -> None:
        validated = "valid_loss" in line
        if line["step"] % self.EVERY and not validated and line["share"] < 1:
            return
        self.log.write(to_json(line) + "\n")
        self.log.flush()
        if self.quiet:
            return
        speed = line["pixels"] / max(line["seconds"], 1e-9) / 1e6
        left = line["seconds"] * (1 / max(line["share"], 1e-9) - 1)
        figures = "  ".join(f"{name} {line[name]:.3f}" for name in self.figures[: self.SHOWN])
        text = f"step {line['step']}  {figures}  {speed:.2f} Mpixel/s  {left / 60:.0f} min left"
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
