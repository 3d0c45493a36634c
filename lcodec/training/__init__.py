"""Training: photos in, a model file out. Imports torch; nothing that encodes or decodes imports this package.

data (photos in memory, crops) -> parameters (start) -> objective (rate + lambda distortion) -> loop -> export
"""
