"""`python -m benchmarks.blind_spots PHOTO`: what metrics do not see, in the pictures that each makes out of noise.

From Gaussian noise, Adam moves the pixels towards a photo by one metric alone, for each metric that can be minimised
(`lcodec.metrics.differentiable`, LOSSES); what is still wrong at the end is a blind spot of it. Learning rate .005,
halved every tenth of the run; pixels are clamped to 0..1 at each step. Ding, Ma, Wang and Simoncelli 2021, "Comparison
of full-reference image quality models for optimization of image processing systems", section 3 (20,000 steps). The
photo's largest square in the middle is scaled to --size. Writes the grid of pictures, `blind_spots.svg`, and every
metric of each, `blind_spots.csv`; the table in `docs/people.md` shows the committed results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.common import ROOT, show, splice, write_rows
from benchmarks.talk.common import OUT, Given, panels, steps
from benchmarks.talk.pictures import save_photos
from benchmarks.talk.pictures import show as show_picture
from lcodec.metrics import MEASURES, MIN_SIDE_PX
from lcodec.metrics.differentiable import LOSSES

PAGE = ROOT / "docs" / "people.md"
STEPS, SIZE = 20_000, 192
LEARNING_RATE, HALVINGS = 0.005, 10
#: Smallest side in pixels that a metric is defined for, where there is one.
LEAST = {"ms-ssim": MIN_SIDE_PX}

Pixels = NDArray[np.uint8]


def noise(size: int) -> Tensor:
    """Return the picture that every search starts from, (1, size, size, 3) in 0..1."""
    gaussian = torch.randn((1, size, size, 3), generator=torch.Generator().manual_seed(0))
    return (0.5 + 0.25 * gaussian).clamp(0, 1)


def remade(original: Tensor, name: str, count: int) -> Tensor:
    """Return what `count` steps make of noise by a metric of LOSSES, of the original's shape (1, H, W, 3), in 0..1."""
    pixels = noise(original.shape[1]).requires_grad_()
    adam = torch.optim.Adam([pixels], LEARNING_RATE)
    for step in steps(count, name):
        adam.param_groups[0]["lr"] = LEARNING_RATE * 0.5 ** (step * HALVINGS // count)
        adam.zero_grad()
        torch.autograd.backward(LOSSES[name](pixels, original).sum())
        adam.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return pixels.detach()


def square(photo: Path, size: int) -> Tensor:
    """Return the largest square in the middle of a photo, scaled, (1, size, size, 3) in 0..1."""
    from PIL import Image, ImageOps

    with Image.open(photo) as image:
        scaled = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(scaled)[None].astype(np.float32) / 255)


def pictures(original: Tensor, count: int) -> dict[str, Pixels]:
    """Return the original, the noise, and what each metric makes of it, (H, W, 3) in 8 bits, by name."""
    size = original.shape[1]
    found = {"original": original, "noise": noise(size)}
    for name in LOSSES:
        if size < LEAST.get(name, 1):
            print(f"{name} needs {LEAST[name]} pixels a side: passed over", file=sys.stderr)
            continue
        found[name] = remade(original, name, count)
    return {name: (255 * picture[0]).round().byte().numpy() for name, picture in found.items()}


def table(found: dict[str, Pixels], photo: Path, count: int) -> list[dict[str, str]]:
    """Return a row for each picture but the original: every metric that is at hand, by its distance to the original."""
    metrics = [measure for measure in MEASURES.values() if measure.missing() is None]
    rows = []
    for name, picture in list(found.items())[1:]:
        row = {"minimised": name, "photo": photo.name, "size": str(len(picture)), "steps": str(count)}
        for measure in metrics:
            value = measure(found["original"], picture)
            row[measure.name] = "" if value is None else f"{value:.{measure.digits}f}"
        rows.append(row)
    return rows


def write(photo: Path, size: int, count: int, given: Given) -> list[dict[str, str]]:
    """Search, write the grid and the table, and return the rows of the table."""
    found = pictures(square(photo, size), count)
    rows = table(found, photo, count)
    write_rows(given.out / "blind_spots.csv", rows)
    figure, panel = panels(len(found), 290 * -(-len(found) // 3), columns=3)
    for axes, (name, picture), row in zip(panel, found.items(), [None, *rows], strict=True):
        values = (
            f"PSNR {row['psnr']} dB, MS-SSIM {row['ms-ssim'] or '?'}\nWasserstein {row['wasserstein']}" if row else "\n"
        )
        show_picture(axes, picture, f"{name if name in {'original', 'noise'} else 'by ' + name}\n{values}")
    save_photos(figure, given, "blind_spots")
    if given.out == OUT:
        PAGE.write_text(splice(PAGE.read_text(encoding="utf-8"), as_text(rows), "blind-spots"), encoding="utf-8")
    return rows


def as_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Format the table as Markdown: a row a picture, a column a metric."""
    metrics = [name for name in rows[0] if name in MEASURES]
    lines = ["| picture | " + " | ".join(f"`{name}`" for name in metrics) + " |", "|---|" + "---:|" * len(metrics)]
    for row in rows:
        made = row["minimised"] if row["minimised"] == "noise" else f"by `{row['minimised']}`"
        lines.append(f"| {made} | " + " | ".join(row[name] for name in metrics) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blind_spots", description=__doc__)
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each search (%(default)s)")
    parser.add_argument("--size", type=int, default=SIZE, help="side in pixels; MS-SSIM needs 161 (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="folder to write to (%(default)s)")
    asked = parser.parse_args()
    rows = write(asked.photo, asked.size, asked.steps, Given(asked.out))
    show(rows, {name: name for name in rows[0]})


if __name__ == "__main__":
    main()
