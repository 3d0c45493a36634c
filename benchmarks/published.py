"""The rate-distortion curves of other codecs on the 24 Kodak photos, as data (`published.json`, one entry a codec).

Every point is a mean over the photos: of bits per pixel (8 times the file's bytes over its pixels), of each photo's RGB
PSNR, of each photo's linear RGB MS-SSIM; in the definitions of `lcodec.metrics`. Entries without `ms_ssim` were
published without it. Curves that are marked as measured for lcodec count whole files; those of the papers and of
CompressAI count what their source counted, which for some learned codecs is an estimate of the entropy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lcodec.compare.bd_rate import BdRate, bd_rate
from lcodec.metrics import ms_ssim_db

__all__ = ["Curve", "Metric", "names", "rival"]

Metric = Literal["psnr", "ms_ssim"]


@dataclass(frozen=True)
class Curve:
    """A rate-distortion curve: one point for each setting of a codec."""

    title: str  #: for tables
    bpp: tuple[float, ...]  #: bits per pixel
    psnr: tuple[float, ...] = field(repr=False)  #: dB, one per rate
    ms_ssim: tuple[float, ...] | None = field(default=None, repr=False)  #: 0..1, one per rate; None: not known
    source: str = ""  #: who published or measured it, and where
    settings: str = ""  #: versions and options of the encoder

    def __post_init__(self) -> None:
        for values in (self.psnr, self.ms_ssim):
            if values is not None and len(values) != len(self.bpp):
                raise ValueError(f"{self.title}: {len(values)} qualities for {len(self.bpp)} rates")

    def quality(self, metric: Metric) -> tuple[float, ...]:
        """Return the qualities in dB, one per rate: PSNR as it is, MS-SSIM as `-10 log10(1 - ms_ssim)`.

        Raises:
            ValueError: the curve has no such metric.
        """
        if metric == "psnr":
            return self.psnr
        if self.ms_ssim is None:
            raise ValueError(f"{self.title} was published without MS-SSIM")
        return tuple(map(ms_ssim_db, self.ms_ssim))

    def bd_rate_against(self, anchor: Curve, metric: Metric, *, window: tuple[float, float] | None = None) -> BdRate:
        """Return how many percent more bits this codec needs than the anchor; `window` in dB, see `bd_rate`.

        Raises:
            ValueError: one of the curves lacks the metric, or they share no range of qualities.
        """
        tested, reference = self.quality(metric), anchor.quality(metric)
        return bd_rate(self.bpp, tested, anchor.bpp, reference, window=window)


def names() -> tuple[str, ...]:
    """Return the names that `rival` knows: the classical codecs first, then the learned ones."""
    return tuple(_load())


def rival(name: str) -> Curve:
    """Return the curve of a codec, for example `rival("heic-444")`.

    Raises:
        ValueError: there is no such name.
    """
    try:
        entry = _load()[name]
    except KeyError:
        raise ValueError(f"no rival is called {name!r}; there are {', '.join(names())}") from None
    return Curve(
        title=entry["title"],
        bpp=_numbers(entry["bpp"]),
        psnr=_numbers(entry["psnr"]),
        ms_ssim=_numbers(entry["ms_ssim"]) if "ms_ssim" in entry else None,
        source=entry["source"],
        settings=entry["settings"],
    )


@cache
def _load() -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
    return entries


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
