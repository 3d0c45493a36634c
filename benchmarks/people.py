"""`python -m benchmarks.people`: how well each metric agrees with people, on up to three sets of their opinions.

`--photos DIR`, the Kodak photos: mean opinions of JPEG and JPEG 2000 (MICT), rebuilt from the photos.
`--votes DIR`, two repositories that the user fetched: which of two pictures looks more natural.
`--bapps DIR`, the folder of BAPPS: which of two patches is nearer, and whether two are the same. This is only printed.

Measures every metric that is installed, or those of `--metric`; rows of others stay in the results. Then, or without
any set, puts the results into `docs/people.md`. MICT is for development; nothing is tuned on the votes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.common import RESULTS, ROOT, read_rows, show, splice, spread, write_rows
from benchmarks.opinions import bapps, mict, naturalness
from benchmarks.opinions.chart import write_chart
from benchmarks.opinions.scores import at_hand, defined
from lcodec.metrics import MEASURES

MICT = RESULTS / "people-mict.csv"
VOTES = RESULTS / "people-votes.csv"
TALK = Path(__file__).with_name("published-people.csv")
PAGE = ROOT / "docs" / "people.md"
CHART = RESULTS / "people-votes.svg"
#: The set of pairs that the picture shows.
DRAWN = "hific-hevc"

#: Judges of the votes that are people: what they are called.
PEOPLE = {"ceiling": "what most people chose", "one-voter": "one person, among the others"}

Rows = list[dict[str, str]]


# -------------------------------------------------------------------------------------------------------- measuring


def measure_mict(photos: Path, names: list[str], jobs: int) -> Rows:
    """Measure on MICT.

    Raises:
        SystemExit: the rebuild is not what it should be.
    """
    codings = mict.rated()
    tasks = [(coding, mict.photo_of(coding, photos), names) for coding in codings]
    rows = list(mict.rows(codings, list(spread(mict.scores_of, tasks, jobs, "MICT"))))
    for row in rows:
        expected, found = mict.EXPECTED.get(row["metric"]), float(row["spearman"])
        if expected is not None:
            print(f"check of the rebuild: Spearman of {row['metric']} {found:.3f}, expected {expected:.2f}")
            if abs(found - expected) > mict.TOLERANCE:
                raise SystemExit("the rebuilt pictures are not those that were judged: nothing is written")
    return rows


def measure_votes(folder: Path, names: list[str], jobs: int) -> Rows:
    """Measure on the votes of naturalness."""
    pairs = naturalness.pairs(folder)
    originals = naturalness.originals(pairs)
    tasks = [(shown, original, names) for shown, original in originals.items()]
    scores = dict(zip(originals, spread(naturalness.scores_of, tasks, jobs, "votes"), strict=True))
    measured = list(defined(names, scores.values()))
    kept = {path: {name: found[name] for name in measured} for path, found in scores.items()}
    return list(naturalness.rows(pairs, naturalness.judges(pairs, kept)))


def measure_bapps(folder: Path, names: list[str], jobs: int) -> Rows:
    """Measure on BAPPS: a row a metric, in percent, for each subset and the mean of each kind's; NaN: not defined."""
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for kind, subset in bapps.subsets(folder):
        questions = bapps.tasks(kind, subset, names)
        said = bapps.people_said(kind, subset)
        answers = list(spread(bapps.scores_of, questions, jobs, f"{kind} {subset.name}"))
        for name, figures in found.items():
            figures[f"{kind} {subset.name}"] = bapps.rate(kind, [each[name] for each in answers], said)
    for figures in found.values():
        for kind in bapps.FOLDERS:
            of_kind = [value for column, value in figures.items() if column.startswith(f"{kind} ")]
            if of_kind:
                figures[kind] = sum(of_kind) / len(of_kind)
    return [
        {"metric": name} | {column: f"{100 * value:.2f}" for column, value in figures.items()}
        for name, figures in found.items()
    ]


def keep(path: Path, rows: Rows) -> None:
    """Write rows, and keep those that the file has of other metrics; in the order of reports."""
    order = [*PEOPLE, mict.SSIM, *MEASURES]
    new = {row["metric"] for row in rows}
    kept = [row for row in read_rows(path) if row["metric"] not in new and row["metric"] in order]
    write_rows(path, sorted([*kept, *rows], key=lambda row: order.index(row["metric"])))


# ----------------------------------------------------------------------------------------------------------- tables


def mict_table(rows: Rows) -> str:
    """Format the results on MICT as Markdown, the best first."""
    lines = [
        "| metric | Spearman | Kendall | Spearman, JPEG alone | JPEG 2000 alone |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: -float(row["spearman"])):
        kinds = " | ".join(f"{float(row[f'spearman_{kind}']):.3f}" for kind in ("jpg", "jp2"))
        lines.append(f"| {_title(row)} | {_interval(row, 'spearman')} | {_interval(row, 'kendall')} | {kinds} |")
    return "\n".join(lines)


def votes_table(rows: Rows) -> str:
    """Format the results on the votes as Markdown: people, then metrics, the best between methods first."""
    of_metrics: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        of_metrics.setdefault(row["metric"], {})[row["set"]] = row
    heads = [f"{each['set']} ({each['pairs']})" for each in next(iter(of_metrics.values())).values()]
    lines = ["| who chooses | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]

    def place(metric: str) -> tuple[int, float]:
        return (0 if metric in PEOPLE else 1, -float(of_metrics[metric]["between-methods"]["score"]))

    for metric in sorted(of_metrics, key=place):
        sets = of_metrics[metric].values()
        lines.append(f"| {_title(next(iter(sets)))} | " + " | ".join(_interval(row, "score") for row in sets) + " |")
    return "\n".join(lines)


def talk_table(rows: Rows) -> str:
    """Format what is published on BAPPS as Markdown."""
    lines = ["| metric | 2AFC, % | JND, % |", "|---|---:|---:|"]
    return "\n".join(
        lines + [f"| {row['metric']} | {row['two_alternatives']} | {row['just_noticeable']} |" for row in rows]
    )


def _title(row: dict[str, str]) -> str:
    metric = row["metric"]
    return f"*{PEOPLE[metric]}*" if metric in PEOPLE else f"`{metric}`"


def _interval(row: dict[str, str], name: str) -> str:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.3f} ({low:.2f}..{high:.2f})"


#: Name of a marked place of the page -> the results that it shows, and how.
TABLES: dict[str, tuple[Path, Callable[[Rows], str]]] = {
    "mict": (MICT, mict_table),
    "votes": (VOTES, votes_table),
    "talk": (TALK, talk_table),
}


def page(text: str) -> str:
    """Return the text of the page with the committed results in it."""
    for name, (path, table) in TABLES.items():
        text = splice(text, table(read_rows(path)), name)
    return text


def draw(target: Path) -> None:
    """Draw the page's picture of the committed results."""
    write_chart([row for row in read_rows(VOTES) if row["set"] == DRAWN], PEOPLE, target)


# ---------------------------------------------------------------------------------------------------------- command


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.people", description=__doc__)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="the Kodak photos: measure on MICT")
    parser.add_argument("--votes", type=Path, metavar="DIR", help="subjective_test and gan-image-database lie there")
    parser.add_argument("--bapps", type=Path, metavar="DIR", help="2afc and jnd lie there")
    parser.add_argument("--metric", dest="metrics", action="append", default=[], metavar="NAME", help="may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    options = parser.parse_args(None if arguments is None else list(arguments))
    names = at_hand(options.metrics) if options.photos or options.votes or options.bapps else []
    for folder, measure, path, table in (
        (options.photos, measure_mict, MICT, mict_table),
        (options.votes, measure_votes, VOTES, votes_table),
    ):
        if folder is not None:
            rows = measure(folder, names, options.jobs)
            keep(path, rows)
            print(table(rows))
    if options.bapps is not None:
        rows = measure_bapps(options.bapps, names, options.jobs)
        show(rows, {column: column for column in rows[0]}, "BAPPS, %")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw(CHART)


if __name__ == "__main__":
    main()
