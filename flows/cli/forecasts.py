"""The command that forecasts: predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fastlstm.errors import ConfigError, StoreError
from flows.cli.arguments import CONFIG, open_config


@click.command()
@CONFIG
@click.option(
    "--input",
    "source",
    required=True,
    help="Newest rows: a CSV or Parquet file, a folder of them, or s3://…",
)
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False), help="Parquet file of forecasts."
)
@click.option(
    "--intervals",
    type=click.Path(dir_okay=False),
    help="Parquet file of the forecasts' prediction intervals.",
)
@click.option("--run", help="Id of the run to forecast with, instead of the champion.")
def predict(config: str, source: str, output: str, intervals: str | None, run: str | None) -> None:
    """Forecast the next rows with the champion.

    The forecasts of a series begin with the row after its last row in --input.
    """
    from fastlstm.network.keras_import import require_tensorflow
    from fastlstm.steps import worker
    from tasks.storage.sources import local_source

    settings, store, name = open_config(config)
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
    written = worker.call(
        "fastlstm.steps.forecast:forecast_latest_into",
        {
            "output": str(Path(output).resolve()),
            "run": str(store.run_folder(name, run_id)),
            "source": source,
            "intervals": str(Path(intervals).resolve()) if intervals else None,
        },
    )
    _print_result(written, run_id, output, intervals)


def _print_result(written: dict[str, Any], run_id: str, output: str, intervals: str | None) -> None:
    """Print what was written and which series were skipped."""
    for warning in written["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    for series, why in written["skipped"].items():
        click.echo(f"skipped {series or 'the table'}: {why}", err=True)
    click.echo(
        f"{written['rows']:,} forecasts of {written['series']} series by run {run_id} in {output}"
    )
    if intervals and written["interval_levels"]:
        levels = ", ".join(f"{level:.4g}" for level in written["interval_levels"])
        click.echo(f"prediction intervals of level {levels} in {intervals}")
    elif intervals:
        click.echo(f"run {run_id} has no intervals, so {intervals} was not written", err=True)
