"""The command that forecasts: predict."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastlstm.errors import ConfigError
from flows.cli.arguments import CONFIG, GROUP, chosen_group, open_config
from flows.cli.output import echo

if TYPE_CHECKING:
    from tasks.references import ChosenForecaster
    from tasks.settings import PipelineConfig


@click.command()
@CONFIG
@click.option(
    "--input",
    "source",
    help="Newest rows: a file, a folder of files, or s3://…; without it the source of CONFIG.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    help="File of forecasts, CSV or Parquet by its ending.",
)
@click.option(
    "--intervals",
    type=click.Path(dir_okay=False),
    help="File of the forecasts' prediction intervals, CSV or Parquet.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False),
    help="PNG of history, forecast and intervals of four series: the two worst on test, and others.",
)
@click.option("--run", help="Id of the run to forecast with, instead of the champion.")
@click.option(
    "--serve-baseline/--no-serve-baseline",
    default=True,
    help="Where no run was promoted: forecast with the newest run's best baseline, or fail.",
)
@GROUP
def predict(
    config: str, source: str | None, output: str, intervals: str | None, picture: str | None,
    run: str | None, serve_baseline: bool, group: str | None,
) -> None:  # fmt: skip
    """Forecast the next rows with the champion.

    With 'models_by' in CONFIG, the champion of each group forecasts its rows, or that of one --group.

    The forecasts of a series begin with the row after its last row in --input. Where no run was
    promoted, the baseline that was best on test forecasts, and --output has its name.
    """
    from fastlstm.forecasting.forecast_files import ENDINGS
    from fastlstm.runs.forecast_picture import require_picture, write_forecast_picture
    from fastlstm.runs.saved_run import SavedRun
    from fastlstm.steps.forecast_job import forecast_newest
    from tasks.forecasters import choose_forecaster
    from tasks.storage.sources import local_joins
    from tasks.work_place import local_work

    settings, store, name = open_config(config)
    for option, file in (("--output", output), ("--intervals", intervals)):
        if file is not None and not file.endswith(ENDINGS):
            raise ConfigError(f"{option}: {file} must end in {' or '.join(ENDINGS)}")
    only = chosen_group(settings, group)
    if picture is not None:
        require_picture(picture, settings.data, many=bool(settings.models_by))
    if settings.models_by:
        if run is not None:
            raise ConfigError(
                "--run: a run is of one group; promote it there with 'fastlstm promote'"
            )
        local = _newest_rows(settings, source)
        _predict_groups(settings, local, output, intervals, only, serve_baseline)
        return
    chosen = choose_forecaster(store, name, run, serve_baseline=serve_baseline)
    if chosen.baseline is not None:
        echo(f"warning: the forecasts are those of {chosen.text}", err=True)
    local = _newest_rows(settings, source)
    folder = store.run_folder(name, chosen.run.run_id)
    opened = SavedRun(folder)
    if picture is not None:
        require_picture(picture, opened.data, many=False)
    joined = local_joins(opened.data, settings.s3, local_work(settings.work))
    with _exported(settings, output, intervals) as (made, made_intervals):
        history = made.with_name("history.parquet")
        written = forecast_newest(
            {
                "output": str(made),
                "run": str(folder),
                "source": local,
                "intervals": str(made_intervals) if intervals or picture else None,
                "baseline": chosen.baseline,
                "shard_rows": settings.execution.shard_rows,
                "joined": joined,
                "history": str(history) if picture else None,
            },
        )
        if picture is not None:
            target = Path(picture).resolve()
            write_forecast_picture(opened, made, made_intervals, history, target)
    _print_result(written, chosen, output, intervals)
    if picture is not None:
        echo(f"a picture of them in {picture}")


def _newest_rows(settings: PipelineConfig, source: str | None) -> str:
    """Where the rows to forecast from lie on this machine; those of the config without a source."""
    from fastlstm.data.files import skipped_files_text
    from tasks.storage.sources import local_source
    from tasks.work_place import local_work

    query = settings.data.query if source is None else None
    path = settings.data.path if source is None else source
    local = local_source(path, query, settings.s3, local_work(settings.work))
    if local.skipped:
        echo(f"warning: {skipped_files_text(local.skipped)}", err=True)
    return local.path


@contextmanager
def _exported(
    settings: PipelineConfig, output: str, intervals: str | None
) -> Iterator[tuple[Path, Path]]:
    """Files to write forecasts and intervals into, which are then written as the user wants them."""
    from fastlstm.artifacts.disk import writing_to
    from fastlstm.forecasting.forecast_files import export_forecasts
    from tasks.work_place import local_work

    home = local_work(settings.work) / "forecast"
    with writing_to(home):
        home.mkdir(parents=True, exist_ok=True)
    # A name by which 'clean' finds what a killed run leaves.
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=home) as name:
        made = Path(name) / "forecasts.parquet", Path(name) / "intervals.parquet"
        yield made
        for file, wanted in zip(made, (output, intervals), strict=True):
            if wanted is not None and file.exists():
                export_forecasts(file, Path(wanted).resolve(), settings.data.time_zone)


def _predict_groups(
    settings: PipelineConfig, local: str, output: str, intervals: str | None, only: str | None,
    serve_baseline: bool,
) -> None:  # fmt: skip
    """Forecast the rows of all groups, or of one, and print what was written.

    Raises:
        click.exceptions.Exit: a group or series could not be forecast.
    """
    from flows.cli.errors import EXIT_FAILED
    from tasks.forecast_groups import forecast_groups

    with _exported(settings, output, intervals) as (made, made_intervals):
        found = forecast_groups(
            settings, local, made, made_intervals if intervals else None, only,
            serve_baseline=serve_baseline,
        )  # fmt: skip
    for group, score in sorted(found.baselines.items()):
        echo(f"warning: {group}: a baseline forecasts, as there is no champion ({score})", err=True)
    for warning in found.warnings:
        echo(f"warning: {warning}", err=True)
    for group, why in found.skipped.items():
        echo(f"skipped {group}: {why}", err=True)
    echo(f"{found.rows:,} forecasts by {found.models:,} models in {output}")
    if intervals:
        echo(f"{found.interval_rows:,} rows of prediction intervals in {intervals}")
    if found.skipped:
        raise click.exceptions.Exit(EXIT_FAILED)


def _print_result(
    written: dict[str, Any], chosen: ChosenForecaster, output: str, intervals: str | None
) -> None:
    """Print what was written and which series were skipped."""
    for warning in written["warnings"]:
        echo(f"warning: {warning}", err=True)
    for series, why in written["skipped"].items():
        echo(f"skipped {series or 'the table'}: {why}", err=True)
    echo(
        f"{written['rows']:,} forecasts of {written['series']} series by {chosen.text} in {output}"
    )
    if intervals and written["interval_levels"]:
        levels = ", ".join(f"{level:.4g}" for level in written["interval_levels"])
        echo(f"prediction intervals of level {levels} in {intervals}")
    elif intervals:
        echo(f"run {chosen.run.run_id} has no intervals, so {intervals} was not written", err=True)
