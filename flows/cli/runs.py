"""The commands about stored runs: runs, show, promote, rollback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastlstm.errors import StoreError
from flows.cli.arguments import CONFIG, REASON, open_config, open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlstm.registry.champion import ChampionRecord
    from fastlstm.runs.saved_run import SavedRun


@click.command()
@CONFIG
def runs(config: str) -> None:
    """List the stored runs of CONFIG's model; the champion is marked."""
    from flows.console import show_runs

    _, store, name = open_config(config)
    entries = store.runs(name)
    if not entries:
        raise StoreError(f"{store}: model {name!r} has no run yet; run 'fastlstm retrain'")
    show_runs(open_console(), entries, store.champion(name))


@click.command()
@click.argument("run")
@click.option("--config", type=click.Path(dir_okay=False), help="Config whose store has the run.")
def show(run: str, config: str | None) -> None:
    """Show the report and the files of a run.

    RUN is the run's folder or URL, or its id together with --config.
    """
    from rich.markdown import Markdown

    saved = _open_run(run, config)
    console = open_console()
    console.print(Markdown(saved.path("report").read_text(encoding="utf-8")))
    console.print("\nFiles, checked against the manifest:")
    for file, entry in saved.manifest["files"].items():
        console.print(f"  {entry['size']:>12,} B  {file}", markup=False)
    console.print(f"in {saved.folder}", soft_wrap=True, markup=False)


def _open_run(run: str, config: str | None) -> SavedRun:
    """The run with this folder or URL, or with this id in the store of a config."""
    from fastlstm.registry.opening import local_run
    from fastlstm.runs.saved_run import SavedRun

    if config is not None:
        _, store, name = open_config(config)
        return SavedRun(store.run_folder(name, run))
    if "://" in run:
        return SavedRun(local_run(run))
    if not Path(run).is_dir():
        raise StoreError(
            f"{run}: no such run folder; give its path, or its id with --config CONFIG"
        )
    return SavedRun(Path(run))


@click.command()
@CONFIG
@click.argument("run_id")
@REASON
def promote(config: str, run_id: str, reason: str) -> None:
    """Make the run RUN_ID the champion, whatever its scores."""

    def change(record: ChampionRecord) -> ChampionRecord:
        if record.champion == run_id:
            raise StoreError(f"run {run_id} is the champion already")
        return record.promoted(run_id, reason, action="promoted by hand")

    _change_champion(config, change)


@click.command()
@CONFIG
@REASON
def rollback(config: str, reason: str) -> None:
    """Make the previous champion the champion again."""
    _change_champion(config, lambda record: record.rolled_back(reason))


def _change_champion(config: str, change: Callable[[ChampionRecord], ChampionRecord]) -> None:
    """Change the champion of CONFIG's model to a run that is whole, and print it.

    Raises:
        StoreError: the new champion is damaged or missing, or ``change`` refuses.
    """
    from fastlstm.runs.saved_run import SavedRun

    _, store, name = open_config(config)

    def checked(record: ChampionRecord) -> ChampionRecord:
        changed = change(record)
        assert changed.champion is not None  # noqa: S101 (promoted and rolled back records have one)
        SavedRun(store.run_folder(name, changed.champion))  # refuses a run that is not whole
        return changed

    record = store.update_champion(name, checked)
    click.echo(f"champion of {name!r}: {record.champion} (before: {record.history[-1].replaced})")
