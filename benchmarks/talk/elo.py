"""HiFiC's user study: Elo of nine codecs from its published answers, beside what PSNR would have said.

Mentzer, Toderici, Tschannen and Agustsson 2020, "High-fidelity generative image compression", section 5.2; the answers
are github.com/hific/hific.github.io `raw/userstudy.json`, counted by pairs in `user_study.csv`: 20
people, 5,220 answers, of which one compares a codec with itself and is left out. Elo is 1500 plus the logarithm of the
strengths of Bradley and Terry 1952 that make the answers likeliest, 400 points a factor of 10.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import read_rows, write_rows
from benchmarks.talk.common import COLOURS, MARKS, Figure, Given, panels, save

ANSWERS = Path(__file__).with_name("user_study.csv")
#: What each codec was made for, and bits per pixel on the study's pictures: the table below the figure of the project's
#: page. No PSNR of the study's pictures is published there or in the paper, whose curves are of whole data sets.
CODECS = {
    "HiFiC Hi": ("MSE + LPIPS + GAN", 0.359),
    "HiFiC Mi": ("MSE + LPIPS + GAN", 0.237),
    "HiFiC Lo": ("MSE + LPIPS + GAN", 0.120),
    "no GAN": ("MSE + LPIPS", 0.118),
    "M&S high": ("MSE", 0.405),
    "M&S medium": ("MSE", 0.272),
    "M&S low": ("MSE", 0.133),
    "BPG high": ("BPG", 0.504),
    "BPG medium": ("BPG", 0.390),
}
KINDS = {
    "MSE + LPIPS + GAN": ("vermillion", "HiFiC: MSE, LPIPS and a critic"),
    "MSE + LPIPS": ("orange", "the same without the critic"),
    "MSE": ("blue", "Mean & Scale Hyperprior: MSE"),
    "BPG": ("black", "BPG"),
}
DRAWS = 400
#: Where a name stands beside its point, in points of 1/72 inch, where not to the right of it.
PLACES = {"BPG medium": (-8, 4, "right"), "M&S high": (8, -9, "left")}

Counts = NDArray[np.float64]


def counts() -> Counts:
    """Return how often people preferred the codec of a row over that of a column, (9, 9)."""
    names = list(CODECS)
    found = np.zeros((len(names), len(names)))
    for row in read_rows(ANSWERS):
        found[names.index(row["preferred"]), names.index(row["over"])] = int(row["answers"])
    return found


def elo(preferred: Counts) -> NDArray[np.float64]:
    """Return the Elo of each codec, with a mean of 1500, by Hunter's 2004 algorithm for Bradley and Terry's model."""
    pairs, strength = preferred + preferred.T, np.ones(len(preferred))
    for _ in range(300):
        strength = preferred.sum(axis=1) / (pairs / (strength[:, None] + strength)).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
    return 1500 + 400 * np.log10(strength)


def interval(preferred: Counts) -> NDArray[np.float64]:
    """Return the 95 % intervals (2, 9): answers drawn anew, as if they were independent."""
    rng, total = np.random.default_rng(0), int(preferred.sum())
    drawn = rng.multinomial(total, preferred.ravel() / total, DRAWS).reshape(DRAWS, *preferred.shape)
    return np.quantile([elo(each.astype(np.float64)) for each in drawn], (0.025, 0.975), axis=0)


def make(given: Given) -> None:
    """Draw Elo against bits."""
    preferred = counts()
    scores, (low, high) = elo(preferred), interval(preferred)
    rows = [
        {
            "codec": name,
            "trained_for": CODECS[name][0] if CODECS[name][0] != "BPG" else "",
            "bpp": f"{CODECS[name][1]:.3f}",
            "answers": f"{preferred[i].sum() + preferred[:, i].sum():.0f}",
            "preferred": f"{preferred[i].sum():.0f}",
            "elo": f"{scores[i]:.0f}",
            "elo_low": f"{low[i]:.0f}",
            "elo_high": f"{high[i]:.0f}",
            "psnr": "not published",
        }
        for i, name in sorted(enumerate(CODECS), key=lambda item: -scores[item[0]])
    ]
    write_rows(given.out / "elo.csv", rows)
    figure, (axes,) = panels(1, 400)
    for (kind, (colour, words)), mark in zip(KINDS.items(), MARKS, strict=False):
        own = [i for i, name in enumerate(CODECS) if CODECS[name][0] == kind]
        rates, heights = [CODECS[name][1] for name in CODECS if CODECS[name][0] == kind], scores[own]
        spread = np.stack((heights - low[own], high[own] - heights))
        axes.errorbar(rates, heights, spread, fmt=mark + "-", color=COLOURS[colour], capsize=3, label=words)
    for name, height in zip(CODECS, scores, strict=True):
        x, y, side = PLACES.get(name, (7, -4, "left"))
        axes.annotate(f"{name}, {height:.0f}", (CODECS[name][1], height), (x, y), textcoords="offset points", ha=side)
    axes.set_xlim(0.09, 0.6)
    axes.set_xlabel("bits per pixel on the study's pictures")
    axes.set_ylabel("Elo from people's preferences (mean 1500)")
    axes.legend(loc="lower right")
    save(figure, given, "elo")


FIGURE = Figure(
    "elo",
    "What people prefer: HiFiC's user study",
    "Twenty people said 5,220 times which of two codings they prefer: these are the Elo scores of their answers, with"
    " the 95 % interval of answers drawn anew. HiFiC at 0.237 bits per pixel beats BPG at 0.504 and a model trained "
    "for squared error at 0.405. The PSNR of these pictures is not published; but squared error is all that Mean & "
    "Scale was trained for, and the study's page says of BPG that it achieves very high PSNR: what is best by PSNR is"
    " not what people like.",
    make,
)
