"""One scale for each series and column, fitted on that series' train rows alone.

Series of a panel differ in size by factors of a million. Scaled by itself, each has values of the same
order, so that one network learns from all of them alike (Salinas et al. 2020, "DeepAR: Probabilistic
forecasting with autoregressive recurrent networks", section 3.3, scale each series for this reason).
The statistics of a series need its rows alone, so that they can be computed shard by shard.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fastlstm.data.stored_tables import Kind, StoredTable
from fastlstm.data.tables import write_table
from fastlstm.errors import StoreError

# A deviation below this share of the level is rounding: the series is constant.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SeriesScales:
    """What is subtracted from each series' columns, and what they are then divided by.

    Attributes:
        labels: the series, rising, ``(n_series,)``.
        columns: names of the columns.
        center: ``(n_series, n_columns)``.
        scale: same shape, above 0.
    """

    labels: np.ndarray
    columns: tuple[str, ...]
    center: np.ndarray
    scale: np.ndarray

    @cached_property
    def _column_number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.columns)}

    def __contains__(self, column: str) -> bool:
        return column in self._column_number

    @property
    def ratios(self) -> frozenset[str]:
        """Columns that are divided by their mean alone: no series has a center."""
        divided = (self.center == 0).all(axis=0) & (self.scale != 1).any(axis=0)
        return frozenset(name for name, chosen in zip(self.columns, divided, strict=True) if chosen)

    def known(self, series: np.ndarray) -> np.ndarray:
        """Whether each of some series has scales, ``(n,)``."""
        codes, labels = pd.factorize(np.asarray(series, object))
        found: np.ndarray = np.isin(np.asarray(labels, str), self.labels)[codes]
        return found

    def rows_of(self, series: np.ndarray) -> np.ndarray:
        """The row of each of some series' scales, ``(n,)``.

        Raises:
            StoreError: a series has none.
        """
        codes, labels = pd.factorize(np.asarray(series, object))
        if not len(labels):
            return np.zeros(0, np.int64)
        names = np.asarray(labels, str)
        found = np.minimum(np.searchsorted(self.labels, names), max(len(self.labels) - 1, 0))
        absent = names[self.labels[found] != names] if len(self.labels) else names
        if len(absent):
            raise StoreError(
                f"series {str(absent[0])!r} has no scale; extend the scales by its rows"
            )
        rows: np.ndarray = found[codes]
        return rows

    def scaled(self, column: str, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Values of a column, scaled; for ``rows`` see ``rows_of``, all ``(n,)``."""
        number = self._column_number[column]
        scaled: np.ndarray = (values - self.center[rows, number]) / self.scale[rows, number]
        return scaled

    def of(self, columns: list[str], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of some columns, ``(n, n_columns)`` each; for ``rows`` see ``rows_of``."""
        numbers = [self._column_number[name] for name in columns]
        return self.center[rows][:, numbers], self.scale[rows][:, numbers]

    def with_columns(self, others: SeriesScales) -> SeriesScales:
        """These scales with the columns of others, in their order.

        The median series of the others lends the scale of a column that has none here.
        """
        typical = [np.median(part, axis=0) for part in (others.center, others.scale)]
        center, scale = (np.tile(part, (len(self.labels), 1)) for part in typical)
        for number, name in enumerate(others.columns):
            if name in self:
                center[:, number] = self.center[:, self._column_number[name]]
                scale[:, number] = self.scale[:, self._column_number[name]]
        return SeriesScales(self.labels, others.columns, center, scale)

    def extended(self, others: SeriesScales) -> SeriesScales:
        """These scales and those of other series."""
        labels = np.concatenate([self.labels, others.labels])
        order = np.argsort(labels)
        return SeriesScales(
            labels[order],
            self.columns,
            np.concatenate([self.center, others.center])[order],
            np.concatenate([self.scale, others.scale])[order],
        )


def fit_series_scales(
    values_of: Callable[[str], np.ndarray],
    names: list[str],
    series: np.ndarray,
    scaler: str,
    ratios: Collection[str] = (),
) -> SeriesScales:
    """Fit a scale for each series and column.

    A column that does not change in the usable rows of a series is divided by its own absolute value,
    or by 1 where it is 0. Where a series has no value at all, the median series lends its scale.

    Args:
        values_of: gives a column's float64 values by its name, NaN where a row may not be used,
            ``(n,)``.
        names: the columns to fit.
        series: label of each row, the rows of a series next to each other, ``(n,)``.
        scaler: name of a scikit-learn scaler; see ``fastlstm.config.scalers``.
        ratios: columns that are divided by their mean alone; see ``fastlstm.data.count_scaling``.
    """
    return series_statistics(values_of, names, series, scaler, ratios).scales


@dataclass(frozen=True)
class SeriesStatistics:
    """Level and spread of each series' columns, before what is undefined is borrowed from others.

    Attributes:
        labels: the series, in any order, ``(n_series,)``.
        columns: names of the columns.
        level: ``(n_series, n_columns)``, NaN where a series has no value.
        spread: same shape.
    """

    labels: np.ndarray
    columns: tuple[str, ...]
    level: np.ndarray
    spread: np.ndarray

    @classmethod
    def merged(cls, parts: list[SeriesStatistics]) -> SeriesStatistics:
        """Of the series of all shards, which have the same columns."""
        return cls(
            np.concatenate([part.labels for part in parts]),
            parts[0].columns,
            np.concatenate([part.level for part in parts]),
            np.concatenate([part.spread for part in parts]),
        )

    def some(self, columns: list[str]) -> SeriesStatistics:
        """Those of some columns."""
        numbers = [self.columns.index(name) for name in columns]
        return SeriesStatistics(
            self.labels, tuple(columns), self.level[:, numbers], self.spread[:, numbers]
        )

    @property
    def scales(self) -> SeriesScales:
        """The scales, a number for each series and column."""
        center, scale = np.empty_like(self.level), np.empty_like(self.spread)
        with np.errstate(invalid="ignore", divide="ignore"):
            for number in range(len(self.columns)):
                center[:, number], scale[:, number] = _defined(
                    self.level[:, number], self.spread[:, number]
                )
        order = np.argsort(self.labels)
        return SeriesScales(self.labels[order], self.columns, center[order], scale[order])


def series_statistics(
    values_of: Callable[[str], np.ndarray],
    names: list[str],
    series: np.ndarray,
    scaler: str,
    ratios: Collection[str] = (),
) -> SeriesStatistics:
    """Statistics of each series and column; arguments as for ``fit_series_scales``."""
    starts = series_starts(series)
    labels = np.asarray(np.asarray(series)[starts], str)
    level, spread = (np.empty((len(labels), len(names))) for _ in range(2))
    for number, name in enumerate(names):
        statistics = _nothing_and_mean if name in ratios else _STATISTICS[scaler]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = statistics(values_of(name), starts)
        level[:, number], spread[:, number] = found
    return SeriesStatistics(labels, tuple(names), level, spread)


def series_starts(series: np.ndarray) -> np.ndarray:
    """First row of each series, whose rows are next to each other, ``(n_series,)``."""
    labels = np.asarray(series)
    if not len(labels):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])


def _defined(level: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale of each series, ``(n_series,)``, where its statistics are 0 or undefined."""
    empty = np.isnan(level)
    constant = ~empty & (spread <= _ROUNDING * np.abs(level))
    spread = np.where(constant, np.where(level == 0, 1.0, np.abs(level)), spread)
    if empty.any():
        known = ~empty
        level = np.where(empty, np.median(level[known]) if known.any() else 0.0, level)
        spread = np.where(empty, np.median(spread[known]) if known.any() else 1.0, spread)
    return level, spread


def _mean_and_deviation(values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As ``StandardScaler``."""
    there = ~np.isnan(values)
    count = np.add.reduceat(there.astype(np.float64), starts)
    mean = np.add.reduceat(np.where(there, values, 0.0), starts) / count
    lengths = np.diff(np.r_[starts, len(values)])
    squared = np.where(there, values - np.repeat(mean, lengths), 0.0) ** 2
    return mean, np.sqrt(np.add.reduceat(squared, starts) / count)


def _nothing_and_mean(values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of counts: zero and the mean; NaN both where a series has no value."""
    mean, _ = _mean_and_deviation(values, starts)
    return 0 * mean, mean


def _least_and_range(values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As ``MinMaxScaler``."""
    least, most = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return least, most - least


def _median_and_quartiles(values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As ``RobustScaler``."""
    found = np.full((len(starts), 3), np.nan)
    for number, part in enumerate(np.split(values, starts[1:])):
        there = part[~np.isnan(part)]
        if len(there):
            found[number] = np.percentile(there, (25, 50, 75))
    return found[:, 1], found[:, 2] - found[:, 0]


# Center and scale of each series, by scaler: values (n,), NaN where missing, and the first row of each
# series to (n_series,) both.
_STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "StandardScaler": _mean_and_deviation,
    "MinMaxScaler": _least_and_range,
    "RobustScaler": _median_and_quartiles,
}


_COLUMNS = {
    "series": Kind.TEXT, "column": Kind.TEXT, "center": Kind.NUMBER, "scale": Kind.NUMBER,
}  # fmt: skip


def write_series_scales(scales: SeriesScales, file: Path) -> None:
    """Write scales as a Parquet table with ``series``, ``column``, ``center`` and ``scale``."""
    count, width = scales.center.shape
    frame = pd.DataFrame(
        {
            "series": np.repeat(scales.labels, width).astype(str),
            "column": np.tile(np.asarray(scales.columns, str), count),
            "center": scales.center.ravel(),
            "scale": scales.scale.ravel(),
        }
    )
    write_table(frame, file)


def read_series_scales(file: Path) -> SeriesScales:
    """Read what ``write_series_scales`` wrote.

    Raises:
        StoreError: the file is no such table.
    """
    frame = StoredTable(file, _COLUMNS).whole()
    try:
        columns = tuple(str(name) for name in pd.unique(frame["column"]))
        labels = frame["series"].to_numpy(str)[:: max(1, len(columns))]
        shape = (len(labels), len(columns))
        if (labels[1:] <= labels[:-1]).any() or frame["series"].tolist() != np.repeat(
            labels, len(columns)
        ).tolist():
            raise ValueError("its series are in no order")
        if frame["column"].tolist() != list(columns) * len(labels):
            raise ValueError("its columns are in no order")
        center, scale = (
            frame[name].to_numpy(np.float64).reshape(shape) for name in ("center", "scale")
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"{file}: is no table of scales ({error}); copy the run again from where it was written"
        ) from None
    if not (np.isfinite(center).all() and (scale > 0).all() and np.isfinite(scale).all()):
        raise StoreError(f"{file}: has a scale that is not above 0; copy the run again")
    return SeriesScales(labels, columns, center, scale)
