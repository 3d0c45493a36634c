"""Training photos: found in folders and tar files, decoded once into memory, cut into random crops.

One flat uint8 buffer holds all pixels, so that forked processes share it and a crop is a view.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

__all__ = ["Photos", "load_photos"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}


@dataclass(frozen=True)
class Photos:
    """Decoded photos. `pixels` (total, 3) uint8; photo i is rows `starts[i]`... of shape `sizes[i]` (height, width)."""

    pixels: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    skipped: tuple[str, ...]  #: names of files that could not be read

    def __len__(self) -> int:
        return len(self.sizes)

    def photo(self, index: int) -> npt.NDArray[np.uint8]:
        """Photo `index`, (H, W, 3), a view."""
        height, width = (int(side) for side in self.sizes[index])
        return self.pixels[self.starts[index] :][: height * width].reshape(height, width, 3)

    def crops(self, count: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Random crops (count, size, size, 3), mirrored and turned at random.

        Photos are drawn by their area, so that every pixel is about as likely as any other; those with a side under
        `size` are left out.

        Raises:
            ValueError: no photo is as large as that.
        """
        area = np.where((self.sizes >= size).all(axis=1), self.sizes.prod(axis=1), 0).astype(np.float64)
        if not area.any():
            raise ValueError(f"no photo has both sides of {size} pixels or more")
        out = np.empty((count, size, size, 3), np.uint8)
        for slot, index in enumerate(rng.choice(len(self), size=count, p=area / area.sum())):
            top, left = (int(rng.integers(0, side - size + 1)) for side in self.sizes[index])
            crop = self.photo(int(index))[top : top + size, left : left + size]
            crop = np.rot90(crop, int(rng.integers(0, 4)))
            out[slot] = crop[:, ::-1] if rng.integers(0, 2) else crop
        return out


def _files(sources: Iterable[Path]) -> Iterator[tuple[str, Path | bytes]]:
    """(name, path or content) of every picture file in folders (recursively), tar files and plain files."""
    for source in sources:
        if source.is_dir():
            paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
            yield from ((str(path), path) for path in paths)
        elif source.suffix == ".tar":
            with tarfile.open(source) as archive:
                for member in archive:
                    if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                        handle = archive.extractfile(member)
                        if handle is not None:
                            yield f"{source}:{member.name}", handle.read()
        else:
            yield str(source), source


def _decode(item: tuple[str, Path | bytes]) -> npt.NDArray[np.uint8] | str:
    """Pixels (H, W, 3) of a file, or its name if it cannot be read."""
    name, content = item
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        return name


def load_photos(sources: Iterable[Path]) -> Photos:
    """Decode every photo in the sources, in a stable order.

    Raises:
        ValueError: no photo could be read.
    """
    with ThreadPoolExecutor() as pool:
        decoded = list(pool.map(_decode, _files(sources)))
    images = [image for image in decoded if not isinstance(image, str)]
    skipped = tuple(name for name in decoded if isinstance(name, str))
    if not images:
        raise ValueError("no photo found" + (f"; unreadable: {', '.join(skipped)}" if skipped else ""))
    sizes = np.array([image.shape[:2] for image in images], np.int64)
    ends = sizes.prod(axis=1).cumsum()
    pixels = np.empty((int(ends[-1]), 3), np.uint8)
    for end, (height, width), image in zip(ends, sizes, images, strict=True):
        pixels[end - height * width : end] = image.reshape(-1, 3)
    return Photos(pixels, ends - sizes.prod(axis=1), sizes, skipped)
