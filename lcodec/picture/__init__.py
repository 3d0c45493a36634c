"""Picture files in, 8-bit samples out, and back.

    file -> read (samples: what Pillow unpacks; deep: 16 bits; metadata: EXIF, XMP, ICC) -> Picture -> write -> file

Images that Pillow has opened come and go by `pillow`. A `Picture` is what the codec codes: grey stays one channel,
everything else becomes RGB, and transparency is a channel of its own. What a file says beyond that is settled here,
once: EXIF orientation is applied, 16 bits are rounded to 8, palettes are looked up, CMYK goes to sRGB through its
profile. Importing this package loads NumPy but not Pillow.
"""

from lcodec.picture.picture import METADATA, WHITE, Picture, parse_colour
from lcodec.picture.pillow import from_image, to_image, to_info
from lcodec.picture.read import READS, picture_size, read_picture
from lcodec.picture.write import WRITES, write_picture

__all__ = [
    "METADATA",
    "READS",
    "WHITE",
    "WRITES",
    "Picture",
    "from_image",
    "parse_colour",
    "picture_size",
    "read_picture",
    "to_image",
    "to_info",
    "write_picture",
]
