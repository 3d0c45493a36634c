"""Pillow reads and writes .lcdc files once this module is imported.

    import lcodec.pillow_plugin
    Image.open("photo.png").save("photo.lcdc", quality=60)
    Image.open("photo.lcdc").show()

Opening reads the header and the metadata; the coded samples are read and decoded when they are first used, on the CPU.
An image's `realism` (as in `lcodec.decode`; None means what the file asks for) may be set before that.
Modes L, LA, RGB and RGBA are kept (an alpha channel that is opaque everywhere is not stored); 1 and palettes are
converted; others raise OSError.

`save` takes quality, bpp, max_size, min_psnr, min_ms_ssim, model and effort as `lcodec.encode` does, and metadata as
Pillow's own formats do: icc_profile (else that of `info`, where it is one for such samples), exif and xmp. The
orientation that these say is applied to the samples, and set to 1. Other keywords are ignored. What is out of range
raises ValueError, what is of a wrong type TypeError, everything else OSError. As Pillow opens the file before it calls
a plug-in, a file that was there is lost when saving fails; `lcodec.write` keeps it.
"""

from __future__ import annotations

from typing import IO, Any

from PIL import Image, ImageFile

from lcodec import defaults, face
from lcodec.container import MAGIC, read_header, read_metadata
from lcodec.errors import LcodecError, UsageError
from lcodec.picture import from_image, to_info

__all__ = ["LcodecImageFile"]

_FORMAT = "LCODEC"
#: Keywords of `save` that are those of `lcodec.encode`.
_OPTIONS = ("quality", "bpp", "max_size", "min_psnr", "min_ms_ssim", "model", "effort")


class LcodecImageFile(ImageFile.ImageFile):
    """An .lcdc file that is open; its pixels may not have been decoded yet."""

    format = _FORMAT
    format_description = "lcodec learned image"
    #: 0 (most exact) to 1 (looks most real) for the pixels that are yet to be decoded; None: as the file asks.
    realism: float | None = None
    _coded = False

    def _open(self) -> None:
        file = _file_of(self)
        start = file.tell()
        try:
            header = read_header(file.read(defaults.HEADER_MAX))
            metadata = read_metadata(header, file, start)
        except LcodecError as error:
            raise OSError(str(error)) from error
        self._size = header.width, header.height
        self._mode = ("L" if header.grey else "RGB") + ("A" if "alpha" in header.sections else "")
        self.info.update(**to_info(metadata), quality=header.quality_step / 100)
        self._start, self._coded = start, True

    def verify(self) -> None:
        """Check the whole file, its checksums and symbols included, and let go of it. Raises OSError on damage."""
        self._decode()
        self.fp = None

    def load(self) -> Any:
        """Decode the pixels, once. Raises OSError if the file is damaged or its model is not installed."""
        if self._coded:
            decoded = self._decode()
            self.im, self._coded = decoded.im, False
            self.info |= decoded.info
        return super().load()

    def _decode(self) -> Image.Image:
        file = _file_of(self)
        file.seek(self._start)
        try:
            most = self.width * self.height
            return face.decode_image(file.read(), device="cpu", max_pixels=most, realism=self.realism)
        except UsageError as error:
            raise ValueError(str(error)) from error
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


def _save(image: Image.Image, file: IO[bytes], _: str | bytes) -> None:
    if 0 in image.size:
        raise ValueError(f"the picture is empty ({image.width}x{image.height})")
    wanted = image.encoderinfo
    described = {"icc_profile": image.info.get("icc_profile")} | wanted
    options = {name: wanted[name] for name in _OPTIONS if wanted.get(name) is not None}
    try:
        picture = from_image(image, described)
        data = face.encode(picture, device="cpu", max_pixels=picture.width * picture.height, **options)
    except UsageError as error:
        raise ValueError(str(error)) from error
    except LcodecError as error:
        raise OSError(str(error)) from error
    file.write(data)


Image.register_open(_FORMAT, LcodecImageFile, lambda prefix: prefix.startswith(MAGIC))
Image.register_save(_FORMAT, _save)
Image.register_extension(_FORMAT, defaults.SUFFIX)
Image.register_mime(_FORMAT, "image/x-lcodec")
