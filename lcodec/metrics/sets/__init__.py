"""How real the pictures of a whole set look: measures of many patches at once, beside the distortion of each picture.

A codec can be exact on average and its pictures still not look like photos. Whether they do is a question about
distributions (Blau, Michaeli, "The perception-distortion tradeoff", CVPR 2018): these measures compare the patches of
decoded photos with those of the originals, at the same places for all codecs.

    patches.py    where the patches are          estimate.py   intervals
    features.py   a network that others trained  kid.py        KID on its features, and on PIM's
    critic.py     what a fresh critic tells      spectrum.py   octaves of energy, sub-band marginals
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lcodec.extras import has
from lcodec.metrics import pim
from lcodec.metrics.sets import features
from lcodec.metrics.sets.critic import told_apart
from lcodec.metrics.sets.estimate import Estimate
from lcodec.metrics.sets.kid import kid, kid_pim
from lcodec.metrics.sets.patches import PATCH, Patches, Pixels, patches_of, room
from lcodec.metrics.sets.spectrum import OCTAVES, marginals, spectrum

__all__ = ["PATCH", "SET_MEASURES", "Estimate", "Figure", "Patches", "Pixels", "SetMeasure", "patches_of", "room"]


@dataclass(frozen=True)
class Figure:
    """One of the figures of a measure."""

    name: str
    title: str  #: for tables
    definition: str  #: one sentence
    digits: int = 3  #: decimals worth printing


@dataclass(frozen=True)
class SetMeasure:
    """A measure of a set of patches and of what they decode to."""

    name: str
    figures: tuple[Figure, ...]
    function: Callable[[Patches], dict[str, Estimate]]  #: the figures by name, each with its 95 % interval
    photos: int  #: that it needs at least
    patches: int  #: that it needs at least
    missing: Callable[[], str | None]  #: how to get what it needs, where that is not installed

    def refused(self, photos: int, patches: int) -> str | None:
        """Say why a set of so many photos and patches is too small; None where it is not."""
        if photos >= self.photos and patches >= self.patches:
            return None
        return (
            f"needs {self.patches} patches of {PATCH}x{PATCH} pixels from {self.photos} photos at least; "
            f"there are {patches} from {photos}"
        )


def _nothing() -> None:
    return None


def _torch() -> str | None:
    return None if has("torch") else "pip install 'lcodec[torch]'"


def _octave(number: int) -> Figure:
    low, high = OCTAVES[number]
    return Figure(
        f"octave-{number + 1}",
        f"energy {low:g}..{high:g}",
        f"Energy of the luma's spectrum at {low:g} to {high:g} cycles a pixel, over the originals'; 1 is the same.",
    )


#: All measures of sets by name, in the order of reports.
SET_MEASURES = {
    measure.name: measure
    for measure in (
        SetMeasure(
            "kid",
            (Figure("kid", "KID", "Binkowski 2018, on features of EfficientNet-Lite0; 0: like the originals.", 4),),
            kid,
            photos=8,
            patches=128,
            missing=features.missing,
        ),
        SetMeasure(
            "kid-pim",
            (Figure("kid-pim", "KID, PIM", "KID on what the metric PIM keeps of patches; 0: like the originals.", 4),),
            kid_pim,
            photos=8,
            patches=128,
            missing=pim.missing,
        ),
        SetMeasure(
            "auc",
            (
                Figure("auc", "AUC", "Chance that a fresh critic scores an original higher; 0.5: it cannot tell."),
                Figure("jsd", "JSD, bits", "What it finds of the Jensen-Shannon divergence, at least; 0: nothing."),
            ),
            told_apart,
            photos=8,
            patches=256,
            missing=_torch,
        ),
        SetMeasure(
            "spectrum",
            tuple(_octave(number) for number in range(len(OCTAVES))),
            spectrum,
            photos=4,
            patches=64,
            missing=_nothing,
        ),
        SetMeasure(
            "marginals",
            (Figure("marginals", "marginals", "Distance of histograms of sub-bands, in deviations; 0: the same.", 4),),
            marginals,
            photos=4,
            patches=64,
            missing=_nothing,
        ),
    )
}
