"""Text from data, settings and other people, as each medium shows it and never as its markup.

One function for each medium: lines of logs and terminals, Markdown, HTML, data of a page's script, and
text of figures. What rich prints goes through a console that knows no markup; see ``flows.cli.output``.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import Any

# Direction marks with which a text can show its letters in another order than it has them.
_REORDERING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}

# What Markdown reads as markup anywhere; HTML's characters become entities before.
_ANYWHERE = re.compile(r"[\\`*\[\]|~]")
# Underscores within a word are none.
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
# What is markup at the beginning of a block.
_AT_BEGIN = re.compile(r"^(#{1,6}|[-+=]+|\d+(?=[.)]))")
# What some renderers make links of by themselves.
_LINKS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=\b[Ww][Ww][Ww])\.|(?<=\w)@(?=\w)|(?<=mailto):", re.I)


def visible(text: str) -> str:
    """Text of one or more lines whose control characters are written out, but for line ends.

    A terminal obeys escape sequences, and shows letters behind a direction mark in another order.
    """
    return "".join(
        ascii(char)[1:-1]
        if char != "\n" and (unicodedata.category(char) in _INVISIBLE or char in _REORDERING)
        else char
        for char in text
    )


def one_line(text: str) -> str:
    """Text as one line of a log, a state or a table: white space is one space, see also ``visible``."""
    return visible(" ".join(text.split()))


def markdown(text: str) -> str:
    """Text within a line of Markdown, or a line of its own, that shows as it is: no HTML, no link."""
    safe = html.escape(one_line(text), quote=False)
    safe = _ANYWHERE.sub(r"\\\g<0>", safe)
    safe = _UNDERSCORES.sub(lambda found: r"\_" * len(found[0]), safe)
    safe = _LINKS.sub(lambda found: f"&#{ord(found[0])};", safe)
    return _AT_BEGIN.sub(_quoted, safe)


def _quoted(found: re.Match[str]) -> str:
    """The beginning of a block as entities, for Markdown knows no backslash before digits."""
    return "".join(f"&#{ord(char)};" for char in found[0])


def html_text(text: str) -> str:
    """Text within an HTML element or a quoted attribute."""
    return html.escape(one_line(text))


def script_json(value: Any) -> str:
    """A value as JSON within an HTML ``<script>`` element, which no text in it can end.

    Raises:
        ValueError: it holds a number that JSON has none for.
    """
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written


def figure_text(text: str) -> str:
    """Text of a figure: one line, and never mathematics."""
    return one_line(text).replace("$", r"\$")
