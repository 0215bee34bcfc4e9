"""What the command line prints: texts from data and settings show as they are."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.text import Text

from fastlstm.escaping import visible


class PlainConsole(Console):
    """A console to which no text is markup.

    Args:
        options: of ``rich.console.Console``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text to print, also of a cell of a table, its control characters written out."""
        return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})


def echo(line: str, *, err: bool = False) -> None:
    """Print lines, their control characters written out.

    Args:
        line: one line or more.
        err: whether to standard error.
    """
    click.echo(visible(line), err=err)
