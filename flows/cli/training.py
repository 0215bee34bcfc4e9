"""The commands that train: retrain, backtest, tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.arguments import CONFIG, OUTPUT_FOLDER, open_config, open_console, refuse_existing
from flows.cli.start_flow import start_flow

if TYPE_CHECKING:
    from rich.console import Console

    from fastlstm.registry.store import Store


@click.command()
@CONFIG
@click.pass_obj
def retrain(debug: bool, config: str) -> None:
    """Train on the data of CONFIG and promote the run if it is better.

    Loads and checks the data, trains, evaluates on the latest rows and stores the run. The run
    becomes the champion if it beats the present champion and the naive baselines. Without new data
    and with the same settings nothing is trained.
    """
    from fastlstm.data.files import skipped_files_lines
    from fastlstm.registry.unchanged import check_for_changes
    from tasks.source_handover import find_source, handed_over

    settings, store, name = open_config(config)
    settings.check_overrides()
    console = open_console()
    source = find_source(settings)
    changes = check_for_changes(settings, store, source.sha256)
    if changes.unchanged is not None:
        run_id = changes.unchanged.run_id
        text = f"No new data since {run_id} UTC, and the same settings: nothing to retrain."
        if not settings.models_by:
            text += f" Champion: {store.champion(name).champion or 'none'}."
        for line in skipped_files_lines(source.skipped):
            text += f" Warning: {line}."
        console.print(text)
        kind = "Report" if settings.models_by else "Run"
        console.print(f"{kind}: {store.location(name, run_id)}", soft_wrap=True)
        return
    flow = start_flow("Retraining", "retrain", settings, console, debug=debug)
    with handed_over(settings, source):
        outcome = flow(settings)
    if settings.models_by:
        _show_groups(console, outcome)
    else:
        _show_run(console, store, outcome)


def _show_run(console: Console, store: Store, outcome: Any) -> None:
    """Print the scores of a new run, the decision, and how to open the run."""
    from fastlstm.runs.saved_run import SavedRun
    from flows.console import show_scores

    name = outcome.run.model_name
    run = SavedRun(store.run_folder(name, outcome.run.run_id))
    console.print()
    show_scores(console, run.metrics)
    console.print()
    console.print(outcome.message)
    console.print(f"Run: {outcome.run.location}", soft_wrap=True)
    console.print("Reload it in Python:\n  from fastlstm import fastLSTM")
    file = store.location(name, run.run_id, run.path("hyperparameters").name)
    console.print(f'  model = fastLSTM().load_all("{file}")', soft_wrap=True)


def _show_groups(console: Console, outcome: Any) -> None:
    """Print how many models were promoted, what failed, and where the report lies.

    Raises:
        click.exceptions.Exit: a group has no new model for an error or too few rows.
    """
    from flows.cli.errors import EXIT_FAILED

    console.print()
    console.print(outcome.message)
    for group in outcome.failed:
        console.print(
            f"{group.status}: {group.name}: {group.message}", style="yellow", markup=False
        )
    console.print(f"Report: {outcome.report}", soft_wrap=True)
    if outcome.failed:
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command()
@CONFIG
@OUTPUT_FOLDER
@click.pass_obj
def backtest(debug: bool, config: str, output: str | None) -> None:
    """Score CONFIG's settings on several test periods.

    The test periods (folds) follow each other in time; the network is trained again for each, on
    rows before it. Nothing is stored or promoted.
    """
    settings = open_config(config).settings
    settings.require_one_model("backtest")
    refuse_existing(output)
    console = open_console()
    flow = start_flow("Backtesting", "backtest", settings, console, debug=debug)
    outcome = flow(settings)
    from flows.console import show_backtest

    console.print()
    show_backtest(console, Path(outcome.path))
    folder = _finish(console, outcome, output)
    console.print(f"Figure, table and predictions: {folder}", soft_wrap=True)


@click.command()
@CONFIG
@OUTPUT_FOLDER
@click.option("--trials", type=click.IntRange(1), help="Number of trials, instead of tune.trials.")
@click.pass_obj
def tune(debug: bool, config: str, output: str | None, trials: int | None) -> None:
    """Search for the best hyperparameters in CONFIG's ranges.

    The ranges are those of tune.ranges. Trials are compared by their validation score; test rows are
    never used. The best settings are written as a config file. A search that was interrupted
    continues.
    """
    settings = open_config(config).settings
    settings.require_one_model("tune")
    refuse_existing(output)
    if trials is not None:
        changed = settings.tune.model_copy(update={"trials": trials})
        settings = settings.model_copy(update={"tune": changed})
    console = open_console()
    flow = start_flow("Tuning", "tune", settings, console, debug=debug)
    outcome = flow(settings)
    from fastlstm.artifacts.file_names import BEST_SETTINGS_FILE
    from flows.console import show_search

    console.print()
    show_search(console, Path(outcome.path))
    folder = _finish(console, outcome, output)
    console.print(
        f'Retrain with it: fastlstm retrain "{folder / BEST_SETTINGS_FILE}"', soft_wrap=True
    )


def _finish(console: Console, outcome: Any, output: str | None) -> Path:
    """Print a flow's outcome; return the folder of its files, a copy if ``output`` is set."""
    import shutil

    console.print()
    console.print(outcome.message)
    if output is None:
        return Path(outcome.path)
    return Path(shutil.copytree(outcome.path, output))
