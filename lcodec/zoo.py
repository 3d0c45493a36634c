"""The models at hand: found in folders that have an `index.json`, named in streams by hashes of their arrays.

A model file (safetensors) has float16 arrays for the float networks, float32 log-gains, and the integer entropy part:
    analysis.* hyper_analysis.*  gain.analysis  effort.*         used by the encoder only
    synthesis.*  gain.synthesis gain.inverse                     named by the synthesis id
    hyper_synthesis.* base.* context.*  quality.*                named by the entropy id

A file may also hold a synthesis alone, made for the entropy part of another model, which its metadata name
(`entropy_id`): what was coded with that model can then be decoded with either synthesis. Such a one is generative: it
is one end of realism, of which the other is the synthesis of the model it was made for (`lcodec.networks.generator`).

Metrics that were trained (`lcodec.networks.pim`) are not models: they have a list of their own in the `index.json`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcodec.arrays import (
    ANALYSIS,
    ENTROPY,
    HYPER_CONTEXT,
    INTEGER,
    SYNTHESIS,
    check_types,
    identify,
    read_arrays,
    select,
)
from lcodec.errors import ModelError
from lcodec.goal import UNSAID, Goal
from lcodec.index import Entry, Metric, listed

if TYPE_CHECKING:
    from lcodec.arrays import Arrays
    from lcodec.entropy.model import EntropyModel
    from lcodec.networks.architecture import Architecture

__all__ = ["METRIC", "REALISM", "Model", "Zoo", "as_model", "read_metric"]

#: What a generative synthesis is trained for, in place of the aim of a `Goal`; and what a metric says there.
REALISM, METRIC = "realism", "metric"
_HOW = "the option model names its file, LCODEC_MODELS its folder"


@dataclass(frozen=True)
class Model:
    """A loaded model. Float arrays become float32, and the entropy part is proved exact, when first used."""

    name: str
    arrays: Arrays = field(repr=False)
    entropy_id: bytes
    synthesis_id: bytes
    goal: Goal = UNSAID  #: what it was trained for
    base: Model | None = field(default=None, repr=False)  #: the model for which this is a generative synthesis

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: the fields, without what was made of them."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @cached_property
    def identity(self) -> str:
        """Hexadecimal ids of its entropy part, of its synthesis, and of all else that its files depend on."""
        parts = self.entropy_id, self.synthesis_id, identify(self.arrays, (*ANALYSIS, HYPER_CONTEXT), 4)
        return "-".join(part.hex() for part in parts)

    @cached_property
    def encoder(self) -> Arrays:
        """Arrays of the analysis and hyper-analysis, float32."""
        if self.base is not None:
            return self.base.encoder
        return _float32(self.arrays, ANALYSIS)

    @cached_property
    def decoder(self) -> Arrays:
        """Arrays of the synthesis, float32."""
        return _float32(self.arrays, SYNTHESIS)

    @cached_property
    def architecture(self) -> Architecture:
        """Sizes of its networks."""
        from lcodec.networks.architecture import Architecture

        return Architecture.of(self.arrays)

    @cached_property
    def entropy(self) -> EntropyModel:
        """The entropy model on NumPy.

        Raises:
            ModelError: it is not exact.
        """
        if self.base is not None:
            return self.base.entropy
        from lcodec.entropy.model import EntropyModel

        try:
            return EntropyModel(select(self.arrays, INTEGER))
        except ModelError as error:
            raise ModelError(f"cannot use the model {self.name}: {error}") from error

    def at(self, realism: float) -> Model:
        """A generative synthesis moved towards that of the model it was made for: 0 is that model, 1 this one.

        Raises:
            ModelError: this is not a generative synthesis, or it does not fit the model.
        """
        from lcodec.networks.generator import blend

        if self.base is None:
            raise ModelError(f"the model {self.name} has no realism to choose")
        if realism in {0, 1}:
            return self if realism else self.base
        plain, real = select(self.base.arrays, SYNTHESIS), select(self.arrays, SYNTHESIS)
        return replace(self, arrays=self.arrays | blend(plain, real, realism))


def _float32(arrays: Arrays, prefixes: tuple[str, ...]) -> Arrays:
    return {name: value.astype("float32", copy=False) for name, value in select(arrays, prefixes).items()}


def as_model(arrays: Arrays, name: str, goal: Goal = UNSAID) -> Model:
    """A model ready to use, of arrays that need not be on disk."""
    return Model(name, arrays, identify(arrays, ENTROPY, 8), identify(arrays, SYNTHESIS, 4), goal)


def read_metric(path: Path) -> Arrays:
    """Arrays of the file of a metric.

    Raises:
        ModelError: it cannot be read, or it is not a metric.
    """
    arrays, metadata = read_arrays(path)
    if metadata.get("aim") != METRIC:
        raise ModelError(f"{path} is not a metric of lcodec")
    return arrays


def _read(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a model file, or of one with a synthesis alone."""
    arrays, metadata = read_arrays(path)
    if metadata.get("aim") == METRIC:
        raise _is_a_metric(str(path))
    parts = SYNTHESIS if "entropy_id" in metadata else (*ANALYSIS, *SYNTHESIS, *ENTROPY)
    if not all(any(key.startswith(prefix) for key in arrays) for prefix in parts):
        raise ModelError(f"{path} is not an lcodec model")
    return arrays, metadata


def _is_a_metric(name: str) -> ModelError:
    return ModelError(f"{name} is a metric, not a codec: it measures, as in lcodec eval --metric pim")


def _goal(path: Path, metadata: dict[str, str]) -> Goal:
    try:
        return Goal.of(metadata)
    except (ValueError, KeyError) as error:
        raise ModelError(f"cannot read the model {path}: {error}") from error


def _checked(path: Path, model: Model) -> Model:
    """A model of a file, once its arrays are known to be all there, to fit together, and of the right types."""
    try:
        _ = model.architecture
        check_types(model.arrays)
    except ModelError as error:
        raise ModelError(f"cannot use the model {path}: {error}") from error
    return model


def _bundled() -> Path:
    """The folder of the models that lcodec ships: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


class Zoo:
    """Models in the shipped folder, in those of LCODEC_MODELS, and in `extra`; earlier folders win, `extra` first."""

    def __init__(self, extra: Sequence[Path] = ()) -> None:
        named = [Path(folder) for folder in os.environ.get("LCODEC_MODELS", "").split(os.pathsep) if folder]
        self.folders = [*extra, *named, _bundled()]
        self._loaded: dict[Path, Model] = {}  #: of the folders
        self._given: dict[Path, Model] = {}  #: model files that were loaded by their paths
        self._blended: dict[tuple[bytes, bytes, float], Model] = {}  #: the latest one between two syntheses

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: the models of the folders are loaded again where they are needed."""
        return self.__dict__ | {"_loaded": {}, "_blended": {}}

    def without_index(self) -> list[Path]:
        """Folders of LCODEC_MODELS and `extra` that hold no models, or are none."""
        return [folder for folder in self.folders[:-1] if not (folder / "index.json").exists()]

    def entries(self) -> list[Entry]:
        """All models, each name once.

        Raises:
            ModelError: an index cannot be read.
        """
        found: dict[str, Entry] = {}
        for entry in self._all():
            found.setdefault(entry.name, entry)
        return list(found.values())

    def metrics(self) -> list[Metric]:
        """All metrics that were trained, each name once.

        Raises:
            ModelError: an index cannot be read.
        """
        found: dict[str, Metric] = {}
        for metric in listed(self.folders, "metrics", Metric):
            found.setdefault(metric.name, metric)
        return list(found.values())

    def _all(self) -> Iterator[Entry]:
        return listed(self.folders, "models", Entry)

    def load(self, name: str) -> Model:
        """Load a model by its name in an index, or by the path of a model file.

        A synthesis for another model comes with all else of that model.

        Raises:
            ModelError: there is none of that name, or it is damaged.
        """
        for entry in self._all():
            if entry.name == name:
                return self._open(entry)
        if not name:
            raise ModelError("the name of the model is empty")
        path = Path(name)
        if path.is_dir():
            raise ModelError(f"{name!r} is a folder, no model's file (LCODEC_MODELS names a folder of models)")
        if path.suffix == ".safetensors" or path.exists():
            if path not in self._given:
                self._given[path] = self._whole(path, path.stem)
            return self._given[path]
        if any(metric.name == name for metric in self.metrics()):
            raise _is_a_metric(name)
        known = ", ".join(entry.name for entry in self.entries()) or "none"
        raise ModelError(f"no model named {name!r} (known: {known})")

    def find(
        self, entropy_id: bytes, synthesis_id: bytes, synthesis: str | None = None, realism: float | None = None
    ) -> Model:
        """Load the model that a stream names; one that was loaded by its path counts as at hand.

        Args:
            entropy_id: of the model that coded it.
            synthesis_id: of the synthesis that it was meant for.
            synthesis: name or path of another model of the same entropy part, whose synthesis is wanted instead.
            realism: 0 (the synthesis of the model that coded it) to 1 (a generative synthesis for that model: the one
                named, or any); None means what is named.

        Raises:
            ModelError: it is not at hand, or its file is not the one that the index describes.
        """
        if synthesis is not None:
            model = self.load(synthesis)
            if model.entropy_id != entropy_id:
                raise ModelError(f"the model {synthesis} cannot decode what {entropy_id.hex()} coded")
            return model if realism is None else self._at(model, realism)
        plain = self._plain(entropy_id, synthesis_id)
        if realism == 0 and plain is not None:
            return plain
        if plain is None or plain.synthesis_id != synthesis_id:
            model = self._named(entropy_id, synthesis_id, plain)
            return model if realism is None else self._at(model, realism)
        return plain if realism is None else self._at(self._generative(plain), realism)

    def _at(self, model: Model, realism: float) -> Model:
        """A model's synthesis at a realism; the latest one between 0 and 1 is kept."""
        key = model.entropy_id, model.synthesis_id, realism
        if key not in self._blended:
            self._blended = {key: model.at(realism)}
        return self._blended[key]

    def _plain(self, entropy_id: bytes, synthesis_id: bytes) -> Model | None:
        """The whole model of an entropy part; of several that with the synthesis. None where none is at hand."""
        given = [model for model in self._given.values() if model.entropy_id == entropy_id and model.base is None]
        entries = [each for each in self._all() if each.entropy_id == entropy_id.hex() and not each.synthesis_only]
        for model in given:
            if model.synthesis_id == synthesis_id:
                return model
        for entry in entries:
            if entry.synthesis_id == synthesis_id.hex():
                return self._open(entry)
        return self._open(entries[0]) if entries else next(iter(given), None)

    def _named(self, entropy_id: bytes, synthesis_id: bytes, plain: Model | None) -> Model:
        """The generative synthesis that a stream names."""
        for model in self._given.values():
            if (model.entropy_id, model.synthesis_id) == (entropy_id, synthesis_id):
                return model
        for entry in self._all():
            if (entry.entropy_id, entry.synthesis_id) == (entropy_id.hex(), synthesis_id.hex()):
                return self._open(entry)
        how = _HOW if plain is None else f"{_HOW}; realism 0 shows the file with {plain.name}"
        raise ModelError(
            f"the model {entropy_id.hex()}-{synthesis_id.hex()} that the file names is not installed ({how})"
        )

    def generative(self, plain: Model) -> Model | None:
        """Return a generative synthesis for a model; None where none is at hand."""
        for model in self._given.values():
            if model.entropy_id == plain.entropy_id and model.base is not None:
                return model
        for entry in self._all():
            if entry.entropy_id == plain.entropy_id.hex() and entry.synthesis_only:
                return self._open(entry)
        return None

    def _generative(self, plain: Model) -> Model:
        found = self.generative(plain)
        if found is not None:
            return found
        raise ModelError(f"no generative model for what {plain.name} coded is installed ({_HOW}; realism 0 needs none)")

    def _whole(self, path: Path, name: str) -> Model:
        """A model file, or a synthesis together with the model that it is for."""
        arrays, metadata = _read(path)
        wanted = metadata.get("entropy_id")
        if wanted is None:
            return _checked(path, as_model(arrays, name, _goal(path, metadata)))
        for entry in self._all():
            if entry.entropy_id == wanted and not entry.synthesis_only:
                base = self._open(entry)
                kept = {key: value for key, value in base.arrays.items() if not key.startswith(SYNTHESIS)}
                return _checked(path, replace(as_model(kept | select(arrays, SYNTHESIS), name, base.goal), base=base))
        raise ModelError(f"{path} is a synthesis for the model {wanted}, which is not installed")

    def name_of(self, entropy_id: bytes, synthesis_id: bytes) -> str | None:
        """Return the name of the model that a stream names, without loading it; None where it is not at hand.

        Raises:
            ModelError: an index cannot be read.
        """
        for model in self._given.values():
            if (model.entropy_id, model.synthesis_id) == (entropy_id, synthesis_id):
                return model.name
        ids = entropy_id.hex(), synthesis_id.hex()
        return next((entry.name for entry in self.entries() if (entry.entropy_id, entry.synthesis_id) == ids), None)

    def coder_of(self, entropy_id: bytes) -> str | None:
        """Return the name of the whole model of an entropy part, without loading it; None where it is not at hand.

        Raises:
            ModelError: an index cannot be read.
        """
        named = ((each.name, each.entropy_id) for each in self.entries() if not each.synthesis_only)
        given = ((each.name, each.entropy_id.hex()) for each in self._given.values() if each.base is None)
        return next((name for name, found in (*given, *named) if found == entropy_id.hex()), None)

    def check(self, entry: Entry | Metric) -> None:
        """Compare a model file with its index, byte for byte, and prove its entropy part exact, if it has one.

        Raises:
            ModelError: they differ.
        """
        try:
            digest = hashlib.sha256(entry.path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"cannot read the model {entry.path}: {error.strerror}") from error
        if digest != entry.sha256:
            raise ModelError(f"the model file {entry.path} is not the one that its index describes")
        if isinstance(entry, Metric):
            read_metric(entry.path)
        else:
            _ = self._open(entry).entropy

    def _open(self, entry: Entry) -> Model:
        model = self._loaded.get(entry.path)
        if model is None:
            model = self._whole(entry.path, entry.name)
            if (model.entropy_id.hex(), model.synthesis_id.hex()) != (entry.entropy_id, entry.synthesis_id):
                raise ModelError(f"the model file {entry.path} is not the one that its index describes")
            self._loaded[entry.path] = model
        return model
