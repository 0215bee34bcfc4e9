"""The first rows of a source, whatever its format, with numbers and booleans as such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.data.column_types import NULLS
from fastlstm.data.csv_files import delimiter_of
from fastlstm.data.file_formats import READERS
from fastlstm.data.files import SourceFile
from fastlstm.data.record_files import ExcelFiles
from fastlstm.errors import DataError, first_line
from fastlstm.inspection.text_dialect import (
    NUMBER,
    VALUE_CELL,
    Dialect,
    is_numeric,
    number_marks,
    signs_of,
    text_dialect,
    without_parentheses,
)

# Characters of the names of columns in a message.
_LISTED = 300

# Rows that are looked at.
_ROWS = 200_000

# What stands for a missing value in files of many origins.
_MISSING = re.compile(
    r"[-–—?.*#:]+|nil|missing|unknown|none|n[./ ]?[ad]\.?|[<(]?(null|none|na|nan)[>)]?|#N/A",
    re.IGNORECASE,
)
# Most other texts beside the numbers of a column that are taken to stand for missing values.
_MOST_MARKS = 3


@dataclass(frozen=True)
class Sample:
    """Rows of a source.

    Attributes:
        frame: numbers, booleans and times as such; everything else as text, missing where empty.
        dialect: of a text file.
        whole: whether it is all rows of the file.
        whole_numbers: columns whose numbers have no decimals.
        leading_zeros: columns whose cells are digits that begin with a zero, which are names.
    """

    frame: pd.DataFrame
    dialect: Dialect = field(default_factory=Dialect)
    whole: bool = True
    whole_numbers: tuple[str, ...] = ()
    leading_zeros: tuple[str, ...] = ()


def listed(names: Iterable[object]) -> str:
    """Names of columns for a message, the first ones of very many."""
    return ", ".join(map(str, names))[:_LISTED]


def require_column(frame: pd.DataFrame, option: str, name: str, lost: str = "") -> None:
    """Refuse a name that no column has.

    Args:
        frame: the rows.
        option: what the name was given by, such as '--time'.
        name: the name.
        lost: what is said of columns that are left out.

    Raises:
        DataError: names the columns that there are.
    """
    if name not in frame:
        raise DataError(f"{option}: no column is named {name!r}; columns: {listed(frame)}{lost}")


def read_sample(file: SourceFile) -> Sample:
    """The first rows of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _text(file) if file.format in ("csv", "tsv") else _records(file)
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file.path}: cannot be read ({first_line(error)})") from None


def _settings(file: SourceFile, columns: list[str], dialect: Dialect) -> DataConfig:
    """Settings by which all columns of a file are read as they are."""
    written = {
        name: getattr(dialect, name)
        for name in ("delimiter", "quote", "comment", "skip_lines", "encoding")
    }
    return DataConfig.model_validate({
        "path": str(file.path), "format": file.format, "time": "\0", "features": ["\0x"],
        "targets": ["\0y"], **written, "time_columns": columns,
    })  # fmt: skip


def _read(file: SourceFile, names: list[str], dialect: Dialect) -> tuple[pd.DataFrame, bool]:
    """The first rows of some columns, and whether these are all rows."""
    data, parts, count = _settings(file, names, dialect), [], 0
    for block in READERS[file.format].blocks(file.path, data, names):
        parts.append(pd.DataFrame({n: c.to_pandas() for n, c in zip(names, block, strict=True)}))
        count += len(parts[-1])
        if count > _ROWS:
            break
    if not parts:
        return pd.DataFrame(columns=names), True
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return frame.iloc[:_ROWS], count <= _ROWS


def _text(file: SourceFile) -> Sample:
    """Rows of a CSV or TSV file."""
    is_tab = delimiter_of(file.path, _settings(file, [], Dialect(delimiter=";"))) == "\t"
    dialect, header = text_dialect(file.path, "\t" if is_tab else None)
    named, doubts = _distinct(file, header)
    frame, whole = _read(file, named, dialect)
    frame = frame.apply(lambda column: column.str.strip())
    return _typed(frame, replace(dialect, doubts=(*dialect.doubts, *doubts)), whole)


def _distinct(file: SourceFile, header: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The columns of a header that have a name of their own, and what is doubted of the others.

    Raises:
        DataError: no column has a name of its own, or the first line is a row.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    named = [name for name in header if name not in twice]
    if not named:
        raise DataError(f"{file.path}: has two columns named {twice[0]!r}; rename one")
    if all(VALUE_CELL.fullmatch(name) for name in named):
        raise DataError(
            f"{file.path}: the first line holds values and no names ({', '.join(named)[:80]}); write a "
            "line with the names of the columns above it"
        )
    doubts = []
    if "" in twice:
        doubts.append(f"columns: {header.count('')} without a name are left out")
    if repeated := [name for name in twice if name]:
        doubts.append(
            f"columns: {listed(map(repr, repeated))} name two columns each, which are left out; rename "
            "one to use them"
        )
    return named, tuple(doubts)


def _records(file: SourceFile) -> Sample:
    """Rows of a file whose cells have types."""
    names = READERS[file.format].names(file.path, _settings(file, [], Dialect()))
    names, doubts = _distinct(file, list(map(str, names)))
    sheets = ExcelFiles.sheets(file.path) if file.format == "excel" else []
    if len(sheets) > 1:
        doubts = (*doubts, f"sheet: {sheets[0]!r} is assumed, the first of {listed(sheets)}")
    frame, whole = _read(file, names, Dialect())
    text = [n for n in names if pd.api.types.is_string_dtype(frame[n].dtype)]
    cells = frame[text].apply(lambda column: column.fillna("").astype("str").str.strip())
    found = _typed(cells, Dialect(doubts=doubts), whole)
    typed = {n: found.frame[n] if n in found.frame else frame[n] for n in names}
    numbers = {n: frame[n].dropna() for n in names if pd.api.types.is_numeric_dtype(frame[n].dtype)}
    whole_numbers = [
        n for n, v in numbers.items()
        if not pd.api.types.is_bool_dtype(v.dtype) and len(v) and (v == v.round()).all()
    ]  # fmt: skip
    return replace(
        found,
        frame=pd.DataFrame(typed),
        whole_numbers=(*found.whole_numbers, *whole_numbers),
    )


def _typed(frame: pd.DataFrame, dialect: Dialect, whole: bool) -> Sample:
    """Cells of text as numbers and booleans where a whole column is such; finds the marks of numbers."""
    names = [str(name) for name in frame]
    cells = {name: frame[name][frame[name].ne("")] for name in names}
    for name in names:
        minus = without_parentheses(cells[name])
        if minus is not None and (signs_of(minus) or is_numeric(minus)):
            frame = frame.assign(**{name: frame[name].where(frame[name].eq(""), minus)})
            cells[name] = minus
            dialect = replace(dialect, negative_parentheses=True)
    of_columns = {name: some for name in names if (some := signs_of(cells[name]))}
    signs = tuple(sorted({sign for some in of_columns.values() for sign in some}))
    for name in of_columns:
        frame = frame.assign(**{name: _without(frame[name], signs)})
        cells[name] = frame[name][frame[name].ne("")]
    missing = sorted({
        cell for column in cells.values()
        if is_numeric(column)
        for cell in column[column.str.fullmatch(_MISSING)].unique()
    } - {*NULLS})  # fmt: skip
    others, of_cells = _other_texts(cells, {*NULLS, *missing})
    missing = sorted({*missing, *others})
    absent = {*NULLS, *missing}
    numeric = {
        name: column[~column.isin(absent)] for name, column in cells.items() if is_numeric(column)
    }
    decimal, thousands, doubts = number_marks(numeric, dialect.delimiter)
    typed, whole_numbers, zeros = {}, [], []
    for name in names:
        column = frame[name]
        typed[name] = column.where(~column.isin(absent) if name in numeric else column.ne(""))
        if name not in numeric:
            lower = cells[name].str.lower()
            if len(lower) and lower.isin(["true", "false"]).all():
                typed[name] = typed[name].str.lower().map({"true": True, "false": False})
            continue
        if numeric[name].str.fullmatch(r"0\d+").any():
            zeros.append(name)
            continue
        text = typed[name]
        if thousands:
            text = text.str.replace(r"[\s\u00a0\u202f]" if thousands == " " else thousands, "",
                                    regex=thousands == " ")  # fmt: skip
        numbers = pd.to_numeric(text.str.replace(decimal, ".", regex=False), errors="coerce")
        if numbers.notna().sum() == typed[name].notna().sum():
            typed[name] = numbers
            if not numeric[name].str.contains(decimal, regex=False).any():
                whole_numbers.append(name)
    doubts = (*doubts, *of_cells)
    if dialect.negative_parentheses:
        doubts = (*doubts, "negative_parentheses: numbers in parentheses are taken as negative")
    if signs:
        doubts = (
            *doubts,
            f"signs: {', '.join(signs)} beside numbers are left out; 12 % is read as 12",
        )
    found = replace(
        dialect, decimal=decimal, thousands=thousands, signs=signs, na_values=tuple(missing),
        doubts=(*dialect.doubts, *doubts),
    )  # fmt: skip
    return Sample(pd.DataFrame(typed), found, whole, tuple(whole_numbers), tuple(zeros))


def _other_texts(
    cells: Mapping[str, pd.Series], absent: set[str]
) -> tuple[set[str], tuple[str, ...]]:
    """Texts beside numbers that are taken to stand for missing values, and what is doubted.

    Args:
        cells: of each column, without empty ones.
        absent: texts that stand for missing values.
    """
    marks, doubts = set(), []
    for name, column in cells.items():
        if not is_numeric(column):
            continue
        odd = column[~column.isin(absent) & ~column.str.fullmatch(NUMBER)]
        found = odd.value_counts()
        if not len(found):
            continue
        shown = ", ".join(map(repr, found.index[:_MOST_MARKS]))
        if len(found) <= _MOST_MARKS and not found.index.str.contains(r"\d").any():
            marks |= {*found.index}
            doubts.append(
                f"na_values: {shown} beside the numbers of {name!r}, in {len(odd):,} of {len(column):,} "
                "rows, is taken as missing"
            )
        else:
            doubts.append(
                f"columns: {name!r} holds numbers but for {len(odd):,} of {len(column):,} cells such as "
                f"{shown}, and is taken as text; correct these cells, or leave them empty"
            )
    return marks, tuple(doubts)


def _without(cells: pd.Series, signs: Iterable[str]) -> pd.Series:
    """Cells without signs beside their numbers."""
    for sign in signs:
        cells = cells.str.replace(sign, "", regex=False).str.strip()
    return cells
