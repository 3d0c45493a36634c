"""`lcodec eval`: pictures and codecs to figures, curves and a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec import defaults
from lcodec.cli import completion, console, options
from lcodec.cli.batch import files
from lcodec.cli.parameters import FolderName, WholeNumber
from lcodec.errors import LcodecError, UsageError

if TYPE_CHECKING:
    from lcodec.compare.pictures import LeftOut, Photo
    from lcodec.compare.report import Report

__all__ = ["eval"]

_EPILOG = """\b
Examples:
  lcodec eval photos/
  lcodec eval photos/ -O report -j 2
  lcodec eval a.png b.png --codec mse --codec jpeg@20,40,60,80 --codec webp
  lcodec eval photos/ --codec mse --codec mse:realism=1 --metric wasserstein
  lcodec eval photos/ --codec mse --codec avif-444 --set-metric kid --set-metric auc
  lcodec eval photos/ --codec runs/mine/mine.safetensors --codec heic-444 --json

\b
INPUTs are pictures, or folders of them (searched recursively).
Codecs: models by name or file, with a realism if wanted (mse:realism=0.5); jpeg,
mozjpeg, heic, avif, bpg (each as -420 and -444), webp, jpeg2000, jxl. Settings
are the codec's own: quality (models, jpeg, mozjpeg, webp, heic, avif), bits per
pixel (jpeg2000), distance (jxl), quantiser (bpg). In the terminal, BD-rates are
against the first codec. Encoders run as is usual in a shell: models at effort 2,
AVIF at speed 4, WebP at method 6, x265 slow, JPEG XL at effort 7.
--metric says how near a picture is to its original, --set-metric whether the
pictures of a folder look real: kid and kid-pim (features of networks), auc (what
a fresh critic can tell apart), spectrum (energy of fine detail) and marginals (of
sub-bands), each with its 95 % interval. They code every picture once more.
DIR gets report.html, report.json, pictures.csv, means.csv, bd-rates.csv,
sets.csv and curves as SVG and PNG, and the results so far: the same command goes
on after an interruption. Seconds are of one thread a codec where it can be told so;
with -j over 1 they are those of a busy machine.
"""


@click.command(epilog=_EPILOG)
@options.picture_inputs(required=True)
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    metavar="NAME[@Q1,Q2,...]",
    shell_complete=completion.models_and(*defaults.RIVALS),
    help="Codec, and its settings; may be repeated.  [default: mse and all others that are installed]",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(defaults.METRICS),
    metavar="METRIC",
    help=f"One of {', '.join(defaults.METRICS)}; may be repeated.  [default: all that are installed]",
)
@click.option(
    "--set-metric",
    "set_metrics",
    multiple=True,
    type=click.Choice(defaults.SET_METRICS),
    metavar="METRIC",
    help=f"Judge all pictures together, too: one of {', '.join(defaults.SET_METRICS)}; may be repeated.",
)
@click.option(
    "-O",
    "--out",
    metavar="DIR",
    type=FolderName(),
    help="Keep results there, and write the page, the curves and the tables.",
)
@click.option("-j", "--jobs", type=WholeNumber(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
def eval(  # noqa: A001 - the command's name
    *,
    inputs: tuple[str, ...],
    codecs: tuple[str, ...],
    metrics: tuple[str, ...],
    set_metrics: tuple[str, ...],
    out: Path | None,
    jobs: int,
    as_json: bool,
) -> int:
    """Compare codecs on pictures: rates, metrics, BD-rates and seconds, through real files."""
    from lcodec.compare.evaluate import Store, evaluate
    from lcodec.compare.pictures import find_photos
    from lcodec.compare.plan import make_plan
    from lcodec.compare.report import Report, tables, write_data
    from lcodec.compare.sets import SetTask, fitting, judge, patches_in

    if files.STREAM in inputs:
        raise UsageError("standard input (-) is not read here (./- names a file or a folder of that name)")
    if out is not None and any(Path(item).is_dir() and Path(item).resolve() == out.resolve() for item in inputs):
        raise UsageError(f"{out} holds the pictures: --out must be another folder")
    plan = make_plan(codecs, metrics)
    _tell_what_is_missing(plan.missing)
    with console.progress("reading"):
        photos, left_out = find_photos(inputs, defaults.MAX_PIXELS, out)
    _tell_about_pictures(photos, left_out)
    together = patches_in(photos)
    measures, refused = fitting(dict.fromkeys(set_metrics), together)
    _tell_what_is_missing(refused)
    files.make_folder(out)
    store = Store(out / "results.jsonl" if out else None)
    with console.counted("coding and measuring") as tick:
        results = evaluate(plan.tasks(photos), store, jobs, tick, console.say)
    order = list(plan.settings)
    results.sort(key=lambda result: order.index(result.codec))  # stable: by codec, then by picture
    set_results = []
    if measures:
        with console.counted("judging all pictures together") as tick:
            set_tasks = [SetTask(together, codec, setting, measures) for codec, setting in plan.points()]
            set_results = judge(set_tasks, store, jobs, tick, console.say)
    missing = plan.missing | refused
    report = Report(photos, left_out, order, missing, list(plan.metrics), results, list(measures), set_results)
    for remark in report.remarks():
        console.say(remark)
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
        console.say(f"missing: {names}: {how}")


def _tell_about_pictures(photos: list[Photo], left_out: list[LeftOut]) -> None:
    for item in left_out:
        console.say(f"left out: {item.name}: {item.reason}")
    for photo in photos:
        if photo.note:
            console.say(f"{photo.name}: {photo.note}")
    if not photos:
        raise LcodecError("none of the inputs is a picture that can be used")


def _write_pictures(report: Report, out: Path, jobs: int) -> None:
    from lcodec.compare import plots
    from lcodec.compare.match import SHOWN, MatchTask, find_matches
    from lcodec.compare.page import write_page

    how = plots.missing()
    if how is None:
        plots.draw(report, out)
    else:
        console.say(f"no curves as SVG and PNG, matplotlib is missing: {how}")
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
    with console.counted("looking for equal sizes") as tick:
        matches = find_matches(tasks, jobs, tick, console.say)
    write_page(report, matches, folder, out / "report.html")
    console.say(f"{out / 'report.html'}")


def _exit_code(report: Report) -> int:
    names = {photo.digest: photo.name for photo in report.photos}
    failed = [result for result in report.results if result.error]
    for result in failed:
        console.say(f"{names[result.digest]}: {result.codec}@{result.setting:g}: {result.error}")
    failed_sets = [result for result in report.set_results if result.error]
    for result in failed_sets:
        console.say(f"all pictures together: {result.codec}@{result.setting:g}: {result.error}")
    named = any(item.named for item in report.left_out)
    return LcodecError.exit_code if failed or failed_sets or named else 0
