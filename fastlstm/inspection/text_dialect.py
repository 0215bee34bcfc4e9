"""The dialect of a text file: what parts its cells, which lines are no rows, how numbers are written."""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fastlstm.config.dialect import COMMENT_MARKS, DELIMITERS
from fastlstm.data.column_types import NULLS
from fastlstm.data.csv_files import opened_text
from fastlstm.errors import DataError

# Bytes at the beginning of a file by which its dialect is found.
_BYTES = 1 << 18
# Most lines before a header, such as a title.
_MOST_TITLES = 20

# A cell of a number or a time, which is no name of a column.
VALUE_CELL = re.compile(r"[\d\s.,:/+TZ-]*\d[\d\s.,:/+TZ-]*")
NUMBER = re.compile(r"[+-]?(\d+([.,\s\u00a0\u202f'_]\d+)*|[.,]\d+)([eE][+-]?\d+)?")
# A date with dots, which is no number whose thousands stand apart by them.
_DOTTED_DATE = re.compile(r"\d{1,4}\.\d{1,2}\.\d{1,4}")
_NEGATIVE = re.compile(r"\(\s*([^()]*\d[^()]*?)\s*\)")
_SIGNED = re.compile(
    r"([^\d\s.,'_+-]*)\s*([+-]?\s*[\d.,][\d.,\s\u00a0\u202f'_]*?)\s*([^\d\s.,'_+-]*)"
)
_UNITS = frozenset(
    [
        "%",
        "‰",
        "°",
        "°C",
        "°F",
        "USD",
        "EUR",
        "GBP",
        "CHF",
        "JPY",
        "CNY",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "CZK",
        "INR",
        "AUD",
        "CAD",
        "kr",
        "Kr",
        "zł",
        "Kč",
        "Ft",
        "lei",
        "Rs",
        "R$",
    ]
)


@dataclass(frozen=True)
class Dialect:
    """How a text file writes its cells; see the settings of the same names.

    Attributes:
        delimiter: between cells.
        quote: around cells.
        comment: what begins a line that is no row, or None.
        skip_lines: lines before the header.
        encoding: of the file.
        decimal: decimal mark.
        thousands: mark between groups of digits, or None.
        signs: signs beside numbers.
        negative_parentheses: whether numbers in parentheses are negative.
        na_values: cells that stand for a missing value.
        doubts: what is not certain.
    """

    delimiter: str = ","
    quote: str = '"'
    comment: str | None = None
    skip_lines: int = 0
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    signs: tuple[str, ...] = ()
    negative_parentheses: bool = False
    na_values: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def text_dialect(file: Path, delimiter: str | None) -> tuple[Dialect, list[str]]:
    """What parts the cells of a text file, and the names of its columns.

    Args:
        file: the file.
        delimiter: where it is known.

    Raises:
        OSError: it cannot be read.
        UnicodeError: its text is in none of the usual encodings.
        DataError: rows have a cell more than the header has names.
    """
    with opened_text(file) as stream:
        head = stream.read(_BYTES)
    encoding, doubts = _encoding(head)
    lines = _whole_lines(head, encoding)
    comment = _comment([line for line in lines if line.strip()])
    read = [line for line in lines if not (comment and line.lstrip().startswith(comment))]
    # Numbers of the lines that are not empty.
    places = [number for number, line in enumerate(read) if line.strip()]
    kept = [read[number] for number in places]
    quote = _quote(kept)
    found, first = (delimiter, 0) if delimiter else _delimiter(kept, quote)
    header = next(csv.reader(kept[first:], delimiter=found, quotechar=quote), [])
    skipped = 0
    if first:
        _refuse_other_header(file, kept[first - 1], header, found, quote)
        # Readers skip empty lines too, and know nothing of comments.
        skipped, title = places[first], kept[0].strip()[:60]
        doubts = (*doubts, f"skip_lines: {skipped} before the header, {title!r} the first")
    dialect = Dialect(
        found, quote, comment, skipped, encoding, doubts=doubts,
    )  # fmt: skip
    return dialect, header


def _refuse_other_header(
    file: Path, before: str, first: Sequence[str], delimiter: str, quote: str
) -> None:
    """Refuse a header with one name less or more than rows have cells, which looks like a title.

    Args:
        file: the file.
        before: the line before the first one with as many cells as most lines.
        first: the cells of that one.
        delimiter: between cells.
        quote: around cells.
    """
    names = next(csv.reader([before], delimiter=delimiter, quotechar=quote))
    some = [cell for cell in first if cell]
    is_row = bool(some) and any(VALUE_CELL.fullmatch(cell) for cell in some)
    if not is_row or any(map(VALUE_CELL.fullmatch, names)):
        return
    if len(names) == len(first) - 1 > 1:
        remedy = (
            "add a name for the column that has none, such as the first"
            if first[-1]
            else f"add {delimiter!r} at its end"
        )
    elif len(names) == len(first) + 1 > 2:
        remedy = (
            "remove the name of the column that rows lack, or give rows that cell"
            if names[-1].strip()
            else f"remove {delimiter!r} at its end"
        )
    else:
        return
    raise DataError(
        f"{file}: the header names {len(names)} columns and rows have {len(first)} cells; {remedy}"
    )


def _encoding(head: bytes) -> tuple[str, tuple[str, ...]]:
    """The encoding of a text, and the doubt where another one may be meant."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return name, ()
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return "cp1252", ("encoding: the file is not UTF-8; cp1252 (western Windows) is assumed",)
    return "utf-8", ()


def _whole_lines(head: bytes, encoding: str) -> list[str]:
    """The first lines of a file that are read whole."""
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    if "\n" in text and len(head) == _BYTES:
        text = text[: text.rfind("\n") + 1]
    return text.splitlines(keepends=True)[:400]


def _comment(lines: Sequence[str]) -> str | None:
    """What begins lines that are no rows; a header may begin so too, with as many cells as a row."""
    for mark in COMMENT_MARKS:
        marked = [n for n, line in enumerate(lines) if line.lstrip().startswith(mark)]
        if not marked or len(marked) == len(lines):
            continue
        rows = [line for n, line in enumerate(lines) if n not in {*marked}]
        last = max((n for n in marked if n < lines.index(rows[0])), default=None)
        of_rows = {cell: Counter(line.count(cell) for line in rows) for cell in DELIMITERS}
        named = last is not None and any(
            counts.most_common(1)[0][0] > 0
            and lines[last].count(cell) == counts.most_common(1)[0][0]
            and not re.search("[A-Za-z]", rows[0].split(cell)[-1])
            for cell, counts in of_rows.items()
        )
        if not named:
            return mark
    return None


def _quote(lines: Sequence[str]) -> str:
    """The quotation mark."""
    cells = [cell.strip() for line in lines[:100] for cell in re.split(r"[,;\t|]", line)]
    single = sum(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells)
    double = sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    return "'" if single > double else '"'


def _delimiter(lines: Sequence[str], quote: str) -> tuple[str, int]:
    """The delimiter by which lines have the same number of cells, the most of them.

    Lines before the first one with that number are no rows, such as a title; their number comes second.
    """
    best, most, skipped = ",", (False, 1), 0
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines[:200], delimiter=delimiter, quotechar=quote)]
        if not counts:
            continue
        common = Counter(counts).most_common(1)[0][0]
        first = next((n for n, count in enumerate(counts) if count == common), 0)
        alike = sum(count == common for count in counts[first:]) / len(counts[first:])
        # A header with that number of cells in the first line is likelier than a title above it.
        found = first == 0, common
        if common > 1 and found > most and alike > 0.95 and first <= _MOST_TITLES:
            best, most, skipped = delimiter, found, first
    return best, skipped


def is_numeric(cells: pd.Series) -> bool:
    """Whether most cells of a column look like numbers."""
    known = cells[~cells.isin(NULLS)].head(5_000)
    numbers = known.str.fullmatch(NUMBER) & ~known.str.fullmatch(_DOTTED_DATE)
    return bool(len(known)) and bool(numbers.mean() > 0.6)


def number_marks(
    numeric: Mapping[str, pd.Series], delimiter: str
) -> tuple[str, str | None, tuple[str, ...]]:
    """Decimal mark, thousands mark, and the doubt where both readings are possible."""
    if not numeric:
        return ".", None, ()
    cells = pd.concat(list(numeric.values()))
    some = cells[cells.str.contains(r"[.,\s\u00a0\u202f']", regex=True)]
    if some.empty:
        return ".", None, ()

    def any_of(pattern: str) -> bool:
        return bool(some.str.fullmatch(pattern).any())

    spaces = any_of(r"[+-]?\d{1,3}([\s\u00a0\u202f]\d{3})+([.,]\d+)?")
    if any_of(r"[+-]?\d{1,3}(\.\d{3})+,\d+") or any_of(r"[+-]?\d{1,3}(\.\d{3}){2,}"):
        return ",", ".", ()
    if any_of(r"[+-]?\d{1,3}(,\d{3})+\.\d+") or any_of(r"[+-]?\d{1,3}(,\d{3}){2,}"):
        return ".", ",", ()
    if any_of(r"[+-]?\d{1,3}('\d{3})+(\.\d+)?"):
        return ".", "'", ()
    # '1,5' and '0,123' can only be decimals; '1,234' may be either.
    comma = some[some.str.contains(",", regex=False)]
    if len(comma) and not comma.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}").all():
        return ",", " " if spaces else None, ()
    if len(comma):
        example = comma.iloc[0]
        doubt = (
            f"decimal: is {example!r} {example.replace(',', '')} or {example.replace(',', '.')}?"
        )
        if delimiter == ";":
            return ",", None, (f"{doubt} Decimals are assumed, as ';' parts the columns",)
        return ".", ",", (f"{doubt} Thousands are assumed",)
    dots = some[some.str.contains(".", regex=False)]
    if len(dots) > 1:
        grouped = dots.str.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}").all()
        if grouped:
            example = dots.iloc[0]
            whole = example.replace(".", "")
            return ".", None, (
                f"decimal: is {example!r} {example} or {whole}? A decimal point is assumed; set "
                "decimal to ',' and thousands to '.' if not",
            )  # fmt: skip
    return ".", " " if spaces else None, ()


def signs_of(cells: pd.Series) -> tuple[str, ...]:
    """The currency, percent or unit signs beside the numbers of a column; none where it has others.

    Args:
        cells: those of a column of text that are not empty.
    """
    known = cells[~cells.isin(NULLS)]
    some = known.head(5_000)
    if not len(some) or not some.str.contains(r"\d", regex=True).mean() > 0.9:
        return ()
    found: Counter[str] = Counter()
    for cell in some:
        parts = _SIGNED.fullmatch(cell.removeprefix("-").removeprefix("+").strip())
        signs = {sign for sign in (parts[1], parts[3]) if sign} if parts else {""}
        if len(signs) > 1 or not all(_is_sign(sign) for sign in signs):
            return ()
        found.update(signs)
    return tuple(sorted(found)) if sum(found.values()) > 0.6 * len(some) else ()


def without_parentheses(cells: pd.Series) -> pd.Series | None:
    """Cells of a column of text with -1.5 in place of (1.5); None where no number stands so.

    Args:
        cells: those of the column that are not empty.
    """
    known = cells[~cells.isin(NULLS)]
    inside = known.str.fullmatch(_NEGATIVE)
    others = known[~inside].str.contains(r"[()]", regex=True)
    if not inside.any() or others.any() or not known.str.contains(r"\d", regex=True).mean() > 0.9:
        return None
    return cells.str.replace(_NEGATIVE, r"-\1", regex=True)


def _is_sign(text: str) -> bool:
    """Whether a text beside a number is a currency, a percent sign or a usual unit of one."""
    return text in _UNITS or (len(text) == 1 and unicodedata.category(text) == "Sc")
