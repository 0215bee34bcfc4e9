"""The report of a run as one HTML page that holds its charts and figures and needs nothing else.

The script that draws the charts is uPlot (MIT licence), whose file lies in ``page_files``. It takes its
data from a JSON element, and puts names of the data into the page as text alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from fastlstm.escaping import html_text, script_json

_FILES = Path(__file__).parent / "page_files"
# Bytes of pictures that a page holds; the rest stay files of the run.
_MOST_PICTURES = 1_200_000

# Sections of charts in the order in which an analyst asks, with their headings.
_SECTIONS = {
    "forecasts": "Forecasts",
    "errors": "Errors",
    "residuals": "Residuals",
    "intervals": "Prediction intervals",
    "calibration": "Calibration",
    "decisions": "Decision threshold",
    "confusion": "Confusion",
    "importance": "Feature importance by lag",
    "training": "Learning curves",
}

# The element of the data that charts show.
_DATA_ELEMENT = '<script type="application/json" id="run-data">'

# The page may run its own scripts and show its own pictures, and fetch nothing.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def html_page(
    name: str,
    report: str,
    figures: Iterable[tuple[str, Path]],
    *,
    charts: dict[str, Any] | None = None,
    tiles: str = "",
    tables: dict[str, str] | None = None,
) -> str:
    """A page with the outcome, the charts, the rest of the report, and the figures.

    Markup in the report is shown as text, not followed: names in it come from the data.

    Args:
        name: title of the page.
        report: Markdown; what stands before its second heading of level 2 is the outcome.
        figures: caption and PNG file of each, in order.
        charts: for the script, see ``fastlstm.runs.page.page_charts``; None: no charts.
        tiles: HTML of the outcome at a glance.
        tables: HTML by section.
    """
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image"])
    body = renderer.render(report)
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    heading, outcome, rest = _parts(body)
    sections = _chart_sections(charts, tables or {})
    links = "".join(f'<a href="#{key}">{text}</a>' for key, text in sections.items())
    links += '<a href="#details">Details</a>' if rest else ""
    drawn = "".join(
        f'<section id="{key}" class="charts"><h2>{text}</h2>{(tables or {}).get(key, "")}</section>'
        for key, text in sections.items()
    )
    data = script = ""
    if charts is not None:
        data = f"{_DATA_ELEMENT}{script_json(charts)}</script>\n"
        script = (
            f"<script>{_file('uPlot.iife.min.js')}</script>\n<script>{_file('page.js')}</script>\n"
        )
    style = _file("page.css") + (_file("uPlot.min.css") if charts is not None else "")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html_text(name)}</title><style>{style}</style></head>\n<body>"
        f"{heading}{tiles}{f'<nav>{links}</nav>' if sections else ''}{outcome}{drawn}"
        f'<div id="details">{rest}</div>{_pictures(figures, folded=charts is not None)}'
        f"{data}{script}</body></html>\n"
    )


def _parts(body: str) -> tuple[str, str, str]:
    """Title, outcome (up to the second heading of level 2) and the rest of a rendered report."""
    end = body.find("</h1>")
    end = 0 if end < 0 else end + len("</h1>")
    first = body.find("<h2>", end)
    second = body.find("<h2>", first + 1) if first >= 0 else -1
    cut = len(body) if second < 0 else second
    return body[:end], body[end:cut], body[cut:]


def _chart_sections(charts: dict[str, Any] | None, tables: dict[str, str]) -> dict[str, str]:
    """The sections that the page has, with their headings."""
    there = {key for key, text in tables.items() if text}
    if charts is not None:
        there |= {"forecasts", *(chart["section"] for chart in charts["charts"])}
    return {key: text for key, text in _SECTIONS.items() if key in there}


@cache
def _file(name: str) -> str:
    """A style or script of the page."""
    return (_FILES / name).read_text(encoding="utf-8")


def _pictures(figures: Iterable[tuple[str, Path]], *, folded: bool) -> str:
    """The figures, as far as the page has room; folded away where charts show the same."""
    shown, left, room = "", [], _MOST_PICTURES
    for caption, file in figures:
        if file.stat().st_size > room:
            left.append(html_text(file.name))
            continue
        room -= file.stat().st_size
        shown += _figure(caption, file)
    more = f'<p class="note">More files of the run: {", ".join(left)}</p>' if left else ""
    if not shown and not more:
        return ""
    if folded:
        return f'<details id="figures"><summary>Pictures</summary>{shown}{more}</details>'
    return f"<h2>Figures</h2>{shown}{more}"


def _figure(caption: str, file: Path) -> str:
    """A figure whose picture is within the page."""
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    name = html_text(caption)
    return (
        f"<figure><figcaption>{name}</figcaption>"
        f'<img alt="{name}" src="data:image/png;base64,{data}"></figure>\n'
    )
