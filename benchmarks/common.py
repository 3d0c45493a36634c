"""What the benchmarks share: photos, models by name, processes, tables of results as CSV and on the terminal.

The standard library alone is imported here. On Linux the peak memory of a child counts that of the process that started
it, so whoever measures memory stays small; all else is imported where it is used.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lcodec.index import Entry
    from lcodec.zoo import Model, Zoo

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
MODELS = ROOT / "models"
KODAK_PHOTOS = 24
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}

T = TypeVar("T")
R = TypeVar("R")


# ------------------------------------------------------------------------------------------------ photos and models


def photos_of(folder: Path, every: int = 1) -> list[Path]:
    """Return every N-th photo of a folder, 2.png before 10.png.

    Raises:
        SystemExit: there is none.
    """
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES] if folder.is_dir() else []
    if not found:
        raise SystemExit(f"no photos in {folder}")
    return sorted(found, key=lambda photo: (len(photo.name), photo.name))[::every]


@cache
def open_model(wanted: str) -> tuple[Zoo, Model]:
    """Load a model by its name or the path of its file, and a zoo in which the decoder finds it again.

    The folder of a model file needs the `index.json` that the export writes beside it. A process loads a model once.
    """
    from lcodec.zoo import Zoo

    path = Path(wanted)
    zoo = Zoo([path.parent]) if path.suffix else Zoo()
    return zoo, zoo.load(wanted)


def open_listed(path: Path) -> tuple[Entry, Model]:
    """Load a model file beside its index.json: what the index says of it, and the model.

    Raises:
        SystemExit: no index names it.
    """
    from lcodec.zoo import Zoo

    zoo = Zoo([path.parent])
    entry = next((entry for entry in zoo.entries() if entry.path == path), None)
    if entry is None:
        raise SystemExit(f"{path} is in no index.json beside it")
    return entry, zoo.load(entry.name)


def add_arrays(entry: Entry, model: Model, arrays: dict[str, Any]) -> None:
    """Write a listed model's file and its entry once more, with these arrays besides or in place of its own."""
    from lcodec.training.export import write_model

    card = entry.path.with_suffix(".md").read_text(encoding="utf-8")
    write_model(entry.path.parent, entry.name, model.goal, entry.summary, model.arrays | arrays, card)


def label_of(model: Model) -> str:
    """Return the name and the identity of a model, as results name it."""
    return f"{model.name} {model.entropy_id.hex()}-{model.synthesis_id.hex()}"


def shipped(*, generative: bool = False) -> dict[str, str]:
    """Name of each shipped model that codes, or of each generative one, and how results name it: its name and ids."""
    entries = json.loads((MODELS / "index.json").read_text(encoding="utf-8"))["models"]
    return {
        entry["name"]: f"{entry['name']} {entry['entropy_id']}-{entry['synthesis_id']}"
        for entry in entries
        if entry.get("synthesis_only", False) == generative
    }


def results_of(model: str, benchmark: str = "kodak") -> Path:
    """File of a model's results."""
    return RESULTS / f"{benchmark}-{Path(model).stem}.csv"


# --------------------------------------------------------------------------------------------- the command's options


def parser_of(name: str, description: str | None, *, jobs: bool = False, model: bool = True) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that codes the photos of a folder: --photos, and --model and --jobs."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="folder of photos")
    if model:
        from lcodec.defaults import MODEL

        parser.add_argument("--model", default=MODEL, help="name of an installed model, or path of a model file")
    if jobs:
        parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    return parser


def add_out(parser: argparse.ArgumentParser, default: Path | None, what: str = "CSV file to write") -> None:
    """Add --out."""
    shown = default.relative_to(ROOT) if default else "by the model's name, in benchmarks/results"
    parser.add_argument("--out", type=Path, default=default, help=f"{what} ({shown})")


# -------------------------------------------------------------------------------------------------------- processes


def keeping_bytecode() -> dict[str, str]:
    """Return the environment for timed processes of lcodec: compiled modules are kept, as where it is installed.

    Under PYTHONDONTWRITEBYTECODE a process in a checkout compiles all of them: 0.15 s where it decodes in 1.1 s.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def spread(work: Callable[[T], R], tasks: Sequence[T], jobs: int, what: str = "coding") -> Iterator[R]:
    """Work on tasks in other processes, with a bar on standard error; results come in the order of the tasks.

    Even one job gets a process of its own, so that every figure is measured in the same way.
    """
    from rich.console import Console
    from rich.progress import track

    from lcodec.processes import in_order

    results = in_order(work, tasks, max(1, jobs))
    yield from track(results, what, len(tasks), console=Console(stderr=True))


# ------------------------------------------------------------------------------------------------ tables of results


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as CSV."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a CSV file, each as soon as it is there: a run that is cut off can go on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        for row in rows:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def show(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], title: str = "") -> None:
    """Print some columns of rows under other heads."""
    from rich.console import Console
    from rich.table import Table

    printed = Table(*columns.values(), title=title)
    for row in rows:
        printed.add_row(*(str(row[column]) for column in columns))
    Console().print(printed)


def of_times(seconds: Sequence[float], digits: int) -> dict[str, str]:
    """Return the columns for repeated runs of one thing: their number, and median, least and most seconds."""
    return {"runs": str(len(seconds))} | {
        name: f"{value:.{digits}f}"
        for name, value in (
            ("seconds", statistics.median(seconds)),
            ("fastest_s", min(seconds)),
            ("slowest_s", max(seconds)),
        )
    }


def splice(text: str, between: str, name: str = "kodak") -> str:
    """Return `text` with what stands between the markers of a name replaced.

    Raises:
        ValueError: the markers do not stand there exactly once each, in their order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the text needs {begin} and then {end}, once each")
    before, after = text.split(begin, maxsplit=1)[0], text.split(end)[1]
    return f"{before}{begin}\n{between}\n{end}{after}"
