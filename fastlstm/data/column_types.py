"""A value column of a source as numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.config.data import DataConfig
from fastlstm.errors import DataError

ARROW_TYPES = {
    "float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string(),
}  # fmt: skip


# What 64 bits hold.
_LARGEST_INTEGER = 2.0**63


# Cells of columns of numbers that count as missing.
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


def as_numbers(
    column: pa.ChunkedArray, name: str, file: Path, data: DataConfig, first_row: int
) -> np.ndarray:
    """A value column as float64, NaN where missing.

    Args:
        column: the column as read.
        name: its name.
        file: its file, for messages.
        data: the declared type, in ``columns``.
        first_row: number of the first row in messages.

    Raises:
        DataError: a cell is not of the declared type; the first such cell is named.
    """
    dtype = data.rules(name).dtype
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    where = f"{file}: column {name!r}"
    advice = f"correct the file or data.columns.{name}.dtype ('category' for names)"
    if _is_text(column.type):
        column = _parsed(column, dtype, where, first_row, advice, data)
    elif not _is_numeric(column.type):
        raise DataError(f"{where} holds {column.type}, declared {dtype}; convert it to numbers")
    # Integers beyond 2**53 are rounded to 15 digits, as they are where CSV text is read.
    numbers: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy()
    if dtype != "float":
        valid = numbers == np.floor(numbers)
        if dtype == "boolean":
            valid = (numbers == 0) | (numbers == 1)
        wrong = np.flatnonzero(~(valid | np.isnan(numbers)))
        if len(wrong):
            raise DataError(
                f"{where}, row {wrong[0] + first_row}: {numbers[wrong[0]]!r} is no {dtype} "
                f"({len(wrong)} such cells); {advice}"
            )
    # Arrow returns one chunk without missing values as its own memory, which must not be changed.
    return numbers if numbers.flags.writeable else numbers.copy()


def as_names(column: pa.ChunkedArray, name: str, file: Path) -> pd.Series:
    """A column of categories as text, missing where it is empty; whole numbers have no decimals.

    Text stays as it is: 'NA', '007' and ' x' are categories like any other.

    Args:
        column: the column as read.
        name: its name.
        file: its file, for messages.

    Raises:
        DataError: the column holds neither text, numbers nor booleans.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type) and not _is_numeric(column.type):
        raise DataError(
            f"{file}: column {name!r} holds {column.type}; a category is text, an integer or a boolean"
        )
    if pa.types.is_boolean(column.type):
        return pd.Series(column.to_pandas()).map({True: "True", False: "False"}).astype("str")
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = pd.Series(column.cast(pa.float64()).to_numpy())
        text = numbers.map(lambda value: f"{value:.15g}", na_action="ignore")
        return text.astype("str")
    column = column.cast(pa.string())
    column = pc.if_else(pc.equal(column, ""), None, column)
    return pd.Series(column.to_pandas()).astype("str")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )  # fmt: skip


def _parsed(
    column: pa.ChunkedArray, dtype: str, where: str, first_row: int, advice: str, data: DataConfig
) -> pa.ChunkedArray:
    """A column of text as the declared type.

    Raises:
        DataError: a cell is not of the type.
    """
    column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.is_in(column, pa.array([*NULLS, *data.na_values])), None, column)
    given = column
    for sign in data.signs:
        column = pc.utf8_trim_whitespace(pc.replace_substring(column, sign, ""))
    if data.negative_parentheses:
        column = pc.replace_substring_regex(column, r"^\(\s*(.*?)\s*\)$", r"-\1")
    if data.thousands == " ":
        column = pc.replace_substring_regex(column, r"(\d)[\s\x{00a0}\x{202f}](\d{3})", r"\1\2")
        column = pc.replace_substring_regex(column, r"(\d)[\s\x{00a0}\x{202f}](\d{3})", r"\1\2")
    elif data.thousands:
        column = pc.replace_substring(column, data.thousands, "")
    if data.decimal != ".":
        column = pc.replace_substring(column, data.decimal, ".")
    try:
        return column.cast(ARROW_TYPES[dtype])
    except pa.ArrowInvalid:
        text = column.to_pandas()
        if dtype == "integer":
            digits = text.str.fullmatch(r"[+-]?\d+", na=True).astype(bool)
            valid = digits & pd.to_numeric(text, errors="coerce").abs().lt(_LARGEST_INTEGER)
        elif dtype == "boolean":
            valid = text.str.lower().isin(["true", "false", "0", "1"])
        else:
            valid = pd.to_numeric(text, errors="coerce").notna()
        wrong = np.flatnonzero(~(valid | text.isna()).to_numpy())
        row, cell = "?", "?"
        if len(wrong):
            row, cell = wrong[0] + first_row, given[int(wrong[0])].as_py()
            advice = remedy_of(cell, data) or advice
        raise DataError(
            f"{where}, row {row}: {cell!r} is no {dtype} ({len(wrong)} such cells); {advice}"
        ) from None


def remedy_of(cell: str, data: DataConfig) -> str | None:
    """The setting that makes a cell a number; None where none is known to.

    Args:
        cell: as it stands in the file.
        data: the settings by which it is none.
    """
    if re.fullmatch(
        r"[-–—?.*#]+|nil|none|missing|unknown|n\.?a\.?|\(null\)|#N/A", cell, re.IGNORECASE
    ):
        return f"if it means a missing value, set data.na_values to [{cell!r}]"
    if (inner := re.fullmatch(r"(\D*)\(([^()]*)\)(\D*)", cell)) and re.search(r"\d", inner[2]):
        number = inner[1] + inner[2] + inner[3]
        more = remedy_of(number, data)
        if more is None and not re.fullmatch(r"\s*\d*\.?\d+\s*", number):
            return None
        also = f", and {more.removeprefix('set ')}" if more else ""
        return f"if it means a negative number, set data.negative_parentheses to true{also}"
    if (found := re.search(r"[^\d\s.,'_+()-]+", cell)) and re.search(r"\d", cell):
        number = cell.replace(found[0], "").strip()
        more = remedy_of(number, data)
        if more is None and not re.fullmatch(r"[+-]?\s*\d*\.?\d+", number):
            return None
        also = f" and {more.removeprefix('set ')}" if more else ""
        return f"set data.signs to {[*data.signs, found[0]]}{also}"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell):
        return "set data.decimal to ',' and data.thousands to '.'"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+", cell):
        return "set data.thousands to ','"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", cell) and data.decimal == ".":
        return "set data.thousands to ',' if the comma parts thousands, data.decimal to ',' if decimals"
    if re.fullmatch(r"[+-]?\d*,\d+", cell) and data.decimal == ".":
        return "set data.decimal to ','"
    if re.fullmatch(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?", cell):
        marks = " and data.decimal to ','" if "," in cell else ""
        return f"set data.thousands to ' '{marks}"
    return None
