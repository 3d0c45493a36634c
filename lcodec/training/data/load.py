"""Photos and pairs from files: decoded once if they fit in memory, else when they are drawn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lcodec.errors import PictureError
from lcodec.training.data.files import Source, Still, find, find_pairs
from lcodec.training.data.photos import InMemory, Known, Photos, Streamed

__all__ = ["load_pairs", "load_photos"]


def load_photos(
    sources: Iterable[Path], memory: int | None = None, processes: int = 1, also: Sequence[tuple[Path, float]] = ()
) -> Photos:
    """Find every photo in the sources, in a stable order; decode them if they fit.

    Args:
        sources: folders, tar files and picture files.
        memory: bytes that decoded photos may take; by default half of the machine's.
        processes: that will be forked and train on these photos, each keeping its own where they do not fit.
        also: more sources, each with the share of the crops that is drawn from it, together less than 1.

    Raises:
        PictureError: a source cannot be read, or no photo, or none of one of the sources in `also`.
    """
    files: list[Source] = list(find(sources))
    kinds = [0] * len(files)
    for kind, (source, _) in enumerate(also, 1):
        found = list(find([source]))
        files += found
        kinds += [kind] * len(found)
    others = [share for _, share in also]
    return _load(files, np.array(kinds, np.int64), (1 - sum(others), *others), [], 1, memory, processes)


def load_pairs(
    sources: Iterable[Path], memory: int | None = None, processes: int = 1, photos: Iterable[Path] = ()
) -> Photos:
    """Like `load_photos`, of pairs of frames NAME-a.jpg and NAME-b.jpg: six channels, the same place cut from both.

    Files without a partner, or of another size than theirs, are skipped and named. Single photos are pairs of equal
    frames; where there are both, half of the crops come from each.
    """
    sources, photos = list(sources), list(photos)
    pairs, alone = find_pairs(sources)
    stills = [Still(photo) for photo in find(photos)]
    kinds = np.repeat((0, int(bool(sources))), (len(pairs), len(stills)))
    shares = (0.5, 0.5) if sources and photos else (1.0,)
    return _load([*pairs, *stills], kinds, shares, alone, 2, memory, processes)


def _load(
    sources: Sequence[Source],
    kinds: npt.NDArray[np.int64],
    shares: tuple[float, ...],
    skipped: list[str],
    frames: int,
    memory: int | None,
    processes: int,
) -> Photos:
    if memory is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda source: source.size(), sources))
        good = [index for index, size in enumerate(found) if size is not None]
        sizes = np.array([size or (0, 0) for size in found], np.int64).reshape(-1, 2)
        lengths = np.array(
            [0 if size is None else source.stored() for source, size in zip(sources, found, strict=True)]
        )
        known = Known(sizes, lengths, kinds, shares, skipped)
        known = _readable(known, good, sources)
        sources = [sources[index] for index in good]
        if 3 * frames * known.sizes.prod(axis=1).sum() > memory:
            return Streamed(sources, known, frames, memory // processes)
        images = list(pool.map(lambda source: source.decode(), sources))
    good = [index for index, image in enumerate(images) if image is not None]
    decoded = [image for image in images if image is not None]
    known = _readable(known, good, sources)._replace(sizes=np.array([image.shape[:2] for image in decoded], np.int64))
    return InMemory(decoded, known)


def _readable(known: Known, good: Sequence[int], sources: Sequence[Source]) -> Known:
    """What is known of the photos that can be read.

    Raises:
        PictureError: of one kind, none can.
    """
    bad = [sources[index].name for index in sorted(set(range(len(sources))) - set(good))]
    known = known.only(good, bad)
    if len(set(known.kinds)) < len(known.shares):
        skipped = f"; unreadable: {', '.join(known.skipped)}" if known.skipped else ""
        raise PictureError(f"no photo found{' in one of the sources' * (len(known.shares) > 1)}{skipped}")
    return known
