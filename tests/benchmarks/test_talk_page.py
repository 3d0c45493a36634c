"""The page of the talk's figures, also in a headless Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.talk.common import OUT, Figure
from benchmarks.talk.page import inline, write_page
from tests.support.browser import Browser, programs

PAGE = OUT / "talk.html"
SVG = """<?xml version="1.0"?>
<svg width="2pt"><metadata>x</metadata><g id="a"/><use href="#a" clip-path="url(#a)"/></svg>"""


def test_the_page_asks_for_nothing() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?((?:https?:)?//[^"')\s]+)""", text)
    assert "<script" not in text


def test_pictures_on_one_page_share_no_ids() -> None:
    found = inline(SVG, "name", 'a "title"')
    assert found.startswith('<svg role="img" aria-label="a &quot;title&quot;"')
    assert '<g id="name-a"/><use href="#name-a" clip-path="url(#name-a)"/>' in found
    assert "metadata" not in found
    ids = re.findall(r'\bid="([^"]+)"', PAGE.read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids))


def test_only_what_was_made_is_shown(tmp_path: Path) -> None:
    made, lacking = (Figure(name, f"title of {name} <", "text & more", lambda _: None) for name in ("made", "lacking"))
    (tmp_path / "made.svg").write_text(SVG)
    text = write_page([made, lacking], tmp_path).read_text(encoding="utf-8")
    assert "title of made &lt;" in text
    assert "text &amp; more" in text
    assert "python -m benchmarks.talk made" in text
    assert "lacking" not in text


@pytest.mark.skipif(programs() is None, reason="no chromium with chromedriver on the PATH")
def test_the_page_in_a_browser() -> None:
    with Browser() as browser:
        for width in (1200, 400):
            browser.open(PAGE, width)
            assert browser.run("return document.documentElement.scrollWidth") == width  # nothing sticks out
            links = browser.run("return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
            sections = browser.run("return [...document.querySelectorAll('section')].map(s => '#' + s.id)")
            assert links == sections
            shown = browser.run("""
                return [...document.querySelectorAll('section')].map(section => {
                    const box = section.querySelector('svg').getBoundingClientRect();
                    return [box.width, box.height, section.querySelector('p').textContent.length,
                        section.querySelector('pre').textContent];
                });""")
            assert len(shown) == len(links) > 0
            for (wide, high, words, command), link in zip(shown, links, strict=True):
                assert wide == min(700, width - 32)
                assert high > wide / 4
                assert words > 200
                assert command.startswith(f"python -m benchmarks.talk {link[1:]}")
        assert browser.console() == []
