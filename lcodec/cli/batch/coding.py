"""What `encode` and `decode` do to one file: their settings, as values that other processes can be given."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from lcodec import defaults
from lcodec.cli.batch import files
from lcodec.cli.batch.files import Pieces
from lcodec.cli.console import Progress
from lcodec.errors import LcodecError, LimitError, ModelError
from lcodec.zoo import Zoo

if TYPE_CHECKING:
    from lcodec.codec import Device
    from lcodec.container import Header
    from lcodec.picture import Picture
    from lcodec.picture.read import Alpha
    from lcodec.targets import Found, Name
    from lcodec.zoo import Model

__all__ = ["Coded", "Coding", "Decoding", "Encoding"]


@dataclass(frozen=True)
class Coded:
    """What came of a file."""

    data: Pieces
    header: Header  #: of the coded side
    model: str
    notes: tuple[str, ...] = ()  #: what was not kept as it was
    found: Found | None = None  #: how a target was met
    keep_lossless: bool = False  #: a lossless file would be smaller


class Coding(Protocol):
    """A way of making an output of an input."""

    @property
    def device(self) -> Device:
        """Where networks run."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that shapes the output, besides the input; fit for JSON."""

    def drain(self, stream: BinaryIO) -> bytes:
        """Read what is wanted of an input that cannot be read twice."""

    def check(self, source: BinaryIO) -> None:
        """Raise what `code` would raise of this input, as far as that can be known without coding it."""

    def is_whole(self, output: BinaryIO) -> bool:
        """Whether what stands in the place of an output is a file of its kind, and undamaged."""

    def code(self, source: BinaryIO, progress: Progress) -> Coded:
        """Make the output; `progress` is told the part that is done, 0 to 1, where it takes long."""


#: Settings that decide where and whether work is done, and not what comes of it.
_NO_MATTER = {"device", "max_pixels", "memory"}


def _settings(coding: Encoding | Decoding) -> dict[str, Any]:
    return {name: value for name, value in asdict(coding).items() if name not in _NO_MATTER}


@dataclass(frozen=True)
class Encoding:
    """How pictures are encoded."""

    model: str  #: name or file
    identity: str  #: of the model's arrays: those of its entropy part, synthesis and analysis
    quality: float
    effort: int
    target: tuple[Name, float] | None  #: to meet instead of the quality
    alpha: Alpha
    background: tuple[int, int, int]
    metadata: tuple[str, ...]
    strict_depth: bool
    device: Device
    max_pixels: int
    memory: int

    @classmethod
    def of(cls, model: str, *args: Any, **kwargs: Any) -> Encoding:
        """Fill in the model's identity; the other arguments are the fields.

        Raises:
            ModelError: there is no such model.
        """
        model = located(model)
        return cls(model, _load(model)[1].identity, *args, **kwargs)

    @property
    def settings(self) -> dict[str, Any]:
        """As in `Coding`; the model by its identity, for under one name there may be others in time."""
        settings = _settings(self)
        del settings["model"]
        return settings

    def drain(self, stream: BinaryIO) -> bytes:
        """As in `Coding`: all of it."""
        return stream.read()

    def check(self, source: BinaryIO) -> None:
        """As in `Coding`: the picture is read."""
        self._read(source, [])

    def is_whole(self, output: BinaryIO) -> bool:
        """As in `Coding`: a coded file whose checksum is right."""
        from lcodec.container import unpack

        try:
            unpack(files.read_coded(output))
        except LcodecError:
            return False
        return True

    def _read(self, source: BinaryIO, notes: list[str]) -> Picture:
        from lcodec.container import check_size
        from lcodec.picture import read_picture

        picture = read_picture(
            source,
            max_pixels=self.max_pixels,
            alpha=self.alpha,
            background=self.background,
            metadata=self.metadata,
            strict_depth=self.strict_depth,
            note=notes.append,
        )
        check_size(picture.width, picture.height)
        return picture

    def code(self, source: BinaryIO, progress: Progress) -> Coded:
        """Encode a picture file."""
        from lcodec import codec, targets
        from lcodec.advice import advise
        from lcodec.container import read_header
        from lcodec.networks.gains import QUALITY_STEPS

        zoo, model = _load(self.model)
        if model.identity != self.identity:
            raise ModelError(f"the model {self.model} here is not the one that the run began with")
        notes: list[str] = []
        picture = self._read(source, notes)
        code: Callable[..., bytes] = partial(codec.encode, effort=self.effort, device=self.device, memory=self.memory)
        if self.target is None:
            found, data = None, code(picture, model, self.quality, progress=progress)
        else:
            target = targets.Target(*self.target)
            code = _counted(code, progress)
            found = targets.encode_to(
                picture, model, target, zoo=zoo, code=code, device=self.device, memory=self.memory
            )
            data = found.data
        header = read_header(data)

        def decoded() -> Any:
            return codec.decode(data, zoo, device=self.device, max_pixels=self.max_pixels, memory=self.memory).pixels

        advice = advise(picture, data, header.quality_step * 100 / QUALITY_STEPS, decoded)
        if advice is not None:
            notes.append(advice.note)
        keep_lossless = advice is not None and advice.lossless_is_smaller
        return Coded(Pieces(data), header, model.name, tuple(notes), found, keep_lossless)


def _counted(code: Callable[..., bytes], progress: Progress) -> Callable[..., bytes]:
    """Let `progress` be told which of the codings of a search is under way, and how much of it is done."""
    from lcodec.targets import CODINGS_MAX

    codings = 0

    def counted(*arguments: Any, exact: bool) -> bytes:
        nonlocal codings
        before, codings = codings, codings + 1
        most = CODINGS_MAX if exact else 2 * CODINGS_MAX

        def tell(part: float) -> None:
            progress((before + part) / most, f"coding {before + 1} of at most {most}")

        tell(0)
        return code(*arguments, exact=exact, progress=tell)

    return counted


def located(model: str) -> str:
    """A model's name, or, where no index has it, its file as a worker finds it that stands in another folder."""
    if not Path(model).is_file() or any(entry.name == model for entry in _zoo().entries()):
        return model
    return str(Path(model).absolute())


def _load(name: str) -> tuple[Zoo, Model]:
    """A model, and a zoo that finds it for decoding, even a file that no index lists."""
    return _load_from(name, os.environ.get("LCODEC_MODELS", ""))


@lru_cache(maxsize=2)
def _load_from(name: str, _: str) -> tuple[Zoo, Model]:
    zoo = Zoo()
    return zoo, zoo.load(name)


@dataclass(frozen=True)
class Decoding:
    """How coded files are decoded."""

    model: str | None  #: name or file, in place of the one that a file names
    identity: str  #: of that model's arrays
    format: str
    background: tuple[int, int, int]
    device: Device
    max_pixels: int
    memory: int
    realism: float | None
    metadata: tuple[str, ...]
    crop: tuple[int, int, int, int] | None  #: width, height, left, top
    resize: tuple[int, int] | float | None  #: width and height, or percent
    srgb: bool
    jpeg_quality: int
    syntheses: tuple[str, ...]  #: ids of the generative ones, where they are asked for

    @classmethod
    def of(cls, model: str | None, realism: float | None, **others: Any) -> Decoding:
        """Fill in the identity of a model that is given, and the generative syntheses that are installed.

        Raises:
            ModelError: there is no such model, or an index of models cannot be read.
        """
        zoo, identity = _zoo(), ""
        if model is not None:
            model = located(model)
            identity = zoo.load(model).identity
        entries = zoo.entries() if realism else []
        syntheses = tuple(entry.synthesis_id for entry in entries if entry.synthesis_only)
        return cls(model=model, identity=identity, realism=realism, syntheses=syntheses, **others)

    @property
    def settings(self) -> dict[str, Any]:
        """As in `Coding`; a model that is given by its identity.

        Those that change nothing are left out, as versions that did not have them recorded none.
        """
        settings = _settings(self)
        del settings["model"]
        if not self.identity:
            del settings["identity"]
        if self.realism is None:
            del settings["realism"]
        if not self.syntheses:
            del settings["syntheses"]
        if self.metadata == defaults.METADATA:
            del settings["metadata"]
        for name, plain in {"crop": None, "resize": None, "srgb": False, "jpeg_quality": defaults.JPEG_QUALITY}.items():
            if settings[name] == plain:
                del settings[name]
        return settings

    def drain(self, stream: BinaryIO) -> bytes:
        """As in `Coding`: as much as the header says."""
        return files.read_coded(stream)

    def check(self, source: BinaryIO) -> None:
        """As in `Coding`: the checksum is verified, and the model looked for."""
        from lcodec.container import unpack

        header = unpack(files.read_coded(source)).header
        if header.width * header.height > self.max_pixels:
            raise LimitError(f"{header.width}x{header.height} is over the limit of {self.max_pixels} pixels")
        self._check_size(header)
        _zoo().find(header.entropy_id, header.synthesis_id, self.model, self.realism)

    def _check_size(self, header: Header) -> None:
        """Refuse what cannot be cut out, resized or written, before time is spent on decoding."""
        from lcodec.picture import WRITES, check_sides
        from lcodec.picture.edit import check_crop, size_after

        size = header.width, header.height
        if self.crop is not None:
            check_crop(size, self.crop)
            size = self.crop[:2]
        if self.resize is not None:
            size = size_after(size, self.resize, self.max_pixels)
        check_sides(WRITES[self.format][0], *size)

    def is_whole(self, output: BinaryIO) -> bool:
        """As in `Coding`: a picture that can be read to its end."""
        from lcodec.picture import read_picture

        try:
            read_picture(output, max_pixels=self.max_pixels)
        except LcodecError:
            return False
        return True

    def code(self, source: BinaryIO, progress: Progress) -> Coded:
        """Decode a coded file to a picture file."""
        from lcodec import codec
        from lcodec.container import read_header
        from lcodec.picture import write_picture

        data = files.read_coded(source)
        header = read_header(data)
        self._check_size(header)
        zoo = _zoo()
        picture = codec.decode(
            data,
            zoo,
            device=self.device,
            max_pixels=self.max_pixels,
            memory=self.memory,
            model=self.model,
            realism=self.realism,
            metadata=self.metadata,
            progress=progress,
        )
        written, notes = Pieces(), list[str]()
        picture = self._edited(picture, notes)
        write_picture(
            picture,
            written,
            self.format,
            background=self.background,
            jpeg_quality=self.jpeg_quality,
            note=notes.append,
        )
        name = zoo.name_of(header.entropy_id, header.synthesis_id) if self.model is None else zoo.load(self.model).name
        return Coded(written, header, name or header.entropy_id.hex(), tuple(notes))

    def _edited(self, picture: Picture, notes: list[str]) -> Picture:
        from lcodec.picture import edit

        if self.crop is not None:
            picture = edit.cropped(picture, self.crop)
        if self.resize is not None:
            picture = edit.resized(picture, self.resize, self.max_pixels)
        return edit.to_srgb(picture, notes.append) if self.srgb else picture


def _zoo() -> Zoo:
    return _zoo_of(os.environ.get("LCODEC_MODELS", ""))


@lru_cache(maxsize=1)
def _zoo_of(_: str) -> Zoo:
    return Zoo()  # keeps the models that it has loaded
