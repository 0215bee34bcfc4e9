"""The latest window of each series in new files, read and checked as the run's training rows were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fastlstm.config.file_formats import FormatName
from fastlstm.data.checked_shards import CheckedRows, Cutting, checked_shards
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.findings import ValidationReport
from fastlstm.data.labels import mistaken_labels
from fastlstm.data.series import rows_by_series
from fastlstm.data.time_grid import microseconds
from fastlstm.runs.saved_run import SavedRun, ScaledRows


@dataclass(frozen=True)
class LatestWindows:
    """The latest window of each series that can be forecast, of a table or of one shard of it.

    Attributes:
        rows: checked rows, sorted by series and time.
        features: the same rows as the run's network takes them; none where no series can be forecast.
        target_start: for each series the row number after its last row, rising, ``(n,)``.
        skipped: series that cannot be forecast, and why.
        report: of the data checks.
    """

    rows: pd.DataFrame
    features: ScaledRows
    target_start: np.ndarray
    skipped: dict[str, str]
    report: ValidationReport | None = None

    @property
    def series(self) -> list[str]:
        """Label of each series to forecast, ``(n,)``."""
        return self.rows[SERIES].iloc[self.target_start - 1].astype(str).tolist()

    @property
    def after(self) -> np.ndarray:
        """Time of each series' last row, ``datetime64[us]`` in UTC, ``(n,)``."""
        times = microseconds(self.rows[TIME].iloc[self.target_start - 1])
        return times.astype("datetime64[us]")

    def some(self, chosen: np.ndarray, skipped: dict[str, str]) -> LatestWindows:
        """Those that are ``chosen``, ``(n,)`` of bool, and why the others are not."""
        return replace(
            self, target_start=self.target_start[chosen], skipped={**self.skipped, **skipped}
        )

    def inputs(self, timesteps: int) -> pd.DataFrame:
        """The rows that the windows consist of, unscaled."""
        before = np.arange(1, timesteps + 1)
        return self.rows.iloc[(self.target_start[:, None] - before).ravel()]


def read_latest_windows(
    run: SavedRun, path: str, file_format: FormatName, *, with_targets: bool = False,
    cutting: Cutting | None = None, joined: Sequence[str] | None = None,
) -> Iterator[LatestWindows]:  # fmt: skip
    """Read new files and find the latest window of each series, of one shard after another.

    Args:
        run: the run whose features are needed and whose checks apply.
        path: a file, or a folder of files.
        file_format: their format; 'auto' goes by the ending.
        with_targets: whether the targets' columns are needed too, as a baseline needs them, which on
            the other hand needs nothing known ahead.
        cutting: when the rows are cut into shards; None: never.
        joined: where the tables joined to the run's rows lie; None: where its settings say.

    Raises:
        ConfigError: the path does not exist.
        DataError: the rows cannot be read.
    """
    data = run.data.at(path, joined).model_copy(update={"format": file_format})
    values = needed_columns(run, with_targets=with_targets)
    for checked in checked_shards(data, values, cutting or Cutting(), labels=False):
        yield latest_windows(run, checked, with_targets=with_targets)


def needed_columns(run: SavedRun, *, with_targets: bool = False) -> list[str]:
    """Value columns that rows to forecast from must have; see ``read_latest_windows``."""
    # Where all features are known ahead, the targets tell which rows have happened.
    needs_targets = with_targets or run.data.has_only_known_features
    return run.data.value_columns if needs_targets else run.data.read_features


def latest_windows(
    run: SavedRun, checked: CheckedRows, *, with_targets: bool = False
) -> LatestWindows:
    """The latest window of each series of checked rows; arguments as for ``read_latest_windows``."""
    data, clean, report = run.data, checked.clean, checked.report
    ahead = (
        {} if with_targets else {n: (data.read_ahead(n), r) for n, r in data.ahead_columns.items()}
    )
    starts, skipped = np.zeros(0, np.int64), dict[str, str]()
    if not report.failed:
        found, skipped = _latest_windows(
            clean, checked.newest, ahead, run.hyperparameters.timesteps
        )
        starts = np.asarray(found, np.int64)
    nothing = np.zeros((0, len(data.features)), np.float32)
    features = ScaledRows(nothing, np.zeros(0, str), run.plain_scalers)
    if len(starts):
        features = run.scale(clean, starts)
    return LatestWindows(clean, features, starts, skipped, report)


def warnings_of_labels(run: SavedRun, labels: Iterable[str]) -> list[str]:
    """Series that look like one of the run's under a changed label."""
    scales = run.plain_scalers.series
    mistaken = {} if scales is None else mistaken_labels(labels, scales.labels)
    return [
        f"series {label!r} is new to the run, which knows {known!r}; it is forecast as a new series: "
        "write labels as in training"
        for label, known in mistaken.items()
    ]


def _latest_windows(
    clean: pd.DataFrame, newest: pd.Series, ahead: Mapping[str, tuple[str, int]], timesteps: int
) -> tuple[list[int], dict[str, str]]:
    """Row after the last one of each series to forecast; and the other series with the reason.

    Args:
        clean: checked rows, sorted by series and time.
        newest: time of the last row of each series before any was dropped.
        ahead: features that must be known ahead, with the column that each is of and by how many rows.
        timesteps: rows of a window.
    """
    target_start, skipped = [], {}
    rows_of = rows_by_series(clean[SERIES].to_numpy())
    none = np.zeros(0, np.int64)
    known = _KnownColumns.of(clean, ahead)
    for label, moment in zip(newest.index, microseconds(newest).tolist(), strict=True):
        rows = rows_of.get(str(label), none)
        reason = _why_not_forecast(known, rows, moment, timesteps)
        if reason is None:
            target_start.append(int(rows[-1]) + 1)
        else:
            skipped[str(label)] = reason
    return target_start, skipped


@dataclass(frozen=True)
class _KnownColumns:
    """Columns of checked rows as arrays, which thousands of series look into.

    Attributes:
        times: microseconds since 1970 (UTC).
        blocks: number of each row's contiguous block.
        ahead: features that must be known ahead, with the column that each is of and by how many rows.
    """

    times: np.ndarray
    blocks: np.ndarray
    ahead: list[tuple[np.ndarray, str, int]]

    @classmethod
    def of(cls, clean: pd.DataFrame, ahead: Mapping[str, tuple[str, int]]) -> _KnownColumns:
        """Those of a clean table."""
        features = [(clean[name].to_numpy(), column, n) for name, (column, n) in ahead.items()]
        return cls(microseconds(clean[TIME]), clean[SEGMENT].to_numpy(), features)


def _why_not_forecast(
    known: _KnownColumns, rows: np.ndarray, newest: int, timesteps: int
) -> str | None:
    """Why a series with these rows cannot be forecast; None where it can.

    Args:
        known: columns of all rows.
        rows: those of the series.
        newest: time of its last row before any was dropped, in microseconds since 1970 (UTC).
        timesteps: rows of a window.
    """
    if not len(rows) or known.times[rows[-1]] != newest:
        return "its last row was dropped for missing values"
    if len(rows) < timesteps:
        return f"{len(rows)} rows, a window needs {timesteps}"
    last = rows[-1]
    block = known.blocks[rows]
    after_gap = int((block == block[-1]).sum())
    if after_gap < timesteps:
        return f"a gap {after_gap} rows before its end, a window needs {timesteps} rows without one"
    for values, column, rows_ahead in known.ahead:
        if np.isnan(values[last]):
            after = pd.Timestamp(newest, unit="us")
            return (
                f"{column!r} is not known for all of the {rows_ahead} rows after "
                f"{after:%Y-%m-%d %H:%M} UTC; give rows with it"
            )
    return None
