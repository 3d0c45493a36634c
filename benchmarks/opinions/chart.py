"""The picture of `docs/people.md`: on pairs of HiFiC and HEVC, whom each metric sides with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["write_chart"]

COIN = 0.5


def write_chart(rows: Sequence[Mapping[str, str]], titles: Mapping[str, str], target: Path) -> None:
    """Draw scores with their intervals as an SVG, the best at the top.

    Args:
        rows: results of one set of pairs: metric, score, score_low, score_high.
        titles: what to call some of the metrics.
        target: the file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: float(row["score"]))
    figure = Figure(figsize=(8, 0.6 + 0.32 * len(ordered)))
    axes = figure.add_axes((0.3, 0.17, 0.67, 0.8))  # a fixed place: coordinates must not depend on a font
    axes.axvline(COIN, color="#868e96", linestyle="--", linewidth=1)
    for place, row in enumerate(ordered):
        colour = "#1c7ed6" if float(row["score"]) > COIN else "#e03131"
        low, value, high = (float(row[name]) for name in ("score_low", "score", "score_high"))
        axes.plot([low, value, high], [place] * 3, color=colour, marker="o", markevery=[1], gid=f"of-{row['metric']}")
    axes.set_yticks(range(len(ordered)), [titles.get(row["metric"], row["metric"]) for row in ordered])
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of people's votes that agree; 0.5: a coin")
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "lcodec"}):  # else its ids differ every time
        figure.savefig(target, format="svg", metadata={"Date": None})
