"""Effort: better symbols for one picture, at the encoder's expense; a decoder has the same to do at every level.

    analysis -> descent (the gradient of the distortion) -> annealing (torch; slow levels), and descent once more
             -> rdoq, trellis (choice of symbols) -> match (as good as without)

Levels differ in size, not in quality: at one quality the distortion stays what it is without effort, and what is saved
is bits. Levels 1 to 5 keep it in the mean over photos, by what `measure` found once for the model; those that anneal
decode what they code, and keep that of the picture at hand. What all descend on is the objective of training: bits +
lambda x distortion, of the kind that the model was trained for.
"""

from lcodec.effort.levels import EFFORT_MAX, Effort

__all__ = ["EFFORT_MAX", "Effort"]
