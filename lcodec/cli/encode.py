"""`lcodec encode`: picture files to .lcdc files."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec import defaults
from lcodec.cli import completion, console, options
from lcodec.cli.batch import files, folders, run
from lcodec.errors import UsageError

if TYPE_CHECKING:
    from lcodec.codec import Device
    from lcodec.picture.read import Alpha

__all__ = ["encode"]

_EPILOG = """\b
Examples:
  lcodec encode photo.jpg                       writes photo.lcdc
  lcodec encode -q 30 photo.jpg -o small.lcdc
  lcodec encode -O coded *.png                  writes coded/*.lcdc
  lcodec encode --max-size 40k photo.jpg        the best that fits
  lcodec encode --min-psnr 36 photo.jpg         the smallest that is good enough
  lcodec encode -r photos -O coded              mirrors the folder; again: only what changed
  find . -name '*.jpg' -print0 | lcodec encode -0 --files-from - -O coded
  convert raw.tif png:- | lcodec encode - > photo.lcdc

\b
PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, PGM and AVIF are read, and HEIC and JPEG XL
with lcodec[formats]; of several frames or pages, only the first. Grey stays grey,
and transparency is kept without loss; palettes and CMYK become RGB, 16 bits
become 8, and the EXIF orientation is applied. Notes on standard error say what
was not kept. Text, charts and the like are kept exactly where that costs less.

\b
In a folder, all files with a picture's suffix are encoded, except hidden ones;
how many others were passed over is said at the end, by suffix. Outputs go to the
same places below -O. Where two inputs have the same output (a.jpg and a.png),
neither is coded, unless --keep-suffix tells them apart. A run over folders (or
--files-from with -O) records in DIR/.lcodec, by SHA-256, which output it made
from which input. Run again, it makes only what is missing, damaged, or made from
another input or with other settings. -f makes everything again; without it, an
output that is not recorded is never overwritten. --skip-existing looks at names
only.
'lcodec --help' lists the exit codes.
"""


@click.command(epilog=_EPILOG)
@options.picture_inputs(required=False)
@options.write_options
@click.option(
    "-m",
    "--model",
    "model_wanted",
    default=defaults.MODEL,
    show_default=True,
    metavar="NAME",
    shell_complete=completion.models_and(),
    envvar="LCODEC_MODEL",
    help="Model, by name ('lcodec models') or file.",
)
@options.quality
@options.targets
@options.effort
@click.option(
    "--alpha",
    type=click.Choice(["keep", "drop", "flatten"]),
    default="keep",
    show_default=True,
    help="Transparency: keep it, drop it, or flatten it on --background.",
)
@options.background
@options.metadata
@click.option(
    "--depth",
    type=click.Choice(["round", "strict"]),
    default="round",
    show_default=True,
    help="More than 8 bits a sample: round them to 8, or refuse them.",
)
@options.folder_options(smaller=True, kept="a.jpg -> a.jpg.lcdc")
@options.run_options
@click.pass_context
def encode(
    context: click.Context,
    *,
    inputs: tuple[str, ...],
    output: str | None,
    folder: Path | None,
    force: bool,
    model_wanted: str,
    quality: float,
    bpp: float | None,
    max_size: int | None,
    min_psnr: float | None,
    min_ms_ssim: float | None,
    effort: int,
    alpha: Alpha,
    background: str,
    metadata: tuple[str, ...],
    depth: str,
    device: Device,
    max_pixels: int,
    memory: int,
    quiet: bool,
    as_json: bool,
    many: options.FolderOptions,
) -> int:
    """Encode pictures to .lcdc files.

    photo.jpg becomes photo.lcdc beside it. With - the picture is read from standard input, and the file written to
    standard output.
    """
    for item in inputs:  # `lcodec encode photo.png photo.lcdc` is how cjxl is called
        if len(inputs) > 1 and item.lower().endswith(defaults.SUFFIX) and not os.path.isdir(item):  # noqa: PTH112
            raise UsageError(f"{item} is an input here, but has the name of a coded file: use -o {item}")
    target = options.one_target(
        context, {"bpp": bpp, "max-size": max_size, "min-psnr": min_psnr, "min-ms-ssim": min_ms_ssim}
    )
    suffix = Path(output or "").suffix.lower()
    if suffix in defaults.PICTURE_SUFFIXES and not quiet:
        console.say(f"{output}: note: lcodec data, though the name ends in {suffix}")
    name = partial(files.coded_name, keep_suffix=many.keep_suffix)
    plan = folders.plan(inputs, output, folder, many, name, defaults.PICTURE_SUFFIXES)

    from lcodec.cli.batch.coding import Encoding
    from lcodec.picture import WHITE, parse_colour

    colour = parse_colour(background)  # a wrong one is an error, be it needed or not
    encoding = Encoding.of(
        model_wanted,
        quality=quality,
        effort=effort,
        target=target,
        alpha=alpha,
        background=colour if alpha == "flatten" else WHITE,
        metadata=metadata,
        strict_depth=depth == "strict",
        device=device,
        max_pixels=max_pixels,
        memory=memory,
    )
    return run.run(plan, encoding, many, folder, force=force, quiet=quiet, as_json=as_json)
