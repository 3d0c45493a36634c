"""What `encode` and `decode` do to one file: their settings, as values that other processes can be given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from lcodec.cli import files
from lcodec.errors import ModelError
from lcodec.zoo import ANALYSIS, Zoo, identify

if TYPE_CHECKING:
    from lcodec.codec import Device
    from lcodec.container import Header
    from lcodec.zoo import Model

__all__ = ["Coded", "Coding", "Decoding", "Encoding"]


@dataclass(frozen=True)
class Coded:
    """What came of a file."""

    data: bytes | memoryview
    header: Header  #: of the coded side
    model: str


class Coding(Protocol):
    """A way of making an output of an input."""

    @property
    def device(self) -> Device:
        """Where networks run."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that shapes the output, besides the input; fit for JSON."""

    def code(self, source: BinaryIO) -> Coded:
        """Make the output."""


#: Settings that decide where and whether work is done, and not what comes of it.
_NO_MATTER = {"device", "max_pixels"}


def _settings(coding: Encoding | Decoding) -> dict[str, Any]:
    return {name: value for name, value in asdict(coding).items() if name not in _NO_MATTER}


@dataclass(frozen=True)
class Encoding:
    """How pictures are encoded."""

    model: str  #: name or file
    identity: str  #: of the model's arrays: those of its entropy part, synthesis and analysis
    quality: float
    device: Device
    max_pixels: int

    @classmethod
    def of(cls, model: str, *args: Any, **kwargs: Any) -> Encoding:
        """Fill in the model's identity; the other arguments are the fields.

        Raises:
            ModelError: there is no such model.
        """
        if Path(model).is_file():
            model = str(Path(model).absolute())  # a worker may stand in another folder
        return cls(model, _load(model)[1], *args, **kwargs)

    @property
    def settings(self) -> dict[str, Any]:
        """As in `Coding`; the model by its identity, for under one name there may be others in time."""
        settings = _settings(self)
        del settings["model"]
        return settings

    def code(self, source: BinaryIO) -> Coded:
        """Encode a picture file."""
        from lcodec import codec
        from lcodec.container import read_header
        from lcodec.picture import read_picture

        model, identity = _load(self.model)
        if identity != self.identity:
            raise ModelError(f"the model {self.model} here is not the one that the run began with")
        picture = read_picture(source, max_pixels=self.max_pixels)
        data = codec.encode(picture, model, self.quality, device=self.device)
        return Coded(data, read_header(data), model.name)


@lru_cache(maxsize=2)
def _load(name: str) -> tuple[Model, str]:
    model = Zoo().load(name)
    parts = model.entropy_id, model.synthesis_id, identify(model.arrays, ANALYSIS, 4)
    return model, "-".join(part.hex() for part in parts)


@dataclass(frozen=True)
class Decoding:
    """How coded files are decoded."""

    format: str
    device: Device
    max_pixels: int

    @property
    def settings(self) -> dict[str, Any]:
        """As in `Coding`."""
        return _settings(self)

    def code(self, source: BinaryIO) -> Coded:
        """Decode a coded file to a picture file."""
        from lcodec import codec
        from lcodec.cli.batch import model_name
        from lcodec.container import read_header
        from lcodec.picture import write_picture

        data = files.read_coded(source)
        zoo = _zoo()
        picture = codec.decode(data, zoo, device=self.device, max_pixels=self.max_pixels)
        written = BytesIO()
        write_picture(picture, written, self.format)
        header = read_header(data)
        return Coded(written.getbuffer(), header, model_name(zoo, header) or header.entropy_id.hex())


@lru_cache(maxsize=1)
def _zoo() -> Zoo:
    return Zoo()  # keeps the models that it has loaded
