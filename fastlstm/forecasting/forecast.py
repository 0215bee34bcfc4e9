"""Forecast the rows after the last row of each series of a new table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FormatName
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import TIME
from fastlstm.data.input_summary import summarise
from fastlstm.data.time_grid import step_times, usual_time_of_day
from fastlstm.evaluation.long_format import long_format
from fastlstm.forecasting.baseline_forecast import baseline_intervals, forecast_baseline
from fastlstm.forecasting.coverage import not_learned, of_the_past
from fastlstm.forecasting.forecaster import Forecaster
from fastlstm.forecasting.intervals import latest_intervals
from fastlstm.forecasting.latest_windows import LatestWindows, read_latest_windows
from fastlstm.network.inference import point_of
from fastlstm.runs.saved_run import SavedRun

COLUMNS = ["series", "after", "origin", "step", "time", "target", "prediction"]


@dataclass(frozen=True)
class LatestForecast:
    """Forecasts of the series that can be forecast, and why the others cannot.

    Attributes:
        frame: columns ``series, after, origin, step, time, target, prediction``: ``after`` is the time
            of the last known row (the forecast origin), ``origin`` that of the first forecast row;
            ``origin`` and ``time`` are empty where the run declares no frequency. A classifier's
            predictions are probabilities, one row for each class of a label column with more than two;
            ``label`` and ``probability`` are then the column's likeliest class and its probability.
        intervals: bounds of the forecasts, see ``fastlstm.forecasting.intervals``; no rows for a
            classifier, or a run stored without intervals.
        skipped: series without a forecast, and why.
        warnings: series that the run has not learned from or that end long before the others, and what
            the data checks warned of.
        inputs: the rows of the windows counted into the bins of the run's train rows; None for a
            run stored without such bins.
        first: time of the earliest row of the windows.
        through: time of the latest.
    """

    frame: pd.DataFrame
    intervals: pd.DataFrame
    skipped: dict[str, str]
    warnings: list[str]
    inputs: dict[str, Any] | None
    first: pd.Timestamp
    through: pd.Timestamp


def forecast_latest(
    run: SavedRun,
    path: str,
    file_format: FormatName = "auto",
    interval_windows: int = 500,
    baseline: str | None = None,
) -> LatestForecast:
    """Forecast from the latest window of each series in new files.

    The rows are read and checked by the rules the run was trained with. Target columns that are no
    features may be absent where the run's network forecasts, unless all features are known ahead: the
    targets then tell which rows have happened.

    Args:
        run: the run to forecast with.
        path: a CSV or Parquet file, or a folder of them.
        file_format: their format; 'auto' goes by the ending.
        interval_windows: most past forecasts of a series that its intervals adapt to; those of a
            baseline do not adapt.
        baseline: key of the naive baseline that forecasts in place of the run's network.

    Raises:
        ConfigError: the path does not exist.
        DataError: a check failed, or no series can be forecast.
    """
    windows = read_latest_windows(run, path, file_format, with_targets=baseline is not None)
    if baseline is None:
        each = run.forecast_scaled(windows.features, windows.target_start)
        forecasts = point_of(each)
        intervals = latest_intervals(run, windows, each, interval_windows)
    else:
        windows, forecasts = forecast_baseline(run, windows, baseline)
        intervals = baseline_intervals(Forecaster(run, baseline), windows, forecasts)
    inputs = windows.inputs(run.hyperparameters.timesteps)
    frame = _forecast_table(windows, forecasts, run)
    found = [] if run.data.series is None else [*not_learned(run, windows.series, baseline)]
    if run.hyperparameters.split == "at_time":
        found += of_the_past(frame, windows.rows[TIME].max())
    return LatestForecast(
        frame,
        intervals,
        windows.skipped,
        [*found, *windows.warnings],
        None if run.inputs is None else summarise(inputs, run.inputs),
        inputs[TIME].min(),
        inputs[TIME].max(),
    )


def _forecast_table(windows: LatestWindows, forecasts: np.ndarray, run: SavedRun) -> pd.DataFrame:
    """Forecasts ``(n, steps_ahead, n_targets)`` with the times they are for."""
    steps, data, labels = forecasts.shape[1], run.data, run.labels_of(forecasts)
    times = _target_times(windows, steps, data)
    columns = {
        "series": windows.series,
        "after": windows.after,
        "origin": times[:, 0],
        "time": times,
        "prediction": forecasts,
        **labels,
    }
    return long_format(columns, steps, data.targets)[[*COLUMNS, *labels]]


def _target_times(windows: LatestWindows, steps: int, data: DataConfig) -> np.ndarray:
    """Times of the forecast rows, ``datetime64[us]`` ``(n, steps)``; NaT without a frequency."""
    times = np.full((len(windows.target_start), steps), np.datetime64("NaT"), "datetime64[us]")
    if data.frequency is None:
        return times
    offset = row_offset(data.frequency, data.closed_days)
    of_day = usual_time_of_day(windows.rows[TIME], data.time_zone)
    codes, last_times = pd.factorize(windows.rows[TIME].iloc[windows.target_start - 1])
    for code, last_time in enumerate(pd.DatetimeIndex(last_times)):
        later = step_times(last_time, steps + 1, offset, data.time_zone, of_day)[1:]
        times[codes == code] = later.tz_convert(None).to_numpy()
    return times
