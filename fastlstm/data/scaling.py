"""Scalers of features and targets, fitted on train rows alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_names import SERIES_SCALES_FILE, X_SCALER_FILE, Y_SCALER_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.scalers import new_scaler
from fastlstm.data.count_scaling import divide_by_mean, require_counts
from fastlstm.data.plain_scaler import scaler_name
from fastlstm.data.scaler_files import read_scaler, write_scaler
from fastlstm.data.series_scales import (
    SeriesScales,
    SeriesStatistics,
    fit_series_scales,
    read_series_scales,
    series_starts,
    series_statistics,
    write_series_scales,
)
from fastlstm.data.split import SplitCuts
from fastlstm.data.tables import Columns
from fastlstm.errors import DataError

# A series that varies by less than this share of the table's scale is lost; most labels that are kept.
_LOST, _NAMED = 1e-4, 10_000


@dataclass(frozen=True)
class Scalers:
    """The fitted scaler of the features and, with ``scale_targets``, that of the targets.

    Attributes:
        x: scaler of the features, fitted on the train rows of the table.
        y: scaler of the targets; None where they are not scaled.
        series: the scales of each series' columns, which go before those of ``x`` and ``y``; None where
            the whole table is scaled alike.
    """

    x: Any
    y: Any | None
    series: SeriesScales | None = None

    def features(self, frame: pd.DataFrame, series: np.ndarray | None = None) -> np.ndarray:
        """Scaled features, float32 ``(n, n_features)``, columns taken by name.

        Args:
            frame: the rows.
            series: label of each row's series, ``(n,)``. A series without scales, and with None all
                rows together, is scaled by the given rows.

        Raises:
            DataError: a column the scaler was fitted on is absent.
        """
        return self._scaled(self.x, frame, series)

    def targets(
        self, frame: pd.DataFrame, names: list[str], series: np.ndarray | None = None
    ) -> np.ndarray:
        """Targets as the network is trained on them, float32 ``(n, n_targets)``; see ``features``."""
        if self.y is None:
            return frame[names].to_numpy(np.float32)
        return self._scaled(self.y, frame, series)

    def _scaled(self, scaler: Any, frame: pd.DataFrame, series: np.ndarray | None) -> np.ndarray:
        values = _by_name(scaler, frame)
        if self.series is None:
            return values
        labels = np.full(len(frame), "") if series is None else series
        scales = self.extended(frame, labels).series
        if scales is None:
            return values
        rows = scales.rows_of(labels)
        for position, name in enumerate(scaler.feature_names_in_):
            if name in scales:
                given = frame[name].to_numpy(np.float64)
                values[:, position] = scales.scaled(name, given, rows)
        return values

    def extended(
        self, frame: pd.DataFrame, series: np.ndarray, known: np.ndarray | None = None
    ) -> Scalers:
        """These scalers with scales of the series that have none, each fitted on its own given rows.

        Args:
            frame: rows, those of a series next to each other.
            series: label of each row's series, ``(n,)``.
            known: the rows that a scale may be fitted on, ``(n,)``; None: all of them.
        """
        if self.series is None:
            return self
        new = ~self.series.known(series)
        if not new.any():
            return self
        usable = new if known is None else new & known
        present = [name for name in self.series.columns if name in frame]

        def values_of(name: str) -> np.ndarray:
            values: np.ndarray = np.where(usable, frame[name].to_numpy(np.float64), np.nan)[new]
            return values

        labels = np.asarray(series)[new]
        fitted = fit_series_scales(
            values_of, present, labels, scaler_name(self.x), self.series.ratios
        )
        return replace(self, series=self.series.extended(fitted.with_columns(self.series)))

    def unscale_targets(self, y: np.ndarray, series: np.ndarray | None = None) -> np.ndarray:
        """Outputs ``(n, ..., n_targets)`` in the targets' own units, float64.

        Args:
            y: outputs.
            series: label of each output's series, ``(n,)``; needed where series have scales.

        Raises:
            StoreError: a series has no scale.
        """
        if self.y is None:
            return y.astype(np.float64)
        names = [str(name) for name in self.y.feature_names_in_]
        if self.series is not None:
            labels = np.full(len(y), "") if series is None else series
            center, scale = self.series.of(names, self.series.rows_of(labels))
            shape = (len(y), *[1] * (y.ndim - 2), len(names))
            unscaled: np.ndarray = y * scale.reshape(shape) + center.reshape(shape)
            return unscaled
        flat = y.reshape(-1, y.shape[-1]).astype(np.float64)
        frame = pd.DataFrame(flat, columns=names)
        return np.asarray(self.y.inverse_transform(frame)).reshape(y.shape)

    def unscale_each(self, y: np.ndarray, series: np.ndarray | None = None) -> np.ndarray:
        """Quantile outputs ``(n, ..., n_targets, n_quantiles)`` in the targets' own units, float64."""
        return np.moveaxis(self.unscale_targets(np.moveaxis(y, -1, -2), series), -2, -1)


class ScaledArray(np.ndarray):
    """Scaled features, marked by their type so that they are not scaled twice.

    Slices and results of arithmetic keep the type; ``np.asarray`` returns a plain array.
    """


def _by_name(scaler: Any, frame: pd.DataFrame) -> np.ndarray:
    """The columns a scaler was fitted on, scaled, float32."""
    names = list(scaler.feature_names_in_)
    absent = [n for n in names if n not in frame]
    if absent:
        raise DataError(
            f"column {absent[0]!r} is absent; the network was trained with {names}, give all of them"
        )
    return np.asarray(scaler.transform(frame[names]), dtype=np.float32)


@dataclass(frozen=True)
class SeriesOfRows:
    """Which rows belong to which series, for scaling by series.

    Attributes:
        labels: series of each row, the rows of a series next to each other and in order of time,
            ``(n,)``.
        alike: features that are scaled by the whole table, since they mean the same in every series:
            static covariates and the calendar.
    """

    labels: np.ndarray
    alike: Collection[str] = ()


def fit_scalers(
    x: Columns,
    y: Columns,
    times: np.ndarray,
    label_known: np.ndarray,
    cuts: SplitCuts,
    hyperparameters: Hyperparameters,
    later: Mapping[str, np.ndarray] | None = None,
    series: SeriesOfRows | None = None,
) -> Scalers:
    """Fit the scalers on train rows: rows before the validation cut.

    A derived target's rows count as train only when all rows its value depends on do. With
    ``scaler_scope`` 'series' each series of a panel is scaled by its own train rows; one that has fewer
    than a look-back of them is scaled by its first look-back of rows, which every window of it has as
    known rows. A column of zeros and ones alone is scaled by the whole table. Targets whose loss is one
    of counts are divided by their mean alone, see ``fastlstm.data.count_scaling``.

    Args:
        x: features of every row.
        y: targets of every row; rows with an undefined target are left out.
        times: time of each row in microseconds since 1970 (UTC), ``(n,)``.
        label_known: time of the last row each row's target depends on; see ``label_end``.
        cuts: the cut times.
        hyperparameters: ``scaler_type``, ``scaler_scope``, ``scale_targets`` and ``timesteps``.
        later: for features that hold a later row's value, the time of that row, ``(n,)``; see
            ``later_times``. Values of rows after the cut are left out.
        series: the series of a panel; None for a table without a series column.

    Raises:
        DataError: no train rows, or counts below 0.
    """
    rows = TrainRows.of(times, label_known, cuts, later)
    name = hyperparameters.scaler_type
    fitted = new_scaler(name).fit(_chosen(x, rows.train, rows.unknown))
    of_targets = None
    if hyperparameters.has_count_loss:
        require_counts(y, rows.known, hyperparameters.loss)
    if hyperparameters.scale_targets:
        defined = rows.defined(y)
        of_targets = new_scaler(name).fit(_chosen(y, defined, {}))
        if hyperparameters.has_count_loss:
            divide_by_mean(of_targets, y, defined, [str(name) for name in y])
            divide_by_mean(fitted, x, rows.train, [str(name) for name in y if name in x])
    if series is None or hyperparameters.scaler_scope == "table":
        return Scalers(fitted, of_targets)
    statistics, _ = statistics_by_series(x, y, rows, series, hyperparameters)
    return Scalers(fitted, of_targets, statistics.scales)


def series_lost_in_scale(
    scalers: Scalers, targets: Columns, train: np.ndarray, series: np.ndarray
) -> dict[str, Any]:
    """Series that vary so little in units of the table's scale that their values are lost.

    Scaled values are float32, and a network's errors are far above its resolution: of a village beside
    its nation nothing is left. Series that have scales of their own are never lost.

    Args:
        scalers: the fitted scalers.
        targets: targets of every row.
        train: the train rows, ``(n,)``.
        series: label of each row's series, rows sorted by series and time, ``(n,)``.

    Returns:
        ``count``, the first ``names``, and ``of``, the number of series; empty where none is lost.
    """
    if scalers.series is not None or scalers.y is None:
        return {}
    names = [str(name) for name in targets]

    def values_of(name: str) -> np.ndarray:
        values: np.ndarray = np.where(train, targets[name].to_numpy(np.float64), np.nan)
        return values

    own = fit_series_scales(values_of, names, series, type(scalers.y).__name__)
    return lost_of(own.labels, own.scale, scalers)


def lost_of(labels: np.ndarray, own: np.ndarray, scalers: Scalers) -> dict[str, Any]:
    """``series_lost_in_scale`` from the scales that the series would have by themselves.

    Args:
        labels: the series, ``(n_series,)``.
        own: scale of each target of each series, ``(n_series, n_targets)``.
        scalers: the fitted scalers.
    """
    if scalers.y is None:
        return {}
    of_table = np.asarray(scalers.y.scale_)
    if type(scalers.y).__name__ == "MinMaxScaler":  # its scale is a factor
        of_table = 1 / of_table
    lost = np.flatnonzero((own < _LOST * of_table).any(axis=1))
    if not len(lost):
        return {}
    names = sorted(labels[lost].astype(str).tolist())
    return {"count": len(lost), "names": names[:_NAMED], "of": len(labels)}


@dataclass(frozen=True)
class TrainRows:
    """Which rows scalers may be fitted on.

    Attributes:
        train: rows before the validation cut, ``(n,)``.
        known: those of them whose targets are known before the cut, ``(n,)``.
        unknown: rows whose value of a feature is of a row after the cut, ``(n,)`` by its name.
    """

    train: np.ndarray
    known: np.ndarray
    unknown: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, times: np.ndarray, label_known: np.ndarray, cuts: SplitCuts,
        later: Mapping[str, np.ndarray] | None, *, may_be_none: bool = False,
    ) -> TrainRows:  # fmt: skip
        """Of a table, or where there ``may_be_none`` of one shard; arguments as for ``fit_scalers``.

        Raises:
            DataError: no train rows.
        """
        train = times < cuts.validation
        if not may_be_none and not train.any():
            raise DataError(
                "no row lies before the validation cut; raise hyperparameters.train_size_rate"
            )
        unknown = {name: times >= cuts.validation for name, times in (later or {}).items()}
        return cls(train, train & (label_known < cuts.validation), unknown)

    def defined(self, y: Columns) -> np.ndarray:
        """The ``known`` rows in which all targets have a value, ``(n,)``."""
        defined = self.known.copy()
        for target in y:
            defined &= y[target].notna().to_numpy()
        return defined


def statistics_by_series(
    x: Columns, y: Columns, rows: TrainRows, series: SeriesOfRows, hp: Hyperparameters,
    *, with_indicators: bool = False,
) -> tuple[SeriesStatistics, list[str]]:  # fmt: skip
    """Statistics of each series' features and scaled targets, and which columns are indicators.

    A target that is a feature too has the feature's statistics.

    Args:
        x: features of every row.
        y: targets of every row.
        rows: those that scalers may be fitted on.
        series: the series.
        hp: the settings.
        with_indicators: also give the statistics of features of zeros and ones alone, which are scaled
            by the whole table: in another shard of the table they may not be such.
    """
    beginning = beginnings(series.labels, rows.train, hp.timesteps)
    features = {str(name) for name in x}
    targets = {str(name) for name in y} if hp.scale_targets else set()

    def values_of(name: str) -> np.ndarray:
        if name in features:
            usable, column = rows.train & ~rows.unknown.get(name, np.zeros(1, bool)), x[name]
        else:
            usable, column = rows.known, y[name]
        values: np.ndarray = np.where(usable | beginning, column.to_numpy(np.float64), np.nan)
        return values

    names = [
        name
        for name in [*map(str, x), *sorted(targets - features)]
        if name in targets or name not in series.alike
    ]
    indicators = [name for name in names if name not in targets and _is_indicator(values_of(name))]
    if not with_indicators:
        names = [name for name in names if name not in indicators]
    ratios = targets if hp.has_count_loss else ()
    return series_statistics(values_of, names, series.labels, hp.scaler_type, ratios), indicators


def beginnings(labels: np.ndarray, train: np.ndarray, rows: int) -> np.ndarray:
    """The first rows of each series that has fewer train rows than these, ``(n,)``.

    The first window of a series has them as inputs, so they are known whenever it is forecast.
    """
    starts = series_starts(labels)
    short = np.add.reduceat(train.astype(np.int64), starts) < rows
    sizes = np.diff(np.r_[starts, len(labels)])
    position = np.arange(len(labels)) - np.repeat(starts, sizes)
    first: np.ndarray = (position < rows) & np.repeat(short, sizes)
    return first


def _is_indicator(values: np.ndarray) -> bool:
    """Whether all known values are 0 or 1."""
    return bool((np.isnan(values) | (values == 0) | (values == 1)).all())


def _chosen(columns: Columns, rows: np.ndarray, unknown: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Chosen rows of a table in one array, which a scaler takes without a copy.

    ``unknown`` values are set to NaN, which scalers ignore.
    """
    names = list(columns)
    values = np.empty((int(rows.sum()), len(names)))
    for position, name in enumerate(names):
        values[:, position] = columns[name].to_numpy()[rows]
        if name in unknown:
            values[unknown[name][rows], position] = np.nan
    return pd.DataFrame(values, columns=names, copy=False)


def scaler_files(folder: Path) -> list[Path]:
    """The files that ``write_scalers`` writes and ``read_scalers`` reads, in a step's folder."""
    return [folder / name for name in (X_SCALER_FILE, Y_SCALER_FILE, SERIES_SCALES_FILE)]


def write_scalers(scalers: Scalers, x_file: Path, y_file: Path, series_file: Path) -> None:
    """Write the scalers; the second file only where targets are scaled, the third where series are."""
    write_scaler(scalers.x, x_file)
    if scalers.y is not None:
        write_scaler(scalers.y, y_file)
    if scalers.series is not None:
        write_series_scales(scalers.series, series_file)


def read_scalers(x_file: Path, y_file: Path, series_file: Path, *, plain: bool = False) -> Scalers:
    """Read what ``write_scalers`` wrote.

    Args:
        x_file: of the scaler of the features.
        y_file: of that of the targets; it may not exist.
        series_file: of the scales of series; it may not exist.
        plain: without scikit-learn; see ``fastlstm.data.plain_scaler``.

    Raises:
        StoreError: a file is damaged or holds something else.
    """
    return Scalers(
        read_scaler(x_file, plain=plain),
        read_scaler(y_file, plain=plain) if y_file.exists() else None,
        read_series_scales(series_file) if series_file.exists() else None,
    )
