"""Arguments and options of several commands, and what the argument CONFIG names."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from fastlstm.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from fastlstm.registry.store import GroupRuns, Store
    from tasks.settings import PipelineConfig

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
OUTPUT_FOLDER = click.option(
    "--output", type=click.Path(file_okay=False), help="New folder to copy the result to."
)
REASON = click.option("--reason", default="by hand", help="Reason, kept in the model's history.")
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="List what would be deleted; delete nothing."
)

GROUP = click.option(
    "--group", help="Model of this group alone, such as 'region=north', 'pooled', or 'all'."
)


class Opened(NamedTuple):
    """What a config file names.

    Attributes:
        settings: all settings.
        store: the store of its runs.
        model_name: the model's name in the store; with 'models_by' that of the reports on all models.
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


def chosen_group(settings: PipelineConfig, group: str | None) -> str | None:
    """The name of the group that ``--group`` names; None for all groups.

    Raises:
        ConfigError: the config has no groups, or not this one.
    """
    from fastlstm.config.group_names import ALL, parse_group

    if not settings.models_by:
        if group is None:
            return None
        raise ConfigError(
            "--group: the config has no 'models_by', so there is one model; remove --group"
        )
    if group in (None, ALL):
        return None
    try:
        return parse_group(group, settings.models_by)
    except ValueError as error:
        raise ConfigError(f"--group: {error}") from None


def models_of(
    opened: Opened, group: str | None, *, with_reports: bool = False
) -> dict[str, GroupRuns]:
    """What the store holds of the model of one group, or of all, by the group's name.

    Args:
        opened: the config.
        group: name of the group; None for all.
        with_reports: whether the reports on all models are one of them.

    Raises:
        StoreError: nothing is stored.
    """
    from fastlstm.config.group_names import ALL

    settings, store, _ = opened
    found = store.groups(settings.family_name)
    if not with_reports:
        found.pop(ALL, None)
    if not found:
        raise StoreError(
            f"{store}: no model of {settings.family_name!r} is stored yet; run 'fastlstm retrain'"
        )
    if group is None:
        return found
    if group not in found:
        near = difflib.get_close_matches(group, list(found), n=1)
        hint = f"did you mean {near[0]}?" if near else "run 'fastlstm runs' for all groups"
        raise StoreError(f"{store}: no model of group {group} is stored; {hint}")
    return {group: found[group]}


def refuse_existing(output: str | None) -> None:
    """Refuse an output folder that exists.

    Raises:
        ConfigError: it exists.
    """
    if output is not None and Path(output).exists():
        raise ConfigError(f"--output: {output} exists already; give a folder that does not")


def open_console() -> Console:
    """The console that results are printed on."""
    from flows.cli.output import PlainConsole

    # A pipe or a log has no width of its own; 80 columns would fold every line.
    return PlainConsole(width=None if sys.stdout.isatty() else 160)
