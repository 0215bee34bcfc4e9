"""A column of a source as numbers, or the first cell that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.config.data import DataConfig
from fastlstm.errors import DataError

ARROW_TYPES = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}


NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


def as_numbers(
    column: pa.ChunkedArray, name: str, file: Path, data: DataConfig, first_row: int
) -> np.ndarray:
    """The column as float64, NaN where missing; the error names the first cell that is not."""
    dtype = data.rules(name).dtype
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, pa.array(NULLS)), None, column)
        try:
            column = column.cast(ARROW_TYPES[dtype])
        except pa.ArrowInvalid:
            text = column.to_pandas()
            good = text.isna() | pd.to_numeric(text, errors="coerce").notna()
            if dtype == "integer":
                good = text.isna() | text.str.fullmatch(r"[+-]?\d{1,18}", na=True).astype(bool)
            if dtype == "boolean":
                good = text.isna() | text.str.lower().isin(["true", "false", "0", "1"])
            bad = np.flatnonzero(~good.to_numpy())
            row, found = (bad[0] + first_row, text.iloc[bad[0]]) if len(bad) else ("?", "?")
            raise DataError(
                f"{file}: column {name!r}, row {row}: {found!r} is no {dtype} "
                f"({len(bad)} such cells); correct the file or data.columns.{name}.dtype"
            ) from None
    elif not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    ):  # fmt: skip
        raise DataError(
            f"{file}: column {name!r} holds {kind}, declared {dtype}; convert it to numbers"
        )
    numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
    if dtype != "float":
        whole = np.isnan(numbers) | (numbers == np.floor(numbers))
        if dtype == "boolean":
            whole = np.isnan(numbers) | (numbers == 0) | (numbers == 1)
        if not whole.all():
            row = int(np.flatnonzero(~whole)[0])
            raise DataError(
                f"{file}: column {name!r}, row {row + first_row}: {numbers[row]!r} is no {dtype} "
                f"({int((~whole).sum())} such cells); correct the file or "
                f"data.columns.{name}.dtype"
            )
    # One chunk without a missing value is given as Arrow's own memory, which may not be changed.
    return numbers if numbers.flags.writeable else numbers.copy()
