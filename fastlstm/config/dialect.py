"""Settings of how a file writes its cells."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import Field, field_validator

from fastlstm.config.base import StrictSettings

# What may stand between cells, and begin a line that is no row, where it is not declared.
DELIMITERS, COMMENT_MARKS = (",", ";", "\t", "|"), ("#", "//", "%")


class Dialect(StrictSettings):
    """How cells are written."""

    delimiter: str = Field(
        ",",
        min_length=1,
        max_length=1,
        description="Column delimiter of CSV files; that of TSV files is a tab.",
    )
    quote: str | None = Field(
        '"',
        min_length=1,
        max_length=1,
        description="Quotation mark around cells of CSV files; null: none.",
    )
    comment: str | None = Field(
        None,
        min_length=1,
        description="What begins a line of a CSV file that is no row, such as '#'.",
    )
    skip_lines: int = Field(
        0, ge=0, description="Lines of a CSV or Excel file before its header, such as a title."
    )
    sheet: str | None = Field(None, description="Sheet of an Excel file. Default: the first.")
    encoding: str = Field("utf-8", description="Encoding of CSV files, e.g. 'latin-1' or 'cp1252'.")
    decimal: Literal[".", ","] = Field(
        ".", description="Decimal mark of numbers that are text, as in all CSV files."
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        None,
        description="Mark between groups of three digits of such numbers; ' ' is any kind of space.",
    )
    signs: list[str] = Field(
        default_factory=list,
        description="Signs before or after such numbers that are left out, such as '$', 'EUR' or '%': "
        "'12 %' is read as 12.",
    )
    negative_parentheses: bool = Field(
        False, description="Whether such numbers in parentheses are negative: (1.5) is -1.5."
    )
    na_values: list[str] = Field(
        default_factory=list,
        description="Cells of columns of numbers that count as missing, beside the empty one, 'NA', "
        "'N/A', 'NaN', 'nan', 'null', 'NULL' and 'None'.",
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(
                f"no encoding is named {value!r}; give one of Python's, such as 'utf-8', 'latin-1' or "
                "'cp1252'"
            ) from None
        return value

    @field_validator("signs")
    @classmethod
    def _signs_are_no_numbers(cls, value: list[str]) -> list[str]:
        for sign in value:
            if not sign.strip() or any(c.isdigit() or c in "+-.," for c in sign):
                raise ValueError(
                    f"{sign!r} may be a part of a number; give signs such as '$', 'EUR' or '%'"
                )
        return value

    def mark_problems(self, *, is_csv: bool) -> list[str]:
        """Marks that mean two things.

        Args:
            is_csv: whether the delimiter has a meaning.
        """
        marks = {"decimal": self.decimal, "thousands": self.thousands, "quote": self.quote}
        if is_csv:
            marks = {"delimiter": self.delimiter, **marks}
        names, problems = list(marks), []
        for number, name in enumerate(names):
            for other in names[number + 1 :]:
                # A quoted cell may hold the delimiter: '"1,234.5"' or '"1,5"' in a file with commas.
                of_numbers = name == "delimiter" and other in ("decimal", "thousands")
                if marks[name] == marks[other] and not of_numbers:
                    problems.append(
                        f"{other}: {marks[other]!r} is the {name} too; give another {name} or {other}"
                    )
        return problems
