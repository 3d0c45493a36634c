"""Effort: better symbols for one picture, at the encoder's expense; neither format nor decoder know of it.

    analysis -> latents, hyper-latents -> refine (gradient descent, torch; slow levels) -> rdoq (choice of symbols)
                                                                    match (as good as without effort) -'

Levels differ in size, not in quality: at one quality step the distortion stays what it is without effort, and what is
saved is bits. Level 1 keeps it in the mean over photos, by what `measure` found once for the model; the others run the
synthesis and keep that of every region. Refinement's objective is that of training: bits + lambda x distortion, of the
kind that the model was trained for.
"""

from lcodec.effort.levels import EFFORT_MAX, Effort

__all__ = ["EFFORT_MAX", "Effort"]
