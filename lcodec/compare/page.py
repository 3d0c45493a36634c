"""The report as one HTML page that needs nothing else: no network, no other file.

The page is `page.html` with data put in: the report, and for each picture one JSON block with the files to compare.
Each is what the codec wrote, where browsers show that, and the decoded picture as lossless WebP elsewhere: a photo of
768x512 in all codecs takes 2.5 MB of the page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lcodec.atomic import whole_file
from lcodec.compare.codecs import RIVALS, open_codec
from lcodec.compare.evaluate import read
from lcodec.compare.match import MATCH_BPP, Match, lossless, view_of
from lcodec.compare.plots import colour
from lcodec.compare.report import Report, point
from lcodec.legible import to_json
from lcodec.metrics import MEASURES

__all__ = ["write_page"]


def write_page(report: Report, matches: list[Match], folder: Path, target: Path) -> None:
    """Write the page to `target`, whole or not at all; the files that `matches` name are in `folder`.

    Pictures that no match is of are left out of the side-by-side view.
    """
    with whole_file(target, replace=True) as page:
        page.writelines(part.encode() for part in _parts(report, matches, folder))


def _parts(report: Report, matches: list[Match], folder: Path) -> Iterator[str]:
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    before, after = template.split("<!-- data -->")
    yield before
    yield _block("report", _data(report, matches))
    shown = {item.digest for item in matches}
    for photo in report.photos:
        if photo.digest in shown:
            own = [item for item in matches if item.digest == photo.digest and not item.error]
            images = {item.codec: _url(item.type, (folder / item.file).read_bytes()) for item in own}
            images["original"] = _url("image/webp", lossless(view_of(read(photo).pixels)))
            yield _block(f"images-{photo.digest}", images)
    yield after


def _block(name: str, data: Any) -> str:
    text = to_json(data).replace("<", "\\u003c")  # no name in it may open or end an element
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _data(report: Report, matches: list[Match]) -> dict[str, Any]:
    record = report.record()
    del record["results"]
    for described in record["codecs"]:
        described["colour"], described["dashed"] = colour(described["name"], report.codecs)
        described["ours"] = described["name"] not in RIVALS
    for described in record["metrics"]:
        measure = MEASURES[described["name"]]
        described["axis"], described["digits"] = measure.axis or measure.title, measure.digits
    for mean, found in zip(record["means"], report.means(), strict=True):
        mean["points"] = {name: point(found, name) for name in report.metrics}
    record["remarks"] = [remark[0].upper() + remark[1:] for remark in report.remarks()]
    record["bd_rates"] = [[d.metric, d.codec, d.anchor, d.percent, d.low, d.high, d.refused] for d in report.deltas()]
    for described, figure in zip(record["set_metrics"], report.figures(), strict=True):
        described["digits"] = figure.digits
    record["match_bpp"] = MATCH_BPP
    record["matches"] = [
        {
            "digest": item.digest,
            "codec": item.codec,
            "setting": item.setting,
            "bytes": item.bytes,
            "error": item.error,
            "exact": item.type == open_codec(item.codec).browser,
        }
        for item in matches
    ]
    record["failed"] = [
        {"digest": r.digest, "codec": r.codec, "setting": r.setting, "error": r.error}
        for r in report.results
        if r.error
    ]
    return record
