"""`python -m benchmarks.published_macs FAMILY [DIR]`: multiply-adds a pixel of other learned codecs, by their own code.

FAMILY is `evc`, `dcvc-rt` or `dcvc-uf`, with DIR the folder of it in a checkout of microsoft/DCVC (the one that holds
`src`), or `compressai`, run by a Python that has it. Networks are built with random weights, and run on zeros; torch
counts. The figures stand in `published-complexity.csv`, with what was counted. Imports nothing of lcodec.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.compressai_process import declare_operators

HEIGHT, WIDTH = 512, 768  # pixels
#: Name of a part, what runs it, the channels of its input, and its input's stride in pixels.
Part = tuple[str, Callable[[torch.Tensor], Any], int, int]
ENCODER, BOTH, DECODER = "encoder", "both", "decoder"


def kmacs(part: Part) -> float:
    """Thousands of multiply-adds a pixel of the picture."""
    _, run, channels, stride = part
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(torch.zeros(1, channels, HEIGHT // stride, WIDTH // stride))
    return counter.get_total_flops() / 2 / (HEIGHT * WIDTH) / 1000


def evc() -> Iterator[tuple[str, list[Part]]]:
    """Wang et al. 2023: large, medium and small, with an encoder of the same size."""
    from src.models import build_model  # type: ignore[import-not-found]

    for size in "LMS":
        model = build_model(f"EVC_{size}{size}").eval()
        yield (
            f"EVC-{size}",
            [
                (ENCODER, model.enc, 3, 1),
                (ENCODER, model.hyper_enc, model.N, 16),
                (BOTH, model.hyper_dec, model.N, 64),
                (BOTH, model.y_prior_fusion, _inputs(model.y_prior_fusion), 16),
                (BOTH, model.y_spatial_prior, _inputs(model.y_spatial_prior), 16),
                (DECODER, model.dec, model.N, 16),
            ],
        )


def dcvc() -> Iterator[tuple[str, list[Part]]]:
    """The image codecs of DCVC-RT (Jia et al. 2025) and DCVC-UF (2026): the dual prior runs in four steps."""
    from src.models.image_model import DMCI  # type: ignore[import-not-found]

    model, one = DMCI().eval(), torch.ones(1, 1, 1, 1)
    adaptors = [getattr(model, f"y_spatial_prior_adaptor_{step}") for step in (1, 2, 3)]
    latents, hyper = _inputs(model.hyper_enc), _inputs(model.hyper_dec)
    yield (
        "intra",
        [
            (ENCODER, lambda x: model.enc(x, one), 3, 1),
            (ENCODER, model.hyper_enc, latents, 16),
            (BOTH, model.hyper_dec, hyper, 64),
            (BOTH, model.y_prior_fusion, latents, 16),
            (BOTH, model.y_spatial_prior_reduction, _inputs(model.y_spatial_prior_reduction), 16),
            *((BOTH, adaptor, 2 * latents, 16) for adaptor in adaptors),
            *((BOTH, model.y_spatial_prior, 2 * latents, 16) for _ in adaptors),
            (DECODER, lambda x: model.dec(x, one), latents, 16),
        ],
    )


def compressai() -> Iterator[tuple[str, list[Part]]]:
    """The models of CompressAI's zoo, of the larger of their two sizes."""
    kept = declare_operators()  # noqa: F841
    from compressai.zoo import cheng2020_anchor, mbt2018_mean  # type: ignore[import-not-found]

    for create, quality in ((mbt2018_mean, 8), (cheng2020_anchor, 6)):
        model = create(quality, pretrained=False).eval()
        context = [
            (BOTH, getattr(model, name), _inputs(getattr(model, name)), 16)
            for name in ("context_prediction", "entropy_parameters")
            if hasattr(model, name)
        ]
        yield (
            create.__name__.replace("_", "-"),
            [
                (ENCODER, model.g_a, 3, 1),
                (ENCODER, model.h_a, _inputs(model.h_a), 16),
                (BOTH, model.h_s, _inputs(model.h_s), 64),
                *context,
                (DECODER, model.g_s, _inputs(model.g_s), 16),
            ],
        )


def _inputs(network: torch.nn.Module) -> int:
    """Channels that a network takes: those of its first convolution."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            return layer.in_channels
        if isinstance(layer, torch.nn.ConvTranspose2d):
            return layer.in_channels
    raise ValueError("no convolution in it")


FAMILIES = {"evc": evc, "dcvc-rt": dcvc, "dcvc-uf": dcvc, "compressai": compressai}


def main() -> None:
    """Print encoder and decoder of each model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published_macs", description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", nargs="?", help="of the code")
    arguments = parser.parse_args()
    if arguments.folder:
        sys.path.insert(0, arguments.folder)
    print("kMAC/pixel        encoder  decoder")
    for name, parts in FAMILIES[arguments.family]():
        counted = [(part[0], kmacs(part)) for part in parts]
        sums = (sum(value for of, value in counted if of in {side, BOTH}) for side in (ENCODER, DECODER))
        print(f"{name:18}" + "".join(f"{value:7.1f}  " for value in sums))


if __name__ == "__main__":
    main()
