"""The frame of a report: head, style, sections, tables and pictures."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from segpp.images.preprocess import ImageArray
from segpp.runtime.html_report.markup import Html, tag
from segpp.utils.files import atomic_write

__all__ = [
    "data_table",
    "figure",
    "grid",
    "page",
    "section",
    "swatch",
    "thumbnail",
    "write_page",
]

# What a picture is made smaller to: two fit side by side on a desk, one on a telephone.
_SIDE = 640
_QUALITY = 80
# In rem, of the 74 that a wide page has: two, three or four in a row.
_LARGE, _MIDDLE, _SMALL = 30, 22, 17
_FEW = 2

# No network and no script, whatever a name may try: the browser itself holds it to that.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1c; --faint: #5f5f5f;
  --line: #d8d8d8; --bar: #2a7ab8; }
@media (prefers-color-scheme: dark) { :root { --paper: #161616; --ink: #e8e8e8; --faint: #a4a4a4;
  --line: #3c3c3c; --bar: #4c9bd6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { max-width: 70ch; } .faint, figcaption { color: var(--faint); font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  overflow-wrap: normal; vertical-align: top; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.name { display: inline-block; width: max-content; max-width: min(16rem, 45vw);
  overflow-wrap: break-word; }
.list th:last-child, .list td:last-child { text-align: left; }
.grid { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--least)), 1fr)); }
figure { margin: 0; } img { display: block; width: 100%; height: auto; border-radius: 3px; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em;
  border: 1px solid var(--line); border-radius: 2px; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
.track { display: block; min-width: 6rem; height: .3rem; margin-top: .2rem;
  background: var(--line); }
.track > span { display: block; height: 100%; background: var(--bar); }
.matrix td, .matrix th { padding: .2rem .35rem; font-size: .78rem; }
"""


def page(title: str, *content: Html) -> str:
    """Return a whole document."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html('<meta name="generator" content="segpp">'),
        tag("title", title),
        tag("style", Html(_STYLE)),
    )
    body = tag("body", tag("h1", title), *content)
    return "<!DOCTYPE html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def write_page(path: Path, text: str) -> None:
    """Write a document whole, or nothing."""
    with atomic_write(path) as (part,):
        part.write_text(text, encoding="utf-8")


def section(title: str, *content: Html) -> Html:
    """Return a part of the page under its heading."""
    return tag("section", tag("h2", title), *content)


def data_table(
    heading: Sequence[object], rows: Iterable[Sequence[object]], class_: str | None = None
) -> Html:
    """Return a table that scrolls by itself where the screen is narrow."""
    head = tag("tr", *(tag("th", cell, scope="col") for cell in heading))
    body = [tag("tr", tag("td", _name(first)), *map(_cell, rest)) for first, *rest in rows]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", table, class_="scroll", tabindex="0")


def _name(content: object) -> Html:
    # In a cell of its own a long name would make the whole table as wide as itself.
    return tag("span", content, class_="name")


def _cell(cell: object) -> Html:
    # A cell with a style of its own comes as one.
    is_cell = isinstance(cell, Html) and cell.startswith("<td")
    return cell if is_cell and isinstance(cell, Html) else tag("td", cell)


def swatch(color: Sequence[int]) -> Html:
    """Return a small square in a colour (red, green, blue)."""
    return tag("span", class_="swatch", style=f"background: rgb{tuple(map(int, color))}")


def thumbnail(picture: ImageArray) -> str:
    """Return a picture (H, W, 3), made smaller, as an address that holds its bytes."""
    image = Image.fromarray(picture)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def figure(address: str, caption: str) -> Html:
    """Return a picture with what it shows."""
    return tag("figure", tag("img", src=address, alt=caption), tag("figcaption", caption))


def grid(figures: Sequence[Html]) -> Html:
    """Return pictures in rows that are full: of three, four or fewer, of one on a telephone."""
    count = len(figures)
    least = _LARGE if count <= _FEW else _MIDDLE if count % 3 == 0 else _SMALL
    return tag("div", *figures, class_="grid", style=f"--least: {least}rem")
