"""`python -m benchmarks.page`: the README's picture of the page that `lcodec eval` makes.

It is a look at the page, not a measurement: its photo is one that models were trained on. The file says which model it
shows, and a test fails when that is no longer the shipped one. Needs chromium and chromedriver on the PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.common import RESULTS, ROOT, shipped
from lcodec.cli import main as lcodec
from lcodec.defaults import MODEL
from tests.support.browser import Browser, programs

PHOTO = ROOT / "tests" / "data" / "photo.jpg"
PICTURE = RESULTS / "page.jpg"
#: The settings only begin the search for equal sizes: the curves are not in the picture.
CODECS = (f"{MODEL}@10", "jpeg-420@7", "webp@5", "jpeg2000@0.25", "jxl@8", "heic-444@24", "avif-444@22")
WIDTH, HEIGHT = 1200, 1426  # CSS pixels: the page down to the enlarged crops


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURE, help="JPEG to write")
    out: Path = parser.parse_args().out.resolve()
    if programs() is None:
        parser.error("chromium and chromedriver are not both on the PATH")
    codecs = [f"--codec={name}" for name in CODECS]
    with tempfile.TemporaryDirectory() as folder:
        report, shot = Path(folder) / "report", Path(folder) / "page.png"
        # Without its tables, and from the photo's folder: the page names pictures as the command does.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(PHOTO.parent):
            code = lcodec(["eval", PHOTO.name, *codecs, "--metric", "psnr", "--out", str(report)])
        if code:
            raise SystemExit(code)
        with Browser() as browser:
            browser.open(report / "report.html", WIDTH, HEIGHT)
            browser.run("return Promise.all([imageA.decode(), imageB.decode()]).then(drawZooms)")
            browser.screenshot(shot, whole=False)
        with Image.open(shot) as image:
            image.convert("RGB").save(out, quality=85, optimize=True, comment=shipped()[MODEL])
    print(f"{out.name}: {shipped()[MODEL]}")


if __name__ == "__main__":
    main()
