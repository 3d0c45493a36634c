"""Effort: better symbols for one picture, at the encoder's expense; a decoder has the same to do at every level.

    analysis -> descent (the gradient of the distortion) -> annealing (torch; slow levels), and descent once more
             -> rdoq, trellis (choice of symbols)

Levels differ in size, not in quality: at one quality the distortion stays, in the mean over photos, what it is without
effort, by what `measure` found once for the model; what is saved is bits. What all descend on is the objective of
training: bits + lambda x distortion, of the kind that the model was trained for.
"""

from lcodec.effort.levels import EFFORT_MAX, Effort

__all__ = ["EFFORT_MAX", "Effort"]
