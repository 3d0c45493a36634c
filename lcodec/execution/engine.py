"""Where the networks run: NumPy or torch, the device, and the threads that share out the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Lock
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lcodec.arrays import INTEGER, select
from lcodec.cores import cores
from lcodec.entropy.model import EntropyModel
from lcodec.entropy.selftest import self_test
from lcodec.errors import UsageError
from lcodec.extras import has, require
from lcodec.networks import crew
from lcodec.networks.ops import NumpyOps
from lcodec.threads import import_torch
from lcodec.zoo import Model

__all__ = ["Backend", "Device", "Engine", "Spread"]

Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["auto", "numpy", "torch"]

#: From this size on a GPU, where there is one, outweighs the import of torch. On a CPU NumPy is used at every size.
TORCH_PIXELS = 10_000_000

S = TypeVar("S")
T = TypeVar("T")

#: The calls that share work out at present, and what gives BLAS its threads back after the last of them.
_spreading, _limits, _lock = 0, ExitStack(), Lock()


class Spread(Protocol):
    """Calls a function on each item, several at a time, and returns the results in the order of the items."""

    def __call__(self, function: Callable[[S], T], items: Iterable[S], /) -> list[T]: ...


class Engine:
    """NumPy or torch on a device. The two compute the same symbols."""

    def __init__(self, device: Device, backend: Backend, pixels: int) -> None:
        """Choose for a picture of `pixels`.

        Raises:
            UsageError: the device is not there, or torch, which it needs.
        """
        self.xp: Any = np
        self.device: Any = None
        large = backend == "auto" and device == "auto" and pixels >= TORCH_PIXELS
        if backend == "torch" or device == "cuda" or (large and has("torch") and _cuda_driver()):
            require("torch", "--device cuda" if device == "cuda" else "this implementation")
            torch = import_torch()
            if device == "cuda" and not torch.cuda.is_available():
                raise UsageError("no CUDA device here")
            self.xp = torch
            self.device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")

    @property
    def cores(self) -> int:
        """Most regions that are worked on at a time: torch shares out each operation by itself."""
        return cores() if self.xp is np else 1

    @contextmanager
    def spread(self, workers: int) -> Iterator[Spread]:
        """Share work out to `workers` threads, and the work of each to a crew where there are cores for it.

        Each thread has one BLAS thread (`lcodec.networks.crew` says why). An exception, as where the user interrupts,
        ends what is under way within a layer of a network: it would hold the process up for as long as a region takes.
        """
        cores = self.cores
        if cores == 1:
            yield lambda function, items: [function(item) for item in items]
            return
        from concurrent.futures import ThreadPoolExecutor

        regions, threads, stopped = ThreadPoolExecutor(workers), ThreadPoolExecutor(cores), Event()

        def spread(function: Callable[[S], T], items: Iterable[S]) -> list[T]:
            def shared(item: S) -> T:
                with crew.at_work(threads, crew.size(cores, workers), stopped):
                    return function(item)

            return list(regions.map(shared, items))

        with _one_blas_thread():
            try:
                yield spread
            finally:
                stopped.set()
                regions.shutdown(cancel_futures=True)
                threads.shutdown(cancel_futures=True)

    def ops(self, arrays: dict[str, npt.NDArray[np.float32]]) -> Any:
        """Float operations over a model's arrays."""
        if self.xp is np:
            return NumpyOps(arrays)
        from lcodec.networks.ops_torch import TorchOps

        return TorchOps({name: self.place(value) for name, value in arrays.items()})

    def entropy(self, model: Model) -> EntropyModel:
        """The entropy model on this engine.

        Raises:
            SelfTestError: this device's arithmetic is not exact.
        """
        entropy = model.entropy
        if self.xp is not np:
            entropy = EntropyModel(select(model.arrays, INTEGER), self.xp, self.device)
        self_test(self.xp, self.device, entropy.ops.inputs)
        return entropy

    def drafting(self, model: Model) -> EntropyModel:
        """An entropy model for drafts: nearly the codes of `entropy`, which no decoder can read, in half the time."""
        return EntropyModel(select(model.arrays, INTEGER), self.xp, self.device, np.float32)

    def place(self, value: npt.NDArray[Any]) -> Any:
        """A float32 array of this engine."""
        value = np.ascontiguousarray(value, np.float32)
        return value if self.xp is np else self.xp.as_tensor(value, device=self.device)

    def fetch(self, value: Any) -> npt.NDArray[np.float32]:
        """The NumPy array of this engine's array."""
        return value if self.xp is np else value.cpu().numpy()  # type: ignore[no-any-return]


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread until the last of the calls that overlap is over.

    The limit is the whole process's: were each call to set back what it found, the last might leave that of another.
    """
    global _spreading  # noqa: PLW0603 - as the limit is
    with _lock:
        if not _spreading:
            from threadpoolctl import threadpool_limits

            _limits.enter_context(threadpool_limits(1, "blas"))
        _spreading += 1
    try:
        yield
    finally:
        with _lock:
            _spreading -= 1
            if not _spreading:
                _limits.close()


def _cuda_driver() -> bool:
    """Whether there may be a CUDA device, without the second and the memory that importing torch takes."""
    from ctypes.util import find_library

    return any(find_library(name) for name in ("cuda", "nvcuda"))
