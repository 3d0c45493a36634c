"""`python -m benchmarks.talk [NAME...]`: the talk's figures, all of them or those named, and the page that shows them.

Each figure is a module of this package; ORDER is that of the talk. One that lacks what it needs (photos, torch) is
passed over with a line that says so. Writes NAME.csv and NAME.svg for each, and `talk.html`, which shows every figure
that the folder has, older ones too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from benchmarks.talk.common import OUT, Figure, Given
from benchmarks.talk.page import write_page
from lcodec.errors import LcodecError

ORDER = (
    "transforms",
    "klt",
    "banana",
    "quantisation",
    "one_model",
    "hyperprior",
    "years",
    "complexity",
    "pair",
    "blind_spots",
    "realism_curve",
    "divergence",
    "macadam",
    "slowness",
    "elo",
)


def figures(names: Iterable[str] = ORDER) -> list[Figure]:
    """Return the figures of these names."""
    return [import_module(f"benchmarks.talk.{name}").FIGURE for name in names]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 1 where a figure failed, or lacked something and was named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.talk", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ORDER)}; all without it")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="folder to write to (%(default)s)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of test photos, such as Kodak's 24")
    parser.add_argument("--train", type=Path, nargs="+", default=[], metavar="DIR", help="photos to train on")
    parser.add_argument("--pairs", type=Path, nargs="+", default=[], metavar="DIR", help="frames a moment apart")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in ORDER]
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(ORDER)}")
    for folder in (asked.photos, *asked.train, *asked.pairs):
        if folder is not None and not folder.exists():
            parser.error(f"{folder} does not exist")
    given = Given(asked.out, asked.photos, tuple(asked.train), tuple(asked.pairs))
    wanted = figures(name for name in ORDER if name in asked.names or not asked.names)
    failed = 0
    for number, figure in enumerate(wanted, 1):
        head = f"{number}/{len(wanted)} {figure.name}:"
        lacking = figure.lacks(given)
        if lacking:
            print(f"{head} passed over, it needs {' and '.join(lacking)}", file=sys.stderr)
            failed += bool(asked.names)
            continue
        print(f"{head} {figure.title}", file=sys.stderr)
        started = time.monotonic()
        try:
            figure.run(given)
        except (LcodecError, OSError, SystemExit) as error:
            print(f"{head} {error}", file=sys.stderr)
            failed += 1
        else:
            print(f"{head} {figure.name}.svg written, {time.monotonic() - started:.0f} s", file=sys.stderr)
    page = write_page(figures(), given.out)
    print(f"{page}: written", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
