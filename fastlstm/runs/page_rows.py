"""Test predictions and observed values of a run, read in bounded memory for its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import StoreError
from fastlstm.evaluation.predictions import stored_predictions
from fastlstm.runs.csv_export import escaped

# Predictions that the errors of all series are of, and rows read at a time.
_SAMPLE, _BATCH = 2_000_000, 1 << 17
# Bytes of a table of observed values that is read for its history.
_LARGEST_CSV = 256 << 20


class StoredPredictions:
    """The file of test predictions of a run.

    Args:
        file: the file.
        steps_ahead: of the run's forecasts.

    Attributes:
        columns: its columns.
        rows: number of its rows.
        sampled: number of the rows that errors of all series are of.
    """

    def __init__(self, file: Path, steps_ahead: int) -> None:
        self._file, self._table = file, stored_predictions(file, steps_ahead)
        self.columns, self.rows, self.sampled = self._table.names, self._table.rows, 0

    @property
    def is_whole(self) -> bool:
        """Whether errors of all series are of all rows."""
        return self.sampled == self.rows

    def read(self, series: Sequence[str]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
        """All rows, or batches of them spread evenly; and the rows of some series.

        Args:
            series: labels.

        Raises:
            StoreError: the file is damaged, or holds values that no predictions have.
        """
        every = max(1, -(-self.rows // _SAMPLE))
        wanted = pa.array(series, pa.string())
        sample, chosen = [], []
        with self._table.opened() as stored:
            for group in range(stored.num_row_groups):
                if every > 1 and group % every and not _may_hold(stored, group, series):
                    continue
                for number, batch in enumerate(stored.iter_batches(_BATCH, row_groups=[group])):
                    table = pa.Table.from_batches([batch])
                    self._table.check_values(table)
                    if every == 1 or (group + number) % every == 0:
                        sample.append(table)
                    if every > 1:
                        labels = table["series"].cast(pa.string())
                        chosen.append(table.filter(pc.is_in(labels, value_set=wanted)))
            whole = _frame(sample, self._file)
            own = whole if every == 1 else _frame(chosen, self._file)
        self.sampled = len(whole)
        own = own[own["series"].isin(list(series))]
        return whole, {str(name): rows for name, rows in own.groupby("series", observed=True)}


def _may_hold(stored: pq.ParquetFile, group: int, series: Sequence[str]) -> bool:
    """Whether a row group may hold rows of some series, by its statistics."""
    place = stored.schema_arrow.names.index("series")
    statistics = stored.metadata.row_group(group).column(place).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return any(statistics.min <= name <= statistics.max for name in series)


def _frame(tables: list[pa.Table], file: Path) -> pd.DataFrame:
    if not tables:
        raise StoreError(f"{file}: holds no prediction")
    frame: pd.DataFrame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    return frame


def target_rows(predictions: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows of one target."""
    return predictions[(predictions["target"] == target).to_numpy()]


@dataclass(frozen=True)
class ObservedRows:
    """Observed values before and in the test period; empty where the run stores none.

    Attributes:
        by_series: times in microseconds, and the values of each target, by label.
    """

    by_series: dict[str, tuple[np.ndarray, pd.DataFrame]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, file: Path, data: DataConfig, targets: Sequence[str], series: Sequence[str]
    ) -> ObservedRows:
        """From the exported targets of a run.

        Args:
            file: the CSV file; it may not exist.
            data: settings of the table.
            targets: their names.
            series: labels of the series.
        """
        if not data.time or not file.exists() or file.stat().st_size > _LARGEST_CSV:
            return cls()
        label = escaped(data.series) if data.series else None
        time, columns = escaped(data.time), {escaped(name): name for name in targets}
        types = {time: pa.string(), **dict.fromkeys(columns, pa.float64())}
        if label is not None:
            types[label] = pa.string()
        try:
            table = pa_csv.read_csv(
                file,
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=types, include_columns=list(types)
                ),
            )
        except (pa.ArrowException, OSError, KeyError):
            return cls()  # an export that was changed by hand gives no history
        if label is not None:
            wanted = pa.array([escaped(name) for name in series], pa.string())
            table = table.filter(pc.is_in(table[label], value_set=wanted))
        frame = table.rename_columns([columns.get(name, name) for name in table.column_names])
        return cls(_by_series(frame.to_pandas(), time, label, list(targets), series))

    def of_series(self, name: str, target: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Times in microseconds and values of a target of one series, or None."""
        if name not in self.by_series:
            return None
        times, values = self.by_series[name]
        return times, values[target].to_numpy(np.float64)


def _by_series(
    frame: pd.DataFrame, time: str, label: str | None, targets: list[str], series: Sequence[str]
) -> dict[str, tuple[np.ndarray, pd.DataFrame]]:
    """Rows of each series in order of time; none where times are no times."""
    try:
        moments = microseconds(pd.to_datetime(frame[time], utc=True, format="ISO8601"))
    except (ValueError, OverflowError):
        return {}
    names = {escaped(name): name for name in series} if label is not None else {"": series[0]}
    found = {}
    groups = frame.groupby(label, sort=False) if label is not None else [("", frame)]
    for name, rows in groups:
        own = moments[rows.index]
        if (np.diff(own) > 0).all():
            found[names[str(name)]] = own, rows[targets]
    return found
