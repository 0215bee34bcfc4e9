"""Arguments and options of several commands, and what the argument CONFIG names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from fastlstm.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from fastlstm.registry.store import Store
    from tasks.settings import PipelineConfig

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
OUTPUT_FOLDER = click.option(
    "--output", type=click.Path(file_okay=False), help="New folder to copy the result to."
)
REASON = click.option("--reason", default="by hand", help="Reason, kept in the model's history.")
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="List what would be deleted; delete nothing."
)


class Opened(NamedTuple):
    """What a config file names.

    Attributes:
        settings: all settings.
        store: the store of its runs.
        model_name: the model's name in the store.
    """

    settings: PipelineConfig
    store: Store
    model_name: str


def open_config(config: str) -> Opened:
    """Read a config file and open its store.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong.
    """
    from fastlstm.config.reading import read_settings
    from tasks.settings import PipelineConfig, store_of

    settings = read_settings(config, PipelineConfig)
    return Opened(settings, store_of(settings), settings.model_name)


def refuse_existing(output: str | None) -> None:
    """Refuse an output folder that exists.

    Raises:
        ConfigError: it exists.
    """
    if output is not None and Path(output).exists():
        raise ConfigError(f"--output: {output} exists already; give a folder that does not")


def open_console() -> Console:
    """The console that results are printed on."""
    from rich.console import Console

    # A pipe or a log has no width of its own; 80 columns would fold every line.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)
