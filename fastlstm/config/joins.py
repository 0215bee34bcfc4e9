"""Settings of tables that are joined to the rows by series and time."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from fastlstm.config.dialect import Dialect
from fastlstm.config.file_formats import FormatName, is_csv
from fastlstm.config.listed_columns import with_listed_series, with_listed_time
from fastlstm.config.locations import SourceLocation, database_setting_problems
from fastlstm.config.time_formats import check_time_format


class Join(Dialect):
    """A table whose columns are joined to the rows: attributes of series, weather, promotions.

    Its rows are found by series, by time, or by both. A row gets no value of a later time, but for
    ``known_future`` columns, whose rows after the last one of a series are rows to forecast.
    """

    path: SourceLocation = Field(
        description="The file, a folder of files, 'package:NAME/FILE', s3://bucket/key-or-prefix or a "
        "database, as the path of data."
    )
    query: str | None = Field(
        None, description="SQL query whose result is the table; only for a database."
    )
    format: FormatName = Field("auto", description="File format; 'auto': by the ending.")
    columns: dict[str, str] = Field(
        min_length=1,
        description="Columns to take: a list, or a mapping of their names in the rows to those in this "
        "table.",
    )
    series: str | None = Field(
        None,
        description="Column of series labels, or a list of columns. Where several columns name the "
        "series of the rows, some of them are enough, such as store. Default: its rows are those of all "
        "series.",
    )
    series_parts: list[str] = Field(
        default_factory=list, description="Columns that name a series together; see series."
    )
    time: str | None = Field(
        None,
        description="Time stamp column, or a list of columns that are joined to it. Default: its values "
        "hold at all times.",
    )
    time_columns: list[str] = Field(
        default_factory=list, description="Columns that are joined to the time; see time."
    )
    time_format: str | None = Field(
        None, description="How times are written; see time_format of data."
    )
    as_of: str | None = Field(
        None,
        description="Longest age of a value, such as '2D': a row gets the last value known at its time. "
        "Default: times must be the same.",
    )
    known_after: str | None = Field(
        None,
        description="How long after its time a value is known, such as '1D' for means of days; '0s' for "
        "what is known at its time. Needed with as_of.",
    )

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if isinstance(given.get("columns"), list):
            names = [str(name) for name in given["columns"]]
            if len(set(names)) < len(names):
                raise ValueError(f"columns: {names} names one twice; name it once")
            given = {**given, "columns": {name: name for name in names}}
        return with_listed_time(with_listed_series(given))

    @field_validator("time_format")
    @classmethod
    def _known_time_format(cls, value: str | None) -> str | None:
        if value is not None:
            check_time_format(value)
        return value

    @field_validator("as_of", "known_after")
    @classmethod
    def _length(cls, value: str | None) -> str | None:
        if value is None:
            return None
        import pandas as pd

        if not pd.to_timedelta(value, errors="coerce") >= pd.Timedelta(0):
            raise ValueError(f"{value!r} is no length of time; give e.g. '2D', '6h' or '0s'")
        return value

    @property
    def series_names(self) -> list[str]:
        """Columns that name its series; none where its rows are those of all."""
        return self.series_parts or ([] if self.series is None else [self.series])

    @model_validator(mode="after")
    def _settings_agree(self) -> Join:
        content = "the SQL whose result is the table"
        problems = database_setting_problems(self.path, "query", self.query, content)
        problems += self.mark_problems(is_csv=is_csv(self.path, self.format))
        if self.series is None and self.time is None:
            problems.append(
                "series, time: both are absent; name the columns that rows are found by"
            )
        for key in ("time_format", "as_of", "known_after"):
            if getattr(self, key) is not None and self.time is None:
                problems.append(
                    f"{key}: needs time, the time stamp column; set it, or remove {key}"
                )
        if (self.as_of is None) != (self.known_after is None):
            problems.append(
                "known_after: as_of needs it, so that no value of the future is joined; give '0s' "
                "where a value is known at its time, or e.g. '1D' for means of days"
                if self.known_after is None
                else "as_of: known_after needs it; give the longest age of a value, such as '2D'"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self
