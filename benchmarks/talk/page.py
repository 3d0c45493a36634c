"""The page of the talk's figures, `talk.html`: one file that needs nothing else, neither a network nor a script."""

from __future__ import annotations

import html
import re
from pathlib import Path

from benchmarks.talk.common import WIDTH, Figure
from lcodec.atomic import write_whole

TITLE = "Perception: the next milestone in learned image compression"
_HEAD = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{TITLE}</title>
<style>
:root {{ color-scheme: light dark; --ink: #212529; --soft: #5c636a; --paper: #fff; --panel: #f1f3f5; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e9ecef; --soft: #adb5bd; --paper: #17191c; --panel: #212428; }}
}}
body {{ margin: 0 auto; max-width: {WIDTH}px; padding: 20px 16px 60px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; }}
h2 {{ font-size: 1.15rem; margin: 2.6rem 0 .6rem; }}
nav ol {{ padding-left: 1.6rem; }}
a {{ color: inherit; }}
.picture {{ background: #fff; border-radius: 8px; }}
.picture svg {{ display: block; width: 100%; height: auto; }}
pre {{ background: var(--panel); border-radius: 6px; padding: 8px 12px; font-size: .87rem; overflow-x: auto; }}
.soft {{ color: var(--soft); }}
</style>
</head>
<body>
<h1>{TITLE}</h1>
<p class="soft">The figures of Johannes Ballé's talk (DCC 2023), each made by one command of lcodec's repository.
The numbers behind a picture are in the CSV file of its name.</p>
"""


def inline(svg: str, name: str, title: str) -> str:
    """Return a picture as an element of a page: without its XML head, and with ids that no other picture has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)


def write_page(figures: list[Figure], folder: Path) -> Path:
    """Write `talk.html` into the folder of the results, whole or not at all: the figures that are there, in order."""
    made = [figure for figure in figures if (folder / f"{figure.name}.svg").exists()]
    items = [f'<li><a href="#{figure.name}">{html.escape(figure.title)}</a></li>' for figure in made]
    parts = [_HEAD, "<nav><ol>", *items, "</ol></nav>"]
    for figure in made:
        picture = (folder / f"{figure.name}.svg").read_text(encoding="utf-8")
        parts += [
            f'<section id="{figure.name}">',
            f"<h2>{html.escape(figure.title)}</h2>",
            f'<div class="picture">{inline(picture, figure.name, figure.title)}</div>',
            f"<p>{html.escape(figure.text)}</p>",
            f"<pre>{html.escape(figure.command)}</pre>",
            "</section>",
        ]
    target = folder / "talk.html"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(target, "\n".join([*parts, "</body>", "</html>\n"]).encode(), replace=True)
    return target
