"""Made `chunks/`, once: streams of the model of `v1/` with alpha and metadata, and what those must come back as.

`python -m tests.golden.make_chunks FOLDER` writes a new set; see `make`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lcodec.codec import encode
from lcodec.container import unpack
from lcodec.picture import METADATA, Picture
from lcodec.zoo import Zoo
from tests.support.golden import symbols
from tests.support.pictures import picture

MODEL = Path(__file__).parent / "v1"


def alphas() -> dict[str, npt.NDArray[np.uint8]]:
    """One for each predictor, then odd sizes."""
    rows, columns = np.mgrid[:37, :41]
    rng = np.random.default_rng(7)
    return {
        "noise": rng.integers(0, 256, (37, 41), dtype=np.uint8),
        "across": (rng.integers(0, 256, (37, 1)) + 6 * columns).astype(np.uint8),
        "down": (rng.integers(0, 256, (1, 41)) + 5 * rows).astype(np.uint8),
        "both": (3 * rows + 7 * columns).astype(np.uint8),
        "cut-out": (255 * (np.hypot(rows - 18, columns - 20) < 15)).astype(np.uint8),
        "dot": np.array([[77]], np.uint8),
        "line": (np.arange(33, dtype=np.uint8) ** 2)[None],
        "clear": np.zeros((5, 9), np.uint8),
    }


def main(folder: Path) -> None:
    """Write the streams and `expected.json`."""
    folder.mkdir(exist_ok=True)
    model = Zoo([MODEL]).load("golden")
    pictures = {
        name: Picture(picture(*alpha.shape, 1 + 2 * (index % 2), index), alpha=alpha)
        for index, (name, alpha) in enumerate(alphas().items())
    }
    everything = {
        "icc": b"a profile" * 9,
        "exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
        "xmp": "<x:xmpmeta>é</x:xmpmeta>".encode(),
    }
    for name, content in everything.items():
        pictures[name] = Picture(picture(9, 14), **{name: content})
    pictures["everything"] = Picture(picture(19, 11), alpha=alphas()["both"][:19, :11].copy(), **everything)
    expected = {}
    predictors = set()
    for name, original in pictures.items():
        data = encode(original, model, 50)
        (folder / f"{name}.lcdc").write_bytes(data)
        container = unpack(data)
        wanted = {key: content for key in METADATA if (content := getattr(original, key))}
        if original.alpha is not None:
            predictors.add(container.chunks["alpha"][0])
            wanted["alpha"] = original.alpha.tobytes()
        expected[f"{name}.lcdc"] = {
            "symbols": symbols(container, model.entropy),
            **{key: hashlib.sha256(content).hexdigest() for key, content in wanted.items()},
        }
    if predictors != {0, 1, 2, 3}:
        raise SystemExit(f"predictors {predictors} only")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
