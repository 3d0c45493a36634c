"""`python -m benchmarks.equal_bytes --photos DIR --train PATH...`: how real codecs' pictures look at equal bytes.

At each quality of `mse`: its own pictures, those of `hific` from the same files, and those of other codecs from files
of about the same size, photo by photo; the originals beside them, as what a perfect codec would show. Measures, critics
and photos are those of `benchmarks.realism`. A codec whose files differ in size by over 5 % in the mean is left out
there, and said: JPEG XL, at the distances that `lcodec eval` tries, has no files as small as those of quality 20.

What it costs: 96 photos (`--count` of each kind, at two qualities) are coded by each codec, by the others about four
times to meet the size; three critics are trained for each row. The table goes into `docs/realism.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.common import RESULTS, ROOT, add_out, parser_of, photos_of, show, splice, write_rows
from benchmarks.realism import Coded, Photo, add_sets, coded_sets, middle_of, of_set, photos_in, rate_and_psnr
from lcodec.compare.codecs import open_codec
from lcodec.compare.match import nearest_file
from lcodec.metrics.sets import patches_of
from lcodec.picture import Picture

CSV, PAGE = RESULTS / "equal-bytes.csv", ROOT / "docs" / "realism.md"
QUALITIES = (20.0, 40.0)
ORIGINAL, MODEL, GENERATIVE = "original", "mse", "hific"
RIVALS = ("avif-444", "jxl", "jpeg-420")
#: How far the mean size of a codec's files may be from that of `mse`.
NEAR = 0.05

#: Columns of the table: a figure with its interval where it has one.
SHOWN = {
    "bpp": "bits/pixel",
    "psnr": "PSNR, dB",
    "kid": "KID",
    "kid-pim": "KID, PIM",
    "auc": "AUC",
    "octave-1": "top octave",
    "marginals": "marginals",
}


def _coded(task: tuple[Photo, float]) -> dict[str, Coded] | None:
    """What each codec makes of a photo at the size that `mse` has at a quality; None if the photo cannot be read."""
    photo, quality = task
    original = middle_of(photo)
    if original is None:
        return None
    picture, own = Picture(original), open_codec(MODEL)
    data = own.encode(picture, quality)
    files = {MODEL: data, GENERATIVE: open_codec(GENERATIVE).encode(picture, quality)}
    files |= {name: nearest_file(open_codec(name), picture, len(data))[1] for name in RIVALS}
    found: dict[str, Coded] = {ORIGINAL: (original, [original], 0)}
    for name, file in files.items():
        found[name] = original, [open_codec(name).decode(file).pixels], len(file)
    return found


def main() -> None:
    """Run the command."""
    parser = parser_of("equal_bytes", __doc__, jobs=True, model=False)
    add_sets(parser)
    add_out(parser, CSV)
    arguments = parser.parse_args()
    photos_of(arguments.photos)  # says so where there is none
    kinds = [photos_in(paths, arguments.count) for paths in ([arguments.photos], arguments.train)]
    told: set[str] = set()
    rows: list[dict[str, str]] = []
    for quality in QUALITIES:
        tasks = [[(photo, quality) for photo in photos] for photos in kinds]
        sets = coded_sets(_coded, tasks, arguments.jobs, f"quality {quality:g}")
        for name in sets[0][0]:
            judged_on, others = ([each[name] for each in of_kind] for of_kind in sets)
            size, wanted = (sum(each[of][2] for each in sets[0]) for of in (name, MODEL))
            if name != ORIGINAL and abs(size - wanted) > NEAR * wanted:
                print(f"{name} is left out at quality {quality:g}: its files are {size / wanted:.2f} times as large")
                continue
            rows.append(_row(quality, name, judged_on, others, arguments.steps, told))
            write_rows(arguments.out, rows)
    show(rows, {"quality": "quality", "codec": "codec"} | SHOWN)
    if arguments.out == CSV:
        PAGE.write_text(splice(PAGE.read_text(encoding="utf-8"), table(rows), "equal-bytes"), encoding="utf-8")


def _row(
    quality: float, name: str, judged_on: list[Coded], others: list[Coded], steps: int, told: set[str]
) -> dict[str, str]:
    """Figures of one codec; `told` holds what was said of measures that are left out."""
    sets = [patches_of((original, decoded[0]) for original, decoded, _ in each) for each in (judged_on, others)]
    exact = name == ORIGINAL
    return {
        "quality": f"{quality:g}",
        "codec": name,
        "version": "" if exact else open_codec(name).version(),
        **({"bpp": "", "psnr": ""} if exact else rate_and_psnr(judged_on, 0)),
        **of_set(*sets, steps, told),
    }


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Format rows as Markdown, with intervals."""
    lines = [
        "| quality of `mse` | codec | " + " | ".join(SHOWN.values()) + " |",
        "|---:|---|" + "---:|" * len(SHOWN),
    ]
    for row in rows:
        cells = []
        for name in SHOWN:
            interval = f" ({row[f'{name}_low']}..{row[f'{name}_high']})" if row.get(f"{name}_low") else ""
            cells.append(f"{row[name]}{interval}")
        lines.append("| " + " | ".join([row["quality"], row["codec"], *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
