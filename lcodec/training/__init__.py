"""Training: photos in, a model file out. Imports torch; nothing that encodes or decodes imports this package.

data (photos, crops) -> parameters (start) -> objective (rate + lambda distortion) -> gradient -> loop -> export

Measured on the way to the shipped models, by validation loss, and left:

- After 17,306 steps of 512 crops (7.8218), 0.65 hours of steps of 64 on two cores, from a rate of 5e-4 to zero, made it
  worse: 7.8334. What noise the small batches bring, so short a schedule does not take away.
- For MS-SSIM from `mse`, steps count more than pixels: 3,760 of 128 crops of 192 (17.7 gigapixels, rate 1.3e-3) came to
  7.632, where 22,491 of 16 (13.3 gigapixels, rates 1e-3 and 5e-4) had come to 7.419, from an older `mse`.
- Restarted from a finished `mse`, rates of 1.2e-3 and 2.5e-3 are both stable with 64 crops.
"""
