"""`python -m benchmarks.large --photos DIR`: seconds and peak memory of a photo of 100 megapixels.

The photo is a mosaic of those in DIR, at their own resolution, with the detail that photos have. Whole processes are
measured, from a PPM file to a coded one and back, with each --model, and so are `cjxl -e 7` and `djxl` (Debian's
libjxl-tools) at about the same file size. Memory is given beyond the picture itself (width x height x 3 bytes), with
the budget beside it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The standard library alone: a child's peak memory counts that of the process that started it (`benchmarks.startup`).
from benchmarks.common import RESULTS, ROOT, add_out, parser_of, write_rows
from benchmarks.startup import LCODEC, Contender, Figures, add_models, own, run

CSV = RESULTS / "large.csv"
JXL = "JPEG XL (cjxl -e 7)"
MEBIBYTE = 1 << 20

#: Run in a process of its own, so that NumPy's memory is not this one's.
MOSAIC = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.common import photos_of
from lcodec.picture import read_picture

target, folder, width, height = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
photos = [read_picture(path, max_pixels=1 << 28).pixels for path in photos_of(folder)]
mosaic = np.empty((height, width, 3), np.uint8)
top, number = 0, 0
while top < height:
    left, row = 0, min(photo.shape[0] for photo in photos)
    while left < width:
        photo = photos[number % len(photos)][: min(row, height - top), : width - left]
        mosaic[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
        left, number = left + photo.shape[1], number + 1
    top += row
with open(target, "wb") as file:
    file.write(b"P6 %d %d 255\\n" % (width, height))
    mosaic.tofile(file)
"""


def contenders(photo: Path, folder: Path, models: list[str], memory: str, distance: float) -> list[Contender]:
    """Return the commands; those of a codec hand their stream on through a file in `folder`."""

    def file(name: str) -> str:
        return str(folder / name)

    found = own(photo, folder, models, ["--max-pixels", str(1 << 30), "--memory", memory], "lcodec.ppm")
    if shutil.which("cjxl") and shutil.which("djxl"):
        encode = ["cjxl", "--quiet", "-e", "7", "-d", str(distance), str(photo), file("photo.jxl")]
        found.append(Contender(JXL, encode, ["djxl", "--quiet", file("photo.jxl"), file("jxl.ppm")]))
    else:
        print("cjxl and djxl are not on the PATH: left out", file=sys.stderr)
    return found


def row(
    contender: Contender, direction: str, figures: Figures, first: float, size: tuple[int, int], memory: str
) -> dict[str, str]:
    """Return a line of the results; `first` are the seconds of lcodec with the first model and the default effort."""
    width, height = size
    coded = Path(contender.encode[-1]).stat().st_size
    return {
        "width": str(width),
        "height": str(height),
        "direction": direction,
        "codec": contender.name,
        "model": contender.model,
        "bytes": str(coded),
        "bpp": f"{8 * coded / (width * height):.3f}",
        "seconds": f"{figures.seconds:.1f}",
        "seconds_to_lcodec": f"{figures.seconds / first:.3f}",
        "budget": memory if contender.name.startswith(LCODEC) else "",
        "peak_beyond_picture_mib": f"{figures.mebibytes - width * height * 3 / MEBIBYTE:.0f}",
    }


def main() -> None:
    """Run the command."""
    parser = parser_of("large", __doc__, model=False)
    parser.add_argument("--size", type=int, nargs=2, default=(12_288, 8_192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--memory", default="1GiB", help="the budget, as for `lcodec encode`")
    parser.add_argument("--distance", type=float, default=3.0, help="of cjxl: smaller is better, and larger files")
    add_models(parser)
    add_out(parser, CSV)
    arguments = parser.parse_args()
    width, height = arguments.size
    rows, first = [], {}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.ppm"
        make = [sys.executable, "-c", MOSAIC, str(photo), str(arguments.photos.resolve()), str(width), str(height)]
        subprocess.run(make, cwd=ROOT, check=True)
        for contender in contenders(photo, Path(folder), arguments.model, arguments.memory, arguments.distance):
            for direction, command in (("encode", contender.encode), ("decode", contender.decode)):
                figures = run(command)
                to = first.setdefault(direction, figures.seconds)
                rows.append(row(contender, direction, figures, to, (width, height), arguments.memory))
                print(rows[-1], file=sys.stderr)
    write_rows(arguments.out, rows)


if __name__ == "__main__":
    main()
