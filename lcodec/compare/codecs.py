"""The codecs that `lcodec eval` compares: ours by their models, others by the libraries that people use.

Every codec is a `Codec`: a name, a scale of settings, and two functions between a picture and the bytes of a whole
file. Settings are the codec's own (JPEG's quality, JPEG XL's distance). Encoders run as strong as is usual at the
shell (AVIF speed 4, WebP method 6, x265 slow, JPEG XL effort 7, ours with the effort of `lcodec encode`), tuned for
PSNR where a library can be, on one thread where it can be told so; colour profiles are left out of all files alike.
4:2:0 and 4:4:4 are two codecs.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lcodec import __version__, codec
from lcodec.compare.names import REALISM, parted, share
from lcodec.defaults import EFFORT
from lcodec.errors import LcodecError, ModelError, UsageError
from lcodec.legible import legible
from lcodec.picture import Picture, check_sides, from_image, to_image
from lcodec.zoo import Zoo

__all__ = ["RIVALS", "Codec", "open_codec"]

_EXTRA = "pip install 'lcodec[eval]'"


@dataclass(frozen=True)
class Codec:
    """A way from a picture to the bytes of a file and back."""

    name: str  #: as --codec takes it
    title: str  #: for tables
    scale: str  #: what a setting is
    first: float  #: the setting of the smallest files
    last: float  #: that of the largest
    step: float  #: between two settings, over 0
    settings: tuple[float, ...]  #: those of a curve, unless others are asked for; smallest files first
    encode: Callable[[Picture, float], bytes]
    decode: Callable[[bytes], Picture]
    version: Callable[[], str]  #: of what runs; results of another version are not used again
    missing: Callable[[], str | None]  #: how to get it, where it is not at hand
    browser: str | None = None  #: type of files that browsers show

    def check(self, setting: float) -> None:
        """Raise UsageError for a setting that is off the scale."""
        low, high = sorted((self.first, self.last))
        if not low <= setting <= high:
            raise UsageError(f"{self.name}: settings are {self.scale}, {low:g} to {high:g}, not {setting:g}")


@cache
def open_codec(name: str) -> Codec:
    """Return the codec of a name: a rival, a model of the zoo, or a file of weights.

    Raises:
        UsageError: there is no codec of that name.
        ModelError: the model file is damaged.
    """
    if name in RIVALS:
        return RIVALS[name]
    zoo = Zoo()
    models = [entry.name for entry in zoo.entries()]
    model, asked, number = parted(name)
    measures = {metric.name for metric in zoo.metrics()}  # asked for as a codec, the zoo says what they are
    if model not in {*models, *measures} and not Path(model).is_file():
        families = sorted({rival.partition("-")[0] for rival in RIVALS})
        if asked and model in {*families, *RIVALS}:
            raise UsageError(f"{name}: {model} has no realism, only models have")
        raise UsageError(f"no codec is called {model!r} (there are {', '.join([*models, *families])}, and model files)")
    return _model_codec(name, model, share(number) if asked else None, zoo)


def _found() -> None:
    return None


# ------------------------------------------------------------------------------------------------------- our models


def _model_codec(name: str, model_name: str, realism: float | None, zoo: Zoo) -> Codec:
    model = zoo.load(model_name)  # from now on the zoo finds it for decoding, even a file that no index lists
    if realism and model.base is None and zoo.generative(model) is None:
        how = f"LCODEC_MODELS names its folder, --codec its file; {model_name}{REALISM}0 needs none"
        raise ModelError(f"no generative model for what {legible(model.name)} coded is installed ({how})")
    shown_by = zoo.find(model.entropy_id, model.synthesis_id, realism=realism).synthesis_id.hex()
    wish = "" if realism is None else f", realism {realism:g}"
    return Codec(
        name=name,
        title=f"lcodec {legible(model.name)}{wish}",
        scale="quality",
        first=0,
        last=100,
        step=0.01,
        settings=(0, 14, 28, 42, 57, 71, 85, 100),
        encode=lambda picture, quality: codec.encode(picture, model, quality, effort=EFFORT, device="cpu"),
        decode=lambda data: codec.decode(data, zoo, device="cpu", realism=realism),
        version=lambda: (
            f"lcodec {__version__}, effort {EFFORT}, model {model.identity}{wish and f'{wish} of {shown_by}'}"
        ),
        missing=_found,
    )


# ------------------------------------------------------------------------------------------------ by way of Pillow


def _save(format: str, options: Callable[[Picture, float], dict[str, Any]], picture: Picture, setting: float) -> bytes:  # noqa: A002
    check_sides(format, picture.width, picture.height)
    file = BytesIO()
    to_image(picture).save(file, format, **options(picture, setting))
    return file.getvalue()


def _open(format: str, data: bytes) -> Picture:  # noqa: A002
    from PIL import Image

    with Image.open(BytesIO(data), formats=[format]) as image:
        return from_image(image, {})


def _jpeg(chroma: str, _: Picture, quality: float) -> dict[str, Any]:
    return {"quality": round(quality), "subsampling": chroma, "optimize": True}


def _webp(_: Picture, quality: float) -> dict[str, Any]:
    return {"quality": round(quality), "method": 6}


def _jpeg2000(picture: Picture, bpp: float) -> dict[str, Any]:
    channels = picture.pixels.shape[2]
    # Without `mct` Pillow codes R, G and B each on its own, at 2.6 dB less.
    return {"quality_mode": "rates", "quality_layers": [8 * channels / bpp], "irreversible": True, "mct": channels // 3}


def _avif(chroma: str, _: Picture, quality: float) -> dict[str, Any]:
    return {
        "quality": round(quality),
        "speed": 4,
        "subsampling": chroma,
        "max_threads": 1,
        "advanced": {"tune": "psnr"},
    }


def _pillow_version(feature: str, settings: str) -> str:
    import PIL
    from PIL import features

    return f"Pillow {PIL.__version__}, {feature} {features.version(feature)}, {settings}"


def _needs_pillow(feature: str) -> str | None:
    from PIL import features

    return None if features.check(feature) else f"this Pillow was built without {feature}: pip install -U pillow"


def _pillow(
    scale: Callable[..., Codec],
    format: str,  # noqa: A002
    feature: str,
    options: Callable[[Picture, float], dict[str, Any]],
    described: str,
    browser: str | None = None,
) -> Callable[..., Codec]:
    """What codecs of a format of Pillow share; `described` are the options, for the version."""
    return partial(
        scale,
        encode=partial(_save, format, options),
        decode=partial(_open, format),
        version=partial(_pillow_version, feature, described),
        missing=partial(_needs_pillow, feature),
        browser=browser,
    )


# ------------------------------------------------------------------------------------------------------ other wheels


def _encode_mozjpeg(chroma: str, picture: Picture, quality: float) -> bytes:
    import pyvips

    pixels = np.ascontiguousarray(picture.pixels)
    raw = pyvips.Image.new_from_memory(pixels.data, picture.width, picture.height, pixels.shape[2], "uchar")
    image = raw.copy(interpretation="b-w" if picture.grey else "srgb")
    data: bytes = image.jpegsave_buffer(
        Q=round(quality),
        subsample_mode="on" if chroma == "4:2:0" else "off",
        keep="none",
        # All that mozjpeg adds to libjpeg; a libvips without it would ignore these.
        optimize_coding=True,
        interlace=True,
        trellis_quant=True,
        overshoot_deringing=True,
        optimize_scans=True,
        quant_table=3,
    )
    return data


def _mozjpeg_version() -> str:
    import pyvips

    numbers = ".".join(str(pyvips.version(i)) for i in range(3))
    binary = metadata.version("pyvips-binary")
    return f"mozjpeg of libvips {numbers} (pyvips-binary {binary}), trellis, progressive, quantisation table 3"


def _needs_mozjpeg() -> str | None:
    # Only the binary wheel is known to have mozjpeg; a system's libvips mostly has libjpeg-turbo.
    return None if find_spec("pyvips") and find_spec("_libvips") else _EXTRA


_X265 = {"preset": "slow", "tune": "psnr", "x265:psy-rd": "0", "x265:psy-rdoq": "0", "x265:aq-mode": "0"}


def _encode_heic(chroma: str, picture: Picture, quality: float) -> bytes:
    import pillow_heif

    file = BytesIO()
    image = pillow_heif.from_pillow(to_image(picture))
    image.save(
        file, quality=round(quality), chroma=int(chroma.replace(":", "")), enc_params=dict(_X265)
    )  # it adds to them
    return file.getvalue()


def _decode_heic(data: bytes) -> Picture:
    import pillow_heif

    return from_image(pillow_heif.open_heif(data).to_pillow(), {})


def _heic_version() -> str:
    import pillow_heif

    info = pillow_heif.libheif_info()
    settings = ", ".join(f"{key}={value}" for key, value in _X265.items())
    return f"pillow-heif {pillow_heif.__version__}, libheif {info['libheif']}, {info['HEIF']}, {settings}"


def _needs_heic() -> str | None:
    return None if find_spec("pillow_heif") else _EXTRA


def _encode_jxl(picture: Picture, distance: float) -> bytes:
    import imagecodecs

    pixels = picture.pixels[:, :, 0] if picture.grey else picture.pixels
    return bytes(imagecodecs.jpegxl_encode(pixels, effort=7, distance=distance, numthreads=1))


def _decode_jxl(data: bytes) -> Picture:
    import imagecodecs

    pixels = imagecodecs.jpegxl_decode(data, numthreads=1)
    return Picture.of(pixels)


def _jxl_version() -> str:
    import imagecodecs

    return f"imagecodecs {imagecodecs.__version__}, {imagecodecs.jpegxl_version()}, effort 7"


def _needs_jxl() -> str | None:
    return None if find_spec("imagecodecs") else _EXTRA


# --------------------------------------------------------------------------------------------------------- programs


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise LcodecError(f"{command[0]}: {reason[-1]}")


def _encode_bpg(chroma: str, picture: Picture, qp: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "picture.png", Path(folder) / "picture.bpg"
        to_image(picture).save(source)
        settings = ("-e", "x265", "-b", "8", "-f", chroma.replace(":", ""), "-q", f"{qp:g}")
        _run("bpgenc", *settings, "-o", target, source)
        return target.read_bytes()


def _decode_bpg(data: bytes) -> Picture:
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "picture.bpg", Path(folder) / "picture.png"
        source.write_bytes(data)
        _run("bpgdec", "-o", target, source)
        with Image.open(target) as image:
            return from_image(image, {})


def _bpg_version() -> str:
    return "bpgenc, x265, 8 bits"


def _needs_bpg() -> str | None:
    if shutil.which("bpgenc") and shutil.which("bpgdec"):
        return None
    return "bpgenc and bpgdec are not on the PATH; heic-444 has the same coding tools (HEVC, x265)"


# --------------------------------------------------------------------------------------------------------- registry


def _rivals() -> Iterator[Codec]:
    quality = partial(Codec, scale="quality", first=0, last=100, step=1)
    from_1 = partial(quality, first=1)  # 0 asks libjpeg for its default
    bpp = partial(Codec, scale="bits per pixel", first=0.02, last=16, step=0.01)
    distance = partial(Codec, scale="distance", first=25, last=0.1, step=0.05)
    quantiser = partial(Codec, scale="quantiser", first=51, last=0, step=1)
    chromas = {"4:2:0": "420", "4:4:4": "444"}
    for chroma, name in chromas.items():
        jpeg = _pillow(
            from_1, "JPEG", "libjpeg_turbo", partial(_jpeg, chroma), "optimised Huffman tables", "image/jpeg"
        )
        yield jpeg(name=f"jpeg-{name}", title=f"JPEG {chroma}", settings=(3, 6, 10, 20, 35, 55, 75, 90))
    for chroma, name in chromas.items():
        yield from_1(
            name=f"mozjpeg-{name}",
            title=f"mozjpeg {chroma}",
            settings=(4, 8, 14, 25, 40, 60, 78, 90),
            encode=partial(_encode_mozjpeg, chroma),
            decode=partial(_open, "JPEG"),
            version=_mozjpeg_version,
            missing=_needs_mozjpeg,
            browser="image/jpeg",
        )
    webp = _pillow(quality, "WEBP", "webp", _webp, "method 6", "image/webp")
    yield webp(name="webp", title="WebP", settings=(0, 5, 15, 35, 60, 80, 90, 95))
    jpeg2000 = _pillow(bpp, "JPEG2000", "jpg_2000", _jpeg2000, "9/7, one layer, .jp2")
    yield jpeg2000(name="jpeg2000", title="JPEG 2000", settings=(0.06, 0.12, 0.25, 0.4, 0.6, 0.9, 1.35, 2))
    yield distance(
        name="jxl",
        title="JPEG XL",
        settings=(25, 13, 8, 5, 3, 1.8, 1.1, 0.7),
        encode=_encode_jxl,
        decode=_decode_jxl,
        version=_jxl_version,
        missing=_needs_jxl,
    )
    for chroma, name in chromas.items():
        yield quality(
            name=f"heic-{name}",
            title=f"HEIC {chroma}",
            settings=(4, 14, 24, 34, 44, 54, 64, 74),
            encode=partial(_encode_heic, chroma),
            decode=_decode_heic,
            version=_heic_version,
            missing=_needs_heic,
        )
    for chroma, name in chromas.items():
        avif = _pillow(quality, "AVIF", "avif", partial(_avif, chroma), "speed 4, tune=psnr, 8 bits", "image/avif")
        yield avif(name=f"avif-{name}", title=f"AVIF {chroma}", settings=(3, 10, 22, 36, 52, 68, 82, 90))
    for chroma, name in chromas.items():
        yield quantiser(
            name=f"bpg-{name}",
            title=f"BPG {chroma}",
            settings=(50, 46, 42, 38, 34, 30, 26, 22),
            encode=partial(_encode_bpg, chroma),
            decode=_decode_bpg,
            version=_bpg_version,
            missing=_needs_bpg,
        )


#: All codecs but ours, by name.
RIVALS = {rival.name: rival for rival in _rivals()}
