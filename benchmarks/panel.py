"""`python -m benchmarks.panel --photos DIR`: a panel of known order, versions of a photo that all have the same MSE.

Anyone sees that a photo that is moved by one pixel, or slightly warped, is the same, and that one that is blurred or
noisy is not. Squared error cannot: every version here is as far from the photo as the one that is moved by a pixel to
the right. The strength of blur, noise and warp is searched; a codec comes as close as its settings allow. Then all are
brought to the same MSE by making their difference from the photo a little smaller or greater ("scaled" in the CSV).
Every metric that is installed measures every version. A metric's last columns say on how many photos the moved and the
warped one are nearer to the photo than the blurred, the noisy, and the one coded as JPEG.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.common import RESULTS, add_out, open_model, parser_of, photos_of, show, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode
from lcodec.errors import LimitError
from lcodec.metrics import MEASURES, psnr
from lcodec.picture import Picture, read_picture
from lcodec.targets import Target, encode_to

CSV = RESULTS / "panel.csv"
VERSIONS = ("shift", "warp", "blur", "noise", "jpeg", "lcodec")
#: Versions that people take for the photo itself, and those that they do not.
SAME, OTHER = ("shift", "warp"), ("blur", "noise", "jpeg")
#: Places along each side that a warp moves independently.
WARP_GRID = 6
#: Halvings of the range in which a strength is searched.
HALVINGS = 14

Pixels = NDArray[np.uint8]


def shifted(photo: Pixels) -> Pixels:
    """Move a photo by a pixel to the right; its first column is there twice."""
    return np.concatenate((photo[:, :1], photo[:, :-1]), axis=1)


def blurred(photo: Pixels, strength: float) -> Pixels:
    """Blur a photo; `strength` is the standard deviation in pixels."""
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(strength)))


def noisy(photo: Pixels, strength: float) -> Pixels:
    """Add white noise; `strength` is its standard deviation in levels."""
    noise = np.random.default_rng(0).normal(0, strength, photo.shape)
    return (photo + noise).round().clip(0, 255).astype(np.uint8)


def warped(photo: Pixels, strength: float) -> Pixels:
    """Move places smoothly, by up to about `strength` pixels."""
    import torch
    import torch.nn.functional as F

    height, width = photo.shape[:2]
    coarse = np.random.default_rng(0).uniform(-1, 1, (1, 2, WARP_GRID, WARP_GRID))
    motion = F.interpolate(torch.from_numpy(coarse), (height, width), mode="bicubic", align_corners=True)[0] * strength
    at = torch.stack(
        (
            (torch.arange(width) + 0.5 + motion[0]) * 2 / width - 1,
            (torch.arange(height)[:, None] + 0.5 + motion[1]) * 2 / height - 1,
        ),
        dim=-1,
    )
    planes = torch.from_numpy(photo.transpose(2, 0, 1)[None].astype(np.float64))
    found = F.grid_sample(planes, at[None], mode="bicubic", padding_mode="reflection", align_corners=False)
    return found[0].permute(1, 2, 0).round().clamp(0, 255).numpy().astype(np.uint8)


def searched(make: Callable[[Pixels, float], Pixels], photo: Pixels, mse: float, most: float) -> Pixels:
    """Return a version as far from the photo as `mse`; the strength, 0 to `most`, is searched by halving."""
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if squared_error(photo, make(photo, middle)) < mse else (low, middle)
    return make(photo, high)


def as_jpeg(photo: Pixels, mse: float) -> Pixels:
    """Return what the quality of JPEG (4:2:0) shows that is nearest to `mse`."""
    versions = []
    for quality in range(2, 96):
        file = io.BytesIO()
        Image.fromarray(photo).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            versions.append(np.asarray(image))
        if squared_error(photo, versions[-1]) < mse:
            break
    return min(versions, key=lambda version: abs(squared_error(photo, version) - mse))


def as_coded(photo: Pixels, wanted: str, mse: float) -> Pixels:
    """Return what a model shows at the lowest quality that is as near as `mse`."""
    zoo, model = open_model(wanted)
    try:
        found = encode_to(Picture(photo), model, Target("min-psnr", float(10 * np.log10(255**2 / mse))), zoo=zoo)
    except LimitError as error:
        raise SystemExit(f"{wanted}: {error}") from None
    return decode(found.data, zoo).pixels


def squared_error(first: Pixels, second: Pixels) -> float:
    """Return the mean squared error, on the scale of 0 to 255."""
    return float(np.square(first.astype(np.float64) - second).mean())


def scaled(photo: Pixels, version: Pixels, mse: float) -> tuple[Pixels, float]:
    """Return a version at `mse`, but for rounding, and by how much its difference from the photo was multiplied."""
    factor = float(np.sqrt(mse / squared_error(photo, version)))
    found = photo + factor * (version.astype(np.float64) - photo)
    return found.round().clip(0, 255).astype(np.uint8), factor


def panel(photo: Pixels, model: str) -> dict[str, tuple[Pixels, float]]:
    """Return versions of a photo at the MSE of `shifted`, and how each was scaled."""
    moved = shifted(photo)
    mse = squared_error(photo, moved)
    made = {
        "warp": searched(warped, photo, mse, 16),
        "blur": searched(blurred, photo, mse, 32),
        "noise": searched(noisy, photo, mse, 128),
        "jpeg": as_jpeg(photo, mse),
        "lcodec": as_coded(photo, model, mse),
    }
    return {"shift": (moved, 1.0)} | {name: scaled(photo, version, mse) for name, version in made.items()}


def _measure(task: tuple[str, Path, Sequence[str]]) -> list[dict[str, str]]:
    model, path, metrics = task
    photo = read_picture(path, max_pixels=MAX_PIXELS, alpha="drop", metadata=()).pixels
    photo = photo if photo.shape[2] == 3 else photo.repeat(3, axis=2)
    rows = []
    for name, (version, factor) in panel(photo, model).items():
        row = {"photo": path.name, "version": name, "scaled": f"{factor:.3f}", "psnr": f"{psnr(photo, version):.3f}"}
        for metric in metrics:
            value = MEASURES[metric](photo, version)
            row[metric] = "" if value is None else f"{value:.5g}"
        rows.append(row)
    return rows


def order(rows: Sequence[Mapping[str, str]], metric: str) -> dict[str, str]:
    """Return means over photos of a metric's versions, and on what share of them the same is nearer than the other."""
    measure = MEASURES[metric]
    values: dict[str, list[float]] = {
        name: [measure.scale(float(row[metric])) for row in rows if row["version"] == name] for name in VERSIONS
    }
    found = {"metric": measure.axis or measure.title}
    found |= {name: f"{np.mean(values[name]):.{measure.digits}f}" for name in VERSIONS}
    for same in SAME:
        for other in OTHER:
            nearer = np.mean([a > b for a, b in zip(values[same], values[other], strict=True)])
            found[f"{same} < {other}"] = f"{nearer:.0%}"
    return found


def main() -> None:
    """Run the command."""
    parser = parser_of("panel", __doc__, jobs=True)
    add_out(parser, CSV)
    arguments = parser.parse_args()
    metrics = [name for name, measure in MEASURES.items() if name != "psnr" and measure.missing() is None]
    tasks = [(arguments.model, photo, metrics) for photo in photos_of(arguments.photos)]
    rows = [row for found in spread(_measure, tasks, arguments.jobs, "photos") for row in found]
    write_rows(arguments.out, rows)
    found = [order([row for row in rows if row[metric]], metric) for metric in metrics]
    show(found, {name: name for name in found[0]}, "means, higher is nearer; share of photos in the known order")


if __name__ == "__main__":
    main()
