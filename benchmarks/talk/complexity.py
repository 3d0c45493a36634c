"""Rate, distortion and complexity: the figure of `benchmarks.complexity`, among the talk's."""

from __future__ import annotations

from benchmarks.common import write_rows
from benchmarks.complexity import draw, ours, published
from benchmarks.talk.common import Figure, Given


def make(given: Given) -> None:
    """Write the points and draw them, as that benchmark does."""
    points, others = ours(), published()
    write_rows(given.out / "complexity.csv", [point.row() for point in points + others])
    draw(points, others, given.out / "complexity.svg")


FIGURE = Figure(
    "complexity",
    "Rate, distortion and complexity",
    "Bits that a codec takes for the same PSNR on Kodak, over VTM (the reference software of VVC), against the "
    "multiply-adds that its decoder takes for a pixel. Published codecs gain some percent with every doubling of the "
    "work, most of them at hundreds of thousands of multiply-adds a pixel. The models of lcodec stand further to "
    "the left, where a CPU decodes a photo in about a second.",
    make,
)
