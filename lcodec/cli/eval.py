"""`lcodec eval`: pictures and codecs to figures, curves and a page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.cli import completion, console, options
from lcodec.cli.batch import files
from lcodec.errors import LcodecError, UsageError

if TYPE_CHECKING:
    from lcodec.compare.evaluate import Tick
    from lcodec.compare.pictures import LeftOut, Photo
    from lcodec.compare.report import Report

__all__ = ["eval"]

#: `lcodec.metrics.MEASURES`, which is not imported for the help.
_METRICS = ("psnr", "psnr-y", "ms-ssim", "ssimulacra2", "haarpsi", "butteraugli", "lpips")
#: `lcodec.compare.codecs.RIVALS`, likewise.
_CODECS = (
    "jpeg-420", "jpeg-444", "mozjpeg-420", "mozjpeg-444", "webp", "jpeg2000", "jxl",
    "heic-420", "heic-444", "avif-420", "avif-444", "bpg-420", "bpg-444",
)  # fmt: skip

_EPILOG = """\b
Examples:
  lcodec eval photos/
  lcodec eval photos/ --out report --jobs 2
  lcodec eval a.png b.png --codec mse --codec jpeg@20,40,60,80 --codec webp
  lcodec eval photos/ --codec runs/mine/mine.safetensors --codec heic-444 --json

\b
INPUTs are pictures, or folders of them (searched recursively).
Codecs: models by name or file; jpeg, mozjpeg, heic, avif, bpg (each as -420
and -444), webp, jpeg2000, jxl. Settings are the codec's own: quality (models,
jpeg, mozjpeg, webp, heic, avif), bits per pixel (jpeg2000), distance (jxl),
quantiser (bpg). In the terminal, BD-rates are against the first codec.
DIR gets report.html, report.json, pictures.csv, means.csv, bd-rates.csv and
curves as SVG and PNG, and the results so far: the same command goes on after
an interruption. Seconds are of one thread a codec where it can be told so;
with --jobs over 1 they are those of a busy machine.
"""


@click.command(epilog=_EPILOG)
@options.picture_inputs(required=True)
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    metavar="NAME[@Q1,Q2,...]",
    shell_complete=completion.models_and(*_CODECS),
    help="Codec, and its settings; may be repeated.  [default: mse and all others at hand]",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(_METRICS),
    metavar="METRIC",
    help=f"One of {', '.join(_METRICS)}; may be repeated.  [default: all at hand]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep results there, and write the page, the curves and the tables.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
def eval(  # noqa: A001 - the command's name
    *,
    inputs: tuple[str, ...],
    codecs: tuple[str, ...],
    metrics: tuple[str, ...],
    out: Path | None,
    jobs: int,
    as_json: bool,
) -> int:
    """Compare codecs on pictures: rates, metrics, BD-rates and seconds, through real files."""
    from lcodec.codec import MAX_PIXELS
    from lcodec.compare.evaluate import Store, evaluate
    from lcodec.compare.pictures import find_photos
    from lcodec.compare.plan import make_plan
    from lcodec.compare.report import Report, tables, write_data

    if out is not None and any(Path(item).is_dir() and Path(item).resolve() == out.resolve() for item in inputs):
        raise UsageError(f"{out} holds the pictures: --out must be another folder")
    plan = make_plan(codecs, metrics)
    _tell_what_is_missing(plan.missing)
    photos, left_out = find_photos(inputs, MAX_PIXELS, out)
    _tell_about_pictures(photos, left_out)
    files.make_folder(out)
    store = Store(out / "results.jsonl" if out else None)
    with _progress("coding and measuring") as tick:
        results = evaluate(plan.tasks(photos), store, jobs, tick)
    order = list(plan.settings)
    results.sort(key=lambda result: order.index(result.codec))  # stable: by codec, then by picture
    report = Report(photos, left_out, order, plan.missing, list(plan.metrics), results)
    if out is not None:
        write_data(report, out)
        _write_pictures(report, out, jobs)
    if as_json:
        console.print_json(report.record())
    else:
        import rich.console

        screen = rich.console.Console(width=None if sys.stdout.isatty() else 200)
        for table in tables(report):
            screen.print(table)
    return _exit_code(report)


def _tell_what_is_missing(missing: dict[str, str]) -> None:
    for how in dict.fromkeys(missing.values()):
        names = ", ".join(name for name in missing if missing[name] == how)
        click.echo(f"lcodec: missing: {names}: {how}", err=True)


def _tell_about_pictures(photos: list[Photo], left_out: list[LeftOut]) -> None:
    for item in left_out:
        click.echo(f"lcodec: left out: {item.name}: {item.reason}", err=True)
    for photo in photos:
        if photo.note:
            click.echo(f"lcodec: {photo.name}: {photo.note}", err=True)
    if not photos:
        raise LcodecError("none of the inputs is a picture that can be used")


def _write_pictures(report: Report, out: Path, jobs: int) -> None:
    from lcodec.compare import plots
    from lcodec.compare.evaluate import run_tasks
    from lcodec.compare.match import SHOWN, MatchTask, match
    from lcodec.compare.page import write_page

    how = plots.missing()
    if how is None:
        plots.draw(report, out)
    else:
        click.echo(f"lcodec: no curves as SVG and PNG, matplotlib is missing: {how}", err=True)
    folder = out / "equal-size"
    files.make_folder(folder)
    known: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for result in report.results:
        if not result.error:
            known.setdefault((result.digest, result.codec), []).append((result.setting, result.bytes))
    tasks = [
        MatchTask(photo, codec, folder, tuple(known.get((photo.digest, codec), ())))
        for photo in report.photos[:SHOWN]
        for codec in report.codecs
    ]
    matches = []
    with _progress("looking for equal sizes") as tick:
        tick(0, len(tasks))
        for found in run_tasks(match, tasks, jobs):
            matches.append(found)
            tick(len(matches), len(tasks))
    write_page(report, matches, folder, out / "report.html")
    click.echo(f"lcodec: {out / 'report.html'}", err=True)


def _exit_code(report: Report) -> int:
    names = {photo.digest: photo.name for photo in report.photos}
    failed = [result for result in report.results if result.error]
    for result in failed:
        what = f"{names[result.digest]}: {result.codec}@{result.setting:g}"
        click.echo(f"lcodec: {what}: {result.error}", err=True)
    named = any(item.named for item in report.left_out)
    return LcodecError.exit_code if failed or named else 0


@contextmanager
def _progress(what: str) -> Iterator[Tick]:
    """Show progress with the time left: a bar on a terminal, else a line every minute."""
    if sys.stderr.isatty():
        import rich.console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        text = TextColumn("{task.description}")
        with Progress(
            text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=rich.console.Console(stderr=True)
        ) as bar:
            item = bar.add_task(what)
            yield lambda done, total: bar.update(item, completed=done, total=total)
        return
    begun: list[int] = []
    start = told = time.monotonic()

    def tick(done: int, total: int) -> None:
        nonlocal told
        begun.append(done)
        now = time.monotonic()
        if now - told >= 60 and done > begun[0]:
            told = now
            left = (now - start) / (done - begun[0]) * (total - done)
            click.echo(f"lcodec: {what}: {done} of {total}, {left / 60:.0f} min left", err=True)

    yield tick
