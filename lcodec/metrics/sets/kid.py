"""Kernel inception distance (KID) of a set: on the features of `features`, which are not Inception's, and on PIM's.

Binkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs" (ICLR 2018), section 4: the squared maximum mean
discrepancy of features under the kernel (x.y / d + 1)^3, without bias. The estimate is the U-statistic of pairs
z = (original, decoded) (Gretton et al., "A kernel two-sample test", JMLR 2012, lemma 6 and equation 4):

    mean over i, j of  k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)

which stays unbiased although y_i was made from x_i, and is exactly 0 for what was not changed. Only patches of two
different photos are a pair, for those of one are alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lcodec.metrics.pim import means_of
from lcodec.metrics.sets.estimate import Estimate, pair_mean, with_interval
from lcodec.metrics.sets.features import features
from lcodec.metrics.sets.patches import Patches

__all__ = ["kid", "kid_of", "kid_pim"]

#: A feature that hardly differs among the originals must not count without bounds.
_LEAST = 1e-6


def kid(patches: Patches) -> dict[str, Estimate]:
    """Return the KID of decoded patches as `kid`: 0 for a set like its originals; slightly below 0 by noise.

    Raises:
        ValueError: the patches are of fewer than 3 photos.
        OSError: the weights of the features are not there.
    """
    return {"kid": kid_of(features(patches.originals), features(patches.decoded), patches.photos)}


def kid_pim(patches: Patches) -> dict[str, Estimate]:
    """Return the KID of decoded patches on what PIM keeps of them, as `kid-pim`.

    Features are the means over a patch of the encoders of the metric. These have no origin and no scale of their own:
    each is taken less its mean, and over its standard deviation, among the originals of the set.

    Raises:
        ValueError: the patches are of fewer than 3 photos.
        ModelError: the metric's file is not there, or damaged.
    """
    originals, decoded = means_of(patches.originals), means_of(patches.decoded)
    shift, scale = originals.mean(axis=0), originals.std(axis=0) + _LEAST
    return {"kid-pim": kid_of((originals - shift) / scale, (decoded - shift) / scale, patches.photos)}


def kid_of(originals: NDArray[np.float64], decoded: NDArray[np.float64], photos: NDArray[np.int64]) -> Estimate:
    """Return the KID of features (N, d) and (N, d) of patches from photos (N,), numbered from 0."""
    member = np.eye(int(photos.max()) + 1)[photos]  # (N, photos)
    if member.shape[1] < 3:
        raise ValueError("KID needs patches of at least 3 photos")
    sums = np.zeros((member.shape[1], member.shape[1]))
    for photo in range(len(sums)):
        own = photos == photo
        same = _kernel(originals[own], originals) + _kernel(decoded[own], decoded)
        cross = _kernel(originals[own], decoded) + _kernel(decoded[own], originals)
        sums[photo] = (same - cross).sum(axis=0) @ member
    counts = np.outer(member.sum(axis=0), member.sum(axis=0))
    for each in (sums, counts):
        np.fill_diagonal(each, 0)
    return with_interval(lambda weights: pair_mean(sums, counts, weights), len(sums))


def _kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, d) and (M, d) -> (N, M)."""
    kernel: NDArray[np.float64] = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel
