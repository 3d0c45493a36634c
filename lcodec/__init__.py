"""lcodec: a learned image codec.

    data = lcodec.encode(image, quality=50)      # a NumPy array or a Pillow image -> the bytes of an .lcdc file
    pixels = lcodec.decode(data)                 # -> an array; decode_image: a Pillow image, with its metadata
    lcodec.write("photo.lcdc", image)            # and read, read_image: the same with files
    lcodec.info(data)                            # size, quality and model, without decoding

    image file -> picture -> analysis -> latents -> entropy -> container -> file      and the same line read backwards

These functions are those of `lcodec.face`, which is loaded when one of them is first used: importing this package alone
imports neither NumPy, Pillow nor torch. `lcodec.codec` is the spine, `lcodec.cli` the command line.
"""

from typing import TYPE_CHECKING

from lcodec.errors import (
    DamagedError,
    LcodecError,
    LimitError,
    ModelError,
    PictureError,
    SelfTestError,
    UsageError,
)

if TYPE_CHECKING:
    from lcodec.face import Info, decode, decode_image, encode, info, read, read_image, write

__version__ = "0.1.0"
__all__ = [
    "DamagedError",
    "Info",
    "LcodecError",
    "LimitError",
    "ModelError",
    "PictureError",
    "SelfTestError",
    "UsageError",
    "__version__",
    "decode",
    "decode_image",
    "encode",
    "info",
    "read",
    "read_image",
    "write",
]

if not TYPE_CHECKING:  # type checkers are to know the names above, and no others

    def __getattr__(name: str) -> object:
        """Load the face when one of its names is first used (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from lcodec import face

        globals()[name] = getattr(face, name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
