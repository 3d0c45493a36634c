"""The work on one input, the same in this process, in a pool of processes, and on a cluster."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from lcodec.atomic import copy_status
from lcodec.cli.batch import files, record
from lcodec.cli.batch.coding import Coding
from lcodec.cli.batch.files import Job
from lcodec.cli.batch.report import Report
from lcodec.cli.console import Progress, as_lcodec_error, no_progress
from lcodec.cli.options import FolderOptions
from lcodec.errors import LimitError, UsageError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas

__all__ = ["Failure", "Outcome", "Task", "lost", "work"]


@dataclass(frozen=True)
class Task:
    """One input, and all that is needed to work on it anywhere."""

    job: Job
    coding: Coding
    many: FolderOptions
    force: bool
    known: frozenset[str] = frozenset()  #: the lines that the record has of the output


@dataclass(frozen=True)
class Failure:
    """Why there is no output."""

    message: str  #: one line
    exit_code: int
    full: bool = False  #: no room is left on the disk: the other outputs would fail as well


@dataclass(frozen=True)
class Outcome:
    """What came of a task. Done: the output was written. Current: it was there already, as it should be.

    Exists: something is there, and --skip-existing left it. Larger: the output would not be smaller than the input.
    Planned: with --dry-run, it would have been worked on.
    """

    task: Task
    what: Literal["done", "current", "exists", "larger", "planned", "failed"]
    source_bytes: int = 0
    report: Report | None = None  #: with done
    failure: Failure | None = None  #: with failed


def lost(task: Task) -> Outcome:
    """Return the outcome of a task that took a process with it."""
    message = "the process that worked on it died, and again when it worked on nothing else (out of memory?)"
    return Outcome(task, "failed", failure=Failure(message, LimitError.exit_code))


def work(task: Task, progress: Progress = no_progress) -> Outcome:
    """Make the output of an input, if it is not there as it should be. Errors of the input are returned, not raised."""
    try:
        return _work(task, progress)
    except BrokenPipeError:
        raise
    except Exception as caught:  # also a fault of the program: one input must not cost the others
        error = as_lcodec_error(caught, task.job)
        return Outcome(task, "failed", failure=Failure(str(error), error.exit_code, _is_full(caught)))


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that the disk or the user's share of it is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def _work(task: Task, progress: Progress) -> Outcome:
    start = time.perf_counter()
    job, many, root = task.job, task.many, task.job.root
    if job.refused:
        raise UsageError(job.refused)
    if many.skip_existing and _is_there(job):
        return Outcome(task, "exists")
    unrecorded = root is not None and not task.force and not task.known and _is_there(job)
    source_digest = ""
    if job.source is not None:
        job.source.stat()  # or the folder of an input that is not there would be taken for one that is to be written to
    # What exists below a root is looked at.
    come = many.dry_run and not job.named
    files.refuse_target(job, force=task.force or root is not None, folder_to_come=come)
    with files.open_input(job, task.coding.drain) as source:
        size = source.seek(0, 2)
        source.seek(0)
        if root is not None:
            source_digest = record.digest_file(source)
            if not task.force:
                there = _digest_of_output(task)
                if what := _finished(task, source_digest, there):
                    return Outcome(task, what, size)
                if _is_changed(task, there):
                    raise UsageError(f"{job.target} was changed since it was made (-f overwrites)")
            files.refuse_folder((job.target or root).parent, f"write {job.target}")
            record.refuse(root)
        if many.dry_run and not unrecorded:  # of those, only the coded file tells what would come
            task.coding.check(source)
            return Outcome(task, "planned", size)
        coded = task.coding.code(source, progress)

    def add(made: str | None) -> None:
        if root is not None and not many.dry_run:
            record.add(root, record.line(job, source_digest, task.coding.settings, made))

    if many.if_smaller and (len(coded.data) >= size or coded.keep_lossless):
        add(None)
        return Outcome(task, "larger", size)
    made = "" if root is None else record.digest(coded.data)
    alike = unrecorded and _must_be_alike(job, len(coded.data), made)
    add(made)  # before the output has its name
    if alike or many.dry_run:
        return Outcome(task, "current" if alike else "planned", size)
    kept = files.write(job, coded.data, force=task.force or root is not None, preserve=many.preserve)
    seconds = time.perf_counter() - start
    report = Report(coded.header, coded.model, len(coded.data), seconds, [*coded.notes, *kept], coded.found)
    return Outcome(task, "done", size, report)


def _is_there(job: Job) -> bool:
    """Whether the output's name is taken, be it by a link that leads nowhere."""
    return job.target is not None and os.path.lexists(job.target)


def _digest_of_output(task: Task) -> str | None:
    """SHA-256 of what stands in the place of a recorded output; None where nothing does, or nothing is recorded."""
    if task.job.target is None or not task.known or not task.job.target.exists():
        return None
    with task.job.target.open("rb") as file:
        return record.digest_file(file)


def _finished(task: Task, source_digest: str, there: str | None) -> Literal["current", "larger"] | None:
    """Say whether an earlier run finished just this, and the output, of digest `there`, is still as it was made."""
    job, settings = task.job, task.coding.settings
    if job.source is None or job.target is None:
        return None
    if not job.target.exists():
        left_out = task.many.if_smaller and record.line(job, source_digest, settings, None) in task.known
        return "larger" if left_out else None
    if there is None or record.line(job, source_digest, settings, there) not in task.known:
        return None
    if task.many.preserve and not task.many.dry_run:
        copy_status(job.source, job.target)
    return "current"


def _is_changed(task: Task, there: str | None) -> bool:
    """Whether a recorded output is whole, but not what was recorded: not damage, but someone's work."""
    if task.job.target is None or there is None or any(there == json.loads(item).get("made") for item in task.known):
        return False
    with task.job.target.open("rb") as file:
        return task.coding.is_whole(file)


def _must_be_alike(job: Job, size: int, made: str) -> bool:
    """Return whether an unrecorded output is there, which must be the very one that would be written.

    Raises:
        UsageError: it is not; it may be the user's only one.
    """
    if job.target is None:
        return False
    with suppress(FileNotFoundError), job.target.open("rb") as file:  # a link that leads nowhere
        if os.fstat(file.fileno()).st_size == size and record.digest_file(file) == made:
            return True
    raise UsageError(f"{job.target} exists, and no record says that it was made of this input (-f overwrites)")
