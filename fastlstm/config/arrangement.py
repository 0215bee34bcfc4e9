"""Settings of which rows a series has: rounded times, repeated rows, longer intervals, absent rows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.calendar import check_frequency

Operation = Literal["sum", "mean", "median", "min", "max", "first", "last", "count"]
AbsentValue = Literal["missing", "zero", "forward_fill"]


class Resample(StrictSettings):
    """Rows of longer intervals made of those that fall into them."""

    to: str = Field(
        description="Length of the intervals as a pandas offset, such as '1h', '1D' or 'MS'. It is the "
        "frequency of the rows."
    )
    label: Literal["begin", "end"] = Field(
        "end",
        description="Which end of an interval shorter than a day is its row's time. 'end': a row "
        "holds what happened up to its time: the row of 14:00 what happened from 13:00 until before "
        "14:00. 'begin': it is the row of 13:00. Days, weeks and longer intervals have the time that "
        "their frequency names.",
    )
    columns: dict[str, Operation] = Field(
        min_length=1,
        description="What becomes of each column: 'sum', 'mean', 'median', 'min', 'max', 'first', "
        "'last' or 'count'; that of '*' for all others. They may stand beside 'to' without 'columns'.",
    )

    @model_validator(mode="before")
    @classmethod
    def _columns_beside(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        beside = {key: value for key, value in given.items() if key not in cls.model_fields}
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        columns = own.get("columns", {})
        return {**own, "columns": {**columns, **beside}} if isinstance(columns, dict) else given

    @field_validator("to")
    @classmethod
    def _known_length(cls, value: str) -> str:
        from pandas.tseries.frequencies import to_offset
        from pandas.tseries.offsets import CustomBusinessDay, Day, Tick

        check_frequency(value)
        offset = to_offset(value)
        if isinstance(offset, CustomBusinessDay) or (
            offset.n > 1 and not isinstance(offset, (Tick, Day))
        ):
            raise ValueError(
                f"{value!r} has intervals without a fixed begin; give hours, days, or one week, month, "
                "quarter or year"
            )
        return {"1B": "B"}.get(value, value)

    def operation(self, column: str) -> Operation | None:
        """What becomes of a column; None where nothing is said."""
        return self.columns.get(column, self.columns.get("*"))


class Arrangement(StrictSettings):
    """Which rows a series has, made of those of the source in the order of these settings."""

    snap: str | None = Field(
        None,
        description="Times are rounded to the nearest multiple of this length, such as '5min', for "
        "clocks that are not exact.",
    )
    keep: Literal["error", "first", "last", "mean"] = Field(
        "error",
        description="Treatment of rows of one series and time. 'error': the run stops. 'first' and "
        "'last': that row in the order of the source is kept. 'mean': numbers are averaged, and of "
        "others the last is kept.",
    )
    resample: Resample | None = Field(
        None,
        description="Rows of longer intervals: {to: 1h, sold: sum, price: last}. An interval that may "
        "not be over at the newest row is left out.",
    )
    absent_rows: Literal["gap", AbsentValue] | dict[str, AbsentValue] = Field(
        "gap",
        description="Treatment of rows that a series lacks between its first and last one. 'gap': no "
        "window crosses them. 'zero': they are added; targets are 0 in them, and other columns keep "
        "their last value. 'forward_fill': all columns keep it. 'missing': they are empty, and columns "
        "say what is done. A mapping says it by column, with '*' for all others: {sold: zero, price: "
        "forward_fill}. Static columns and categories that are no targets keep their last value always.",
    )
    max_gap: int | None = Field(
        None, ge=1, description="Most rows in a row that absent_rows adds; longer gaps stay gaps."
    )

    @field_validator("snap")
    @classmethod
    def _length_of_clock(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from pandas.tseries.frequencies import to_offset
        from pandas.tseries.offsets import Day, Tick

        check_frequency(value)
        offset = to_offset(value)
        if not isinstance(offset, Tick) and not (isinstance(offset, Day) and offset.n == 1):
            raise ValueError(f"{value!r} is no length of a clock; give e.g. '5min', '1h' or '1D'")
        return value

    @property
    def arranges(self) -> bool:
        """Whether rows are made of those of the source."""
        return (
            self.snap is not None
            or self.keep != "error"
            or self.resample is not None
            or self.absent_rows != "gap"
        )

    def arrangement_problems(self, frequency: str | None) -> list[str]:
        """Settings that contradict each other.

        Args:
            frequency: of the rows.
        """
        problems = []
        kinds = (
            self.absent_rows.values() if isinstance(self.absent_rows, dict) else [self.absent_rows]
        )
        if self.absent_rows == "gap":
            if self.max_gap is not None:
                problems.append(
                    "max_gap: absent_rows is 'gap', which adds no row; set absent_rows, or remove "
                    "max_gap"
                )
            return problems
        if frequency in (None, "C"):
            problems.append(
                f"absent_rows: frequency is {frequency!r}, so which rows are absent is unknown; set "
                "frequency, such as '1h' or '1D'"
            )
        if "forward_fill" in kinds and self.max_gap is None:
            problems.append(
                "max_gap: 'forward_fill' needs it; give the most rows in a row that keep a last value"
            )
        return problems
