"""Gradients of an objective over one batch, and on a GPU all its kernels launched as one graph.

A step is some thousands of short kernels. Launched one by one they leave a GPU waiting for the processor; recorded once
for each shape of a batch and replayed (CUDA graphs), they follow each other without a gap: 191 Mpixel/s instead of 71
(H200, 256 crops of 128). So the weights, too, are cast to bfloat16 as one vector, and their gradients come back as one:
a step of the large model takes 14.9 ms so, and 15.6 ms where autocast casts each (H100, 96 crops of 128); of 64 crops
12.4 ms, of 128 17.7 ms.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lcodec.networks.ops_torch import fast_type
from lcodec.training.flat import Flat
from lcodec.training.parameters import Parameters
from lcodec.training.protocol import Batch, TrainingObjective

__all__ = ["Gradient", "Pass"]

#: Runs over a batch before its kernels are recorded: libraries choose and allocate in them.
WARM_UP_PASSES = 3


class Pass(NamedTuple):
    """What a pass over a batch found."""

    figures: Tensor  #: the objective's, in its order
    flat: Tensor  #: gradients of all groups, then the values that the objective keeps, as one float32 vector


class _Recorded(NamedTuple):
    """A pass whose kernels are recorded: what it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Batch
    outputs: Pass


class Gradient:
    """Losses of a batch and their gradients in the trained parameters."""

    def __init__(
        self, objective: TrainingObjective, params: Parameters, groups: Sequence[Flat], *, bfloat16: bool
    ) -> None:
        """Compute for `params`, of which `groups` are those that get a gradient.

        Args:
            objective: whose losses are computed.
            params: all of them, on one device.
            groups: trained parameters, which are views of these vectors.
            bfloat16: run the networks in it where it is the device's faster type.
        """
        self.objective, self.params, self.groups = objective, params, groups
        self.device = groups[0].vector.device
        self.bfloat16 = bfloat16 and fast_type(self.device) == torch.bfloat16
        self.cast = frozenset(objective.cast(params)) if self.bfloat16 else frozenset()
        self.noise = torch.Generator(device=self.device)  #: seeded by the caller before each pass
        self._recorded: dict[tuple[torch.Size, Hashable], _Recorded] = {}

    def __call__(self, batch: Batch, kind: Hashable = None) -> Pass:
        """Compute figures and gradients.

        On a GPU nothing is waited for, and the next pass over a batch of the same shape and kind overwrites the
        results.
        """
        if self.device.type != "cuda":
            return self._run(batch, kind)
        key = batch.crops.shape, kind
        if key not in self._recorded:
            self._recorded[key] = self._record(batch, kind)
        graph, inputs, outputs = self._recorded[key]
        for recorded, given in zip(inputs, batch, strict=True):
            recorded.copy_(given)
        graph.replay()
        return outputs

    def _run(self, batch: Batch, kind: Hashable) -> Pass:
        leaves = [self._leaves(group) for group in self.groups]
        entering = self.params | {name: leaf for group in leaves for name, leaf in group.items()}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            losses, figures, kept = self.objective.losses(entering, batch, self.noise, kind)
        found: list[Tensor] = []
        for group, loss in zip(leaves, losses, strict=True):
            # Groups may share what was computed on the way to their losses.
            more = loss is not losses[-1]
            found += torch.autograd.grad(loss, list(group.values()), retain_graph=more, materialize_grads=True)
        found += [kept[name].detach() for name in self.objective.kept]
        flat = torch.empty(sum(part.numel() for part in found), device=self.device)
        places = torch.split(flat, [part.numel() for part in found])
        torch._foreach_copy_([place.view(part.shape) for place, part in zip(places, found, strict=True)], found)
        return Pass(torch.stack([figures[name].detach() for name in self.objective.figures]), flat)

    def _leaves(self, group: Flat) -> Parameters:
        """The group's parameters as the objective gets them: views of its vector, or of a bfloat16 copy of it."""
        leaves = group.tensors
        if not self.cast.isdisjoint(leaves):
            low = group.views(group.vector.to(torch.bfloat16))
            leaves = {name: low[name] if name in self.cast else leaf for name, leaf in leaves.items()}
        return {name: leaf.detach().requires_grad_() for name, leaf in leaves.items()}

    def _record(self, batch: Batch, kind: Hashable) -> _Recorded:
        """Record the kernels of a pass."""
        inputs, seed = Batch(*(tensor.clone() for tensor in batch)), self.noise.initial_seed()
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_PASSES):
                self._run(inputs, kind)
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph.register_generator_state(self.noise)
        with torch.cuda.graph(graph):
            outputs = self._run(inputs, kind)
        self.noise.manual_seed(seed)  # the passes above have drawn from it
        return _Recorded(graph, inputs, outputs)
