"""Tables of other libraries as pandas, by the names of their columns.

Polars, Arrow, DuckDB and others give their columns through the Arrow PyCapsule interface
(``__arrow_c_stream__``), NumPy in structured arrays. What has columns, but neither, is refused: an array
made of it would lose their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.errors import DataError, first_line


def as_pandas(data: Any, argument: str) -> Any:
    """A table as a DataFrame, one column as a Series, arrays and lists as an array.

    Args:
        data: what the caller gave.
        argument: name of the argument, for messages.

    Raises:
        DataError: names or levels of the table would be lost.
    """
    if isinstance(data, pd.DataFrame):
        if data.columns.nlevels > 1:
            raise DataError(
                f"{argument}: its columns have {data.columns.nlevels} levels; join their names first, "
                "e.g. data.columns = ['_'.join(map(str, name)) for name in data.columns]"
            )
        return data
    if isinstance(data, pd.Series):
        return data
    if isinstance(data, pd.Index):
        return data.to_series(index=pd.RangeIndex(len(data)))
    if isinstance(data, pa.ChunkedArray | pa.Array):
        return pd.Series(data.to_pandas())
    if hasattr(data, "__arrow_c_stream__"):
        return _from_arrow(data, argument)
    if isinstance(data, np.ndarray):
        return data if data.dtype.names is None else _from_structured(data, argument)
    if _has_names(data):
        library = type(data).__module__.partition(".")[0]
        kind = f"{library}.{type(data).__name__}".removeprefix("builtins.")
        raise DataError(
            f"{argument}: is a {kind}, whose names would be lost; give a pandas DataFrame, e.g. "
            f"{_TO_PANDAS.get(library, 'pandas.DataFrame(data)')}"
        )
    return np.asarray(data)


def rows_of_one_series(data: Any, argument: str) -> Any:
    """Rows for an estimator: named tables as pandas, anything else as it is, for scikit-learn to check.

    Raises:
        DataError: the index says that rows are of several series or not in order of time.
    """
    names = getattr(getattr(data, "dtype", None), "names", None)
    if names is not None or hasattr(data, "__arrow_c_stream__"):
        data = as_pandas(data, argument)
    index = getattr(data, "index", None)
    if isinstance(index, pd.MultiIndex):
        raise DataError(
            f"{argument}: its index has the levels {list(index.names)}, an estimator takes the rows of "
            "one series; use fastLSTM for several, or reset the index"
        )
    if isinstance(index, pd.DatetimeIndex) and not index.is_monotonic_increasing:
        raise DataError(
            f"{argument}: its times do not rise, and windows are rows that follow each other; sort the "
            "rows, do not shuffle them (e.g. TimeSeriesSplit), use fastLSTM for several series"
        )
    return data


# How a table of a library becomes a pandas one, where it is not pandas.DataFrame(data).
_TO_PANDAS = {
    "polars": "data.collect().to_pandas()",
    "dask": "data.compute()",
    "pyspark": "data.toPandas()",
    "xarray": "data.to_dataframe()",
}


def _has_names(data: Any) -> bool:
    """Whether an object that is no array names its columns or dimensions."""
    named = ("columns", "dims", "schema", "keys")
    return any(hasattr(type(data), name) for name in named)


def _from_arrow(data: Any, argument: str) -> Any:
    """A table or a column of another library through the Arrow PyCapsule interface."""
    if hasattr(data, "columns"):
        try:
            return pa.table(data).to_pandas()
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(
                f"{argument}: its columns cannot be read ({first_line(error)}); give a pandas DataFrame"
            ) from None
    values = pa.chunked_array(data)
    return pd.Series(values.to_pandas(), name=getattr(data, "name", None) or None)


def _from_structured(data: np.ndarray, argument: str) -> pd.DataFrame:
    """A structured array, one column for each field."""
    names = list(data.dtype.names or ())
    flat = all(data[name].ndim == 1 for name in names)
    if not flat:
        raise DataError(
            f"{argument}: is a structured array of shape {data.shape}; give one row per record and "
            "one value per field"
        )
    return pd.DataFrame({name: data[name] for name in names})


@dataclass(frozen=True)
class IndexLevels:
    """Series and times that the index of a table holds.

    Attributes:
        series: label of each row, or None.
        time: time of each row, or None.
    """

    series: pd.Series | None = None
    time: pd.Series | None = None


def levels_of(index: pd.Index, argument: str) -> IndexLevels:
    """Series and times in an index: a DatetimeIndex, a PeriodIndex, or levels (item, time).

    A period stands for its first moment. An index of another kind holds neither.

    Raises:
        DataError: a MultiIndex has other levels than an item and a time.
    """
    if not isinstance(index, pd.MultiIndex):
        return IndexLevels(None, _times_in(index))
    times = {number: _times_in(index.get_level_values(number)) for number in range(index.nlevels)}
    with_times = [number for number, found in times.items() if found is not None]
    if index.nlevels != 2 or len(with_times) != 1:
        raise DataError(
            f"{argument}: its index has levels {list(index.names)}, of which {len(with_times)} hold "
            "times; give the two levels of an item and a time, or reset the index and give series and "
            "time"
        )
    (of_time,) = with_times
    items = index.get_level_values(1 - of_time)
    series = pd.Series(items.to_numpy(), name=items.name or "series")
    return IndexLevels(series, times[of_time])


def holds_times(index: pd.Index) -> bool:
    """Whether ``levels_of`` finds the times of rows in an index."""
    try:
        return levels_of(index, "").time is not None
    except DataError:
        return False


def _times_in(index: pd.Index) -> pd.Series | None:
    """The times of an index, named like it; None where it holds none."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    is_date = index.dtype == object and pd.api.types.infer_dtype(index) in ("date", "datetime")
    if not isinstance(index, pd.DatetimeIndex) and not is_date:
        return None
    return pd.Series(index, name=index.name or "time")


def arrow_column(values: Any, argument: str) -> pa.ChunkedArray:
    """One value for each row as an Arrow column, of the type that the values have.

    Raises:
        DataError: the values have several types, or one that Arrow does not know.
    """
    found = as_pandas(values, argument)
    if isinstance(found, pd.DataFrame) or getattr(found, "ndim", 1) != 1:
        raise DataError(f"{argument}: has shape {np.shape(found)}; give one value per row")
    if isinstance(values, list | tuple):
        found = pd.Series(list(values))  # NumPy would make text of numbers beside text
    if isinstance(found, pd.Series):
        if isinstance(found.dtype, pd.PeriodDtype):
            found = found.dt.to_timestamp()
        found = found.array
    try:
        column = pa.array(found, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"{argument}: values of several types ({first_line(error)}); give values of one type"
        ) from None
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
