"""Runs `encode` and `decode` over their inputs: gives the work out, and reports what comes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from lcodec.cli import console
from lcodec.cli.batch import files, record
from lcodec.cli.batch.coding import Coding, Encoding
from lcodec.cli.batch.files import Job
from lcodec.cli.batch.folders import Plan
from lcodec.cli.batch.work import Outcome, Task, lost, work
from lcodec.cli.options import FolderOptions
from lcodec.errors import LcodecError, UsageError
from lcodec.legible import legible

__all__ = ["run"]

#: What is said of an output that was not written.
_SAID = {
    "current": "is there as it should be",
    "exists": "exists, left alone",
    "larger": "not written: not smaller than the input, or than a lossless file",
    "planned": "would be written",
}


def run(
    plan: Plan,
    coding: Coding,
    many: FolderOptions,
    folder: Path | None,
    *,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Make all outputs, report each, and return the exit code."""
    verb = "encoded" if isinstance(coding, Encoding) else "decoded"
    jobs = _checked(plan, many, verb, force=force)
    if many.dry_run and folder is not None:
        files.refuse_folder(folder, f"make the folder {folder}")
    elif not many.dry_run:
        files.make_folder(folder)
    json_err = bool(jobs) and jobs[0].target is None
    over_folders = many.files_from is not None or any(job.root is not None for job in jobs) or not jobs
    # On a terminal a bar takes the place of the lines; JSON on the same terminal would write over it.
    bar = over_folders and not quiet and sys.stderr.isatty() and not (as_json and sys.stdout.isatty())
    one_bar = not (quiet or bar or (as_json and sys.stdout.isatty()))
    failures = console.Failures(as_json=as_json, json_err=json_err)
    left = dict.fromkeys(jobs)
    note = _ignore if quiet else console.say
    total = _Total()
    with (
        closing(_outcomes(jobs, coding, many, force=force, bar=one_bar, note=note)) as outcomes,
        _progress(len(jobs), total, show=bar) as tick,
    ):
        for outcome in outcomes:
            total.add(outcome)
            left.pop(outcome.task.job, None)
            if outcome.failure is not None:
                failures.add(outcome.task.job.source_name, outcome.failure.message, outcome.failure.exit_code)
                if outcome.failure.full:
                    break
            elif as_json:
                console.print_json(_record(outcome), err=json_err)
            elif not quiet and not bar and (outcome.what != "current" or not over_folders):
                _tell(outcome)
            tick()
        else:
            left = {}
    if over_folders and not quiet and not as_json:
        console.say(total.line(verb))
    if plan.not_looked_at and not quiet:
        console.say(f"not looked at: {plan.not_looked_at}")
    if left:
        _tell_what_is_left(list(left), len(jobs), as_json=as_json, json_err=json_err)
    return failures.close(len(jobs))


def _checked(plan: Plan, many: FolderOptions, verb: str, *, force: bool) -> list[Job]:
    """Return the jobs, or refuse what makes no sense together."""
    if force and many.skip_existing:
        raise UsageError("-f and --skip-existing exclude each other")
    if many.scheduler is not None and many.jobs is not None:
        raise UsageError("-j and --scheduler exclude each other: the cluster has its own processes")
    if plan.nothing_fits:
        raise LcodecError(f"nothing here can be {verb}; not looked at: {plan.not_looked_at}")
    if many.scheduler is None:
        return plan.jobs
    if any(job.source is None or job.target is None for job in plan.jobs):
        raise UsageError("a cluster reads and writes files, not standard input and output")
    return [job.absolute() for job in plan.jobs]


def _tell_what_is_left(left: list[Job], inputs: int, *, as_json: bool, json_err: bool) -> None:
    """Name the inputs that a full disk left undone."""
    for job in left if as_json else ():
        console.print_json({"input": job.source_name, "output": job.target_name, "skipped": "stopped"}, err=json_err)
    names = ", ".join(job.source_name for job in left)
    console.say(f"stopped, for the disk is full: {inputs - len(left)} inputs looked at, {len(left)} not: {names}")


def _tell(outcome: Outcome) -> None:
    for said in outcome.report.notes if outcome.report else ():
        console.say(f"{outcome.task.job.source_name}: note: {said}")
    click.echo(_line(outcome), err=True)


def _outcomes(
    jobs: list[Job], coding: Coding, many: FolderOptions, *, force: bool, bar: bool, note: Callable[[str], None]
) -> Generator[Outcome, None, None]:
    known = {root: record.read(root) for root in {job.root for job in jobs} if root is not None}
    tasks = (
        Task(job, coding, many, force, known[job.root].get(job.name, frozenset()) if job.root else frozenset())
        for job in jobs
    )
    if many.scheduler is not None:
        from lcodec.cli.batch.cluster import on_cluster

        yield from on_cluster(work, tasks, many.scheduler, lost)
        return
    count = many.worker_count(len(jobs), coding.device)
    if count == 1:
        for task in tasks:
            with console.progress(task.job.source_name, show=bar) as progress:
                outcome = work(task, progress)
            yield outcome
        return
    from lcodec.processes import as_finished

    yield from as_finished(work, tasks, count, lost=lost, note=note)


def _ignore(_: str) -> None:
    pass


def _line(outcome: Outcome) -> str:
    job = outcome.task.job
    if outcome.report is not None:
        return outcome.report.line(job)
    return legible(f"{job.source_name} -> {job.target_name}  {_SAID[outcome.what]}")


def _record(outcome: Outcome) -> dict[str, object]:
    job = outcome.task.job
    if outcome.report is not None:
        return outcome.report.record(job)
    return {"input": job.source_name, "output": job.target_name, "skipped": outcome.what}


class _Total:
    """The sum of what came of the inputs."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.counts: dict[str, int] = {}
        self.source_bytes = self.output_bytes = 0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.what] = self.counts.get(outcome.what, 0) + 1
        if outcome.report is not None:
            self.source_bytes += outcome.source_bytes
            self.output_bytes += outcome.report.output_bytes

    @property
    def sizes(self) -> str:
        """Bytes that went in and came out."""
        return f"{console.human_size(self.source_bytes)} -> {console.human_size(self.output_bytes)}"

    def line(self, verb: str) -> str:
        """The last line of a run over folders."""
        words = {
            "current": "current",
            "exists": "existed",
            "larger": "not smaller",
            "planned": "to do",
            "failed": "failed",
        }
        seconds, done = time.perf_counter() - self.start, self.counts.get("done", 0)
        parts = [f"{done} {verb}"]
        if done:
            ratio = self.output_bytes / max(self.source_bytes, 1)
            parts[0] += f", {self.sizes} ({100 * ratio:.1f} %), {seconds:.1f} s, {done / seconds:.1f} a second"
        parts += [f"{self.counts[what]} {word}" for what, word in words.items() if what in self.counts]
        return "; ".join(parts)


@contextmanager
def _progress(inputs: int, total: _Total, *, show: bool) -> Iterator[Callable[[], None]]:
    """Show how far the run is, how fast, how many bytes went in and came out; what this yields brings it up to date."""
    if not show:
        yield lambda: None
        return
    with console.counter() as tick:
        tick(0, inputs, "")

        def update() -> None:
            done = sum(total.counts.values())
            rate = done / (time.perf_counter() - total.start)
            tick(done, inputs, f"{rate:.1f}/s  {total.sizes}")

        yield update
