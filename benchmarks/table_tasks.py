"""What is to be forecast: a table, its settings, and the rows at which every forecaster is scored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table_environment import Environment
from benchmarks.table_sets import SEASONS, TABLES, Period, TableSet, look_back
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.split import Cuts, cut_times
from fastlstm.data.time_grid import microseconds
from fastlstm.inspection.roles import look_back_of

COMPETITIONS = ("m4_hourly", "tourism_monthly")
# Forecast starts of a table, evenly spaced over its test period.
_MOST_STARTS = 8
# The hour at which every series of M4 ends, for it has no time stamps.
_M4_END = pd.Timestamp("2020-01-31 23:00")


@dataclass(frozen=True)
class Unit:
    """One target column of one series.

    Attributes:
        values: float64, ``(n,)``.
        times: ``datetime64[us]``, ``(n,)``, without gaps.
    """

    values: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Task:
    """A table with what is to be forecast.

    Attributes:
        name: of the table.
        kind: what it stands for.
        period: what one row spans.
        frequency: pandas offset.
        horizon: rows to forecast.
        look_back: rows of past the product sees.
        columns: target columns.
        known: known future covariates.
        has_series: whether ``rows`` have a series column.
        rows: ``time``, ``series`` where there are several, ``columns``, ``known``.
        future: rows after those, where they are known to us alone; the forecasts then start after the
            last row of each series, and ``starts`` is empty.
        starts: times of the first target rows, ``datetime64[us]``.
        shares_calendar: whether the series' times mean the same moments.
    """

    name: str
    kind: str
    period: Period
    frequency: str
    horizon: int
    look_back: int
    columns: tuple[str, ...]
    known: tuple[str, ...]
    has_series: bool
    rows: pd.DataFrame
    future: pd.DataFrame | None
    starts: np.ndarray
    shares_calendar: bool = True

    @property
    def seasons(self) -> tuple[int, ...]:
        """Season candidates in rows; the first is MASE's."""
        return SEASONS[self.period]

    def cuts(self) -> Cuts:
        """The product's cuts with its default shares."""
        shares = Hyperparameters.model_fields
        times = microseconds(self.rows["time"].dt.tz_localize("UTC"))
        rates = (shares[name].default for name in ("train_size_rate", "validation_size_rate"))
        return cut_times(times, *rates)

    def units(self) -> dict[str, Unit]:
        """Every series and column of the known rows by name."""
        return {name: Unit(values, times) for name, values, times in self._each(self.rows)}

    def windows(self) -> pd.DataFrame:
        """What is scored: ``unit, start, step, truth``, steps from 1."""
        rows = self.rows if self.future is None else self.future
        tables = []
        for name, values, times in self._each(rows):
            starts = times[:1] if self.future is not None else self.starts
            first = np.searchsorted(times, starts)
            chosen = first[:, None] + np.arange(self.horizon)
            tables.append(
                pd.DataFrame({
                    "unit": name,
                    "start": np.repeat(times[first], self.horizon),
                    "step": np.tile(np.arange(1, self.horizon + 1), len(starts)),
                    "truth": values[chosen].ravel(),
                })
            )  # fmt: skip
        return pd.concat(tables, ignore_index=True)

    def write_for_peers(self, folder: Path, levels: list[float]) -> tuple[Path, Path]:
        """The rows in long format and the settings, as the peers' modules read them.

        Args:
            folder: for both files.
            levels: of the intervals to make.
        """
        long = pd.concat(
            [
                pd.DataFrame({"unique_id": name, "ds": rows["time"], "y": rows[column]}).join(
                    rows[list(self.known)]
                )
                for name, column, rows in self._parts(self.rows)
            ],
            ignore_index=True,
        )
        settings: dict[str, Any] = {
            "frequency": self.frequency, "period": self.period, "horizon": self.horizon,
            "look_back": self.look_back, "seasons": self.seasons, "known": self.known,
            "starts": [str(start) for start in self.starts], "levels": levels,
        }  # fmt: skip
        rows_file, settings_file = folder / "rows.parquet", folder / "settings.json"
        long.to_parquet(rows_file, index=False)
        settings_file.write_text(json.dumps(settings), encoding="utf-8")
        return rows_file, settings_file

    def unit_of(self, series: str, column: str) -> str:
        """Name of a series' column."""
        if not self.has_series:
            return column
        return series if len(self.columns) == 1 else f"{series} {column}"

    def _parts(self, rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
        groups = rows.groupby("series", sort=False) if self.has_series else [("", rows)]
        for series, part in groups:
            for column in self.columns:
                yield self.unit_of(str(series), column), column, part

    def _each(self, rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name, column, part in self._parts(rows):
            times = part["time"].to_numpy("datetime64[us]")
            yield name, part[column].to_numpy(np.float64), times


def tasks(names: list[str], data: Path, environment: Environment) -> Iterator[Task]:
    """The tasks of these names, each read when it is its turn.

    Args:
        names: of competitions and tables; all where it is empty.
        data: folder of the competitions' files.
        environment: where the tables' packages are installed.
    """
    tables = {table.name: table for table in TABLES}
    unknown = set(names) - set(COMPETITIONS) - set(tables)
    if unknown:
        raise SystemExit(f"no set is named {', '.join(sorted(unknown))}")
    for name in names or [*COMPETITIONS, *tables]:
        if name in tables:
            yield _of_table(tables[name], environment)
        else:
            yield m4_hourly(data) if name == "m4_hourly" else tourism_monthly(data)


def _of_table(table: TableSet, environment: Environment) -> Task:
    file = environment.made("benchmarks.table_sources", [table.name], "parquet", [], ["table_sets"])
    return task_of(table, pd.read_parquet(file))


def proposed_look_back(table: TableSet) -> int:
    """Rows of past that ``fastlstm init`` proposes for a table."""
    return look_back_of(table.frequency, table.horizon, table.shortest)


def task_of(table: TableSet, rows: pd.DataFrame) -> Task:
    """The task of a table, with its forecast starts.

    Args:
        table: what is forecast.
        rows: as ``benchmarks.table_sources`` gives them.
    """
    times = np.unique(rows["time"].to_numpy("datetime64[us]"))
    task = Task(
        table.name, table.kind, table.period, table.frequency, table.horizon, proposed_look_back(table),
        table.columns, table.known, table.series > 1, rows, None, times[:0],
    )  # fmt: skip
    first = np.searchsorted(times.astype(np.int64), task.cuts().test)
    spaced = np.linspace(first, len(times) - table.horizon, _MOST_STARTS).round().astype(int)
    return Task(**{**vars(task), "starts": times[np.unique(spaced)]})


def m4_hourly(data: Path) -> Task:
    """M4 Hourly: 414 series, 48 ahead of the train file's end."""
    train = pd.read_csv(data / "m4_hourly_train.csv", index_col=0)
    test = pd.read_csv(data / "m4_hourly_test.csv", index_col=0)
    known, future = [], []
    for name in train.index.astype(str):
        past = train.loc[name].dropna().to_numpy(float)
        known.append((name, pd.date_range(end=_M4_END, periods=len(past), freq="h"), past))
        later = test.loc[name].dropna().to_numpy(float)
        times = pd.date_range(_M4_END + pd.Timedelta("1h"), periods=len(later), freq="h")
        future.append((name, times, later))
    return _competition("m4_hourly", "competition, hourly", "hour", "1h", 48, known, future)


def tourism_monthly(data: Path) -> Task:
    """Tourism Monthly: 366 series, 24 ahead of each one's end, in their real months."""
    train, test = (pd.read_csv(data / f"tourism_monthly_{part}.csv") for part in ("train", "test"))

    def read(frame: pd.DataFrame) -> list[tuple[str, pd.DatetimeIndex, np.ndarray]]:
        found = []
        for name in frame.columns:
            count, year, month = frame[name].iloc[:3].astype(int)
            values = frame[name].iloc[3 : 3 + count].to_numpy(float)
            start = pd.Timestamp(year=year, month=month, day=1)
            found.append((name, pd.date_range(start, periods=count, freq="MS"), values))
        return found

    return _competition(
        "tourism_monthly", "competition, monthly", "month", "MS", 24, read(train), read(test)
    )


def _competition(
    name: str, kind: str, period: Period, frequency: str, horizon: int,
    known: list[tuple[str, pd.DatetimeIndex, np.ndarray]],
    future: list[tuple[str, pd.DatetimeIndex, np.ndarray]],
) -> Task:  # fmt: skip
    def table(parts: list[tuple[str, pd.DatetimeIndex, np.ndarray]]) -> pd.DataFrame:
        frames = [pd.DataFrame({"time": t, "series": n, "value": v}) for n, t, v in parts]
        rows = pd.concat(frames, ignore_index=True)
        return rows.assign(time=rows["time"].astype("datetime64[us]"))

    rows = table(known)
    past = look_back(period, horizon, rows["time"].nunique(), min(len(v) for _, _, v in known))
    return Task(
        name, kind, period, frequency, horizon, past, ("value",), (), True, rows, table(future),
        np.zeros(0, "datetime64[us]"), shares_calendar=False,
    )  # fmt: skip
