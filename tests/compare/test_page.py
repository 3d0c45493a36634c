"""The page of `lcodec eval` in a headless Chromium."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from lcodec.cli import main
from tests.support.browser import Browser, programs
from tests.support.command import PHOTO
from tests.support.pictures import picture

needs_browser = pytest.mark.skipif(programs() is None, reason="no chromium with chromedriver on the PATH")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(PHOTO) as image:
        image.crop((200, 100, 392, 228)).save(photos / "wide <!--<script>.png")
        image.crop((400, 100, 500, 260)).save(photos / "tall.png")
    (photos / "notes.txt").write_text("none")
    codecs = ["--codec", "mse@10,50,90", "--codec", "jpeg@10,40,80", "--codec", "webp@10,40,80", "--codec", "jpeg2000"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert (
            main(["eval", str(photos), *codecs, "--metric", "psnr", "--metric", "haarpsi", "--out", str(folder)]) == 0
        )
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


def test_the_page_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    outside = set(re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?((?:https?:)?//[^"')\s]+)""", text))
    assert not outside
    assert text.count("<script") == text.count("</script>")


def test_a_page_cut_short_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "picture.png", tmp_path / "report"
    Image.effect_noise((40, 32), 30).save(source)
    command = ["eval", str(source), "--codec", "jpeg-420@40", "--metric", "psnr", "--out", str(out)]
    assert main(command) == 0
    before = (out / "report.html").read_bytes()

    def full(*_: object) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr("lcodec.compare.page.lossless", full)
    assert main(command) == 1
    assert (out / "report.html").read_bytes() == before
    assert not list(out.glob(".*"))


@needs_browser
def test_a_large_set_shows_its_first_pictures(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lcodec.compare.match.SHOWN", 2)
    for i in range(3):
        Image.effect_noise((40, 32), 20 + i).save(tmp_path / f"{i}.png")
    out = tmp_path / "report"
    assert main(["eval", str(tmp_path), "--codec", "jpeg-420@40", "--metric", "psnr", "--out", str(out)]) == 0
    browser.open(out / "report.html", 1400)
    options = browser.run("return [...document.getElementById('picture').options].map(o => o.text.slice(0, 5))")
    assert options == ["0.png", "1.png"]
    assert "first 2 pictures" in browser.run("return document.getElementById('look-note').textContent")
    assert "3 pictures" in browser.run("return document.getElementById('summary').textContent")
    assert browser.console() == []


@needs_browser
def test_a_picture_that_is_left_out_of_a_metric_is_named_and_not_drawn(browser: Browser, tmp_path: Path) -> None:
    Image.effect_noise((40, 32), 30).save(tmp_path / "noise.png")
    Image.new("L", (40, 32), 255).save(tmp_path / "white.png")  # coded without loss
    out = tmp_path / "report"
    asked = ["--codec", "jpeg-420@40", "--metric", "psnr", "--metric", "nlpd"]
    assert main(["eval", str(tmp_path), *asked, "--out", str(out)]) == 0
    browser.open(out / "report.html", 1400)
    notes = browser.run("return document.getElementById('notes').textContent")
    assert notes == "Left out of PSNR: white.png: too small for it, or coded without loss at a setting"
    heads = browser.run("return [...document.querySelectorAll('#table thead th')].map(cell => cell.textContent)")
    assert heads[2:6] == ["bits/pixel", "bits/pixel (1 left out)", "PSNR, dB (1 left out)", "NLPD"]
    of_all, of_one = browser.run(
        "return [...document.querySelectorAll('#table td')].slice(1, 3).map(d => d.textContent)"
    )
    assert of_all != of_one
    assert browser.run("return dots[0].point.bpp.toFixed(3)") == of_one
    assert browser.console() == []


@needs_browser
@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_shows_the_report(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.run("return document.documentElement.scrollWidth") == width  # nothing sticks out
    assert "2 pictures, 5 codecs" in browser.run("return document.getElementById('summary').textContent")
    assert "notes.txt" in browser.run("return document.getElementById('notes').textContent")
    assert browser.run("return document.querySelectorAll('#chart polyline').length") == 5
    assert browser.run("return document.querySelectorAll('#table tbody tr').length") == 4 * 3 + 8
    assert browser.run("return document.querySelectorAll('#deltas tbody tr').length") == 4
    assert browser.console() == []


@needs_browser
def test_figures_of_all_pictures_together(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 1400)
    assert browser.run("return document.getElementById('sets')") is None  # nobody asked for any
    for seed in range(4):
        Image.fromarray(picture(260, 270, seed=seed)).save(tmp_path / f"{seed}.png")
    out = tmp_path / "report"
    asked = ["--codec", "jpeg-420@10,90", "--metric", "psnr", "--set-metric", "spectrum", "--set-metric", "marginals"]
    assert main(["eval", str(tmp_path), *asked, "--out", str(out)]) == 0
    browser.open(out / "report.html", 1400)
    cells = browser.run("return [...document.querySelectorAll('#together tbody tr')].map(row => row.cells.length)")
    assert cells == [3 + 4, 3 + 4]
    assert " to " in browser.run("return document.querySelector('#together td small').textContent")
    assert "cycles a pixel" in browser.run("return document.getElementById('definitions').textContent")
    assert browser.console() == []


@needs_browser
def test_curves_can_be_hovered_over_and_changed(browser: Browser, page: Path) -> None:
    browser.open(page, 1400)
    tip = browser.run("""
        const dot = dots[0], svg = document.querySelector('#chart svg'), box = svg.getBoundingClientRect();
        const at = {clientX: box.left + dot.x + 3, clientY: box.top + dot.y, bubbles: true};
        svg.dispatchEvent(new PointerEvent('pointermove', at));
        const tip = document.getElementById('tip');
        return [tip.style.display, tip.textContent, dot.codec.title, dot.point.bpp.toFixed(3)];""")
    assert tip[0] == "block"
    assert tip[2] in tip[1]
    assert f"{tip[3]} bits/pixel" in tip[1]
    for kind, display in (("touch", "block"), ("mouse", "none")):  # a lifted finger leaves the tip to be read
        left = f"new PointerEvent('pointerleave', {{pointerType: '{kind}'}})"
        browser.run(f"document.querySelector('#chart svg').dispatchEvent({left})")
        assert browser.run("return document.getElementById('tip').style.display") == display
    line = "return document.querySelector('#chart g[data-codec=webp] polyline').getAttribute('points')"
    before = browser.run(line)
    browser.run("document.querySelector('#metrics button[data-metric=haarpsi]').click()")
    assert browser.run(line) != before
    browser.run("document.querySelector('#legend button').click()")
    assert browser.run("return document.querySelectorAll('#chart polyline').length") == 4
    against = browser.run("return document.getElementById('deltas').textContent")
    browser.run("const s = document.getElementById('anchor'); s.value = 'webp'; s.onchange()")
    assert browser.run("return document.getElementById('deltas').textContent") != against
    assert browser.console() == []


@needs_browser
def test_the_slider_moves(browser: Browser, page: Path) -> None:
    browser.open(page, 1400)
    left, top, width, height = browser.run("""
        const stage = document.getElementById('stage'); stage.scrollIntoView({block: 'center'});
        const box = stage.getBoundingClientRect(); return [box.left, box.top, box.width, box.height];""")
    zoom = "return document.getElementById('zoomA').toDataURL()"
    state = "return [imageB.style.clipPath, parseFloat(bar.style.left), parseFloat(slider.value)]"
    before = browser.run(zoom)
    assert browser.run(state)[1:] == [50, 50]
    browser.drag(round(left + width * 0.8), round(top + height * 0.3))
    clip, bar, value = browser.run(state)
    assert 70 < value < 90
    assert bar == value
    assert f"{value}%" in clip
    assert browser.run(zoom) != before
    browser.run("slider.value = 20; slider.oninput()")  # as keys do
    assert browser.run(state)[1] == 20
    assert browser.run("return slider.getAttribute('aria-valuetext')") == "20 % JPEG 4:2:0"
    assert browser.console() == []


@needs_browser
@pytest.mark.parametrize(("width", "factor"), [(1400, 4), (400, 2)])
def test_crops_are_enlarged_as_the_page_says(browser: Browser, page: Path, width: int, factor: int) -> None:
    browser.open(page, width)
    browser.run(
        "const s = document.getElementById('picture'); s.selectedIndex = 1; s.onchange(); return imageA.decode()"
    )
    assert f"{factor} times enlarged" in browser.run("return document.getElementById('look-note').textContent")
    shown, crop, natural = browser.run("""
        return [zoomA.clientWidth, parseFloat(frame.style.width) / 100, imageA.naturalWidth];""")
    assert shown / min(crop * natural, natural) == pytest.approx(factor, rel=0.02)


@needs_browser
def test_codecs_and_pictures_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page, 1400)
    choose = "const s = document.getElementById('{}'); s.value = '{}'; s.onchange();"
    names = browser.run("return [...document.getElementById('codecA').options].map(o => o.value)")
    assert names == ["mse", "jpeg-420", "jpeg-444", "webp", "jpeg2000", "original"]
    seen = set()
    for name in names:
        browser.run(choose.format("codecA", name))
        decoded = "return imageA.decode().then(() => [imageA.src, imageA.naturalWidth, imageB.naturalWidth])"
        source, *widths = browser.run(decoded)
        assert widths[0] == widths[1]
        seen.add(source)
        caption = browser.run("return document.getElementById('captionA').textContent")
        assert name == "original" or " bpp" in caption
    assert len(seen) == len(names)
    bpp = browser.run(
        "return report.matches.map(m => 8 * m.bytes / (m.digest === report.pictures[0].digest ? 16000 : 24576))"
    )
    assert all(abs(value - 0.25) < 0.2 for value in bpp)
    other = browser.run("return document.getElementById('picture').options[1].value")
    assert browser.run("return document.getElementById('picture').options[1].text").startswith("wide <!--<script>.png")
    browser.run(choose.format("picture", other))
    assert browser.run("return imageA.decode().then(() => [imageA.naturalWidth, codecA.value])") == [192, "original"]
    assert browser.console() == []
