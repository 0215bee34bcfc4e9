"""MkDocs' hook that puts what each command of ``fastlstm`` takes into the page of commands."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows.cli.main import main

MARK = "<!-- commands -->"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _row(option: click.Option) -> str:
    """A row of the table of options."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = option.get_default(click.Context(main), call=False)
    shown = "" if option.is_flag or not isinstance(value, (str, int)) else f" Default: `{value}`."
    needed = " Required." if option.required else ""
    kinds = option.type.choices if isinstance(option.type, click.Choice) else ()
    choices = f" One of {', '.join(f'`{kind}`' for kind in kinds)}." if kinds else ""
    return f"| {names} | {_cell((option.help or '') + choices + shown + needed)} |"


def of_command(name: str, command: click.Command) -> str:
    """The section of a command: how it is called, what it does, its options."""
    parts = [
        (p.name or "").upper() if p.required else f"[{(p.name or '').upper()}]"
        for p in command.params if isinstance(p, click.Argument)
    ]  # fmt: skip
    options: list[Any] = [p for p in command.params if isinstance(p, click.Option)]
    usage = " ".join(["fastlstm", name, *(["[OPTIONS]"] if options else []), *parts])
    # Click's mark before a paragraph whose lines it keeps.
    text = inspect.cleandoc(command.help or "").replace("\b\n", "").replace("<", "&lt;")
    lines = [f"## {name}", "", f"```text\n{usage}\n```", "", text, ""]
    if options:
        lines += ["| Option | Meaning |", "| --- | --- |", *map(_row, options), ""]
    return "\n".join(lines)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with the sections of all commands in place of the mark."""
    sections = [of_command(name, command) for name, command in main.commands.items()]
    return markdown.replace(MARK, "\n".join(sections))
