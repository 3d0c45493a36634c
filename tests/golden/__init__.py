"""Golden streams: files that every later version must decode to the same symbols."""

from __future__ import annotations

import hashlib

import numpy as np

from lcodec.container import Container
from lcodec.entropy.model import EntropyModel
from lcodec.execution.regions import Layout


def symbols(container: Container, entropy: EntropyModel) -> str:
    """SHA-256 of the decoded latents of a whole picture, in 1/16 of a step, as little-endian int32."""
    header = container.header
    layout = Layout.of(header.height, header.width, header.region)
    values = np.empty((*layout.size, entropy.channels), "<i4")
    for region, part in zip(layout.regions, container.parts, strict=True):
        decoded, _ = entropy.decode(part.hyper, part.latents, region.size, header.quality_step)
        values[region.top : region.bottom, region.left : region.right] = decoded
    return hashlib.sha256(values.tobytes()).hexdigest()
