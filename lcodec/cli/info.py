"""`lcodec info`: what is in .lcdc files. Only headers are read, and of exact parts where they are; --check decodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from lcodec import defaults
from lcodec.cli import console, options
from lcodec.cli.batch import files
from lcodec.cli.streams import to_stdout
from lcodec.container import VERSION, Header, read_header, unpack
from lcodec.errors import DamagedError, LcodecError, UsageError
from lcodec.legible import legible
from lcodec.walk import walk
from lcodec.zoo import Zoo

__all__ = ["info"]

_EPILOG = """\b
Examples:
  lcodec info photo.lcdc
  lcodec info --check *.lcdc          is each whole, and decodable here?
  lcodec info -r photos               all in a folder
  lcodec info --json *.lcdc | jq .bpp

'lcodec --help' lists the exit codes.
"""


@click.command(epilog=_EPILOG)
@options.coded_inputs(required=True)
@options.recursive("Take folders, and all .lcdc files in them.")
@click.option("--check", is_flag=True, help="Decode as well, which verifies every checksum.")
@options.as_json
def info(*, inputs: tuple[str, ...], recursive: bool, check: bool, as_json: bool) -> int:
    """Show the size, quality and model of .lcdc files, and where their bytes went."""
    jobs = [files.Job(path, None) for item in inputs for path in _paths(item, recursive=recursive)]
    zoo = Zoo()

    def work(job: files.Job) -> None:
        with files.open_input(job, files.read_coded) as file:
            data = files.read_coded(file)
        header = read_header(data)
        header.check_length(len(data))
        if check:
            from lcodec import codec

            with console.progress(job.source_name) as progress:
                codec.decode(data, zoo, max_pixels=header.width * header.height, progress=progress)
        names = zoo.coder_of(header.entropy_id), zoo.name_of(header.entropy_id, header.synthesis_id)
        record = _record(job, header, *names, check=check)
        if "exact" in header.sections:
            record["exact_share"] = _exact_share(data)
        with to_stdout():
            if as_json:
                console.print_json(record)
            else:
                click.echo(_text(record))

    if not jobs:
        raise LcodecError(f"no {defaults.SUFFIX} files in {', '.join(inputs)}")
    return console.run(jobs, work, as_json=as_json)


def _paths(item: str, *, recursive: bool) -> list[Path | None]:
    """The files of an input; None for standard input."""
    if item == files.STREAM:
        return [None]
    if not os.path.isdir(item):  # noqa: PTH112
        return [Path(item)]
    if not recursive:
        raise UsageError(f"{item} is a folder (-r takes what is in it)")
    return [Path(item) / inside for inside in walk(Path(item), {defaults.SUFFIX}).files]


def _record(job: files.Job, header: Header, coder: str | None, model: str | None, *, check: bool) -> dict[str, Any]:
    record = {
        "input": job.source_name,
        "version": VERSION,
        "width": header.width,
        "height": header.height,
        "grey": header.grey,
        "quality": header.quality_step / 100,
        "model": model,
        "coded_by": coder,
        "entropy_id": header.entropy_id.hex(),
        "synthesis_id": header.synthesis_id.hex(),
        "bytes": header.total,
        "bpp": header.total * 8 / (header.width * header.height),
        "sections": header.sections,
        "overhead": header.overhead,
    }
    return record | {"check": "ok"} if check else record


def _exact_share(data: bytes) -> float | None:
    """Share of the pixels that are exact; None of a damaged file."""
    from lcodec.exact import exact_share

    try:
        return exact_share(unpack(data))
    except DamagedError:
        return None


def _text(record: dict[str, Any]) -> str:
    total = record["bytes"]
    colours = ("grey" if record["grey"] else "colour") + (" with alpha" if "alpha" in record["sections"] else "")
    model, coder = record["model"] or "not installed", record["coded_by"]
    shown = f"{model}, for what {coder} coded (--realism 0 shows it exactly)" if coder not in {None, model} else model
    lines = [
        f"{legible(record['input'])}: {record['width']}x{record['height']} {colours}",
        f"  quality   {record['quality']:g}",
        f"  model     {shown}  ({record['entropy_id']}-{record['synthesis_id']})",
        f"  bytes     {total}  ({record['bpp']:.3f} bpp)",
    ]
    parts = record["sections"] | {"overhead": record["overhead"]}
    lines += [f"    {name:<9} {size:>9}  {100 * size / total:5.1f} %" for name, size in parts.items()]
    if record.get("exact_share") is not None:
        lines.append(f"  exact     {100 * record['exact_share']:.1f} % of the pixels")
    if "check" in record:
        lines.append(f"  check     {record['check']}")
    return "\n".join(lines)
