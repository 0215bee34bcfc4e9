"""The report of a run as one HTML page that holds its figures and needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from fastlstm.escaping import html_text

# Colours follow the reader's system; figures keep their white background.
_STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --back: #fff; --line: #d8dce0; --soft: #f3f5f7 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7ea; --back: #14171a; --line: #3a4046; --soft: #1f2428 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 62rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left }
tbody tr:nth-child(even) { background: var(--soft) }
figure { margin: 1.5rem 0 } figcaption { font-weight: 600; margin-bottom: .5rem }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px }
@media print { body { max-width: none } figure { break-inside: avoid } }
"""


def html_page(title: str, report: str, figures: Iterable[tuple[str, Path]]) -> str:
    """A page with the report and its figures.

    Markup in the report is shown as text, not followed: names in it come from the data.

    Args:
        title: of the page.
        report: Markdown.
        figures: caption and PNG file of each, in order.
    """
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image"])
    body = renderer.render(report)
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    shown = "".join(_figure(caption, file) for caption, file in figures)
    section = f"<h2>Figures</h2>{shown}" if shown else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{body}{section}</body></html>\n"
    )


def _figure(caption: str, file: Path) -> str:
    """A figure whose picture is within the page."""
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    name = html_text(caption)
    return (
        f"<figure><figcaption>{name}</figcaption>"
        f'<img alt="{name}" src="data:image/png;base64,{data}"></figure>\n'
    )
