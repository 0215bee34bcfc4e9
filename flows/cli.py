"""The command ``fastlstm``. Exit codes: 0 done, 2 bad settings or data, 1 anything else.

Heavy libraries are imported by the commands that use them, so that help, refusals and an unchanged
retraining take no time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastlstm.errors import ConfigError, DataError, FastLSTMError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from fastlstm.registry.store import Store
    from fastlstm.runs.saved_run import SavedRun
    from tasks.settings import PipelineConfig

_BAD_INPUT, _FAILED = 2, 1
_CONFIG = click.argument("config", type=click.Path(dir_okay=False))


class _Commands(click.Group):
    """Prints an error of use as one line; ``--debug`` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, KeyboardInterrupt):
                text = "interrupted"
            elif isinstance(error, FastLSTMError):
                text = str(error)
            else:
                first = (str(error).strip() or "no message").splitlines()[0]
                text = f"{type(error).__name__}: {first} (--debug shows the traceback)"
            for line in text.splitlines():
                click.echo(f"fastlstm: {line}", err=True)
            raise click.exceptions.Exit(
                _BAD_INPUT if isinstance(error, ConfigError | DataError) else _FAILED
            ) from None


def _console() -> Console:
    from rich.console import Console

    # A pipe or a log has no width of its own; 80 columns would fold every line.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _place(config: str) -> tuple[PipelineConfig, Store, str]:
    """The settings of a config file, the store they name, and the model in it."""
    from fastlstm.config.reading import read_settings
    from tasks.settings import PipelineConfig, store_of

    settings = read_settings(config, PipelineConfig)
    return settings, store_of(settings), settings.hyperparameters.model_name


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks and Prefect's own log.")
@click.version_option(package_name="fastlstm")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Retrain, compare and use LSTM forecasters. CONFIG is a YAML file; see deployments/."""
    ctx.obj = debug


def _prepare_prefect(debug: bool) -> None:
    """Settings Prefect reads when it is imported; what the user has set stays."""
    for name, value in {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # A first start in an empty home was measured at 26 s; Prefect itself gives up after 20.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        # An error is told once, in one line, by the command itself.
        "PREFECT_LOGGING_LEVEL": "INFO" if debug else "CRITICAL",
    }.items():
        os.environ.setdefault(name, value)


def _refuse_existing(output: str | None) -> None:
    if output is not None and Path(output).exists():
        raise ConfigError(f"--output: {output} exists already; give a folder that does not")


def _delivered(console: Console, outcome: Any, output: str | None) -> Path:
    """Say what a flow found; the folder it is in, a copy where one was asked for."""
    import shutil

    console.print()
    console.print(outcome.message)
    if output is None:
        return Path(outcome.path)
    return Path(shutil.copytree(outcome.path, output))


def _ready(
    doing: str, name: str, settings: PipelineConfig, debug: bool
) -> tuple[Console, Callable[[PipelineConfig], Any]]:
    """The flow of this name, ready to be called, and the console that follows it."""
    import atexit
    import gc
    import importlib

    from fastlstm.network.keras_import import require_tensorflow
    from fastlstm.steps import worker
    from flows.temporary_server import TemporaryServer

    require_tensorflow()
    console = _console()
    console.print(f"{doing} {settings.model_name!r} on {settings.data.path}; starting Prefect …")
    _prepare_prefect(debug)
    server = TemporaryServer()
    if name == "retrain" and not server.starts:
        # Beside the imports of this process; where a server starts too, the cores are busy already.
        worker.start_ahead()
    # What is imported stays: that Python looks through all of it for garbage, again and again meanwhile
    # and once more at the end, was measured to take 1.2 s of a run.
    gc.disable()
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    from flows.console import ConsoleListener
    from tasks.notify import subscribe

    gc.enable()
    atexit.register(gc.freeze)
    subscribe(ConsoleListener(console))
    server.use()
    return console, flow


@main.command()
@_CONFIG
@click.pass_obj
def retrain(debug: bool, config: str) -> None:
    """Retrain by CONFIG: load, validate, train, evaluate, store, promote or keep."""
    from fastlstm.registry.unchanged import check_for_changes
    from tasks.storage.sources import local_source

    settings, store, name = _place(config)
    console = _console()
    path = local_source(settings.data.path, settings.data.query, settings.s3, Path(settings.work))
    changes = check_for_changes(settings, store, path)
    if changes.unchanged is not None:
        run_id = changes.unchanged.run_id
        record = store.champion(name)
        console.print(
            f"No new data since {run_id} UTC, and the same settings: nothing to retrain. "
            f"Champion: {record.champion or 'none'}."
        )
        console.print(f"Run: {store.location(name, run_id)}", soft_wrap=True)
        return
    console, flow = _ready("Retraining", "retrain", settings, debug)
    outcome = flow(settings)
    from fastlstm.runs.saved_run import SavedRun
    from flows.console import show_scores

    run = SavedRun(store.run_folder(name, outcome.run.run_id))
    console.print()
    show_scores(console, run.metrics)
    console.print()
    console.print(outcome.message)
    console.print(f"Run: {outcome.run.location}", soft_wrap=True)
    console.print("Reload it in Python:\n  from fastlstm import fastLSTM")
    where = store.location(name, run.run_id, run.path("hyperparameters").name)
    console.print(f'  model = fastLSTM().load_all("{where}")', soft_wrap=True)


@main.command()
@_CONFIG
@click.option("--output", type=click.Path(file_okay=False), help="Folder to copy the result to.")
@click.pass_obj
def backtest(debug: bool, config: str, output: str | None) -> None:
    """Train and judge CONFIG's settings on test periods that follow each other in time."""
    settings, _, _ = _place(config)
    _refuse_existing(output)
    console, flow = _ready("Backtesting", "backtest", settings, debug)
    outcome = flow(settings)
    from flows.console import show_backtest

    console.print()
    show_backtest(console, Path(outcome.path))
    folder = _delivered(console, outcome, output)
    console.print(f"Figure, table and predictions: {folder}", soft_wrap=True)


@main.command()
@_CONFIG
@click.option("--output", type=click.Path(file_okay=False), help="Folder to copy the result to.")
@click.option("--trials", type=click.IntRange(1), help="In place of the config's tune.trials.")
@click.pass_obj
def tune(debug: bool, config: str, output: str | None, trials: int | None) -> None:
    """Search CONFIG's tune.ranges for the hyperparameters that validate best."""
    settings, _, _ = _place(config)
    _refuse_existing(output)
    if trials is not None:
        changed = settings.tune.model_copy(update={"trials": trials})
        settings = settings.model_copy(update={"tune": changed})
    console, flow = _ready("Tuning", "tune", settings, debug)
    outcome = flow(settings)
    from fastlstm.artifacts.file_names import BEST_SETTINGS_FILE
    from flows.console import show_search

    console.print()
    show_search(console, Path(outcome.path))
    folder = _delivered(console, outcome, output)
    console.print(
        f'Retrain with it: fastlstm retrain "{folder / BEST_SETTINGS_FILE}"', soft_wrap=True
    )


@main.command()
@_CONFIG
def runs(config: str) -> None:
    """List the runs of CONFIG's model, the champion marked."""
    from flows.console import show_runs

    _, store, name = _place(config)
    entries = store.runs(name)
    if not entries:
        raise StoreError(f"{store}: model {name!r} has no run yet; run 'fastlstm retrain'")
    show_runs(_console(), entries, store.champion(name))


def _open(run: str, config: str | None) -> SavedRun:
    from fastlstm.registry.opening import local_run
    from fastlstm.runs.saved_run import SavedRun

    if config is None:
        if "://" in run:
            return SavedRun(local_run(run))
        if not Path(run).is_dir():
            raise StoreError(
                f"{run}: is no run folder; give its path, or its id with --config CONFIG"
            )
        return SavedRun(Path(run))
    _, store, name = _place(config)
    return SavedRun(store.run_folder(name, run))


@main.command()
@click.argument("run")
@click.option("--config", type=click.Path(dir_okay=False), help="Config whose store holds RUN.")
def show(run: str, config: str | None) -> None:
    """Show a run: its report and its files. RUN is its folder or URL, or its id with --config."""
    from rich.markdown import Markdown

    saved = _open(run, config)
    console = _console()
    console.print(Markdown(saved.path("report").read_text(encoding="utf-8")))
    console.print("\nFiles, checked against the manifest:")
    for file, entry in saved.manifest["files"].items():
        console.print(f"  {entry['size']:>12,} B  {file}", markup=False)
    console.print(f"in {saved.folder}", soft_wrap=True, markup=False)


@main.command()
@_CONFIG
@click.option(
    "--input", "source", required=True, help="CSV or Parquet file, a folder of them, or s3://…"
)
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False), help="Parquet file to write."
)
@click.option(
    "--intervals",
    type=click.Path(dir_okay=False),
    help="Parquet file to write the forecasts' prediction intervals to.",
)
@click.option("--run", help="Id of a run to use instead of the champion.")
def predict(config: str, source: str, output: str, intervals: str | None, run: str | None) -> None:
    """Forecast with the champion what follows the latest window of each series."""
    from fastlstm.network.keras_import import require_tensorflow
    from fastlstm.steps import worker
    from tasks.storage.sources import local_source

    settings, store, name = _place(config)
    for option, file in (("--output", output), ("--intervals", intervals)):
        if file is not None and not file.endswith(".parquet"):
            raise ConfigError(f"{option}: {file} must end in .parquet")
    require_tensorflow()
    run_id = run or store.champion(name).champion
    if run_id is None:
        raise StoreError(
            f"{store}: model {name!r} has no champion; run 'fastlstm retrain', or choose a "
            "run with 'fastlstm promote' or --run"
        )
    source = local_source(source, None, settings.s3, Path(settings.work))
    made = worker.call(
        "fastlstm.steps.forecast:forecast_latest_into",
        {
            "output": str(Path(output).resolve()),
            "run": str(store.run_folder(name, run_id)),
            "source": source,
            "intervals": str(Path(intervals).resolve()) if intervals else None,
        },
    )
    for warning in made["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    for series, why in made["skipped"].items():
        click.echo(f"skipped {series or 'the table'}: {why}", err=True)
    click.echo(f"{made['rows']:,} forecasts of {made['series']} series by run {run_id} in {output}")
    if intervals and made["interval_levels"]:
        levels = ", ".join(f"{level:.4g}" for level in made["interval_levels"])
        click.echo(f"their intervals of level {levels} in {intervals}")
    elif intervals:
        click.echo(f"run {run_id} has no intervals, so {intervals} was not written", err=True)


@main.command()
@_CONFIG
@click.argument("run_id")
@click.option("--reason", default="by hand", help="Why, for the history.")
def promote(config: str, run_id: str, reason: str) -> None:
    """Make the run RUN_ID the champion, whatever its scores."""
    from fastlstm.registry.champion import ChampionRecord
    from fastlstm.runs.saved_run import SavedRun

    _, store, name = _place(config)
    SavedRun(store.run_folder(name, run_id))  # refuses a run that is not whole

    def change(record: ChampionRecord) -> ChampionRecord:
        if record.champion == run_id:
            raise StoreError(f"run {run_id} is the champion already")
        return record.promoted(run_id, reason, action="promoted by hand")

    record = store.update_champion(name, change)
    click.echo(f"champion of {name!r}: {record.champion} (before: {record.history[-1].replaced})")


@main.command()
@click.argument("store")
@click.option("--repair", is_flag=True, help="Set aside what is damaged or half-made.")
def verify(store: str, repair: bool) -> None:
    """Check every file of every run in STORE, and the champions, against the manifests.

    STORE is a folder, s3://bucket/prefix, or a CONFIG that names one. What --repair finds damaged or
    half-made is moved to STORE/.quarantine; nothing is deleted. Exit code 1 where anything is wrong.
    """
    from fastlstm.registry.maintenance import examine
    from fastlstm.registry.opening import open_store

    if Path(store).is_file():
        opened = _place(store)[1]
    elif "://" not in store and not Path(store).is_dir():
        raise StoreError(f"{store}: is no folder, store URL or config; correct it")
    else:
        opened = open_store(store)
    found = examine(opened, repair=repair)
    for finding in found.findings:
        click.echo(f"{finding.model_name}: {finding.name}: {finding.problem}")
        if finding.moved_to is not None:
            click.echo(f"  moved to {finding.moved_to}")
    click.echo(
        f"{found.whole} whole runs of {found.models} models, {len(found.findings)} problems in {opened}"
    )
    if found.findings:
        raise click.exceptions.Exit(_FAILED)


@main.command()
@_CONFIG
@click.option("--keep", type=click.IntRange(min=1), required=True, help="Newest runs to keep.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
def prune(config: str, keep: int, dry_run: bool) -> None:
    """Delete all but the newest runs of CONFIG's model.

    The champion and the two champions before it stay, however old they are.
    """
    from fastlstm.registry.maintenance import prune as give_up

    _, store, name = _place(config)
    gone = give_up(store, name, keep, dry_run=dry_run)
    for run_id in gone:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {run_id}")
    click.echo(f"{len(store.runs(name))} runs of {name!r} in {store}")


@main.command()
@_CONFIG
@click.option(
    "--days", type=click.IntRange(min=2), required=True, help="Keep what was used in so many days."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
def clean(config: str, days: int, dry_run: bool) -> None:
    """Delete intermediate files that no run has used lately.

    All in the folder that CONFIG names as 'work', also those of other models. Stored runs stay.
    """
    from tasks.work_folder import clean as delete

    settings, _, _ = _place(config)
    gone = delete(Path(settings.work), days, dry_run=dry_run)
    for item in gone:
        click.echo(
            f"{'would delete' if dry_run else 'deleted'} {item.path}, {item.size / 1e6:,.1f} MB, "
            f"unused for {item.days:.0f} days"
        )
    freed = sum(item.size for item in gone) / 1e6
    click.echo(f"{len(gone)} intermediate results, {freed:,.1f} MB, in {settings.work}")


@main.command()
@_CONFIG
@click.option("--reason", default="by hand", help="Why, for the history.")
def rollback(config: str, reason: str) -> None:
    """Make the champion before this one serve again."""
    from fastlstm.registry.champion import ChampionRecord
    from fastlstm.runs.saved_run import SavedRun

    _, store, name = _place(config)

    def change(record: ChampionRecord) -> ChampionRecord:
        changed = record.rolled_back(reason)
        assert changed.champion is not None  # noqa: S101 (rolled_back raises without one)
        SavedRun(store.run_folder(name, changed.champion))
        return changed

    record = store.update_champion(name, change)
    click.echo(f"champion of {name!r}: {record.champion} (before: {record.history[-1].replaced})")
