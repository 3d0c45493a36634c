"""`lcodec encode`: picture files to .lcdc files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.cli import batch, completion, files, options
from lcodec.errors import UsageError
from lcodec.zoo import DEFAULT, Zoo

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
  convert raw.tif png:- | lcodec encode - > photo.lcdc

\b
Read are PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, PGM and AVIF; of several frames
or pages, the first. Grey stays grey, transparency is kept without loss; palettes
and CMYK become RGB, 16 bits become 8, the EXIF orientation is applied. Notes on
standard error say what was not kept.
'lcodec --help' lists the exit codes.
"""


@click.command(epilog=_EPILOG)
@options.picture_inputs
@options.write_options
@click.option(
    "-m",
    "--model",
    "model_wanted",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    shell_complete=completion.models_and(),
    envvar=["LCODEC_ENCODE_MODEL", "LCODEC_MODEL"],
    help="Model, by name ('lcodec models') or file.",
)
@options.quality
@options.targets
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
@options.run_options("encode")
def encode(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    folder: Path | None,
    force: bool,
    model_wanted: str,
    quality: float,
    alpha: Alpha,
    background: str,
    metadata: tuple[str, ...],
    depth: str,
    device: Device,
    max_pixels: int,
    quiet: bool,
    as_json: bool,
    **_targets: float | None,
) -> int:
    """Encode pictures to .lcdc files.

    photo.jpg becomes photo.lcdc beside it. With - the picture is read from standard input, and the file written to
    standard output.
    """
    for item in inputs:  # `lcodec encode photo.png photo.lcdc`, as cjxl would have it
        if item.lower().endswith(files.SUFFIX):
            raise UsageError(f"{item} is an input here, and named like an lcodec file (-o names the output)")
    wanted = options.target()
    jobs = files.plan(inputs, output, folder, files.coded_name)

    from lcodec import codec, rate
    from lcodec.container import read_header
    from lcodec.picture import WHITE, parse_colour, read_picture

    colour = parse_colour(background) if alpha == "flatten" else WHITE
    zoo = Zoo()
    model = zoo.load(model_wanted)
    target = rate.Target(*wanted) if wanted else None
    files.make_folder(folder)
    json_err = jobs[0].target is None

    def work(job: files.Job) -> None:
        start = time.perf_counter()
        files.refuse_target(job, force=force)
        notes: list[str] = []
        picture = read_picture(
            files.open_source(job),
            max_pixels=max_pixels,
            alpha=alpha,
            background=colour,
            metadata=metadata,
            strict_depth=depth == "strict",
            note=notes.append,
        )
        found = rate.encode_to(picture, model, target, zoo=zoo, device=device) if target else None
        data = found.data if found else codec.encode(picture, model, quality, device=device)
        files.write(job, data, force=force)
        report = batch.Report(read_header(data), model.name, len(data), time.perf_counter() - start, notes, found)
        batch.tell(job, report, quiet=quiet, as_json=as_json, json_err=json_err)

    return batch.run(jobs, work, as_json=as_json, json_err=json_err)
