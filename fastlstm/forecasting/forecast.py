"""Forecast the rows after the last row of each series of a new table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FormatName
from fastlstm.data.checked_shards import Cutting, checked_frame, merged_report
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.findings import ValidationReport
from fastlstm.data.input_summary import merged_summaries, summarise
from fastlstm.data.time_grid import most_usual, step_times, times_of_day
from fastlstm.errors import DataError
from fastlstm.evaluation.long_format import long_format
from fastlstm.forecasting.baseline_forecast import BaselineIntervals, forecast_baseline
from fastlstm.forecasting.coverage import not_learned, of_the_past
from fastlstm.forecasting.forecaster import Forecaster
from fastlstm.forecasting.intervals import latest_intervals
from fastlstm.forecasting.latest_windows import (
    LatestWindows,
    latest_windows,
    needed_columns,
    read_latest_windows,
    warnings_of_labels,
)
from fastlstm.forecasting.shown_series import shown_series
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
        history: the windows' rows of some series, ``series, time`` and the targets that the rows have;
            None where it was not asked for. See ``fastlstm.forecasting.shown_series``.
    """

    frame: pd.DataFrame
    intervals: pd.DataFrame
    skipped: dict[str, str]
    warnings: list[str]
    inputs: dict[str, Any] | None
    first: pd.Timestamp
    through: pd.Timestamp
    history: pd.DataFrame | None = None


def forecast_latest(
    run: SavedRun,
    path: str,
    file_format: FormatName = "auto",
    interval_windows: int = 500,
    baseline: str | None = None,
    cutting: Cutting | None = None,
    joined: Sequence[str] | None = None,
    *,
    history: bool = False,
) -> LatestForecast:
    """Forecast from the latest window of each series in new files.

    The rows are read and checked by the rules the run was trained with. Target columns that are no
    features may be absent where the run's network forecasts, unless all features are known ahead: the
    targets then tell which rows have happened.

    Args:
        run: the run to forecast with.
        path: a file, or a folder of files.
        file_format: their format; 'auto' goes by the ending.
        interval_windows: most past forecasts of a series that its intervals adapt to; those of a
            baseline do not adapt.
        baseline: key of the naive baseline that forecasts in place of the run's network.
        cutting: when the rows are cut into shards, of which one at a time is in memory; None: never.
        joined: where the tables joined to the run's rows lie; None: where its settings say.
        history: whether rows of some series are returned too, for a picture.

    Raises:
        ConfigError: the path does not exist.
        DataError: a check failed, or no series can be forecast.
    """
    found = _Forecasts(Forecaster(run, baseline), interval_windows, history)
    for windows in read_latest_windows(
        run, path, file_format, with_targets=baseline is not None, cutting=cutting, joined=joined
    ):
        found.add(windows)
    return found.result(path)


def forecast_rows(
    run: SavedRun, frame: pd.DataFrame, interval_windows: int = 500
) -> LatestForecast:
    """Forecast from the latest window of each series of rows in memory; see ``forecast_latest``.

    Args:
        run: the run to forecast with.
        frame: rows as ``fastlstm.data.reading.load_frame`` returns them.
        interval_windows: most past forecasts of a series that its intervals adapt to.

    Raises:
        DataError: a check failed, or no series can be forecast.
    """
    found = _Forecasts(Forecaster(run), interval_windows)
    found.add(latest_windows(run, checked_frame(frame, run.data, needed_columns(run))))
    return found.result("the given rows")


@dataclass
class _Forecasts:
    """Forecasts of the shards so far.

    Attributes:
        forecaster: who forecasts.
        interval_windows: most past forecasts of a series that its intervals adapt to.
        keeps_history: whether the windows' rows of some series are kept.
    """

    forecaster: Forecaster
    interval_windows: int
    keeps_history: bool = False
    _series: list[str] = field(default_factory=list)
    _after: list[np.ndarray] = field(default_factory=list)
    _forecasts: list[np.ndarray] = field(default_factory=list)
    _intervals: list[pd.DataFrame] = field(default_factory=list)
    _inputs: list[dict[str, Any]] = field(default_factory=list)
    _skipped: dict[str, str] = field(default_factory=dict)
    _undefined: dict[str, str] = field(default_factory=dict)
    _reports: list[ValidationReport] = field(default_factory=list)
    _labels: list[str] = field(default_factory=list)
    _times_of_day: Counter[int] = field(default_factory=Counter)
    # Times of rows: the earliest and the latest of the windows, and the newest of all.
    _of_windows: list[pd.Timestamp] = field(default_factory=list)
    _newest: list[pd.Timestamp] = field(default_factory=list)
    _history: list[pd.DataFrame] = field(default_factory=list)
    _baseline: BaselineIntervals | None = None

    def add(self, windows: LatestWindows) -> None:
        """Forecast the windows of a shard, unless a check has failed."""
        assert windows.report is not None  # noqa: S101 (its reader gives one)
        self._reports.append(windows.report)
        self._skipped |= windows.skipped
        data, rows = self.forecaster.run.data, windows.rows
        if any(report.failed for report in self._reports) or not len(rows):
            return
        self._labels += rows[SERIES].unique().tolist()
        self._newest.append(rows[TIME].max())
        if data.frequency is not None:
            self._times_of_day += times_of_day(rows[TIME], data.time_zone)
        if len(windows.target_start):
            self._forecast(windows)

    def _forecast(self, windows: LatestWindows) -> None:
        run, baseline = self.forecaster.run, self.forecaster.baseline
        if baseline is None:
            each = run.forecast_scaled(windows.features, windows.target_start)
            forecasts = point_of(each)
            intervals = latest_intervals(run, windows, each, self.interval_windows)
        else:
            windows, forecasts, undefined = forecast_baseline(run, windows, baseline)
            self._undefined |= undefined
            if not len(forecasts):
                return
            self._baseline = self._baseline or BaselineIntervals(self.forecaster)
            intervals = self._baseline.bounds(windows, forecasts)
        inputs = windows.inputs(run.hyperparameters.timesteps)
        self._of_windows += [inputs[TIME].min(), inputs[TIME].max()]
        if self.keeps_history:
            shown = inputs[SERIES].astype(str).isin(shown_series(run, windows.series))
            columns = [SERIES, TIME, *(n for n in run.data.targets if n in inputs)]
            self._history.append(inputs.loc[shown, columns])
        if run.inputs is not None:
            self._inputs.append(summarise(inputs, run.inputs))
        self._series += windows.series
        self._after.append(windows.after)
        self._forecasts.append(forecasts)
        self._intervals.append(intervals)

    def result(self, path: str) -> LatestForecast:
        """The forecasts of all shards, in order of the series.

        Args:
            path: of the source, for messages.

        Raises:
            DataError: a check failed, or no series can be forecast.
        """
        report, run = merged_report(self._reports, path), self.forecaster.run
        skipped = dict(sorted(self._skipped.items()))
        if not self._forecasts:
            raise DataError(self._why_none(path, skipped))
        order = np.argsort(np.array(self._series, object), kind="stable")
        series = [self._series[number] for number in order]
        frame = self._table(series, order)
        baseline = self.forecaster.baseline
        warnings = [] if run.data.series is None else [*not_learned(run, series, baseline)]
        if run.hyperparameters.split == "at_time":
            warnings += of_the_past(frame, max(self._newest))
        return LatestForecast(
            frame,
            self._bounds(series),
            {**skipped, **dict(sorted(self._undefined.items()))},
            [
                *warnings,
                *(finding.line() for finding in report.warnings),
                *warnings_of_labels(run, self._labels),
            ],
            merged_summaries(self._inputs) if self._inputs else None,
            min(self._of_windows),
            max(self._of_windows),
            self._shown(series) if self.keeps_history else None,
        )

    def _shown(self, series: list[str]) -> pd.DataFrame:
        """The rows of the series to show, in their order, rising in time."""
        order = pd.Index(shown_series(self.forecaster.run, series))
        rows = pd.concat(self._history, ignore_index=True)
        rank = order.get_indexer(pd.Index(rows[SERIES].astype(str)))
        rows = rows.rename(columns={SERIES: "series", TIME: "time"}).assign(rank=rank)
        rows = rows[rows["rank"] >= 0].sort_values(["rank", "time"])
        return rows.drop(columns="rank").reset_index(drop=True)

    def _why_none(self, path: str, skipped: dict[str, str]) -> str:
        """Why no series can be forecast."""
        if self._undefined:
            return (
                f"no series can be forecast: {next(iter(self._undefined.values()))}; give more rows"
            )
        reasons = "; ".join(f"{name or 'the table'}: {why}" for name, why in skipped.items())
        return f"{path}: no series can be forecast ({reasons}); give more rows"

    def _table(self, series: list[str], order: np.ndarray) -> pd.DataFrame:
        """Forecasts with the times they are for."""
        run = self.forecaster.run
        forecasts = np.concatenate(self._forecasts)[order]
        after = np.concatenate(self._after)[order]
        steps, labels = forecasts.shape[1], run.labels_of(forecasts)
        times = _target_times(after, steps, run.data, self._times_of_day)
        columns = {
            "series": series,
            "after": after,
            "origin": times[:, 0],
            "time": times,
            "prediction": forecasts,
            **labels,
        }
        return long_format(columns, steps, run.data.targets)[[*COLUMNS, *labels]]

    def _bounds(self, series: list[str]) -> pd.DataFrame:
        """The bounds of all shards: by level in the order of the settings, then by series."""
        if len(self._intervals) == 1:
            return self._intervals[0]
        bounds = pd.concat(self._intervals, ignore_index=True)
        levels, _ = pd.factorize(bounds["level"])
        rank = pd.Index(series).get_indexer(pd.Index(bounds["series"]))
        return bounds.iloc[np.lexsort((rank, levels))].reset_index(drop=True)


def _target_times(
    after: np.ndarray, steps: int, data: DataConfig, rows: Counter[int]
) -> np.ndarray:
    """Times of the forecast rows, ``datetime64[us]`` ``(n, steps)``; NaT without a frequency.

    Args:
        after: time of each series' last row, ``datetime64[us]`` in UTC, ``(n,)``.
        steps: rows to forecast.
        data: the frequency.
        rows: number of rows of the table at each local time of day.
    """
    times = np.full((len(after), steps), np.datetime64("NaT"), "datetime64[us]")
    if data.frequency is None:
        return times
    offset, of_day = row_offset(data.frequency, data.closed_days), most_usual(rows)
    codes, last_times = pd.factorize(after)
    for code, last_time in enumerate(pd.DatetimeIndex(last_times, tz="UTC")):
        later = step_times(last_time, steps + 1, offset, data.time_zone, of_day)[1:]
        times[codes == code] = later.tz_convert(None).to_numpy()
    return times
