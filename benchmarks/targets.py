"""`python -m benchmarks.targets --photos DIR`: whether targets hold, how closely, and after how many codings.

Sizes are those of the bytes, PSNR that of a decoding of its own, not what the search says of itself. A target that
`lcodec.targets` calls out of reach counts as such only where quality 0 or 100, coded here, shows that it is.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks import common
from benchmarks.common import RESULTS, add_out, label_of, open_model, parser_of, photos_of, spread, write_rows
from lcodec.codec import MAX_PIXELS, decode, encode
from lcodec.defaults import EFFORT
from lcodec.errors import LimitError
from lcodec.metrics import psnr
from lcodec.picture import Picture, read_picture
from lcodec.targets import Target, encode_to
from lcodec.zoo import Zoo

CSV = RESULTS / "targets.csv"
TARGETS = (
    Target("bpp", 0.1),
    Target("bpp", 0.3),
    Target("bpp", 0.8),
    Target("max-size", 20_000),
    Target("min-psnr", 30),
    Target("min-psnr", 36),
)


def _reached(target: Target, picture: Picture, data: bytes, zoo: Zoo) -> float:
    if target.name == "bpp":
        return 8 * len(data) / (picture.width * picture.height)
    return len(data) if target.name == "max-size" else psnr(picture.pixels, decode(data, zoo).pixels)


def _measure(task: tuple[str, int, Path, Target]) -> dict[str, str]:
    model, effort, photo, target = task
    zoo, loaded = open_model(model)
    picture = read_picture(photo, max_pixels=MAX_PIXELS)
    start = time.perf_counter()
    try:
        found = encode_to(picture, loaded, target, zoo=zoo, code=partial(encode, effort=effort))
    except LimitError:
        seconds = time.perf_counter() - start
        extreme = encode(picture, loaded, 0 if target.is_size else 100, effort=effort)
        reached = _reached(target, picture, extreme, zoo)
        met = reached <= target.value if target.is_size else reached >= target.value
        verdict, slack, codings = "WRONGLY REFUSED" if met else "out of reach", "", ""
    else:
        seconds = time.perf_counter() - start
        reached = _reached(target, picture, found.data, zoo)
        met = reached <= target.value if target.is_size else reached >= target.value
        verdict, slack, codings = "held" if met else "MISSED", f"{found.slack:.5f}", str(found.codings)
    return {
        "model": label_of(loaded),
        "photo": photo.name,
        "target": target.name,
        "value": f"{target.value:g}",
        "verdict": verdict,
        "reached": f"{reached:.5g}",
        "slack": slack,
        "codings": codings,
        "seconds": f"{seconds:.2f}",
    }


def show(rows: list[dict[str, str]]) -> None:
    """Print a row for each target."""
    heads = ("target", "held", "out of reach", "neither", "mean slack", "largest slack", "most codings")
    lines = []
    for target in TARGETS:
        mine = [row for row in rows if (row["target"], row["value"]) == (target.name, f"{target.value:g}")]
        held = [row for row in mine if row["verdict"] == "held"]
        away = sum(row["verdict"] == "out of reach" for row in mine)
        slacks = [float(row["slack"]) for row in held] or [0.0]
        unit = (lambda value: f"{value:.2%}") if target.is_size else (lambda value: f"{value:.3f} dB")
        most = max((int(row["codings"]) for row in held), default=0)
        counts = len(held), away, len(mine) - len(held) - away
        figures = target.say(target.value), *counts, unit(sum(slacks) / len(slacks)), unit(max(slacks)), most
        lines.append(dict(zip(heads, figures, strict=True)))
    common.show(lines, dict(zip(heads, heads, strict=True)))


def main() -> None:
    """Run the command."""
    parser = parser_of("targets", __doc__, jobs=True)
    parser.add_argument("--effort", type=int, default=EFFORT)
    add_out(parser, CSV)
    arguments = parser.parse_args()
    pairs = product(photos_of(arguments.photos), TARGETS)
    tasks = [(arguments.model, arguments.effort, photo, target) for photo, target in pairs]
    rows = list(spread(_measure, tasks, arguments.jobs))
    write_rows(arguments.out, rows)
    show(rows)


if __name__ == "__main__":
    main()
