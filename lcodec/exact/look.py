"""Which blocks of a picture are drawn: text, code, forms, charts, patterns, and the flat paper around them.

A drawn block has sharp edges between pixels that are equal otherwise, as no photo has: noise and compression change
pixels there first. All constants were chosen on training pictures, by rate and distortion at qualities 40 to 100: pages
with a photo on them for the blocks, photos and pages for the share of them that makes a picture worth a trial.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["drawn_pixels", "grown"]

Samples = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: Side of a block in pixels. Those of 16 took 3 to 6 % more in all, of 32 about 25 %: more of the photo is kept too.
BLOCK = 8
#: In a drawn block at least this share of the pixels (of colour pictures), or of the samples of all channels, is equal
#: to one that is 1 or 2 to the left or above (2: checkerboards and dither), and a sample somewhere differs at least so
#: much from its neighbour's. Dithered channels go their own ways; they are found by that, and no more photos are.
EQUAL_PIXELS, EQUAL_CHANNELS, SHARP = 0.5, 0.7, 32
#: At least this share of the blocks is drawn, or all are that are not flat, or nothing is kept. Of 1415 training photos
#: seven have more, 0.14 at most; of 217 pages, charts and patterns 13 have less: JPEGs and gradients.
DRAWN_SHARE = 0.04
#: Rows that are looked at together: so many blocks in all, about.
_BLOCKS_AT_A_TIME = 1 << 9


def drawn_pixels(pixels: Samples, hidden: Mask | None = None) -> Mask | None:
    """Find what is drawn.

    Args:
        pixels: (H, W, 1 or 3).
        hidden: (H, W), pixels that are never seen: they count as flat.

    Returns:
        (H, W), in whole blocks: drawn ones, flat ones, and those in gaps of less than three blocks between them. None
        where next to nothing is drawn, as in a photo.
    """
    rows = max(_BLOCKS_AT_A_TIME // -(-pixels.shape[1] // BLOCK), 1) * BLOCK
    strips = [(top, min(top + rows, len(pixels))) for top in range(0, len(pixels), rows)]
    # In grey more pixels of a photo are equal by chance.
    grey = all((pixels[top:bottom] == pixels[top:bottom, :, :1]).all() for top, bottom in strips)
    found = [_look(pixels, top, bottom, grey=grey) for top, bottom in strips]
    drawn, flat = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if hidden is not None:
        unseen = _pooled(hidden, np.logical_and)
        drawn, flat = drawn & ~unseen, flat | unseen
    kept: Mask = drawn | flat
    if drawn.mean() < DRAWN_SHARE and not kept.all():
        return None
    kept |= ~grown(~grown(kept))
    height, width = pixels.shape[:2]
    return kept.repeat(BLOCK, axis=0)[:height].repeat(BLOCK, axis=1)[:, :width]


def _look(pixels: Samples, top: int, bottom: int, *, grey: bool) -> tuple[Mask, Mask]:
    """Which blocks of these rows are drawn, and which are flat: (rows / BLOCK, W / BLOCK) each, rounded up."""
    above = min(top, 2)
    planes = np.ascontiguousarray(pixels[top - above : bottom].transpose(2, 0, 1))
    own, equal = np.zeros(planes.shape, np.bool_), np.zeros(planes.shape[1:], np.bool_)
    steps = np.zeros(equal.shape, np.uint8)
    for axis, far in ((1, 1), (2, 1), (1, 2), (2, 2)):
        later = (slice(None),) * axis + (slice(far, None),)
        here, there = planes[later], planes[(slice(None),) * axis + (slice(None, -far),)]
        same = here == there
        own[later] |= same
        equal[later[1:]] |= np.logical_and.reduce(same)
        if far == 1:
            step = np.maximum.reduce(np.maximum(here, there) - np.minimum(here, there))
            np.maximum(steps[later[1:]], step, out=steps[later[1:]])
    counts = np.add.reduce(own[:, above:], dtype=np.uint8), equal[above:].astype(np.uint8), np.ones_like(steps[above:])
    by_channel, of_all, size = (_pooled(count, np.add, np.uint16) for count in counts)
    alike = by_channel >= EQUAL_CHANNELS * len(planes) * size
    if not grey:
        alike |= of_all >= EQUAL_PIXELS * size
    sharpest = _pooled(steps[above:], np.maximum)
    return alike & (sharpest >= SHARP), sharpest == 0


def _pooled(values: NDArray[Any], operation: np.ufunc, dtype: Any = None) -> NDArray[Any]:
    """Reduce each block, those at the right and the bottom as far as they go: (H / BLOCK, W / BLOCK), rounded up."""
    for axis in (0, 1):
        values = operation.reduceat(values, np.arange(0, values.shape[axis], BLOCK), axis=axis, dtype=dtype)
    return values


def grown(mask: Mask) -> Mask:
    """Whether a block or one of the eight around it is in a mask."""
    for axis in (0, 1):
        lines = mask.swapaxes(0, axis)
        wide = np.concatenate([lines[:1], lines, lines[-1:]])
        mask = (wide[:-2] | lines | wide[2:]).swapaxes(0, axis)
    return mask
