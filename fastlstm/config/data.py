"""Settings of the table: where its rows are and what its columns mean."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.columns import ColumnRules, DerivedTarget
from fastlstm.config.file_formats import FormatName
from fastlstm.config.locations import SourceLocation, database_setting_problems

RESERVED_PREFIX = "__"


def ahead_columns(known_ahead: Mapping[str, int]) -> dict[str, int]:
    """The features made by ``known_ahead``, in its order, and how many rows later each looks."""
    return {f"{name}+{rows}": rows for name, rows in known_ahead.items()}


class DataConfig(StrictSettings):
    """Where the rows are and what they mean."""

    path: SourceLocation = Field(
        description="A CSV or Parquet file, a folder of them, or 'package:NAME/FILE' for a file "
        "inside an installed Python package. Relative paths start at the config file's folder. "
        "The pipeline also reads s3://bucket/key-or-prefix, and databases: a SQLAlchemy URL "
        "without password, 'env:NAME' or 'block:secret/NAME' that hold one."
    )
    query: str | None = Field(
        None, description="SQL whose result is the table, where path is a database."
    )
    format: FormatName = Field(
        "auto", description="File format; 'auto' goes by the file name's ending."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV column separator.")
    time: str = Field(description="Column of the time stamps.")
    time_format: str | None = Field(
        None, description="strftime format of the time stamps; without it ISO 8601."
    )
    time_zone: str = Field(
        "UTC", description="IANA zone of time stamps that carry no offset; stored times are UTC."
    )
    series: str | None = Field(
        None, description="Column that tells the series apart; without it all rows are one series."
    )
    frequency: str | None = Field(
        None,
        description="Distance between rows as a pandas offset ('1h', '15min', '1D'). Windows then "
        "never cross a hole in time.",
    )
    features: list[str] = Field(min_length=1, description="Input columns.")
    calendar: list[Literal["hour", "weekday", "month"]] = Field(
        default_factory=list,
        description="More features from the time, in time_zone: '<name>_sin' and '<name>_cos' of each; "
        "they are added to features.",
    )
    known_ahead: dict[str, int] = Field(
        default_factory=dict,
        description="Features whose values are known before they happen (a holiday, a planned price, "
        "another's forecast), and how many rows ahead, steps_ahead at most. The value so many rows "
        "later is added to features as '<column>+<rows>'. To forecast, give rows for what comes with "
        "these columns and no others.",
    )
    static: list[str] = Field(
        default_factory=list,
        description="Columns that say what a series is (a height, a capacity), with the same value in "
        "all of its rows; they are added to features, and the network reads them once a window.",
    )
    embedded_series: list[str] = Field(
        default_factory=list,
        description="Labels of series for each of which the network learns a vector of its own. They "
        "are added to features as '<series column>=<label>', 1 in the rows of that series and else 0; "
        "series not listed are forecast without.",
    )
    targets: list[str] = Field(
        min_length=1, description="Columns to forecast, or names of derived targets."
    )
    derived_targets: dict[str, DerivedTarget] = Field(
        default_factory=dict, description="Targets computed from other columns, by name."
    )
    target_lookahead: int = Field(
        0, ge=0,
        description="Rows after its own that a target column computed elsewhere depends on (5 for "
        "'within the next 6 rows'); derived targets know theirs.",
    )  # fmt: skip
    columns: dict[str, ColumnRules] = Field(
        default_factory=dict, description="Rules per column; unlisted columns have the defaults."
    )
    short_series: Literal["error", "skip"] = Field(
        "error", description="A series too short for one window stops the run or is left out."
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"no time zone is named {value!r}; use an IANA name such as 'America/New_York'"
            ) from None
        return value

    @field_validator("frequency")
    @classmethod
    def _known_frequency(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from pandas.tseries.frequencies import to_offset

        try:
            offset = to_offset(value)
        except ValueError:
            offset = None
        if offset is None or offset.n < 1:
            raise ValueError(
                f"{value!r} is no pandas offset of positive length; use e.g. '1h', '15min' or '1D'"
            )
        return value

    @model_validator(mode="after")
    def _columns_agree(self) -> DataConfig:
        problems = []
        wanted = [
            *self._calendar_columns, *self.ahead_columns, *self.static, *self.series_columns,
        ]  # fmt: skip
        self.features = [*self.features, *(name for name in wanted if name not in self.features)]
        if len(set(self.calendar)) < len(self.calendar):
            problems.append("calendar: a name is listed twice; list it once")
        made = {
            **dict.fromkeys(self._calendar_columns, "made from the time by calendar"),
            **dict.fromkeys(self.ahead_columns, "made by known_ahead"),
            **dict.fromkeys(self.known_ahead, "in known_ahead, so there is nothing to forecast"),
            **dict.fromkeys(self.series_columns, "made from the series by embedded_series"),
            **dict.fromkeys(self.static, "static, so there is nothing to forecast"),
        }
        for name, what in made.items():
            if name in self.targets or name in {d.column for d in self.derived_targets.values()}:
                problems.append(f"targets: {name!r} is {what}; remove it there")
        for name, rows in self.known_ahead.items():
            if name not in self.read_features:
                problems.append(f"known_ahead: {name!r} is not in features; add it there")
            if rows < 1:
                problems.append(f"known_ahead: {name!r} has {rows} rows; give 1 or more")
        if self.embedded_series and self.series is None:
            problems.append("embedded_series: series names no column that tells them; set it")
        problems += database_setting_problems(
            self.path, "query", self.query, "the SQL whose result is the table"
        )
        lists = ("features", "targets", "static", "embedded_series")
        for key, names in ((key, getattr(self, key)) for key in lists):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                problems.append(f"{key}: {twice[0]!r} is listed twice; list it once")
        for name in self.source_columns + self.targets:
            if name.startswith(RESERVED_PREFIX):
                problems.append(
                    f"column {name!r}: names that begin with {RESERVED_PREFIX!r} are the library's; "
                    "rename it"
                )
        for name in self.derived_targets:
            if name not in self.targets:
                problems.append(f"derived_targets: {name!r} is not in targets; add or remove it")
            if name in self.features:
                problems.append(
                    f"features: {name!r} is a derived target, it knows the rows after its own; "
                    "remove it from features"
                )
        for name in [self.time, *([self.series] if self.series else [])]:
            if name in [*self.features, *self.targets]:
                problems.append(
                    f"features, targets: {name!r} is the time or series column; remove it there"
                )
        if self.time == self.series:
            problems.append(f"series: {self.series!r} is the time column; name another or none")
        known = set(self.value_columns)
        for name in self.columns:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "remove it"
                problems.append(f"columns: {name!r} is neither feature, target nor source; {hint}")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def _calendar_columns(self) -> list[str]:
        return [f"{kind}_{part}" for kind in self.calendar for part in ("sin", "cos")]

    @property
    def ahead_columns(self) -> dict[str, int]:
        """The features made by ``known_ahead``, and how many rows later each looks."""
        return ahead_columns(self.known_ahead)

    @property
    def series_columns(self) -> list[str]:
        """The features made by ``embedded_series``, in its order."""
        return [f"{self.series}={label}" for label in self.embedded_series]

    @property
    def static_features(self) -> list[str]:
        """The features that are the same in all rows of a series."""
        return [*self.static, *self.series_columns]

    @property
    def read_features(self) -> list[str]:
        """The features that the source has, without those made from others, the time or the series."""
        made = {*self._calendar_columns, *self.ahead_columns, *self.series_columns}
        return [name for name in self.features if name not in made]

    @property
    def value_columns(self) -> list[str]:
        """Columns read as numbers, each once: features, then targets or what they derive from."""
        plain = [t for t in self.targets if t not in self.derived_targets]
        sources = [d.column for d in self.derived_targets.values()]
        return list(dict.fromkeys([*self.read_features, *plain, *sources]))

    @property
    def source_columns(self) -> list[str]:
        """Every column read from the source."""
        return [self.time, *([self.series] if self.series else []), *self.value_columns]

    @property
    def lookahead(self) -> int:
        """Rows after its own that a target's value depends on."""
        derived = max((d.horizon for d in self.derived_targets.values()), default=1) - 1
        return max(derived, self.target_lookahead)

    def rules(self, column: str) -> ColumnRules:
        """The rules of a column, or the default ones."""
        return self.columns.get(column, ColumnRules())
