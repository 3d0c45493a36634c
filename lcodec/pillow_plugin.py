"""Pillow reads and writes .lcdc files once this module is imported.

    import lcodec.pillow_plugin
    Image.open("photo.png").save("photo.lcdc", quality=60)
    Image.open("photo.lcdc").show()

Opening reads the header and the metadata; the coded samples are read and decoded when they are first used, on the CPU.
Modes L, LA, RGB and RGBA are kept (an alpha channel that is opaque everywhere is not stored); 1 and palettes are
converted; others raise OSError. `save` takes quality (0 to 100), model, icc_profile (else that of `info`), exif, xmp.
"""

from __future__ import annotations

from functools import lru_cache
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from lcodec import codec
from lcodec.container import MAGIC, read_header, read_metadata
from lcodec.errors import LcodecError, UsageError
from lcodec.picture import Picture, to_image
from lcodec.picture.metadata import EXIF_PREFIX
from lcodec.zoo import DEFAULT, Zoo

__all__ = ["LcodecImageFile"]

_FORMAT = "LCODEC"
_QUALITY = 50
_HEADER_SIZE = 1024  # bytes; a header is never longer
#: Our names of metadata, and Pillow's.
_INFO = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}
#: Modes that are converted on saving, without loss.
_CONVERTED = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA"}


class LcodecImageFile(ImageFile.ImageFile):
    """An .lcdc file that is open; its pixels may not have been decoded yet."""

    format = _FORMAT
    format_description = "lcodec learned image"
    _coded = False

    def _open(self) -> None:
        file = _file_of(self)
        start = file.tell()
        try:
            header = read_header(file.read(_HEADER_SIZE))
            metadata = read_metadata(header, file, start)
        except LcodecError as error:
            raise OSError(str(error)) from error
        self._size = header.width, header.height
        self._mode = ("L" if header.grey else "RGB") + ("A" if "alpha" in header.sections else "")
        self.info = {_INFO[name]: content for name, content in metadata.items()}
        if "exif" in self.info:
            self.info["exif"] = EXIF_PREFIX + self.info["exif"]
        self.info["quality"] = header.quality / 100
        self._start, self._coded = start, True

    def verify(self) -> None:
        """Check the whole file, its checksums and symbols included, and let go of it. Raises OSError on damage."""
        self._decode()
        self.fp = None

    def load(self) -> Any:
        """Decode the pixels, once. Raises OSError if the file is damaged or its model is not installed."""
        if self._coded:
            self.im = to_image(self._decode()).im
            self._coded = False
        return super().load()

    def _decode(self) -> Picture:
        file = _file_of(self)
        file.seek(self._start)
        try:
            return codec.decode(file.read(), _zoo(), device="cpu", max_pixels=self.width * self.height)
        except LcodecError as error:
            raise OSError(str(error)) from error
        finally:
            if self._exclusive_fp:
                file.close()
                self.fp = None


def _file_of(image: LcodecImageFile) -> IO[bytes]:
    if image.fp is None:
        raise OSError("the file is closed, and its pixels were not decoded before")
    return image.fp


@lru_cache(maxsize=1)
def _zoo() -> Zoo:
    return Zoo()


def _save(image: Image.Image, file: IO[bytes], _: str | bytes) -> None:
    options = image.encoderinfo
    try:
        model = _zoo().load(options.get("model", DEFAULT))
        data = codec.encode(_picture_of(image), model, options.get("quality", _QUALITY), device="cpu")
    except UsageError as error:
        raise ValueError(str(error)) from error
    except LcodecError as error:
        raise OSError(str(error)) from error
    file.write(data)


def _picture_of(image: Image.Image) -> Picture:
    """Return samples and metadata of an image that is being saved. Raises OSError for modes that have no place here."""
    options = image.encoderinfo
    if image.mode in {"P", "PA"} or (image.mode in {"1", "L", "RGB"} and "transparency" in image.info):
        grey = image.mode in {"1", "L"}
        image = image.convert(("LA" if grey else "RGBA") if image.has_transparency_data else "RGB")
    image = image.convert(_CONVERTED.get(image.mode, image.mode))
    if image.mode not in {"L", "LA", "RGB", "RGBA"}:
        raise OSError(f"cannot write mode {image.mode} as {_FORMAT}")
    samples = np.asarray(image).reshape(image.height, image.width, -1)
    channels = 1 if image.mode.startswith("L") else 3
    exif = options.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    xmp = options.get("xmp")
    return Picture(
        samples[:, :, :channels],
        options.get("icc_profile", image.info.get("icc_profile")) or None,
        exif.removeprefix(EXIF_PREFIX) if exif else None,
        (xmp.encode() if isinstance(xmp, str) else xmp) or None,
        samples[:, :, channels] if samples.shape[2] > channels else None,
    )


Image.register_open(_FORMAT, LcodecImageFile, lambda prefix: prefix.startswith(MAGIC))
Image.register_save(_FORMAT, _save)
Image.register_extension(_FORMAT, ".lcdc")
Image.register_mime(_FORMAT, "image/x-lcodec")
