"""Catching up in PSNR: bits of learned codecs by their year, at equal PSNR on Kodak, among the classical ones.

Curves are those of `benchmarks.published` and of the committed results of the shipped models that were trained for
squared error; each becomes its BD-rate against BPG (`lcodec.compare.bd_rate`) over the qualities that it shares with
BPG's curve.
"""

from __future__ import annotations

from benchmarks.common import results_of, shipped, write_rows
from benchmarks.published import Curve, rival
from benchmarks.report import curve, read_results
from benchmarks.talk.common import COLOURS, Figure, Given, panels, save

ANCHOR = "bpg-444"
#: Name in `published.json`, what the figure calls it, and the year of the standard or of the first release.
CLASSICAL = (
    ("jpeg-420", "JPEG", 1992),
    ("jpeg2000", "JPEG 2000", 2000),
    ("webp", "WebP", 2010),
    ("bpg-444", "BPG", 2014),
    ("avif-444", "AVIF", 2019),
    ("vtm", "VTM (VVC)", 2020),
)
#: Likewise, and the year in which the paper appeared. Weights of the first five are CompressAI's.
LEARNED = (
    ("bmshj2018-factorized", "factorized prior", 2018),
    ("bmshj2018-hyperprior", "hyperprior", 2018),
    ("mbt2018-mean", "mean & scale", 2018),
    ("mbt2018", "+ context", 2018),
    ("cheng2020-anchor", "Cheng", 2020),
    ("minnen2020", "channel-wise", 2020),
    ("elic2022", "ELIC", 2022),
    ("evc-large", "EVC", 2023),
    ("shallow-ntc", "Shallow NTC", 2023),
    ("c3", "C3", 2024),
    ("hpcm-base", "HPCM", 2025),
)
OURS_YEAR = 2026
#: Where a name stands beside its point, in points of 1/72 inch, where not to the right of it.
PLACES = {
    "BPG": (2, 7, "center"),
    "WebP": (-7, -3, "right"),
    "AVIF": (8, 3, "left"),
    "hyperprior": (7, 1, "left"),
    "VTM (VVC)": (-7, -3, "right"),
    "Cheng": (7, 0, "left"),
    "channel-wise": (7, -8, "left"),
    "lcodec mse-fast": (0, -17, "center"),
    "lcodec mse": (0, 9, "center"),
}


def percent(tested: Curve) -> float:
    """Return how many percent more bits it takes than BPG at the same PSNR."""
    return tested.bd_rate_against(rival(ANCHOR), "psnr").percent


def points() -> list[dict[str, str]]:
    """Return a row for each codec: kind, name, year, BD-rate and source."""
    found = [("classical", title, year, rival(name)) for name, title, year in CLASSICAL]
    found += [("learned", title, year, rival(name)) for name, title, year in LEARNED]
    own = {name: curve(read_results(results_of(name))) for name in shipped() if "ssim" not in name}
    found += [("ours", f"lcodec {name}", OURS_YEAR, each) for name, each in own.items()]
    return [
        {
            "kind": kind,
            "codec": title,
            "year": str(year),
            "bd_rate_bpg": f"{percent(each):+.1f}",
            "source": each.source or "benchmarks/results",
        }
        for kind, title, year, each in found
    ]


def make(given: Given) -> None:
    """Draw the points."""
    rows = points()
    write_rows(given.out / "years.csv", rows)
    figure, panel = panels(2, 440, widths=[1, 2.1])
    styles = {"classical": ("black", "D"), "learned": ("blue", "o"), "ours": ("vermillion", "*")}
    for axes, (first, last) in zip(panel, ((1989, 2018), (2017.4, 2027.2)), strict=True):
        for kind, (colour, mark) in styles.items():
            own = [row for row in rows if row["kind"] == kind and first < int(row["year"]) < last]
            axes.plot([int(row["year"]) for row in own], [float(row["bd_rate_bpg"]) for row in own], mark,
                      color=COLOURS[colour], markersize=11 if kind == "ours" else 6, label=kind)  # fmt: skip
            for row in own:
                x, y, side = PLACES.get(row["codec"], (7, -3, "left"))
                axes.annotate(row["codec"], (int(row["year"]), float(row["bd_rate_bpg"])), (x, y), ha=side,
                              textcoords="offset points", color=COLOURS[colour], fontsize=8.5)  # fmt: skip
        axes.set_xlim(first, last)
        axes.axhline(0, color="0.4", lw=1)
        axes.set_xlabel("year")
    old, new = panel
    old.set_xticks([1990, 2000, 2010])
    old.set_ylabel("bits at equal PSNR on Kodak, against BPG, %")
    new.set_xticks(range(2018, 2028, 2))
    new.legend(loc="upper right")
    save(figure, given, "years")


FIGURE = Figure(
    "years",
    "Catching up in PSNR: codecs by year",
    "How many more or fewer bits each codec needs than BPG for the same PSNR on Kodak's photos (BD-rate): on the left"
    " the formats of a quarter of a century, on the right those since 2018, each at the year in which it appeared. "
    "Learned codecs met BPG with the hyperprior, passed it with context in the same year, and passed VTM two years "
    "later. The points further down mostly take far more computation: lcodec mse stands where one model serves "
    "every rate and a photo takes about a second on two cores, which the figure of rate, distortion and complexity "
    "shows.",
    make,
)
