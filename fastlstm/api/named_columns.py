"""Times and series of rows that are columns of the table itself, named by the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from fastlstm.api.containers import arrow_column, as_pandas
from fastlstm.api.row_times import utc_times
from fastlstm.data.joined_labels import joined_labels
from fastlstm.errors import DataError


@dataclass(frozen=True)
class GivenRows:
    """Rows as they were given to the class.

    Attributes:
        X_data: features.
        Y_data: targets.
        series: label of each row, or None.
        time: time of each row, or None.
    """

    X_data: Any
    Y_data: Any
    series: Any
    time: Any


def rows_by_name(
    given: GivenRows, time_format: str | None, time_zone: str | None, frequency: str | None
) -> GivenRows:
    """Rows sorted by series and time, where a column of their own holds one of these or the targets.

    Args:
        given: rows whose targets, series and time may be names of columns of ``X_data``; several
            columns name series together. Targets stay features too.
        time_format: how times are written; see ``fastlstm.config.data.DataConfig``.
        time_zone: IANA zone of times without one.
        frequency: distance between rows as a pandas offset, or None.

    Raises:
        DataError: there is no such column, or its times cannot be read.
    """
    series = _names(given.series) if _is_named(given.series) else []
    time = _names(given.time) if isinstance(given.time, str) else []
    targets = _names(given.Y_data) if _is_named(given.Y_data) else []
    if not (series or time or targets):
        return given
    table = as_pandas(given.X_data, "X_data")
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"X_data: has no column {[*series, *time, *targets][0]!r}, as it has no names; give a table"
        )
    for argument, names in (("series", series), ("time", time), ("Y_data", targets)):
        for name in names:
            if name not in table:
                raise DataError(
                    f"{argument}: X_data has no column {name!r}; columns: "
                    f"{', '.join(map(str, table))[:300]}"
                )
    y = table[targets] if targets else given.Y_data
    labels = _labels(table, series) if series else given.series
    times = table[time[0]].rename(time[0]) if time else given.time
    of_rows = [*series, *time]
    x = table.drop(columns=of_rows)
    if isinstance(y, pd.DataFrame) and not targets:
        y = y.drop(columns=[name for name in of_rows if name in y])
    if not time:
        return GivenRows(x, y, labels, times)
    moments = utc_times(times, "time", time_format, time_zone or "UTC", frequency)
    keys = {"time": moments.to_numpy()}
    if labels is not None:
        keys = {"series": arrow_column(labels, "series").cast(pa.string()).to_pandas(), **keys}
    order = pd.DataFrame(keys).sort_values([*keys], kind="stable").index.to_numpy()
    return GivenRows(*(_in_order(part, order) for part in (x, y, labels, times)))


def _is_named(given: Any) -> bool:
    """Whether an argument is a name, or a list of names."""
    return isinstance(given, str) or (
        isinstance(given, list | tuple)
        and len(given) < 5
        and all(isinstance(n, str) for n in given)
    )


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _labels(table: pd.DataFrame, names: list[str]) -> pd.Series:
    """The label of each row."""
    if len(names) == 1:
        return table[names[0]]
    parts = [arrow_column(table[name], name) for name in names]
    labels = joined_labels(parts, names, "X_data").to_pandas()
    return pd.Series(labels.to_numpy(), index=table.index, name="/".join(names))


def _in_order(part: Any, order: Any) -> Any:
    """Rows in another order, numbered anew."""
    if part is None:
        return None
    part = as_pandas(part, "Y_data")
    if isinstance(part, pd.DataFrame | pd.Series):
        return part.iloc[order].reset_index(drop=True)
    return part[order]
