"""lcodec: a learned image codec.

    image file -> picture -> analysis -> latents -> entropy -> container -> file      and the same line read backwards

`lcodec.codec` is the spine; `lcodec.cli` the command line. Importing this package alone imports neither torch, NumPy
nor Pillow.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
