"""The spine: picture -> file and file -> picture, a line a stage. `encode` and `decode` are mirror images.

On a CPU both run on NumPy alone; torch is imported for a GPU, and for the slow levels of effort.
Large pictures are coded in regions, several at a time (`lcodec.execution`); memory stays within the limit given.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
import numpy.typing as npt

from lcodec.container import Header, Part, check_size, pack, unpack
from lcodec.defaults import MAX_PIXELS, MEMORY
from lcodec.effort import Effort
from lcodec.errors import DamagedError, LimitError, ModelError, UsageError
from lcodec.exact import (
    FILL_BYTES,
    NO_ERRORS,
    Judge,
    Piece,
    Way,
    check_streams,
    choose,
    drawn_parts,
    unpack_exact,
)
from lcodec.execution.engine import Backend, Device, Engine
from lcodec.execution.memory import workers_to_decode, workers_to_encode
from lcodec.execution.regions import Layout, Region, by_strips, window_of
from lcodec.execution.stages import Analyses, Synthesis
from lcodec.extras import require
from lcodec.networks import crew
from lcodec.networks.gains import QUALITY_STEPS
from lcodec.picture import METADATA, Picture
from lcodec.picture.alpha import fill_hidden, pack_alpha, unpack_alpha
from lcodec.picture.xmp import enhanced_xmp
from lcodec.zoo import Model, Zoo

__all__ = ["MAX_PIXELS", "MEMORY", "Backend", "Device", "decode", "encode"]


def encode(
    picture: Picture,
    model: Model,
    quality: float,
    *,
    effort: int = 0,
    device: Device = "auto",
    backend: Backend = "auto",
    memory: int = MEMORY,
    exact: bool = True,
    progress: Callable[[float], None] = lambda _: None,
) -> bytes:
    """Encode a picture to the bytes of an .lcdc file.

    Args:
        picture: of any size.
        model: from a `Zoo`.
        quality: 0 to 100; steps of 0.01 have an effect.
        effort: 0 to 9; more makes the file smaller, at the same distortion (see `lcodec.effort`).
        device: "cuda" to use a GPU, "cpu" to use none.
        backend: for tests; which implementation runs.
        memory: bytes that the process may hold besides the picture and its file; limits the regions coded at a time.
        exact: keep what is drawn exactly where that pays (`lcodec.exact`) and `memory` allows to find out.
        progress: is told the part that is done, 0 to 1: after each region, and within one at slow levels of effort.

    Raises:
        UsageError: the quality or the effort is out of range; the device is missing, or torch, which slow levels need.
        LimitError: a side is longer than the format holds, or `memory` does not suffice for this size.
        SelfTestError: this machine's arithmetic is not exact.
    """
    if not 0 <= quality <= 100:
        raise UsageError(f"quality must be 0 to 100, not {quality:g}")
    check_size(picture.width, picture.height)
    quality_step = round(quality * QUALITY_STEPS / 100)
    layout = Layout.of(picture.height, picture.width)
    engine = Engine(device, backend, picture.height * picture.width)
    entropy = engine.entropy(model)
    # What is coded does not depend on the synthesis that is to show it: a generative one leaves that to its base.
    coder = model.base or model
    spent = Effort(effort, engine, coder, entropy, quality_step, layout)
    if spent.uses_torch:
        require("torch", f"effort {effort}")
    plain = Way(fill_hidden(picture.pixels, picture.alpha))
    workers = partial(workers_to_encode, model.architecture, layout=layout, cores=engine.cores, extra=spent)
    many = workers(memory)
    drawn, many = _drawn(picture, plain, layout, many, workers, memory) if exact else (None, many)
    # What is exact is chosen by codes of level 1, which are quick, at all levels from there on.
    quick = spent if effort < 2 or drawn is None else Effort(1, engine, coder, entropy, quality_step, layout)
    turns = 1 if drawn is None else 2 + (quick is not spent)
    done = _Shares(progress, len(layout.regions), turns)

    def tell(region: Region, part: float) -> None:
        done(layout.regions.index(region), part)

    def code(way: Way, judge: Judge | None = None, level: Effort = quick) -> list[Piece]:
        analyses = Analyses(engine, model, level.quality_step)

        def code_one(region: Region) -> Piece:
            exact = way.exact.get(region, b"")
            if region in way.bare:
                tell(region, 1)
                return Piece(Part(b"", b"", exact))
            latents = analyses.latents(way.pixels, region)
            hyper_latents = analyses.hyper_latents(latents)
            coded = level.code(latents, hyper_latents, way.pixels, region, partial(tell, region))
            tell(region, 1)
            errors = judge.errors(region, coded) if judge else NO_ERRORS
            return Piece(Part(coded.hyper, coded.latents, exact), coded.check, errors)

        pieces = spread(code_one, layout.regions)
        done.turn()
        return pieces

    with engine.spread(many) as spread:
        way, pieces = plain, None
        if drawn is not None:
            # Judged are the codes of `quick`, whose steps may be coarser than those of the quality that was asked for.
            synthesis = Synthesis(engine, coder, quick.quality_step)
            judge = Judge(synthesis, coder.goal, quality_step, plain.pixels, drawn)
            way, pieces = choose(picture, plain, judge, layout, code, spread, slowly=effort > 2)
        if pieces is None or quick is not spent:
            pieces = code(way, level=spent)
    done.finish()
    header = Header(
        picture.width,
        picture.height,
        picture.grey,
        spent.quality_step,
        model.entropy_id,
        model.synthesis_id,
        _joint([piece.check for piece in pieces]),
        {},
        region=layout.region_px,
        hyper_context=entropy.has_hyper_context,
        dependent=spent.dependent,
    )
    return pack(header, [piece.part for piece in pieces], _chunks(picture))


def decode(
    data: bytes,
    zoo: Zoo,
    *,
    device: Device = "auto",
    backend: Backend = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: int = MEMORY,
    model: str | None = None,
    realism: float | None = None,
    metadata: Collection[str] = METADATA,
    progress: Callable[[float], None] = lambda _: None,
) -> Picture:
    """Decode the bytes of an .lcdc file, the mirror of `encode`.

    Pixels may differ by 1/255 between devices (the synthesis is floating point); the latents never do.

    Args:
        data: a whole file.
        zoo: where the model that the file names is looked for.
        device: "cuda" to use a GPU, "cpu" to use none.
        backend: for tests; which implementation runs.
        max_pixels: larger pictures are refused.
        memory: bytes that the process may hold besides the picture and its file; limits the regions decoded at a time.
        model: name or path of a model to decode with in place of the one that the file names; it must have the same
            entropy part.
        realism: 0 (the synthesis of the model that coded it) to 1 (a generative one); None means what the file names.
        metadata: which of METADATA are kept. Unless none is, XMP says so where the synthesis was a generative one.
        progress: is told the part that is done, 0 to 1, twice for each region.

    Raises:
        UsageError: the realism is out of range, or the device is not there.
        DamagedError: not an lcodec file, or damaged or truncated.
        ModelError: the model is not at hand.
        LimitError: the picture is larger than `max_pixels`, or `memory` does not suffice for it.
        SelfTestError: this machine's arithmetic is not exact.
    """
    if realism is not None and not 0 <= realism <= 1:
        raise UsageError(f"realism must be 0 to 1, not {realism:g}")
    container = unpack(data)
    header = container.header
    if header.width * header.height > max_pixels:
        raise LimitError(f"{header.width}x{header.height} is over the limit of {max_pixels} pixels")
    found = zoo.find(header.entropy_id, header.synthesis_id, model, realism)
    layout = Layout.of(header.height, header.width, header.region)
    parts = dict(zip(layout.regions, container.parts, strict=True))
    coded = ((len(part.hyper), region.size) for region, part in parts.items() if not part.bare)
    if header.hyper_context and not found.entropy.has_hyper_context:
        raise ModelError(f"the model {found.name} here is older than the one that the file was made with")
    found.entropy.check_lengths(coded, header.quality_step, contextual=header.hyper_context)
    check_streams(container)
    engine = Engine(device, backend, header.width * header.height)
    entropy = engine.entropy(found)
    network = Synthesis(engine, found, header.quality_step)
    pixels = np.empty((header.height, header.width, 1 if header.grey else 3), np.uint8)
    done = _Shares(progress, 2 * len(layout.regions))
    decode_sections = partial(entropy.decode, contextual=header.hyper_context, dependent=header.dependent)

    def decode_latents(region: Region) -> tuple[npt.NDArray[np.int32], int]:
        part = parts[region]
        if part.bare:
            decoded = np.zeros((*region.size, entropy.channels), np.int32), 0
        else:
            decoded = decode_sections(part.hyper, part.latents, region.size, header.quality_step)
        done(2 * layout.regions.index(region), 1)
        return decoded

    def synthesise(region: Region, window: npt.NDArray[np.int32], origin: tuple[int, int]) -> None:
        part = parts[region]
        if not part.bare:
            network.pixels(window, origin, region, pixels)
        unpack_exact(part.exact, window_of(region, pixels), whole=part.bare)
        done(2 * layout.regions.index(region) + 1, 1)

    workers = workers_to_decode(found.architecture, memory, layout, engine.cores)
    with engine.spread(workers) as spread:
        checks = by_strips(layout, workers, found.architecture, decode_latents, synthesise, spread)
    if _joint(checks) != header.check:
        raise DamagedError("damaged: the decoded symbols are not those that were coded")
    packed = container.chunks.get("alpha")
    alpha = None if packed is None else unpack_alpha(packed, header.height, header.width)
    chunks = {name: content for name, content in container.chunks.items() if name in metadata}
    if found.base is not None and metadata:
        chunks["xmp"] = enhanced_xmp(chunks.get("xmp"))
    return Picture(pixels, alpha=alpha, **chunks)


class _Shares:
    """Adds up the parts that are done of equal shares, which several threads work on, in one turn after another."""

    def __init__(self, progress: Callable[[float], None], count: int, turns: int = 1) -> None:
        self._progress, self._done, self._turns, self._over = progress, [0.0] * count, turns, 0

    def __call__(self, share: int, part: float) -> None:
        """Of this share, this part is done, 0 to 1.

        Raises:
            CancelledError: nobody waits for it.
        """
        crew.check()  # annealing meets no other
        self._done[share] = part
        self._progress(min((self._over + sum(self._done) / len(self._done)) / self._turns, 1.0))

    def turn(self) -> None:
        """All shares are done; what is told next is of another turn."""
        self._done, self._over = [0.0] * len(self._done), self._over + 1

    def finish(self) -> None:
        """All turns are done, or were not needed."""
        if self._over < self._turns:
            self._progress(1)


def _drawn(
    picture: Picture, plain: Way, layout: Layout, many: int, workers: Callable[[int], int], memory: int
) -> tuple[npt.NDArray[np.bool_] | None, int]:
    """Find what may be kept exactly, and how many regions, of `many`, are coded at a time in the memory left by that.

    Nothing may be where the memory does not suffice: the networks code any picture in what they take for themselves.
    """
    with suppress(LimitError):
        fewer = workers(memory - FILL_BYTES * picture.height * picture.width)
        drawn = drawn_parts(picture, plain.pixels, layout)
        return drawn, many if drawn is None else fewer
    return None, many


def _chunks(picture: Picture) -> dict[str, bytes]:
    """Optional chunks: metadata, and the alpha channel unless it is opaque everywhere."""
    chunks = {name: content for name in METADATA if (content := getattr(picture, name))}
    if picture.alpha is not None and picture.alpha.min() < 255:
        chunks["alpha"] = pack_alpha(picture.alpha)
    return chunks


def _joint(checks: Sequence[int]) -> int:
    """Symbol check of a file: that of its one region, or the CRC-32 of those of its regions."""
    return checks[0] if len(checks) == 1 else zlib.crc32(np.array(checks, "<u4").tobytes())
