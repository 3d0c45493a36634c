"""What a hyperprior saves: bits of the same latents under a factorised prior, the hyperprior, and with context.

Balle, Minnen, Singh, Hwang and Johnston 2018, "Variational image compression with a scale hyperprior", Fig. 2, and
Minnen, Balle and Toderici 2018 for means and context; the latents are those of the shipped `mse` model at each quality.
Factorised: the entropy of each channel's symbols over all the photos, the least that any fixed code of a channel takes.
Hyperprior: means and scales from the hyper-latents alone. So the model predicts what its first step codes, a quarter of
the latents, of every channel; four times their bits stand for all (of the rest it knows to predict with context only).
Context: as the codec does, each step seeing those before it. The last two pay for the hyper-latents, at fixed scales as
in these papers: the context of their own that the codec has for them is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import open_model, photos_of, write_rows
from benchmarks.talk.common import COLOURS, Figure, Given, panels, steps
from benchmarks.talk.pictures import save_photos, show
from lcodec.codec import MAX_PIXELS
from lcodec.networks.hyperprior import correction, hyper_analysis, hyper_synthesis
from lcodec.networks.steps import places
from lcodec.networks.transforms import LATENT_STRIDE, analysis
from lcodec.picture import read_picture

QUALITIES = (10, 30, 50, 70)
#: Photo and quality of the example, the photo by its place in the folder.
EXAMPLE, EXAMPLE_QUALITY = 14, 30

Floats = NDArray[np.float32]


class Latents(NamedTuple):
    """A photo's latents in quantisation steps, (h, w, C), those of the first step, (h/2, w/2, C), and bits."""

    whole: Floats
    first: Floats
    means: Floats  #: predicted of the first step's, in quantisation steps
    scales: Floats  #: their predicted standard deviations, likewise
    bits: tuple[float, float, float]  #: of the hyper-latents; of the latents by the hyperprior, and with context


def latents(params: dict[str, Any], pixels: NDArray[np.uint8], quality: float) -> Latents:
    """Return the latents of a picture (H, W, 3), cut to whole blocks of 64, at a quality from 0 to 100."""
    import torch

    from lcodec.entropy.bits import SCALE_MIN, bin_bits
    from lcodec.networks.ops_torch import TorchOps
    from lcodec.training.objective import coded
    from lcodec.training.parameters import FIXED, at_quality, effective

    height, width = (side // 64 * 64 for side in pixels.shape[:2])
    picture = torch.from_numpy(pixels[None, :height, :width].copy()).float() / 255 - 0.5
    share = torch.tensor([quality / 100])
    with torch.no_grad():
        ops = TorchOps(effective(params))
        table = {name: at_quality(params[name], share) for name in params if name.startswith(("gain.", "prior."))}
        y = analysis(ops, picture, table["gain.analysis"].exp())
        step = (table["gain.latents"] + params[f"{FIXED}latent_std"].log()).exp()  # quantisation steps a deviation
        z = (hyper_analysis(ops, y) * table["gain.hyper"].exp()).round()
        features = hyper_synthesis(ops, z / table["gain.hyper"].exp())
        values = y * step
        parts = []
        for group, (rows, columns, channels) in enumerate(places(0, values.shape[3])):
            predicted = correction(ops, group, features[:, rows, columns], base=True)
            parts.append((values[:, rows, columns, channels], *predicted.chunk(2, dim=-1)))
        first, log_scale, mean = (torch.cat(groups, dim=-1) for groups in zip(*parts, strict=True))
        log_scale, mean = log_scale + step.log() + table["gain.scale"], mean * step
        hyperprior = 4 * bin_bits((first - mean).round(), log_scale).sum()
        context = coded(ops, params, picture, share, None)
    arrays = (each[0].numpy() for each in (values, first, mean, log_scale.exp().clamp(min=SCALE_MIN)))
    return Latents(*arrays, (float(context.hyper_bits), float(hyperprior), float(context.bits)))


def entropy(symbols: NDArray[np.int16]) -> float:
    """Return the bits of symbols (N, C) by the best code of each channel."""
    counts = [np.unique(channel, return_counts=True)[1] for channel in symbols.T]
    return -sum(float((each * np.log2(each / len(symbols))).sum()) for each in counts)


def _row(params: dict[str, Any], photos: list[Path], quality: int) -> dict[str, str]:
    """Bits per pixel of all photos together, at a quality."""
    symbols, bits, pixels = [], np.zeros(3), 0
    for index in steps(len(photos), f"quality {quality}"):
        found = latents(params, read_picture(photos[index], max_pixels=MAX_PIXELS, alpha="drop").pixels, quality)
        symbols.append(np.rint(found.whole).astype(np.int16).reshape(-1, found.whole.shape[2]))
        side, hyperprior, context = found.bits
        bits += side, side + hyperprior, side + context
        pixels += LATENT_STRIDE**2 * found.whole[..., 0].size
    means = [entropy(np.concatenate(symbols)) / pixels, *(bits / pixels)]
    named = zip(("factorised", "hyper_latents", "hyperprior", "context"), means, strict=True)
    return {"quality": str(quality)} | {f"{name}_bpp": f"{value:.4f}" for name, value in named}


def make(given: Given) -> None:
    """Draw bits at each quality, and one channel of an example."""
    from lcodec.training.export import parameters_of

    assert given.photos is not None
    photos = photos_of(given.photos)
    params = parameters_of(open_model("mse")[1].arrays)
    rows = [_row(params, photos, quality) for quality in QUALITIES]
    write_rows(given.out / "hyperprior.csv", rows)
    photo = read_picture(photos[EXAMPLE % len(photos)], max_pixels=MAX_PIXELS, alpha="drop").pixels
    example = latents(params, photo, EXAMPLE_QUALITY)
    figure, (axes,) = panels(1, 480)
    axes.remove()
    panel = figure.subplot_mosaic([["bits", "bits", "photo"], ["latents", "scales", "normalised"]])
    bars = panel["bits"]
    for offset, (name, colour) in enumerate({"factorised": "black", "hyperprior": "blue", "context": "orange"}.items()):
        rates = [float(row[f"{name}_bpp"]) for row in rows]
        heights = [100 * rate / float(row["factorised_bpp"]) for rate, row in zip(rates, rows, strict=True)]
        drawn = bars.bar(np.arange(len(rows)) + 0.29 * (offset - 1), heights, 0.27, color=COLOURS[colour], label=name)
        bars.bar_label(drawn, [f"{rate:.2f}" for rate in rates], fontsize=8)
    bars.set_xticks(range(len(rows)), [row["quality"] for row in rows])
    bars.set(xlabel="quality (over the bars: bits per pixel)", ylabel="bits, % of the factorised", ylim=(0, 130))
    bars.legend(loc="upper center", ncols=3)
    show(panel["photo"], photo[::2, ::2], "an example")
    channel = int(np.argsort(example.scales.std(axis=(0, 1)))[-3])
    for name, values, title in (
        ("latents", example.first, f"latents, channel {channel},\nin quantisation steps"),
        ("scales", example.scales, "standard deviations\npredicted, in steps"),
        (
            "normalised",
            (example.first - example.means) / example.scales,
            "(latent - its mean)\n/ its deviation",
        ),
    ):
        limit = np.abs(values[..., channel]).max()
        style = {"cmap": "viridis", "vmin": 0} if name == "scales" else {"cmap": "RdBu", "vmin": -limit}
        drawn = panel[name].imshow(values[..., channel], vmax=limit, interpolation="none", **style)
        panel[name].set(title=title, xticks=[], yticks=[])
        figure.colorbar(drawn, ax=panel[name], orientation="horizontal", shrink=0.9)
    save_photos(figure, given, "hyperprior")


FIGURE = Figure(
    "hyperprior",
    "What a hyperprior saves",
    "The same latents, coded with one distribution for each channel, with means and scales that are sent ahead as "
    "hyper-latents, and with those corrected by the latents already decoded: each step saves far more than its side "
    "information costs. Below, a channel of a photo and the deviations predicted of it. What is left after mean and "
    "deviation is nearly noise of one strength, which an entropy coder codes best.",
    make,
    ("photos", "torch"),
)
