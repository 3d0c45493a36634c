"""`python -m benchmarks.realism --photos DIR --train DIR`: how real generative pictures look, and at what price.

At each quality and realism, of the photos: PSNR, Wasserstein distortion, energy of the top octave of the spectrum
relative to the original's, the share of what is added that repeats every 16 pixels; and whether a *fresh* critic tells
decoded crops from originals. It is trained for each realism anew, for the same short time, on crops of other photos
(`--train`), and judged by the area under its ROC curve (0.5: it cannot tell), mean of three seeds. The last column is
PSNR as it would be if distortion were D* + (P* - P)^2 (Freirich, Michaeli, Meir 2021), P falling linearly with realism.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, add_out, open_model, parser_of, photos_of, show, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.metrics import psnr, wasserstein
from lcodec.picture import Picture, read_picture

CSV = RESULTS / "realism.csv"
QUALITIES = (5.0, 20.0, 40.0)
REALISMS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEEDS, CROP, CROPS_OF_A_PHOTO, BATCH = 3, 96, 6, 16
#: Radii of the spectrum's top octave, in cycles a sample.
TOP = (0.25, 0.5)

Pixels = NDArray[np.uint8]
#: Originals and what they decode to.
Pair = tuple[list[Pixels], list[Pixels]]
#: Photos as `_decoded` returns them.
Set = list[tuple[Pixels, list[Pixels], int]]


def top_octave(pixels: Pixels) -> float:
    """Return the energy of the luma's top octave: of the spectrum of the windowed picture, at radii of TOP."""
    luma = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    window = np.hanning(luma.shape[0])[:, None] * np.hanning(luma.shape[1])
    spectrum = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.fftfreq(luma.shape[1]))
    return float(spectrum[(radius >= TOP[0]) & (radius < TOP[1])].sum())


def area_under_curve(originals: NDArray[np.float64], decoded: NDArray[np.float64]) -> float:
    """Return the chance that an original scores more than a decoded picture, a tie counting half."""
    pairs = np.sign(originals[:, None] - decoded)
    return float((pairs.mean() + 1) / 2)


def _decoded(task: tuple[str, Path, float]) -> tuple[Pixels, list[Pixels], int]:
    """A photo, what it decodes to at each realism, and the bytes of the file, at effort 0."""
    model, photo, quality = task
    zoo, plain = open_model(model)
    original = read_picture(photo, max_pixels=MAX_PIXELS, alpha="drop", metadata=()).pixels
    original = original if original.shape[2] == 3 else original.repeat(3, axis=2)
    data = encode(Picture(original), plain, quality)
    return original, [decode(data, zoo, realism=realism).pixels for realism in REALISMS], len(data)


def _crops(pictures: list[Pixels], seed: int) -> NDArray[np.float32]:
    """Crops at places that depend on the seed alone, in [-0.5, 0.5]."""
    rng, found = np.random.default_rng(seed), []
    for picture in pictures:
        for _ in range(CROPS_OF_A_PHOTO):
            top, left = (int(rng.integers(0, side - CROP + 1)) for side in picture.shape[:2])
            found.append(picture[top : top + CROP, left : left + CROP].astype(np.float32) / 255 - 0.5)
    return np.stack(found)


def _told_apart(trained_on: Pair, judged: Pair, seed: int, steps: int) -> float:
    """Area under the curve of a critic that was trained for so many steps."""
    import torch
    from torch.nn.functional import softplus

    from lcodec.networks.critic import critic, start_critic

    generator = torch.Generator().manual_seed(seed)
    arrays = {name: value.requires_grad_() for name, value in start_critic(1, generator).items()}
    adam, rng = torch.optim.Adam(arrays.values(), 3e-4), np.random.default_rng(seed)

    def scores(crops: NDArray[np.float32]) -> torch.Tensor:
        shown = torch.from_numpy(crops)
        unconditional = shown.new_zeros(len(shown), CROP // 16, CROP // 16, 1)
        offset = torch.from_numpy(rng.integers(0, 16, 2))
        return critic(arrays, shown, unconditional, offset).mean(dim=(1, 2))

    real, fake = (_crops(each, seed) for each in trained_on)
    for _ in range(steps):
        first, second = (rng.integers(0, len(real), BATCH) for _ in range(2))  # no pairs: it is to judge alone
        loss = (softplus(-scores(real[first])) + softplus(scores(fake[second]))).mean()
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    with torch.no_grad():
        found = [scores(_crops(each, seed + 1000)).double().numpy() for each in judged]
    return area_under_curve(*found)


def main() -> None:
    """Run the command."""
    parser = parser_of("realism", __doc__, jobs=True)
    parser.add_argument("--train", type=Path, required=True, metavar="DIR", help="other photos, for the fresh critics")
    parser.add_argument("--steps", type=int, default=300, help="of a fresh critic")
    add_out(parser, CSV)
    arguments = parser.parse_args()
    rows = []
    for quality in QUALITIES:
        sets = []
        for folder in (arguments.photos, arguments.train):
            tasks = [(arguments.model, photo, quality) for photo in photos_of(folder)]
            sets.append(list(spread(_decoded, tasks, arguments.jobs, f"quality {quality:g}")))
        judged, others = sets
        rows += [_row(quality, index, judged, others, arguments.steps) for index in range(len(REALISMS))]
    for row in rows:
        row |= {"law": f"{_law(row, [each for each in rows if each['quality'] == row['quality']]):.3f}"}
    write_rows(arguments.out, rows)
    show(rows, {name: name for name in rows[0]})


def _row(quality: float, index: int, judged: Set, others: Set, steps: int) -> dict[str, str]:
    """Means over photos at one quality and realism."""
    import torch

    from lcodec.training.adversarial import WINDOW, locked_energy

    pairs = [(original, decoded[index]) for original, decoded, _ in judged]
    pixels = sum(original.shape[0] * original.shape[1] for original, _ in pairs)
    added = [torch.from_numpy(decoded[index].astype(np.float32) - decoded[0]) for _, decoded, _ in judged]
    locked = [
        float(locked_energy(each[None, : len(each) // WINDOW * WINDOW, : each.shape[1] // WINDOW * WINDOW]))
        for each in added
    ]
    both = [([each[0] for each in found], [each[1][index] for each in found]) for found in (others, judged)]
    areas = [_told_apart(both[0], both[1], seed, steps) for seed in range(SEEDS)]
    return {
        "quality": f"{quality:g}",
        "realism": f"{REALISMS[index]:g}",
        "bpp": f"{8 * sum(size for _, _, size in judged) / pixels:.4f}",
        "psnr": f"{np.mean([psnr(*pair) for pair in pairs]):.3f}",
        "wasserstein": f"{np.mean([wasserstein(*pair) for pair in pairs]):.4f}",
        "top_octave": f"{np.mean([top_octave(decoded) / top_octave(original) for original, decoded in pairs]):.3f}",
        "locked": f"{np.mean(locked):.3f}",
        "auc": f"{np.mean(areas):.3f}",
        "auc_least": f"{min(areas):.3f}",
        "auc_most": f"{max(areas):.3f}",
    }


def _law(row: dict[str, str], curve: list[dict[str, str]]) -> float:
    """PSNR by the law, through both ends of the measured curve."""
    errors = [10 ** (-float(each["psnr"]) / 10) for each in curve]
    share = float(row["realism"])
    return -10 * math.log10(errors[0] + share**2 * (errors[-1] - errors[0]))


if __name__ == "__main__":
    main()
