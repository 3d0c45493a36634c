"""Effort: better symbols for one picture, at the encoder's expense; neither format nor decoder know of it.

    analysis -> latents, hyper-latents -> refine (gradient descent, torch; slow levels) -> rdoq (choice of symbols)

The objective is that of training: bits + lambda x distortion, of the kind that the model was trained for.
"""

from lcodec.effort.levels import EFFORT_MAX, Effort

__all__ = ["EFFORT_MAX", "Effort"]
