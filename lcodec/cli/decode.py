"""`lcodec decode`: .lcdc files to picture files."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.cli import batch, files, options

if TYPE_CHECKING:
    from lcodec.codec import Device

__all__ = ["decode"]

_EPILOG = """\b
Examples:
  lcodec decode photo.lcdc                      writes photo.png
  lcodec decode photo.lcdc -o photo.jpg         JPEG, quality 95
  lcodec decode --format webp -O out *.lcdc     lossless WebP
  lcodec decode - -o - < photo.lcdc | display

\b
The model that a file names is found among those installed and in the folders
of LCODEC_MODELS. 'lcodec --help' lists the exit codes.
"""


@click.command(epilog=_EPILOG)
@options.inputs
@options.write_options
@click.option(
    "--format",
    "format_wanted",
    type=click.Choice(options.FORMATS),
    help="Format of the output.  [default: as -o's suffix says, else png]",
)
@options.run_options("decode")
def decode(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    folder: Path | None,
    force: bool,
    format_wanted: str | None,
    device: Device,
    max_pixels: int,
    memory: int,
    quiet: bool,
    as_json: bool,
) -> int:
    """Decode .lcdc files to pictures.

    photo.lcdc becomes photo.png beside it. With - the file is read from standard input, and the picture written to
    standard output. PNG, WebP, TIFF, PPM and BMP are lossless; jpg is quality 95, 4:4:4.
    """
    form = format_wanted or files.picture_format(output)
    jobs = files.plan(inputs, output, folder, lambda source: files.picture_name(source, form))

    from lcodec import codec
    from lcodec.container import read_header
    from lcodec.picture import write_picture
    from lcodec.zoo import Zoo

    zoo = Zoo()
    files.make_folder(folder)
    json_err = jobs[0].target is None

    def work(job: files.Job) -> None:
        start = time.perf_counter()
        files.refuse_target(job, force=force)
        data = files.read_coded(job)
        picture = codec.decode(data, zoo, device=device, max_pixels=max_pixels, memory=memory)
        written = BytesIO()
        write_picture(picture, written, form)
        files.write(job, written.getbuffer(), force=force)
        header = read_header(data)
        name = batch.model_name(zoo, header) or header.entropy_id.hex()
        report = batch.Report(header, name, written.tell(), time.perf_counter() - start)
        batch.tell(job, report, quiet=quiet, as_json=as_json, json_err=json_err)

    return batch.run(jobs, work, as_json=as_json, json_err=json_err)
