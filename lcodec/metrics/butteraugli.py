"""Butteraugli, by libjxl's own program `butteraugli_main` where that is on the PATH: no wheel has it.

Alakuijala et al., "Guetzli: perceptually guided JPEG encoder", 2017, describes the first version; libjxl's is the one
that JPEG XL is tuned with. Of its two figures lcodec takes the 3-norm of the map of differences, which says how a whole
picture looks; the other, the maximum, says how its worst spot does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lcodec.errors import LcodecError
from lcodec.metrics.psnr import check_pair

__all__ = ["butteraugli", "missing"]

PROGRAM = "butteraugli_main"
MIN_SIDE_PX = 8  # below, libjxl enlarges the picture first


def butteraugli(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the Butteraugli distance of two 8-bit pictures, sRGB at 80 nits: its 3-norm.

    Args:
        first: uint8, shape (H, W, 1) or (H, W, 3), samples 0..255, both sides at least 8: the original.
        second: the same shape and type. The distance is not symmetric.

    Returns:
        At least 0, which is for equal pictures; about 1 where a difference can just be seen.

    Raises:
        ValueError: a side is under 8, the shapes differ, or the samples are not uint8.
        LcodecError: the program failed.
    """
    check_pair(first, second)
    if min(first.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"Butteraugli needs at least {MIN_SIDE_PX} pixels a side")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("original.ppm", "decoded.ppm")]
        for file, pixels in zip(files, (first, second), strict=True):
            rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
            file.write_bytes(b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes())
        # A PPM holds no colour space; it is then read as sRGB.
        command = [PROGRAM, *map(str, files), "--pnorm", "3"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"^3-norm: (\S+)$", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}, and no 3-norm"]
        raise LcodecError(f"{PROGRAM}: {reason[-1]}")
    return float(found[1])


def missing() -> str | None:
    """Say how to get the program, where it is not on the PATH."""
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not on the PATH: apt install libjxl-devtools"
