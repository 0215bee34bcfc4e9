"""The commands about stored runs: runs, show, export, promote, rollback."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.artifacts.folders import verify
from fastlstm.config.group_names import model_of_group
from fastlstm.errors import ConfigError, StoreError
from fastlstm.escaping import visible
from flows.cli.arguments import (
    CONFIG,
    GROUP,
    OUTPUT_FOLDER,
    REASON,
    chosen_group,
    models_of,
    open_config,
    open_console,
    refuse_existing,
)
from flows.cli.output import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlstm.registry.champion import ChampionRecord
    from fastlstm.registry.store import GroupRuns, Store
    from fastlstm.runs.saved_run import SavedRun
    from flows.cli.arguments import Opened

NEWEST = "newest"


@click.command()
@CONFIG
@GROUP
def runs(config: str, group: str | None) -> None:
    """List the stored runs of CONFIG's model; the champion is marked.

    With 'models_by' in CONFIG: one line for the model of each group, or the runs of one --group.
    """
    from flows.console import show_groups, show_runs

    opened = open_config(config)
    settings, store, name = opened
    chosen = chosen_group(settings, group)
    if settings.models_by and chosen is None:
        show_groups(open_console(), models_of(opened, None))
        return
    if chosen is not None:
        name = model_of_group(settings.family_name, chosen)
        models_of(opened, chosen)
    entries = store.runs(name)
    if not entries:
        raise StoreError(f"{store}: model {name!r} has no run yet; run 'fastlstm retrain'")
    show_runs(open_console(), entries, store.champion(name))


@click.command()
@click.argument("run")
@click.option("--config", type=click.Path(dir_okay=False), help="Config whose store has the run.")
@click.option("--open", "opens", is_flag=True, help="Open the report as a page with charts.")
@click.option("--output", type=click.Path(dir_okay=False), help="File to write the page to.")
@click.option(
    "--series", multiple=True, help="Series that the page must hold; may be given several times."
)
@GROUP
def show(
    run: str, config: str | None, group: str | None, opens: bool, output: str | None,
    series: tuple[str, ...],
) -> None:  # fmt: skip
    """Show the report and the files of a run.

    RUN is the run's folder or URL, or its id together with --config. With 'models_by' in the config it
    is the id of a report on all models, or that of a run of one --group. The page of a run of any
    version is one HTML file that needs nothing else; that of a panel holds some of the series, and
    those that --series names.
    """
    from rich.markdown import Markdown

    console = open_console()
    if series and not (opens or output):
        raise ConfigError("--series: chooses what the page holds; add --open, or --output FILE")
    if config is not None and group is None and (opened := open_config(config)).settings.models_by:
        folder = opened.store.run_folder(opened.model_name, run)
        verify(folder)
        reports = list(folder.glob("* - REPORT OF LSTM MODELS - *.md"))
        if len(reports) != 1:
            raise StoreError(f"{folder}: is no report on all models; add --group for a run of one")
        console.print(Markdown(visible(read_bytes(reports[0]).decode("utf-8", "replace"))))
        console.print(f"in {folder}", soft_wrap=True, markup=False)
        return
    saved = _open_run(run, config, group)
    if opens or output:
        page = _page_of(saved, output, series)
        echo(f"page: {page}")
        if opens:
            click.launch(page.resolve().as_uri())
    console.print(Markdown(visible(saved.report)))
    console.print("\nFiles, checked against the manifest:")
    for file, entry in saved.manifest["files"].items():
        console.print(f"  {entry['size']:>12,} B  {file}", markup=False)
    console.print(f"in {saved.folder}", soft_wrap=True, markup=False)


def _page_of(saved: SavedRun, output: str | None, series: tuple[str, ...]) -> Path:
    """File of the page of a run, made from its numbers: a stored page may hold a script of anybody."""
    from fastlstm.artifacts.files import replace_file
    from fastlstm.runs.page import stored_page

    text, name = stored_page(saved, series), saved.path("page").name
    # A stored run stays as it is; a browser reads the file after this command has ended.
    file = Path(output) if output else Path(tempfile.mkdtemp(prefix="fastlstm-")) / name
    replace_file(file, text)
    return file


@click.command()
@click.argument("run")
@click.option("--config", type=click.Path(dir_okay=False), help="Config whose store has the run.")
@click.option("--onnx", is_flag=True, required=True, help="The format, the only one there is.")
@OUTPUT_FOLDER
@GROUP
def export(run: str, config: str | None, onnx: bool, output: str | None, group: str | None) -> None:
    """Write a folder that serves the network of a run anywhere.

    RUN is the run's folder or URL, or its id together with --config. The folder holds the network as an
    ONNX model, its scalers as JSON, one worked example, and a page of how to feed it in Python, Java or
    C#. A run without an ONNX model gets one, which needs TensorFlow; the run itself stays as it is.
    """
    from fastlstm.runs.onnx_folder import export_folder

    refuse_existing(output)
    saved = _open_run(run, config, group)
    folder = Path(output or f"{saved.model_name.replace('/', ' ')} onnx")
    refuse_existing(str(folder))
    export_folder(saved, folder)
    click.echo(f"run {saved.run_id} as ONNX in {folder}; README.md there says how to use it")


def _open_run(run: str, config: str | None, group: str | None) -> SavedRun:
    """The run with this folder or URL, or with this id in the store of a config.

    Raises:
        ConfigError: a group is named without a config, or is none of the config's.
        StoreError: there is no such run.
    """
    from fastlstm.registry.opening import local_run
    from fastlstm.runs.saved_run import SavedRun

    if config is not None:
        settings, store, name = open_config(config)
        chosen = chosen_group(settings, group)
        if chosen is not None:
            name = model_of_group(settings.family_name, chosen)
        return SavedRun(store.run_folder(name, run))
    if group is not None:
        raise ConfigError(
            "--group: needs --config, which names the store; give it, or the run's path"
        )
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
@GROUP
@REASON
def promote(config: str, run_id: str, group: str | None, reason: str) -> None:
    """Make the run RUN_ID the champion, whatever its scores.

    RUN_ID 'newest' is the newest run. With 'models_by' in CONFIG, --group names the model; --group all
    promotes the newest run of each.
    """
    opened = open_config(config)
    models = _models_to_change(opened, group)
    if run_id != NEWEST and len(models) > 1:
        raise ConfigError(
            f"--group: run {run_id} is of one group; name that group, or promote '{NEWEST}' of all"
        )
    for name, known in models.items():
        chosen = _newest(opened.store, name, known) if run_id == NEWEST else run_id
        if len(models) > 1 and known is not None and known.record.champion == chosen:
            continue

        def change(record: ChampionRecord, chosen: str = chosen) -> ChampionRecord:
            if record.champion == chosen:
                raise StoreError(f"run {chosen} is the champion already")
            return record.promoted(chosen, reason, action="promoted by hand")

        _change_champion(opened.store, name, change)


@click.command()
@CONFIG
@GROUP
@REASON
def rollback(config: str, group: str | None, reason: str) -> None:
    """Make the previous champion the champion again.

    With 'models_by' in CONFIG, --group names the model; --group all takes each that had one before.
    """
    opened = open_config(config)
    models = _models_to_change(opened, group)
    if len(models) > 1:
        models = {n: known for n, known in models.items() if known and known.record.previous}
        if not models:
            raise StoreError("no model has an earlier champion to roll back to")
    for name in models:
        _change_champion(opened.store, name, lambda record: record.rolled_back(reason))


def _models_to_change(opened: Opened, group: str | None) -> dict[str, GroupRuns | None]:
    """The models whose champion a command changes, by name, with what is known of them.

    Raises:
        ConfigError: the config has groups and none is named, or the other way round.
        StoreError: a group has no model.
    """
    settings, _, name = opened
    chosen = chosen_group(settings, group)
    if not settings.models_by:
        return {name: None}
    if group is None:
        raise ConfigError(
            "--group: is required, as the config has 'models_by'; name a group, or 'all'"
        )
    return {
        model_of_group(settings.family_name, one): known
        for one, known in models_of(opened, chosen).items()
    }


def _newest(store: Store, name: str, known: GroupRuns | None) -> str:
    """The id of a model's newest run.

    Raises:
        StoreError: there is none.
    """
    ids = [entry.run_id for entry in store.runs(name)] if known is None else known.run_ids
    if not ids:
        raise StoreError(f"{store}: model {name!r} has no run yet; run 'fastlstm retrain'")
    return ids[-1]


def _change_champion(
    store: Store, name: str, change: Callable[[ChampionRecord], ChampionRecord]
) -> None:
    """Change the champion of a model to a run that is whole, and print it.

    Raises:
        StoreError: the new champion is damaged or missing, or ``change`` refuses.
    """
    from fastlstm.runs.saved_run import SavedRun

    def checked(record: ChampionRecord) -> ChampionRecord:
        changed = change(record)
        assert changed.champion is not None  # noqa: S101 (promoted and rolled back records have one)
        SavedRun(store.run_folder(name, changed.champion))  # refuses a run that is not whole
        return changed

    record = store.update_champion(name, checked)
    echo(f"champion of {name!r}: {record.champion} (before: {record.history[-1].replaced})")
