"""Settings of the times of rows: how they are written, and which rows there are."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.calendar import check_frequency
from fastlstm.config.closed_days import ClosedDays
from fastlstm.config.listed_columns import with_listed_time
from fastlstm.config.time_formats import check_time_format, check_time_zone


class RowTimes(StrictSettings):
    """The times of rows."""

    time: str = Field(
        description="Time stamp column. A list of columns, such as [date, hour], is joined by spaces "
        "and read by time_format."
    )
    time_columns: list[str] = Field(
        default_factory=list, description="Columns that are joined to the time; see time."
    )
    time_format: str | None = Field(
        None,
        description="How times are written: a strftime format ('%d/%m/%Y'; '%Y' for years; '%G-W%V' for "
        "ISO weeks, which begin on Monday; '%Y-Q%q' for quarters), or 'epoch_s', 'epoch_ms', "
        "'epoch_us' or 'epoch_ns' for numbers since 1970 (UTC), or 'excel' for days as spreadsheets "
        "count them. Numbers need one. 24:00 is the end of a day. Default: ISO 8601, or time stamps.",
    )
    time_zone: str = Field(
        "UTC",
        description="IANA time zone of time stamps without an offset, and of days, weeks and months; "
        "stored times are UTC. A day whose midnight a clock change skips begins with its first time; of "
        "two midnights the first counts.",
    )
    clock_changes: Literal["error", "in_order"] = Field(
        "error",
        description="Treatment of times without an offset that a clock change repeats or skips, where "
        "rows are no days. 'error': the run stops. 'in_order': of two rows of a series with one such "
        "time the first lies before the change and the second after it, and a skipped time is the first "
        "one after the change.",
    )
    frequency: str | None = Field(
        None,
        description="Sampling frequency as a pandas offset ('1h', '15min', '1D', 'W-MON', 'MS'; 'B' for "
        "weekdays, 'C' for trading days). Windows then never cross a gap in time.",
    )
    closed_days: ClosedDays | None = Field(
        None,
        description="Weekdays without rows of frequency 'B' or 'C', which are no gaps and get no "
        "forecasts: a mapping with market (an exchange, 'XNYS'), country, dates and week, or a list of "
        "dates. Without it each weekday is a row of 'B', and rows of 'C' follow each other as given.",
    )

    @model_validator(mode="before")
    @classmethod
    def _joined_time(cls, given: Any) -> Any:
        return with_listed_time(given)

    @field_validator("time_format")
    @classmethod
    def _known_time_format(cls, value: str | None) -> str | None:
        if value is not None:
            check_time_format(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        check_time_zone(value)
        return value

    @field_validator("frequency")
    @classmethod
    def _known_frequency(cls, value: str | None) -> str | None:
        if value is not None:
            check_frequency(value)
        # One of a kind has one name, for closed days are asked for by it.
        return {"1B": "B", "1C": "C"}.get(value or "", value)
