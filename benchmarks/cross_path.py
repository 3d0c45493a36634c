"""`python -m benchmarks.cross_path --photos DIR`: what NumPy encodes, torch decodes, and the other way round.

NumPy and torch are two implementations of the networks and of the entropy model. Their analyses are floating point and
may round a latent differently, so their streams need not be equal; but whichever wrote a stream, both must decode the
very symbols that were coded (their checksum is in the stream, and a mismatch an error), and pixels within 1/255.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.common import open_model, parser_of, photos_of, show
from lcodec.codec import MAX_PIXELS, Backend, Device, decode, encode
from lcodec.errors import DamagedError
from lcodec.picture import Picture, read_picture
from lcodec.zoo import Model, Zoo

PATHS: tuple[Backend, Backend] = ("numpy", "torch")
QUALITIES = (0, 50, 100)
TOLERANCE = 1  # of 255


@dataclass(frozen=True)
class Check:
    """One photo at one quality, through all four combinations of writer and reader."""

    photo: str
    quality: float
    same_stream: bool  #: both wrote the same bytes
    wrong_symbols: tuple[str, ...]  #: combinations, as "writer -> reader", that did not decode what was coded
    largest_difference: int  #: of a sample, between the two readers of a stream
    differing: float  #: share of samples that differ between them

    @property
    def passed(self) -> bool:
        """Whether both promises hold."""
        return not self.wrong_symbols and self.largest_difference <= TOLERANCE


def check(photo: Path, quality: float, model: Model, zoo: Zoo, device: Device) -> Check:
    """Check one photo at one quality. NumPy runs on the CPU, torch on `device`."""
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    devices: dict[Backend, Device] = {"numpy": "cpu", "torch": device}
    streams = {path: encode(picture, model, quality, device=devices[path], backend=path) for path in PATHS}
    wrong, largest, differing = [], 0, 0.0
    for writer in PATHS:
        decoded: list[Picture] = []
        for reader in PATHS:
            try:
                decoded.append(decode(streams[writer], zoo, device=devices[reader], backend=reader))
            except DamagedError:
                wrong.append(f"{writer} -> {reader}")
        if len(decoded) == len(PATHS):
            difference = np.abs(decoded[0].pixels.astype(np.int16) - decoded[1].pixels)
            largest = max(largest, int(difference.max()))
            differing = max(differing, float(np.count_nonzero(difference)) / difference.size)
    return Check(photo.name, quality, streams["numpy"] == streams["torch"], tuple(wrong), largest, differing)


def summarise(checks: list[Check]) -> None:
    """Print the failures, and the sums."""
    kept = {
        "all four combinations decode the symbols that were coded": sum(not item.wrong_symbols for item in checks),
        f"pixels within {TOLERANCE}/255": sum(item.largest_difference <= TOLERANCE for item in checks),
        "both wrote the same bytes (not promised)": sum(item.same_stream for item in checks),
    }
    heads = {"promise": "promise", "kept": f"kept, of {len(checks)}"}
    rows = [{"promise": promise, "kept": count} for promise, count in kept.items()]
    show(rows, heads, "NumPy against torch, photos times qualities")
    print(f"largest share of samples that differ in a photo: {max(item.differing for item in checks):.4%}")
    for item in checks:
        if not item.passed:
            print(f"FAILED {item.photo} at {item.quality:g}: {item.wrong_symbols}, {item.largest_difference}/255")


def main() -> None:
    """Run the command; the exit code is 1 if a check fails."""
    parser = parser_of("cross_path", __doc__)
    parser.add_argument("--qualities", type=float, nargs="+", default=QUALITIES, metavar="Q")
    parser.add_argument("--device", choices=get_args(Device), default="cpu", help="where torch runs")
    arguments = parser.parse_args()
    zoo, model = open_model(arguments.model)
    tasks = product(photos_of(arguments.photos), arguments.qualities)
    checks = [check(*task, model, zoo, arguments.device) for task in tasks]
    summarise(checks)
    sys.exit(not all(item.passed for item in checks))


if __name__ == "__main__":
    main()
