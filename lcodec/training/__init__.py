"""Training: photos in, a model file out. Imports torch; nothing that encodes or decodes imports this package.

data (photos or pairs of frames, crops) -> gradient (of an objective, in flat vectors) -> loop (Adam, averages) -> run

What is trained, and for what, a `protocol.TrainingObjective` says; `rate_distortion` is that of the codec's models:
parameters (how they start) -> objective (rate + lambda distortion) -> rounding, export (a model file). Around the loop
stand settings (length and schedule), launch (processes, signals), validate, state (on disk) and run (start and card).
"""
