"""Blind spots of metrics, by `benchmarks.blind_spots`: pictures out of noise with which one metric each is content."""

from __future__ import annotations

from benchmarks.common import photos_of
from benchmarks.talk.common import Figure, Given

#: The photo by its place in the folder; pixels of a side and steps of a search. PIM takes most of the time.
PHOTO, SIZE, STEPS = 22, 192, 2000


def make(given: Given) -> None:
    """Search, and draw the grid."""
    from benchmarks.blind_spots import write

    assert given.photos is not None
    photos = photos_of(given.photos)
    write(photos[PHOTO % len(photos)], SIZE, STEPS, given)


FIGURE = Figure(
    "blind_spots",
    "Blind spots: what a metric takes for the original",
    "Each picture began as the noise and was moved towards the original by one metric alone, pixel by pixel, for "
    "2,000 steps: what is still wrong is what that metric hardly sees. Squared error and NLPD find the original; "
    "MS-SSIM leaves noise where the photo is smooth, the Wasserstein distortion is content with grain of the right "
    "strength in the wrong place, and PIM, here one trained for an hour of a core, with colours and edges that are all "
    "wrong. To optimise a metric is the hardest test of it: a codec that is trained for one will find its blind spots.",
    make,
    ("photos", "torch"),
)
