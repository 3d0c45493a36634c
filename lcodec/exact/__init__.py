"""Exact parts: what is drawn in a picture (text, code, forms, charts, patterns) is kept as it is, by lossless coding.

    pixels -> look (what is drawn? in photos nothing) -> choice (plain, in parts or whole) -> stream (a WebP a region)

The networks then code what is left, with colours that run smoothly into the gaps, or nothing at all. A decoder puts the
exact pixels over those of the synthesis. The choice is by the model's own aim, rate and distortion at the quality, so
that a drawing costs few bits at low qualities, and is exact at high ones.
"""

from lcodec.exact.choice import FILL_BYTES, NO_ERRORS, Judge, Piece, Way, choose, drawn_parts
from lcodec.exact.look import drawn_pixels
from lcodec.exact.stream import check_streams, exact_share, unpack_exact

__all__ = [
    "FILL_BYTES",
    "NO_ERRORS",
    "Judge",
    "Piece",
    "Way",
    "check_streams",
    "choose",
    "drawn_parts",
    "drawn_pixels",
    "exact_share",
    "unpack_exact",
]
