"""`python -m benchmarks.complexity`: multiply-adds a pixel and parameters of a model, counted, not estimated.

The networks run over operations that only count. A decoder runs the hyper-synthesis, the context and the synthesis; an
encoder all but the synthesis. Each of the context's steps is counted at all positions, although the decoder
computes the parameters only of those that the step codes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from lcodec.defaults import MODEL
from lcodec.networks import ops as operations
from lcodec.networks.hyperprior import GROUPS, HYPER_STRIDE, STEPS, context, correction, hyper_analysis, hyper_synthesis
from lcodec.networks.transforms import LATENT_STRIDE, analysis, synthesis
from lcodec.zoo import Zoo

SIDE = 256  # pixels; any multiple of 64


class CountingOps(operations.NumpyOps):
    """Operations that return zeros of the right shape, and count multiply-adds."""

    def __init__(self, weights: dict[str, operations.Array]) -> None:
        super().__init__(weights)
        self.count = 0

    def linear(self, name: str, x: operations.Array) -> operations.Array:
        weight = self.params[f"{name}.weight"]
        self.count += x.size * len(weight)
        return np.zeros((*x.shape[:-1], len(weight)), np.float32)

    def depthwise(self, _name: str, x: operations.Array) -> operations.Array:
        self.count += 9 * x.size
        return x


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.complexity", description=__doc__)
    parser.add_argument("--model", default=MODEL, help="name of an installed model")
    arrays = Zoo().load(parser.parse_args().model).arrays
    weights = {name: value for name, value in arrays.items() if name.endswith(".weight")}
    channels = {name: len(weights[f"{name}.weight"]) for name in ("analysis.in", "analysis.out", "hyper_analysis.out")}

    def zeros(stride: int, depth: int) -> operations.Array:
        return np.zeros((1, SIDE // stride, SIDE // stride, depth), np.float32)

    one = np.float32(1)
    latents = zeros(LATENT_STRIDE, channels["analysis.out"])
    hyper = zeros(LATENT_STRIDE * HYPER_STRIDE, channels["hyper_analysis.out"])
    features = zeros(LATENT_STRIDE, weights["hyper_synthesis.block16.reduce.weight"].shape[0])

    def steps(ops: CountingOps) -> None:
        for step in range(len(STEPS)):
            hidden = context(ops, step, latents, features) if step else features
            for group in range(GROUPS):  # at a quarter of the positions each
                at = hidden[:, ::2, ::2]
                correction(ops, group, at, base=True)
                if step:
                    correction(ops, group, at, base=False)

    parts: dict[str, Callable[[CountingOps], object]] = {
        "analysis": lambda ops: analysis(ops, zeros(1, 3), one),
        "hyper-analysis": lambda ops: hyper_analysis(ops, latents),
        "hyper-synthesis": lambda ops: hyper_synthesis(ops, hyper),
        "context": steps,
        "synthesis": lambda ops: synthesis(ops, latents, one),
    }
    counts = {}
    for name, run in parts.items():
        ops = CountingOps(weights)
        run(ops)
        counts[name] = ops.count / SIDE**2 / 1000
    table = Table("part", "kMAC/pixel", title=f"{sum(value.size for value in weights.values()):,} weights")
    for name, value in counts.items():
        table.add_row(name, f"{value:.2f}")
    table.add_row("encoder", f"{sum(counts.values()) - counts['synthesis']:.2f}")
    table.add_row("decoder", f"{counts['hyper-synthesis'] + counts['context'] + counts['synthesis']:.2f}")
    table.add_row("all", f"{sum(counts.values()):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
