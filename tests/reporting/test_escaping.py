"""Names and messages of others are no markup in any medium."""

from __future__ import annotations

import html
import io

import pytest
from markdown_it import MarkdownIt

from fastlstm.errors import DataError
from fastlstm.escaping import figure_text, html_text, markdown, one_line, visible
from fastlstm.reporting.figure_style import finish, name_text, new_axes, save_axes
from flows.cli.output import PlainConsole
from flows.console import plain_table
from tasks.notify import ended, failed

HOSTILE = [
    "<img src=x onerror=alert(1)>", "<!-- x", "&lt;b&gt;", "[a](javascript:alert(1))",
    "![a](http://evil/x.png)", "https://evil.example/x", "www.evil.example", "me@evil.example",
    "mailto:me@evil.example", "**bold**", "_a_", "__a__", "`code`", "~~gone~~", "# heading", "- item",
    "1. item", "1) item", "+ item", "===", "> quote", "a | b", "\\*", "[red]red[/red]", ":smile:",
    "$x^2$",
    "a\nb", "a\r\nFAKE 03:00 promoted", "\x1b[31mred", "\x1b]8;;http://evil\x07link", "ab\u202ecd",
    "a\u2028b", "[^1]: note", "[a]: http://evil", "***", "a_b_c", "`", "``x``", "<http://evil.example>",
]  # fmt: skip
# As generous as Prefect's pages and GitHub: tables, struck text, and links of what looks like one.
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("- ", ""), ("# ", ""), ("A run of ", " ended")]
)
def test_markdown_shows_a_text_as_it_is(text, before, after):
    rendered = RENDERER.render(before + markdown(text) + after)
    tags = {"<p>", "</p>", "<ul>", "</ul>", "<li>", "</li>", "<h1>", "</h1>", "\n"}
    for tag in tags:
        rendered = rendered.replace(tag, "")
    assert "<" not in rendered
    shown = before.lstrip("-# ") + one_line(text) + after
    assert html.unescape(rendered) == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_of_a_table_stays_one(text):
    table = f"| a | b |\n| --- | --- |\n| {markdown(text)} | end |"
    assert RENDERER.render(table).count("<td>") == 2


@pytest.mark.parametrize("text", ["https://evil.example", "www.evil.example", "me@evil.example"])
def test_nothing_looks_like_a_link(text):
    safe = markdown(text)
    assert "://" not in safe and "www." not in safe and "@" not in safe


def test_ordinary_names_stay_readable():
    for name in (
        "hour_sin",
        "R2-D2",
        "store 7 (north)",
        "Düsseldorf, 日本",
        "a.b",
        "50%",
        "#7 of 9"[1:],
    ):
        assert markdown(name) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_of_logs_states_and_terminals_hold_no_control_character(text):
    class Outcome:
        message = f"run of {text} ended"

    assert one_line(text).isprintable() and "\n" not in ended(Outcome()).message
    assert all(line.isprintable() for line in failed(DataError(text)).message.split("\n"))
    assert visible("two\nlines") == "two\nlines"
    out = io.StringIO()
    console = PlainConsole(file=out, width=200, force_terminal=True, color_system="truecolor")
    console.print(text)
    table = plain_table([text])
    table.add_row(text)
    console.print(table)
    assert "\x1b]" not in out.getvalue() and "\x1b[31m" not in out.getvalue()
    assert out.getvalue().count(one_line(text).split(" ")[0]) >= 2


@pytest.mark.parametrize("text", HOSTILE)
def test_html_holds_no_element(text):
    safe = html_text(text)
    assert "<" not in safe and '"' not in safe and "\n" not in safe


def test_figures_hold_no_mathematics(tmp_path):
    assert figure_text("$x^2$ and $\\frac$") == "\\$x^2\\$ and \\$\\frac\\$"
    axes = finish(
        new_axes(None), name_text("$\\frac$ of $x"), name_text("$"), name_text("\x1b[31m")
    )
    save_axes(axes, tmp_path / "f.png")
