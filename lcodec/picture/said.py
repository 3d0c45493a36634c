"""What a picture file says besides its samples, gathered from whatever its format has for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from lcodec.picture.exif import Resolution

__all__ = ["Said", "inches", "names_of", "noteworthy_comment"]

#: What programs write into comments of their own accord.
_PROGRAMS = re.compile(
    rb"(created|written|made|generated|saved|file|compressed|optimi[sz]ed) (with|by|using) |creator:|gimp|lavc"
    rb"|\b(lib)?jpeg\b|\bijg\b|adobe|imagemagick|photoshop|lead technologies|intel\(r\)|ezgif|quality ?=|software",
    re.IGNORECASE,
)
#: Names in a note, and characters of one.
_MOST, _LONG = 5, 40
_INCH = Fraction(254, 10_000)  # metres


@dataclass
class Said:
    """Metadata as they stand in the file, and in a few words what was found and is not kept."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resolution: Resolution | None = None
    made_icc: bytes | None = None  #: made of another description of the colours, for where there is no `icc`
    crop: tuple[int, int, int, int] | None = None  #: left, top, right and bottom of what is to be shown, before turning
    frames: int | None = None  #: pictures that follow each other; None where Pillow knows
    bits: int | None = None  #: of the samples; None where Pillow knows
    significant_bits: int | None = None  #: of samples that are stored in more
    colours: list[str] = field(default_factory=list)  #: notes on colours
    texts: list[str] = field(default_factory=list)  #: notes on captions, comments and the like
    content: list[str] = field(default_factory=list)  #: notes on what else the file shows


def noteworthy_comment(comment: bytes) -> bool:
    """Say whether people would miss a comment: not one in which a program names itself."""
    return bool(comment.strip(b"\0 \t\r\n")) and _PROGRAMS.search(comment) is None


def names_of(names: Iterable[str]) -> str:
    """Return names from a file, fit to be printed in a line: the first few, each once."""
    clean = list(dict.fromkeys("".join(c if c.isprintable() else "?" for c in name)[:_LONG] for name in names))
    more = f" and {len(clean) - _MOST} more" if len(clean) > _MOST else ""
    return ", ".join(clean[:_MOST]) + more


def inches(x: int, y: int, metres: Fraction) -> Resolution | None:
    """Turn samples to a unit of so many metres into a resolution in inches; None where either is zero.

    A whole number of samples an inch that was rounded to the unit is found again.
    """
    if min(x, y) <= 0:
        return None
    found = []
    for value in (x, y):
        exact = value * _INCH / metres
        whole = round(exact)
        rounded = abs(whole * metres / _INCH - value) <= Fraction(51, 100)
        kept = Fraction(whole) if rounded else exact.limit_denominator(1000)
        found.append((kept.numerator, kept.denominator))
    if max(max(pair) for pair in found) >= 1 << 32:
        return None
    return Resolution(found[0], found[1], 2)
