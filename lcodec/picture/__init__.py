"""Picture files in, 8-bit samples out, and back.

    file -> opening (format, said) -> read (samples, deep; metadata) -> Picture -> write -> file

Images that Pillow has opened come and go by `pillow`. A `Picture` is what the codec codes: grey stays one channel,
everything else becomes RGB, and transparency is a channel of its own. What a file says beyond that is settled here,
once: orientation and clean aperture are applied, 16 bits are rounded to 8, palettes are looked up, CMYK goes to sRGB
through its profile. ICC, EXIF and XMP are kept, colours that are described otherwise become ICC, a resolution becomes
EXIF; what is not kept and would be missed gets a note.

What each format says stands in a file of its own (`chunks` PNG, `jpeg`, `tiff`, `bmp`, `boxes` AVIF, HEIC and JPEG XL);
they share `directories` (tags), `exif`, `xmp` and `colour` (profiles made here), and `kinds` names what is not read.
Importing this package loads NumPy but not Pillow.
"""

from lcodec.picture.picture import METADATA, WHITE, Picture, parse_colour
from lcodec.picture.pillow import from_image, to_image, to_info
from lcodec.picture.read import READS, picture_size, read_picture
from lcodec.picture.write import WRITES, check_sides, write_picture

__all__ = [
    "METADATA",
    "READS",
    "WHITE",
    "WRITES",
    "Picture",
    "check_sides",
    "from_image",
    "parse_colour",
    "picture_size",
    "read_picture",
    "to_image",
    "to_info",
    "write_picture",
]
