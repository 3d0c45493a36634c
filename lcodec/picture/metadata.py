"""What of a file's metadata is kept: EXIF and XMP made to fit upright samples, ICC profiles that fit the channels.

Stands between what the formats' own readers found (`said`) and the `Picture`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from lcodec.picture.exif import EXIF_PREFIX, Resolution, orientation_in, upright_exif, with_resolution
from lcodec.picture.picture import METADATA_MAX
from lcodec.picture.said import Said
from lcodec.picture.xmp import orientation_in_xmp, upright_xmp, without_announcements

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "DIRECTORIES",
    "EXIF_PREFIX",
    "descriptive",
    "exif_of",
    "kept",
    "orientation_of",
    "upright_exif",
    "upright_xmp",
    "usable_icc",
    "xmp_of",
]

_ORIENTATION = 0x0112  # EXIF tag
_ICC_HEADER = 128  # bytes
#: Tags that describe a picture. A TIFF file's own directory has them among those that say how it is stored:
#: document name, description, make, model, resolution and its unit, software, date, artist, host, copyright, rating.
_DESCRIPTIVE = (269, 270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 33432)
#: Directories of EXIF proper, and of positions.
DIRECTORIES = (0x8769, 0x8825)


def orientation_of(image: Image.Image, exif: bytes | None, xmp: bytes | None) -> int:
    """Return the orientation, 1..8, that is still to be applied to an image with these metadata.

    XMP counts where EXIF says none. A TIFF's is its own, which Pillow applies while it loads.
    """
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # its decoder has applied the one that counts, and EXIF's does not
    if image.format != "TIFF":
        return orientation_in(exif or b"") or orientation_in_xmp(xmp or b"") or 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif_of(image: Image.Image) -> bytes | None:
    """Return the EXIF of a loaded image, as it stands in the file; None where there is none.

    Raises what Pillow raises on damage.
    """
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # ImageMagick's, in a PNG that Pillow has opened
        raw = image.getexif().tobytes()
    if raw is None and image.format == "TIFF":
        found = descriptive(image.getexif())
        raw = found.tobytes() if len(found) else None
    return raw if isinstance(raw, bytes) and raw else None


def xmp_of(image: Image.Image) -> bytes | None:
    """Return the XMP packet of an image that Pillow has opened; None where there is none."""
    raw = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(raw, str):
        raw = raw.encode()
    return raw if isinstance(raw, bytes) and raw else None


def descriptive(exif: Image.Exif) -> Image.Exif:
    """Return what of a directory describes the picture, without what says how a file stores it."""
    from PIL import Image

    found = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            found[tag] = exif[tag]
    for directory in DIRECTORIES:
        if tags := exif.get_ifd(directory):
            found[directory] = dict(tags)
    return found


def usable_icc(icc: object, channels: int) -> bytes | None:
    """Return the profile if it is one for samples of this kind."""
    space = b"GRAY" if channels == 1 else b"RGB "
    if not isinstance(icc, bytes) or len(icc) < _ICC_HEADER or icc[36:40] != b"acsp" or icc[16:20] != space:
        return None
    return icc


def kept(
    said: Said,
    wanted: Collection[str],
    *,
    size: tuple[int, int],
    channels: int,
    orientation: int,
    note: Callable[[str], None],
) -> dict[str, bytes]:
    """Return the wanted metadata that fit a picture of this size and these channels; what is lost is noted.

    `orientation` is the one that was applied to the samples.
    """
    changed = orientation != 1 or said.crop is not None
    found: dict[str, tuple[bytes | None, bytes | None]] = {  # as they stand in the file, and as they fit
        "icc": (said.icc, usable_icc(said.icc, channels)),
        "exif": (said.exif, upright_exif(said.exif or b"", size, changed=changed)),
        "xmp": (said.xmp, without_announcements(upright_xmp(said.xmp or b"", size))),
    }
    result = {}
    for name in wanted:
        raw, fits = found[name]
        if not raw:
            continue
        if len(raw) > METADATA_MAX:
            note(f"{name.upper()} left out: more than {METADATA_MAX} bytes")
        elif fits is None:
            note(f"{name.upper()} left out: " + ("not one for these samples" if name == "icc" else "damaged"))
        elif fits:
            result[name] = fits
    if "icc" in wanted:
        for line in said.colours if said.icc is None else []:
            note(line)
        if said.icc is None and said.made_icc is not None and (made := usable_icc(said.made_icc, channels)):
            result["icc"] = made
    if "exif" in wanted:
        if said.resolution is not None:
            result["exif"] = with_resolution(result.get("exif"), _turned(said.resolution, orientation))
        for line in said.texts:
            note(line)
    for line in said.content:
        note(line)
    return result


def _turned(resolution: Resolution, orientation: int) -> Resolution:
    x, y, unit = resolution
    return Resolution(y, x, unit) if orientation >= 5 else resolution
