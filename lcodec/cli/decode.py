"""`lcodec decode`: .lcdc files to picture files."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec import defaults
from lcodec.cli import completion, console, options
from lcodec.cli.batch import files, folders, run
from lcodec.cli.parameters import Crop, Format, Resize, WholeNumber
from lcodec.errors import UsageError

if TYPE_CHECKING:
    from lcodec.codec import Device

__all__ = ["decode"]

_EPILOG = """\b
Examples:
  lcodec decode photo.lcdc                      writes photo.png
  lcodec decode photo.lcdc -o photo.jpg         JPEG, quality 95
  lcodec decode --resize 1280x photo.lcdc       1280 pixels wide
  lcodec decode --format webp -O out *.lcdc     lossless WebP
  lcodec decode --realism 0.5 photo.lcdc        half-way to the generative picture
  lcodec decode -r coded -O pictures            mirrors the folder; again: only what changed
  lcodec decode - -o - < photo.lcdc | display

\b
The model that a file names is found among those installed and in the folders
of LCODEC_MODELS; -m names one that is elsewhere. A generative model (hific)
shows what another model coded with texture that looks real, and was made up:
not for evidence, medicine, documents. What it shows is marked so in XMP
(DigitalSourceType: algorithmicallyEnhanced). 'lcodec --help' lists the exit
codes.
"""


@click.command(epilog=_EPILOG)
@options.coded_inputs(required=False)
@options.write_options
@click.option(
    "--format",
    "format_wanted",
    type=Format(),
    help="Format of the output.  [default: as -o's suffix says, else png]",
)
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=completion.models_and(),
    help="Decode with this model, by name or file.  [default: the one that each file names]",
)
@options.realism
@click.option("--crop", type=Crop(), metavar="WxH+X+Y", help="Only this part, in pixels from the left and the top.")
@click.option(
    "--resize", type=Resize(), metavar="WxH|N%", help="Then to this size; Wx or xH keeps the shape, as does N%."
)
@click.option("--srgb", is_flag=True, help="Convert the colours to sRGB, by the colour profile.")
@click.option(
    "--jpeg-quality",
    type=WholeNumber(1, 100),
    default=defaults.JPEG_QUALITY,
    show_default=True,
    metavar="Q",
    help="Quality of JPEG files, 1 to 100.",
)
@options.background
@options.metadata
@options.folder_options(smaller=False, kept="a.jpg.lcdc -> a.jpg.png, not a.png")
@options.run_options
def decode(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    folder: Path | None,
    force: bool,
    format_wanted: str | None,
    model: str | None,
    realism: float | None,
    crop: tuple[int, int, int, int] | None,
    resize: tuple[int, int] | float | None,
    srgb: bool,
    jpeg_quality: int,
    background: str,
    metadata: tuple[str, ...],
    device: Device,
    max_pixels: int,
    memory: int,
    quiet: bool,
    as_json: bool,
    many: options.FolderOptions,
) -> int:
    """Decode .lcdc files to pictures.

    photo.lcdc becomes photo.png beside it. With - the file is read from standard input, and the picture written to
    standard output. PNG, WebP, TIFF, PPM, BMP and npy (a NumPy array of 8-bit samples, alpha last) are lossless; jpg is
    of --jpeg-quality, 4:4:4. PNG, WebP, TIFF and npy keep transparency, the others get --background behind it. PNG,
    JPEG, WebP and TIFF keep the colour profile, EXIF and XMP. A note on standard error says what a format cannot hold.
    """
    for item in inputs:  # `lcodec decode photo.lcdc photo.png` is how djxl is called
        named = Path(item).suffix.lower() in {*defaults.PICTURE_SUFFIXES, ".npy"}
        if named and len(inputs) > 1 and not os.path.isdir(item):  # noqa: PTH112
            raise UsageError(f"{item} is an input here, but has the name of a picture: use -o {item}")
    form = format_wanted or files.picture_format(output)
    suffix = Path(output or "").suffix.lower()
    if defaults.WRITABLE_SUFFIXES.get(suffix, form) != form and not quiet:
        console.say(f"{output}: note: in the format {form}, though the name ends in {suffix}")
    name = partial(files.picture_name, format=form, keep_suffix=many.keep_suffix)
    plan = folders.plan(inputs, output, folder, many, name, {defaults.SUFFIX})

    from lcodec.cli.batch.coding import Decoding
    from lcodec.picture import parse_colour

    decoding = Decoding.of(
        model,
        realism,
        format=form,
        background=parse_colour(background),
        device=device,
        max_pixels=max_pixels,
        memory=memory,
        metadata=metadata,
        crop=crop,
        resize=resize,
        srgb=srgb,
        jpeg_quality=jpeg_quality if form == "jpg" else defaults.JPEG_QUALITY,
    )
    return run.run(plan, decoding, many, folder, force=force, quiet=quiet, as_json=as_json)
