"""Dependent quantisation: what a symbol stands for depends on those before it.

Two quantisers share out a finer grid, and a state machine that the symbols' parities drive says which of them is next:

    quantiser 0: ... -4 -2  0  2  4 ...      quantiser 1: ... -3 -1  0  1  3 ...      in units of the grid

The values that a row of latents may take then lie as those of a lattice of many dimensions do, and an encoder that
looks for the best row of symbols (`lcodec.effort.trellis`) spends about 4 % fewer bits for the same picture. After
Marcellin and Fischer, "Trellis coded quantization of memoryless and Gauss-Markov sources" (1990), with the zeros of
Schwarz et al., "Hybrid video coding with trellis-coded quantization" (2019); the machine is Ungerboeck's code of 256
states (1982). Where nearly all symbols are 0 it gains nothing, so latents of small scales are left out, and those of
the very largest, for which there are no tables.

All of it is normative (`FORMAT.md`): encoder and decoder walk the same lanes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lcodec.entropy.tables import DEPENDENT

__all__ = ["GRID", "LANE", "NEXT", "SECOND", "STATES", "Lanes"]

#: The grid's spacing, in 1/16 of a quantisation step.
GRID = 9
#: Latents in a lane. With half as many files are 0.1 % larger, for a lane begins in a state that nobody chose.
LANE = 512
#: States of the machine. With 8, files are 1.2 % larger, with 32, 0.7 %, with 128, 0.3 %.
STATES = 256
_state, _parity = np.indices((STATES, 2))
#: States in which the second quantiser is used: the upper half.
SECOND: npt.NDArray[np.intp] = np.arange(STATES) >> 7
#: NEXT[state, parity of the symbol]: the next state.
NEXT: npt.NDArray[np.intp] = (_state << 1) % STATES ^ 0o115 * SECOND[:, None] ^ 0o362 * _parity

#: Given the tables (n,) of one latent of each lane, and where they stand among a batch's dependent ones: symbols (n,).
Code = Callable[[npt.NDArray[np.intp], slice], npt.NDArray[np.int32]]


class Lanes:
    """The dependent latents of one batch: LANE in a row are a lane, and one of each lane is coded at a time."""

    def __init__(self, indexes: npt.NDArray[np.uint8]) -> None:
        """Take the table indexes of the batch, (n,)."""
        self.chosen: npt.NDArray[np.bool_] = (indexes >= DEPENDENT.start) & (indexes < DEPENDENT.stop)
        self._tables = indexes[self.chosen].astype(np.intp) - DEPENDENT.start

    def walk(self, code: Code) -> npt.NDArray[np.int32]:
        """Go along all lanes at once: the distances of the decoded latents from their means, (n,), in 1/16 of a step.

        Symbols are coded with the tables of `lcodec.entropy.tables.load_dependent`.
        """
        count = len(self._tables)
        states = np.zeros(-(-count // LANE), np.intp)
        out = np.empty(count, np.int32)
        for step in range(min(count, LANE)):
            at = slice(step, None, LANE)
            tables = self._tables[at]
            now = states[: len(tables)]
            second = SECOND[now]
            symbols = code(second * len(DEPENDENT) + tables, at)
            out[at] = GRID * (2 * symbols - second * np.sign(symbols))
            states[: len(tables)] = NEXT[now, symbols & 1]
        return out
