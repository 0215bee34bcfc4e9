"""Draw forecasts of what is not known yet, for those who look before they read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.config.data import DataConfig
from fastlstm.errors import ConfigError
from fastlstm.runs.saved_run import SavedRun


def require_picture(file: str, data: DataConfig, *, many: bool) -> None:
    """Refuse, before any work, a picture that could not be drawn.

    Args:
        file: where it shall be.
        data: the settings of the table, or of a run.
        many: whether there is a model for each group.

    Raises:
        ConfigError: names what to do.
    """
    if not file.endswith(".png"):
        raise ConfigError(f"--picture: {file} must end in .png")
    if many:
        raise ConfigError(
            "--picture: shows the forecasts of one model, and models_by makes many; leave it out, and "
            "open a group's report with 'fastlstm show RUN --open'"
        )
    if data.frequency is None:
        raise ConfigError(
            "--picture: forecasts have no times without data.frequency; leave it out, or set "
            "data.frequency and retrain"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            "--picture: needs matplotlib; run: pip install matplotlib, or leave it out"
        )


def write_forecast_picture(
    run: SavedRun, forecasts: Path, intervals: Path, history: Path, output: Path
) -> None:
    """Write history, forecast and intervals of some series as PNG; of a classifier its probabilities.

    Args:
        run: the run that forecast.
        forecasts: Parquet file; see ``fastlstm.steps.forecast.forecast_latest_into``.
        intervals: Parquet file of the bounds, which need not exist.
        history: Parquet file of the rows of the series to show.
        output: the PNG; it appears whole.
    """
    from fastlstm.reporting.figure_style import save_figure
    from fastlstm.reporting.forecast_figure import forecast_figure, probability_figure

    data = run.data
    made, past = pd.read_parquet(forecasts), pd.read_parquet(history)
    series = list(dict.fromkeys(past["series"].astype(str)))
    if run.hyperparameters.is_regressor:
        bounds = pd.read_parquet(intervals) if intervals.exists() else pd.DataFrame()
        units = {target: data.rules(target).unit for target in data.targets}
        figure = forecast_figure(past, made, bounds, series, units, data.time_zone)
    else:
        targets = list(dict.fromkeys(made["target"]))
        figure = probability_figure(made, series, targets, data.time_zone)
    with writing_to(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as temporary:
            save_figure(figure, temporary)
