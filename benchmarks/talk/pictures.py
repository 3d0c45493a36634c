"""Photos in the talk's figures: shown pixel for pixel, and kept in the SVG as JPEG, a fraction of what PNG takes."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from benchmarks.talk.common import Given, save

#: Sides from which a picture is a photo; what is smaller is a map, whose squares JPEG would blur.
PHOTO_PX = 100
_PNG = re.compile(r"data:image/png;base64,([^\"]+)\"")


def show(axes: Any, pixels: Any, title: str) -> None:
    """Show a picture (H, W, 3), uint8, without axes."""
    axes.imshow(pixels, interpolation="none")
    axes.set(title=title, xticks=[], yticks=[])
    axes.set_axis_off()


def save_photos(figure: Any, given: Given, name: str) -> None:
    """Write NAME.svg as `save` does, its photos as JPEG of quality 93 with all of their colour."""
    save(figure, given, name)
    target = given.out / f"{name}.svg"
    target.write_text(_PNG.sub(_as_jpeg, target.read_text(encoding="utf-8")), encoding="utf-8")


def _as_jpeg(found: re.Match[str]) -> str:
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(found[1])))
    if min(image.size) < PHOTO_PX:
        return found[0]
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=93, subsampling=0, optimize=True)
    return f'data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"'
