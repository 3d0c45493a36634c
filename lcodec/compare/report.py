"""From results to means, BD-rates, tables and data files.

Every mean is over the same pictures for all settings of a codec: a picture that a codec failed on at any setting is
left out of all of that codec's means, and BD-rates are refused between codecs whose means are over different pictures.
A metric's means are over the same pictures for all codecs too, and a curve's rates are means over just these.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lcodec import __version__
from lcodec.atomic import write_whole
from lcodec.compare.bd_rate import bd_rate
from lcodec.compare.codecs import open_codec
from lcodec.compare.evaluate import Result
from lcodec.compare.pictures import LeftOut, Photo
from lcodec.compare.sets import ENDS, Judged, judged
from lcodec.legible import legible, to_json
from lcodec.metrics import MEASURES
from lcodec.metrics.sets import SET_MEASURES, Figure

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Delta", "Mean", "Report", "point", "tables", "write_data"]


@dataclass(frozen=True)
class Mean:
    """The means over pictures of a codec at a setting."""

    codec: str
    setting: float
    pictures: int
    bytes: float
    bpp: float
    encode_s: float
    decode_s: float
    metrics: dict[str, float | None]  #: over those of the pictures that the metric is not left out of; None: no mean
    metric_bpp: dict[str, float | None]  #: bits per pixel of these alone, which belong to that mean on a curve


@dataclass(frozen=True)
class Delta:
    """A BD-rate, or why there is none."""

    metric: str
    codec: str
    anchor: str
    percent: float | None  #: more bits than the anchor needs for the same quality; negative: fewer
    low: float | None  #: the range of qualities, on the axis of the metric's curves
    high: float | None
    refused: str | None

    def __str__(self) -> str:
        """Return for example `-18.0 % (26.1..40.6)`."""
        if self.percent is None:
            return f"none: {self.refused}"
        return f"{self.percent:+.1f} % ({self.low:.1f}..{self.high:.1f})"


@dataclass(frozen=True)
class Report:
    """All that is known after a run."""

    photos: list[Photo]
    left_out: list[LeftOut]
    codecs: list[str]
    missing: dict[str, str]  #: codecs and metrics that are not at hand -> how to get them
    metrics: list[str]
    results: list[Result]
    set_metrics: list[str] = field(default_factory=list)  #: measures of all pictures together
    set_results: list[Result] = field(default_factory=list)  #: for each codec and setting

    def means(self) -> list[Mean]:
        """Return the means of each codec and setting, in the order of the results."""
        failed = {(result.codec, result.digest) for result in self.results if result.error}
        groups: dict[tuple[str, float], list[Result]] = {}
        for result in self.results:
            if (result.codec, result.digest) not in failed:
                groups.setdefault((result.codec, result.setting), []).append(result)
        without = {metric: self.without(metric) for metric in self.metrics}
        return [_mean(group, without) for group in groups.values()]

    def pictures_of(self, codec: str, metric: str) -> set[str]:
        """Return the digests of the pictures that a codec's means of a metric are over."""
        own = [result for result in self.results if result.codec == codec]
        failed = {result.digest for result in own if result.error}
        return {result.digest for result in own} - failed - self.without(metric)

    def without(self, metric: str) -> set[str]:
        """Return the digests of the pictures that are left out of all means of a metric.

        They are those for which it is not defined everywhere: too small, or coded without loss by one codec at one
        setting. Where that would leave none, as of a single picture, only those go for which it is defined nowhere, and
        a setting at which it is not defined for all others has no mean instead.
        """
        done = [result for result in self.results if not result.error]
        gaps = {result.digest for result in done if result.metrics[metric] is None}
        if gaps < {result.digest for result in done}:
            return gaps
        return gaps - {result.digest for result in done if result.metrics[metric] is not None}

    def remarks(self) -> list[str]:
        """Say of each metric which pictures are left out of it, where some are."""
        said = []
        for metric in self.metrics:
            without, title = self.without(metric), MEASURES[metric].title.partition(",")[0]
            if names := ", ".join(photo.name for photo in self.photos if photo.digest in without):
                said.append(f"left out of {title}: {names}: too small for it, or coded without loss at a setting")
        return said

    def figures(self) -> list[Figure]:
        """Return what the measures of all pictures together consist of."""
        return [figure for name in self.set_metrics for figure in SET_MEASURES[name].figures]

    def judged(self) -> list[tuple[Result, list[Judged]]]:
        """Return the figures of all pictures together, of each codec and setting that did not fail."""
        names = [figure.name for figure in self.figures()]
        return [(result, judged(result, names)) for result in self.set_results if not result.error]

    def deltas(self) -> list[Delta]:
        """Return the BD-rates of each codec against each other, by each metric."""
        curves: dict[str, list[Mean]] = {codec: [] for codec in self.codecs}
        for mean in self.means():
            curves[mean.codec].append(mean)
        pairs = [(codec, anchor) for anchor in self.codecs for codec in self.codecs if codec != anchor]
        deltas = []
        for metric in self.metrics:
            over = {codec: self.pictures_of(codec, metric) for codec in self.codecs}
            for codec, anchor in pairs:
                if over[codec] == over[anchor]:
                    deltas.append(_delta(metric, codec, anchor, curves))
                else:
                    why = "their means are over different pictures"
                    deltas.append(Delta(metric, codec, anchor, None, None, None, why))
        return deltas

    def record(self) -> dict[str, Any]:
        """Return everything as JSON would have it."""
        return {
            "lcodec": __version__,
            "pictures": [
                {"name": p.name, "digest": p.digest, "width": p.width, "height": p.height, "note": p.note}
                for p in self.photos
            ],
            "left_out": [{"name": item.name, "reason": item.reason} for item in self.left_out],
            "codecs": [_describe(name) for name in self.codecs],
            "missing": self.missing,
            "metrics": [
                {
                    "name": name,
                    "title": MEASURES[name].title,
                    "definition": MEASURES[name].definition,
                    "left_out": sorted(self.without(name)),
                }
                for name in self.metrics
            ],
            "set_metrics": [asdict(figure) for figure in self.figures()],
            "sets": [
                {
                    "codec": result.codec,
                    "setting": result.setting,
                    "bpp": result.bpp,
                    "figures": {each.figure: each.record() for each in found},
                }
                for result, found in self.judged()
            ],
            "means": [asdict(mean) for mean in self.means()],
            "bd_rates": [asdict(delta) for delta in self.deltas()],
            "results": [asdict(result) for result in self.results],
        }


def _delta(metric: str, codec: str, anchor: str, curves: dict[str, list[Mean]]) -> Delta:
    try:
        result = bd_rate(*_curve(metric, curves[codec]), *_curve(metric, curves[anchor]))
    except ValueError as error:
        return Delta(metric, codec, anchor, None, None, None, str(error))
    return Delta(metric, codec, anchor, result.percent, result.low, result.high, None)


def _describe(name: str) -> dict[str, str]:
    codec = open_codec(name)
    return {"name": name, "title": codec.title, "scale": codec.scale, "version": codec.version()}


def _mean(group: list[Result], without: dict[str, set[str]]) -> Mean:
    metrics: dict[str, float | None] = {}
    metric_bpp: dict[str, float | None] = {}
    for metric, left_out in without.items():
        own = [result for result in group if result.digest not in left_out]
        values = [value for result in own if (value := result.metrics[metric]) is not None]
        whole = bool(own) and len(values) == len(own)
        metrics[metric] = fmean(values) if whole else None
        metric_bpp[metric] = fmean(result.bpp for result in own) if whole else None
    return Mean(
        codec=group[0].codec,
        setting=group[0].setting,
        pictures=len(group),
        bytes=fmean(result.bytes for result in group),
        bpp=fmean(result.bpp for result in group),
        encode_s=fmean(result.encode_s for result in group),
        decode_s=fmean(result.decode_s for result in group),
        metrics=metrics,
        metric_bpp=metric_bpp,
    )


def point(mean: Mean, metric: str) -> tuple[float, float] | None:
    """Return a mean's bits per pixel and its place on the axis of the metric's curves; None where it has none."""
    bpp, value = mean.metric_bpp[metric], mean.metrics[metric]
    if bpp is None or value is None:
        return None
    scaled = MEASURES[metric].scale(value)
    return (bpp, scaled) if math.isfinite(scaled) else None


def _curve(metric: str, means: list[Mean]) -> tuple[list[float], list[float]]:
    points = [found for mean in means if (found := point(mean, metric)) is not None]
    return [bpp for bpp, _ in points], [value for _, value in points]


# ------------------------------------------------------------------------------------------------------------ tables


def tables(report: Report) -> list[Table]:
    """Return the means, and the BD-rates against the first codec, for a terminal."""
    from rich.table import Table
    from rich.text import Text  # names are not markup

    fewer = {name: f" ({len(gone)} left out)" for name in report.metrics if (gone := report.without(name))}
    columns: list[str] = []
    for name in report.metrics:  # a metric of fewer pictures stands beside their own rate
        columns += [f"bits/pixel{fewer[name]}"] if name in fewer else []
        columns.append(MEASURES[name].title + fewer.get(name, ""))
    means = Table(title=f"Means over the pictures ({len(report.photos)}), whole files")
    means.add_column("codec")
    for heading in ("setting", "bits/pixel", *columns, "encode, s", "decode, s"):
        means.add_column(heading, justify="right")
    last = None
    for mean in report.means():
        if last not in (None, mean.codec):
            means.add_section()
        title = open_codec(mean.codec).title
        if mean.pictures != len(report.photos):
            title += f" ({mean.pictures} pictures)"
        values = []
        for name in report.metrics:
            values += [_format(mean.metric_bpp[name], 3)] if name in fewer else []
            values.append(_format(mean.metrics[name], MEASURES[name].digits))
        times = (f"{mean.encode_s:.3f}", f"{mean.decode_s:.3f}")
        means.add_row(
            "" if last == mean.codec else Text(title), f"{mean.setting:g}", f"{mean.bpp:.3f}", *values, *times
        )
        last = mean.codec
    together = [_set_table(report)] if report.set_results else []
    if len(report.codecs) < 2:
        return [means, *together]
    anchor = report.codecs[0]
    deltas = Table(title=Text(f"BD-rate against {open_codec(anchor).title}, and its range; negative: fewer bits"))
    deltas.add_column("codec")
    for name in report.metrics:
        deltas.add_column(f"by {MEASURES[name].title.partition(',')[0]}", justify="right")
    found = {(delta.codec, delta.metric): delta for delta in report.deltas() if delta.anchor == anchor}
    for codec in report.codecs[1:]:
        deltas.add_row(Text(open_codec(codec).title), *(str(found[codec, name]) for name in report.metrics))
    return [means, *together, deltas]


def _set_table(report: Report) -> Table:
    """The figures of all pictures together."""
    from rich.table import Table
    from rich.text import Text

    figures = {figure.name: figure for figure in report.figures()}
    table = Table(title="All pictures together, with 95 % intervals")
    table.add_column("codec")
    for heading in ("setting", "bits/pixel", *(figure.title for figure in figures.values())):
        table.add_column(heading, justify="right")
    last = None
    for result, found in report.judged():
        cells = {each.figure: each.shown(figures[each.figure].digits) for each in found}
        title = Text("" if last == result.codec else open_codec(result.codec).title)
        table.add_row(title, f"{result.setting:g}", f"{result.bpp:.3f}", *(cells.get(name, "-") for name in figures))
        last = result.codec
    return table


def _format(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


# ------------------------------------------------------------------------------------------------------- data files


def write_data(report: Report, folder: Path) -> None:
    """Write report.json, pictures.csv (every result), means.csv, bd-rates.csv, and sets.csv where sets were judged."""
    write_whole(folder / "report.json", to_json(report.record(), indent=1).encode(), replace=True)
    names = {photo.digest: photo.name for photo in report.photos}
    rows: list[Iterable[Any]] = [
        ("picture", "codec", "setting", "bytes", "bpp", *report.metrics, "encode_s", "decode_s", "error")
    ]
    for r in report.results:
        values = [_number(r.metrics.get(name)) for name in report.metrics]
        head = (names[r.digest], r.codec, f"{r.setting:g}", r.bytes, _number(r.bpp))
        rows.append((*head, *values, f"{r.encode_s:.4f}", f"{r.decode_s:.4f}", r.error or ""))
    _write_csv(folder / "pictures.csv", rows)
    rates = [f"{name}_bpp" for name in report.metrics]
    rows = [("codec", "setting", "pictures", "bytes", "bpp", *report.metrics, *rates, "encode_s", "decode_s")]
    for m in report.means():
        values = [_number(found[name]) for found in (m.metrics, m.metric_bpp) for name in report.metrics]
        size = (m.pictures, f"{m.bytes:.1f}", _number(m.bpp))
        rows.append((m.codec, f"{m.setting:g}", *size, *values, f"{m.encode_s:.4f}", f"{m.decode_s:.4f}"))
    _write_csv(folder / "means.csv", rows)
    rows = [("metric", "codec", "anchor", "percent", "low", "high", "refused")]
    for d in report.deltas():
        rows.append((d.metric, d.codec, d.anchor, *map(_number, (d.percent, d.low, d.high)), d.refused or ""))
    _write_csv(folder / "bd-rates.csv", rows)
    if report.set_results:
        columns = [f"{figure.name}{end}" for figure in report.figures() for end in ENDS]
        rows = [("codec", "setting", "bpp", *columns, "error")]
        for r in report.set_results:
            numbers = (_number(r.metrics.get(name)) for name in columns)
            rows.append((r.codec, f"{r.setting:g}", _number(r.bpp), *numbers, r.error or ""))
        _write_csv(folder / "sets.csv", rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _write_csv(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([legible(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    write_whole(path, text.getvalue().encode(), replace=True)
