"""The entropy model: hyper-latents and latents <-> two coded sections, in the order of the bitstream.

    hyper-latents z (four steps, as below, from fixed scales) -> hyper-synthesis -> features -> base parameters
    four steps: context of what is known -> mean and scale of a quarter of the latents -> code their symbols

Everything here is integer (`integer`), so that encoder and decoder agree on every machine. A latent is carried in
1/16 of a quantisation step: symbol = round(latent - mean), decoded latent = symbol + mean, or as `dependent` has it.
Decoder and encoder run the same walks; only where a symbol comes from differs. Below, C is the number of latents, Z
that of hyper-latents and H the width of the features, as the model's arrays say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lcodec.entropy.coder import SYMBOL_MAX
from lcodec.entropy.integer import ACTIVATION_BITS, ACTIVATION_MAX, FixedOps, times_exp2
from lcodec.entropy.quality import AtQuality, Qualities, index_of
from lcodec.entropy.section import MEAN_STEPS, Check, Reader, Writer
from lcodec.entropy.tables import TOTAL, load_tables
from lcodec.errors import DamagedError, ModelError
from lcodec.networks import crew
from lcodec.networks.hyperprior import (
    HYPER_HALO,
    HYPER_STRIDE,
    context,
    context_block,
    correction,
    has_hyper_context,
    hyper_context,
    hyper_correction,
    hyper_synthesis,
)
from lcodec.networks.steps import GROUPS, STEPS, Place, places
from lcodec.networks.tiling import map_tiles

__all__ = [
    "Choice",
    "Coded",
    "EntropyModel",
    "band_rows",
]

#: Positions in half a band (see `band_rows`).
BAND_POSITIONS = 4096
#: What the range coder's own rounding may save, generously.
SLACK_BITS = 256
#: Side of a tile of hyper-latents (1024 pixels).
HYPER_TILE = 16

Integers = npt.NDArray[np.int64]
#: Codes one batch: (table indexes (n,), means (n,) in 1/16, where) -> distances of the decoded latents from the means,
#: (n,) in 1/16. `where` lists the places that the batch holds, in order.
Exchange = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float64], list[Place]], npt.NDArray[np.int32]]


class Choice(Protocol):
    """What takes the place of rounding latents to the nearest symbols."""

    @property
    def dependent(self) -> bool:
        """Whether these are symbols of dependent quantisation (`dependent`), where there are such."""

    def __call__(
        self, indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place], /
    ) -> npt.NDArray[np.int32]:
        """The symbols of a batch, (n,), of which the arguments are those of an `Exchange`."""


@dataclass(frozen=True)
class Coded:
    """What an encoder wrote."""

    hyper: bytes
    latents: bytes
    check: int  #: CRC-32 of all symbols, little-endian int16, in the order of coding
    values: npt.NDArray[np.int32]  #: (h, w, C) decoded latents, in 1/16 of a quantisation step


class EntropyModel:
    """Fixed-point networks and integer tables of one model, ready to code pictures of any size and quality."""

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        xp: Any = np,
        device: Any = None,
        kind: type[np.floating[Any]] = np.float64,
    ) -> None:
        """Take the entropy part of a model file.

        Args:
            arrays: fixed-point layers (see `FixedOps`) and quality.{gain,scale,hyper_gain,hyper_scale} int32 (A, C).
            xp: numpy or torch, whose float64 carries the integers.
            device: torch's device.
            kind: float64, or float32 for a model that makes drafts: in half the time, codes that no decoder can read.

        Raises:
            ModelError: arrays are missing, or not exact.
        """
        self.xp, self.device, self._kind = xp, device, kind
        self.ops = FixedOps(arrays, xp, device, kind)
        self._quality = Qualities(arrays)
        self.channels, self.hyper_channels = self._quality.channels, self._quality.hyper_channels
        self.feature_channels = len(arrays["hyper_synthesis.block16.reduce.bias"])
        self.has_hyper_context = has_hyper_context(self.ops)
        # One row or column a block: the same that `Architecture.context_halo` says of a whole model.
        self.context_halo = next(index for index in count() if not self.ops.has(f"{context_block(index)}.mix"))

    def at_quality(self, quality_step: int) -> AtQuality:
        """Integers at a quality step."""
        return self._quality.at(quality_step)

    def encode(
        self,
        latents: npt.NDArray[np.float32],
        hyper_latents: npt.NDArray[np.float32],
        quality_step: int,
        choose: Choice | None = None,
    ) -> Coded:
        """Quantise and code one region, or a picture that is not cut.

        Args:
            latents: (h, w, C), in units of standard deviation.
            hyper_latents: (ceil(h/4), ceil(w/4), Z), as `hyper_analysis` gives them.
            quality_step: 0..QUALITY_STEPS.
            choose: takes the place of rounding the latents to the nearest symbols.

        Raises:
            ModelError: they are not finite, as what a model with weights or gains out of all bounds makes.
        """
        if not (np.isfinite(latents).all() and np.isfinite(hyper_latents).all()):
            raise ModelError("the model's latents of the picture are not finite")
        at, check = self.at_quality(quality_step), Check()

        def writing(
            section: Writer,
            values: npt.NDArray[np.float32],
            steps: npt.NDArray[np.float64],
            choose: Choice | None = None,
        ) -> Exchange:
            def exchange(
                indexes: npt.NDArray[np.uint8], means: npt.NDArray[np.float64], where: list[Place]
            ) -> npt.NDArray[np.int32]:
                if choose:
                    symbols = choose(indexes, means, where).clip(-SYMBOL_MAX, SYMBOL_MAX)
                else:
                    wanted = np.concatenate([(values[place] * steps[place[2]]).ravel() for place in where])
                    symbols = np.rint(wanted - means / MEAN_STEPS).clip(-SYMBOL_MAX, SYMBOL_MAX).astype(np.int32)
                return section(indexes, symbols)

            return exchange

        dependent = choose is not None and choose.dependent
        sections = Writer(check, dependent=False), Writer(check, dependent=dependent)
        size, write = latents.shape[:2], writing(sections[0], hyper_latents, at.hyper_steps)
        hyper = self._walk_hyper(_hyper_size(size), at, write, contextual=self.has_hyper_context)
        values = self._walk(hyper, size, at, writing(sections[1], latents, at.steps, choose))
        return Coded(sections[0].finish(), sections[1].finish(), check.crc, values)

    def decode(
        self,
        hyper: bytes,
        latents: bytes,
        size: tuple[int, int],
        quality_step: int,
        *,
        contextual: bool,
        dependent: bool,
    ) -> tuple[npt.NDArray[np.int32], int]:
        """Decode one region's latents, the mirror of `encode`.

        Args:
            hyper: coded hyper-latents.
            latents: coded latents.
            size: (h, w) of the latents.
            quality_step: 0..QUALITY_STEPS.
            contextual: whether the hyper-latents were predicted by their context, for which the model must have one.
            dependent: whether latents were quantised dependently.

        Returns:
            Decoded latents (h, w, C) in 1/16 of a quantisation step, and the CRC-32 of the symbols.

        Raises:
            DamagedError: the bytes cannot come from an encoder.
        """
        at, check = self.at_quality(quality_step), Check()

        def reading(section: Reader) -> Exchange:
            return lambda indexes, _means, _where: section(indexes)

        sections = Reader(hyper, check, dependent=False), Reader(latents, check, dependent=dependent)
        values = self._walk_hyper(_hyper_size(size), at, reading(sections[0]), contextual=contextual)
        return self._walk(values, size, at, reading(sections[1])), check.crc

    def check_lengths(
        self, coded: Iterable[tuple[int, tuple[int, int]]], quality_step: int, *, contextual: bool
    ) -> None:
        """Refuse side information that is too short for its size, before anything is allocated.

        Args:
            coded: bytes of coded hyper-latents, and (h, w) of the latents that they stand for.
            quality_step: 0..QUALITY_STEPS.
            contextual: as in `decode`: then only those of the first step, a quarter, have tables that are known.

        Raises:
            DamagedError: they would be too short if each hyper-latent were the likeliest symbol of its table.
        """
        indexes = self.at_quality(quality_step).hyper_index
        likeliest = np.array([load_tables().frequencies[index].max() for index in indexes], np.float64)
        bits = -np.log2(likeliest / TOTAL)
        for length, size in coded:
            rows, columns = _hyper_size(size)
            least = float(bits.sum()) * rows * columns
            if contextual:
                least = sum(
                    float(bits[channels].sum()) * len(range(rows)[down]) * len(range(columns)[across])
                    for down, across, channels in places(0, self.hyper_channels)
                )
            if least > 8 * length + SLACK_BITS:
                raise DamagedError(f"damaged: {length} bytes of side information cannot be those of its size")

    def _place(self, values: npt.NDArray[Any]) -> Any:
        """An array of `xp` with a batch axis."""
        array = np.ascontiguousarray(values[None], self._kind)
        return array if self.xp is np else self.xp.as_tensor(array, device=self.device)

    def _fetch(self, values: Any) -> npt.NDArray[np.float64]:
        """The NumPy array of an array of `xp`."""
        return values if self.xp is np else values.cpu().numpy()  # type: ignore[no-any-return]

    def _features(self, hyper: npt.NDArray[np.int32], size: tuple[int, ...], at: AtQuality) -> npt.NDArray[np.float32]:
        """Features for predicting latents, (h, w, H), of hyper-latents in 1/16 of a step; float32 holds 24 bits."""

        def synthesise(window: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            units = times_exp2(self.xp, self._place(window[0]), -at.hyper_gain, ACTIVATION_BITS - 4)
            return self._fetch(hyper_synthesis(self.ops, units))

        features = np.empty((*size, self.feature_channels), np.float32)
        map_tiles(synthesise, hyper, features, tile=HYPER_TILE, halo=HYPER_HALO, up=HYPER_STRIDE)
        return features

    def _walk_hyper(
        self, size: tuple[int, int], at: AtQuality, exchange: Exchange, *, contextual: bool
    ) -> npt.NDArray[np.int32]:
        """Go through all hyper-latents, (h, w): their decoded values (h, w, Z), in 1/16 of a quantisation step.

        There is one to 16 latents: they take less memory than the features that are made of them, without bands.
        """
        values = np.zeros((*size, self.hyper_channels), np.int32)
        if not contextual:  # one batch, channel by channel
            where = [(slice(None), slice(None), slice(one, one + 1)) for one in range(self.hyper_channels)]
            _code(values, np.repeat(at.hyper_index, size[0] * size[1]), np.zeros(values.size), where, exchange)
            return values
        for step in range(len(STEPS)):
            where = places(step, self.hyper_channels)
            _code(values, *self._predict_hyper(step, values, where, at), where, exchange)
        return values

    def _predict_hyper(
        self, step: int, values: npt.NDArray[np.int32], where: list[Place], at: AtQuality
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """The table index and the mean of each hyper-latent in a step's places, from what is decoded, (n,)."""
        if not step:
            indexes = np.concatenate([np.broadcast_to(at.hyper_index, values.shape)[place].ravel() for place in where])
            return indexes, np.zeros(len(indexes))
        units = times_exp2(self.xp, self._place(values), -at.hyper_gain, ACTIVATION_BITS - 4)
        hidden = hyper_context(self.ops, step, units)

        def predict(group: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
            rows, columns, channels = where[group]
            predicted = hyper_correction(self.ops, group, hidden[:, rows, columns])
            return self._read(predicted, at.hyper_scale[channels], at.hyper_gain[channels])

        return _joined(map(predict, range(GROUPS)))

    def _read(
        self, predicted: Any, scale: Integers, gain: Integers
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """Table indexes and means (n,) of what a layer predicts, (1, h, w, 2 channels): scales, then means."""
        width = len(scale)
        mean = times_exp2(self.xp, predicted[..., width:], gain, 4 - ACTIVATION_BITS)
        return index_of(self._fetch(predicted[0, ..., :width]) + scale).ravel(), self._fetch(mean[0]).ravel()

    def _walk(
        self, hyper: npt.NDArray[np.int32], size: tuple[int, ...], at: AtQuality, exchange: Exchange
    ) -> npt.NDArray[np.int32]:
        """Go through all latents in the order of coding; `exchange` codes batch after batch."""
        features = self._features(hyper, size, at)
        values = np.zeros((*size, self.channels), np.int32)
        rows = band_rows(size[1])
        for step in range(len(STEPS)):
            # A band's context sees the rows above it as they were at the beginning of the step.
            above = values[:0]
            for top in range(0, size[0], rows):
                bottom = min(top + rows, size[0])
                known = np.concatenate((above, values[top : bottom + self.context_halo]))
                halo = len(above)
                band = slice(halo, halo + bottom - top)
                above = known[: band.stop][-self.context_halo :].copy()
                window = features[top - halo : bottom + self.context_halo]
                indexes, means = self._predict(step, known, window, band, at)
                where = [
                    (slice(top + at.start, bottom, 2), columns, channels)
                    for at, columns, channels in places(step, self.channels)
                ]
                _code(values, indexes, means, where, exchange)
        return values

    def _predict(
        self,
        step: int,
        known: npt.NDArray[np.int32],
        features: npt.NDArray[np.float32],
        band: slice,
        at: AtQuality,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """Predict what a step codes in a band.

        Args:
            step: 0 to 3.
            known: (rows, w, C), decoded latents of the band and of the rows around it that its context sees.
            features: (rows, w, H), likewise.
            band: the rows of the band in these.
            at: the model's integers at the quality.

        Returns:
            The table index and the mean of each latent in the step's places, in order, (n,).
        """
        placed = self._place(features)
        hidden = placed
        if step:
            units = times_exp2(self.xp, self._place(known), -at.gain, ACTIVATION_BITS - 4)
            hidden = context(self.ops, step, units, placed)
        placed, hidden = placed[:, band], hidden[:, band]

        def predict(group: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
            place = places(step, self.channels)[group]
            predicted = correction(self.ops, group, placed[:, place[0], place[1]], base=True)
            if step:
                added = correction(self.ops, group, hidden[:, place[0], place[1]], base=False)
                predicted = self.ops.add(predicted, added)
            return self._read(predicted, at.scale[place[2]], at.gain[place[2]])

        return _joined(crew.each(predict, range(GROUPS)))


def _joined(
    parts: Iterable[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Table indexes and means of all groups."""
    indexes, means = zip(*parts, strict=True)
    return np.concatenate(indexes), np.concatenate(means)


def _code(
    values: npt.NDArray[np.int32],
    indexes: npt.NDArray[np.uint8],
    means: npt.NDArray[np.float64],
    where: list[Place],
    exchange: Exchange,
) -> None:
    """Code a batch, and put what it decodes to into its places of `values`, in 1/16 of a quantisation step."""
    distances = exchange(indexes, means, where)
    decoded = np.clip(distances + means, -ACTIVATION_MAX, ACTIVATION_MAX)
    begin = 0
    for place in where:
        target = values[place]
        target[...] = decoded[begin : begin + target.size].reshape(target.shape)
        begin += target.size


def band_rows(width: int) -> int:
    """Rows of latents of `width` that are coded together: normative, and what bounds the networks' memory."""
    return max(2, BAND_POSITIONS // width * 2)


def _hyper_size(size: tuple[int, int]) -> tuple[int, int]:
    """Size of the hyper-latents of latents."""
    return -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)
