"""Limits, formats and default options that several parts share, each said once.

The help texts, the completions and the Python functions all take them from here. Only the standard library may be
imported, for `lcodec --help` needs neither NumPy nor Pillow.
"""

from __future__ import annotations

__all__ = [
    "CHUNK_MAX",
    "EFFORT",
    "EFFORT_MAX",
    "FORMATS",
    "HEADER_MAX",
    "JPEG_QUALITY",
    "MAX_PIXELS",
    "MEMORY",
    "METADATA",
    "METRICS",
    "MODEL",
    "PICTURE_SUFFIXES",
    "QUALITY",
    "RIVALS",
    "SET_METRICS",
    "SIZES",
    "SUFFIX",
    "WRITABLE_SUFFIXES",
]

# ---------------------------------------------------------------------------------------------------------- options

#: Model used unless another is named.
MODEL = "mse"
#: Quality, 0 to 100.
QUALITY = 50
#: Quality of JPEG files that are written.
JPEG_QUALITY = 95
#: Sizes of networks to train (`lcodec.training.parameters.SIZES`), the default first.
SIZES = ("small", "large")
#: Effort, 0 to `EFFORT_MAX`.
EFFORT = 2
EFFORT_MAX = 9

# ----------------------------------------------------------------------------------------------------------- limits

#: Largest picture, in pixels, unless the caller says otherwise.
MAX_PIXELS = 1 << 28
#: Bytes that the process may hold besides the picture and its file, unless the caller says otherwise. To refine a tile
#: of latents of a large model (effort 8 and above) takes over 1 GiB.
MEMORY = 2 << 30
#: Bytes that always hold a whole header.
HEADER_MAX = 1024
#: Bytes of an optional chunk of a coded file, decompressed: metadata, for one.
CHUNK_MAX = 1 << 24

# ---------------------------------------------------------------------------------------------------------- formats

#: Suffix of coded files.
SUFFIX = ".lcdc"
#: Metadata that travel with a picture.
METADATA = ("icc", "exif", "xmp")
#: Picture formats that are written, in the order of the help.
FORMATS = ("png", "jpg", "webp", "tiff", "ppm", "bmp", "npy")
#: Suffixes of picture files that are written -> their formats.
WRITABLE_SUFFIXES = {f".{name}": name for name in FORMATS} | {
    ".jpeg": "jpg",
    ".tif": "tiff",
    ".pgm": "ppm",
    ".pnm": "ppm",
}
#: Suffixes that make a file in a folder a picture, and that an output's name loses. Any other may be part of the name
#: ("holiday 2026.08").
PICTURE_SUFFIXES = {
    *(WRITABLE_SUFFIXES.keys() - {".npy"}),  # arrays of other things, mostly
    *(".gif", ".avif", ".heic", ".heif", ".hif", ".jxl", ".jpe", ".jfif", ".dib", ".pbm"),
}

# ------------------------------------------------------------------------------------------------------ comparisons

#: Names of the metrics (`lcodec.metrics.MEASURES`), in the order of reports.
METRICS = (
    *("psnr", "psnr-y", "ms-ssim", "ssimulacra2", "haarpsi", "nlpd", "wasserstein"),
    *("butteraugli", "lpips", "pim"),
)
#: Names of the measures of whole sets (`lcodec.metrics.sets.SET_MEASURES`), in the order of reports.
SET_METRICS = ("kid", "kid-pim", "auc", "spectrum", "marginals")
#: Names of the codecs that ours are compared with (`lcodec.compare.codecs.RIVALS`), in the order of reports.
RIVALS = (
    *("jpeg-420", "jpeg-444", "mozjpeg-420", "mozjpeg-444"),
    *("webp", "jpeg2000", "jxl"),
    *("heic-420", "heic-444", "avif-420", "avif-444", "bpg-420", "bpg-444"),
)
