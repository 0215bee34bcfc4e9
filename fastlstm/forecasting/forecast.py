"""Forecast what comes after the last row of each series of a new table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.file_formats import FormatName
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.input_summary import summarise
from fastlstm.data.known_future import is_ahead
from fastlstm.data.reading import load
from fastlstm.data.time_grid import step_times
from fastlstm.data.validation import validate
from fastlstm.errors import DataError
from fastlstm.forecasting.intervals import latest_intervals
from fastlstm.network.inference import point_of
from fastlstm.runs.saved_run import SavedRun

COLUMNS = ["series", "after", "origin", "step", "time", "target", "prediction"]


@dataclass(frozen=True)
class LatestForecast:
    """Forecasts and what could not be forecast.

    Attributes:
        frame: columns ``series, after, origin, step, time, target, prediction``: ``after`` is the
            last row seen, ``origin`` the first row forecast; origin and time are empty where the
            run declares no frequency. A classifier's predictions are probabilities.
        intervals: their bounds, as ``fastlstm.forecasting.intervals`` makes them; no rows for a classifier,
            or a run stored without intervals.
        skipped: series without a forecast, and why.
        warnings: what the data checks warned of.
        inputs: the rows of the windows counted into the bins of the run's train rows; None for a
            run stored before those were kept.
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
) -> LatestForecast:
    """Forecast from the latest window of each series in new files.

    The rows are read and checked by the rules the run was trained with. Target columns that are no
    features may be absent.

    Args:
        run: the run to forecast with.
        path: a CSV or Parquet file, or a folder of them.
        file_format: their format; 'auto' goes by the ending.
        interval_windows: most past forecasts of a series that its intervals adapt to.

    Raises:
        ConfigError: nothing stands at the path.
        DataError: a check failed, or no series can be forecast.
    """
    data = run.data.model_copy(update={"path": path, "format": file_format, "query": None})
    hp = run.hyperparameters
    loaded = load(data, require=data.read_features)
    clean, report = validate(
        loaded.frame,
        data,
        labels=False,
        rows_out_of_order=loaded.rows_out_of_order,
        values=data.read_features,
    )
    if not report.passed:
        lines = "\n".join(f.line() for f in report.errors)
        raise DataError(f"{path}: {len(report.errors)} checks failed:\n{lines}")
    happened = ~is_ahead(loaded.frame, data, data.read_features)
    newest = loaded.frame.loc[happened, [SERIES, TIME]].groupby(SERIES)[TIME].max()
    labels = clean[SERIES].to_numpy()
    segment = clean[SEGMENT].to_numpy()
    origins: list[int] = []
    names, skipped = [], {}
    for name, last_time in newest.items():
        mine = np.flatnonzero(labels == name)
        if not len(mine) or clean[TIME].iloc[mine[-1]] != last_time:
            skipped[str(name)] = "its last row was dropped for missing values"
            continue
        last = mine[-1]
        whole = int((segment[mine] == segment[last]).sum())
        if len(mine) < hp.timesteps:
            skipped[str(name)] = f"{len(mine)} rows, a window needs {hp.timesteps}"
        elif whole < hp.timesteps:
            skipped[str(name)] = (
                f"a hole {whole} rows before its end, a window needs {hp.timesteps} without one"
            )
        elif untold := [n for n in data.ahead_columns if np.isnan(clean[n].iloc[last])]:
            rows = data.ahead_columns[untold[0]]
            skipped[str(name)] = (
                f"{untold[0].removesuffix(f'+{rows}')!r} is not known for all of the {rows} rows after "
                f"{last_time:%Y-%m-%d %H:%M} UTC; give rows with it"
            )
        else:
            origins.append(int(last) + 1)
            names.append(str(name))
    if not origins:
        reasons = "; ".join(f"{name or 'the table'}: {why}" for name, why in skipped.items())
        raise DataError(f"{path}: no series can be forecast ({reasons}); give more rows")
    each = run.forecast_each(clean, np.asarray(origins))
    forecast = point_of(each)
    parts = []
    for name, origin, values in zip(names, origins, forecast, strict=True):
        times = pd.DatetimeIndex([pd.NaT] * hp.steps_ahead, tz="UTC")
        if data.frequency:
            last_time = clean[TIME].iloc[origin - 1]
            times = step_times(last_time, hp.steps_ahead + 1, data.frequency, data.time_zone)[1:]
        count = len(data.targets)
        parts.append(
            pd.DataFrame(
                {
                    "series": name,
                    "after": clean[TIME].iloc[origin - 1],
                    # Of no frequency it is no time, but one with its zone all the same.
                    "origin": times[:1].repeat(hp.steps_ahead * count),
                    "step": np.repeat(np.arange(1, hp.steps_ahead + 1), count).astype(np.int32),
                    "time": np.repeat(times.as_unit("us"), count),
                    "target": data.targets * hp.steps_ahead,
                    "prediction": values.reshape(-1),
                }
            ).astype(dict.fromkeys(["after", "origin", "time"], "datetime64[us, UTC]"))
        )
    seen = clean.iloc[(np.asarray(origins)[:, None] - np.arange(1, hp.timesteps + 1)).ravel()]
    return LatestForecast(
        pd.concat(parts, ignore_index=True)[COLUMNS],
        latest_intervals(run, clean, origins, each, interval_windows),
        skipped,
        [f.line() for f in report.warnings],
        None if run.inputs is None else summarise(seen, run.inputs),
        seen[TIME].min(),
        seen[TIME].max(),
    )
