"""`lcodec encode`: picture files to .lcdc files."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lcodec.cli import batch, files, options
from lcodec.errors import UsageError
from lcodec.zoo import DEFAULT, Zoo

if TYPE_CHECKING:
    from lcodec.codec import Device

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
Read are PNG, JPEG, WebP, TIFF, GIF (first frame), BMP, PPM, PGM and AVIF. Grey
stays grey; palettes and CMYK become RGB, 16 bits become 8, the EXIF orientation
is applied, the colour profile kept. A transparent picture is refused.
'lcodec --help' lists the exit codes.
"""


@click.command(epilog=_EPILOG)
@options.inputs
@options.write_options
@click.option(
    "-m",
    "--model",
    "model_wanted",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    envvar=["LCODEC_ENCODE_MODEL", "LCODEC_MODEL"],
    help="Model, by name ('lcodec models') or file.",
)
@options.quality
@options.targets
@options.effort
@options.run_options("encode")
def encode(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    folder: Path | None,
    force: bool,
    model_wanted: str,
    quality: float,
    effort: int,
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
    from lcodec.picture import read_picture

    zoo = Zoo()
    model = zoo.load(model_wanted)
    target = rate.Target(*wanted) if wanted else None
    files.make_folder(folder)
    json_err = jobs[0].target is None

    def work(job: files.Job) -> None:
        start = time.perf_counter()
        files.refuse_target(job, force=force)
        picture = read_picture(files.open_source(job), max_pixels=max_pixels)
        with batch.progress(job, quiet=quiet or as_json) as progress:
            code = partial(codec.encode, effort=effort, device=device, progress=progress)
            found = rate.encode_to(picture, model, target, code=code, zoo=zoo, device=device) if target else None
            data = found.data if found else code(picture, model, quality)
        files.write(job, data, force=force)
        report = batch.Report(read_header(data), model.name, len(data), time.perf_counter() - start, found)
        batch.tell(job, report, quiet=quiet, as_json=as_json, json_err=json_err)

    return batch.run(jobs, work, as_json=as_json, json_err=json_err)
