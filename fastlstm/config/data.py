"""Settings of the table: its source and the roles of its columns."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.calendar import (
    CalendarKind,
    Holidays,
    calendar_columns,
    check_frequency,
    row_seconds,
)
from fastlstm.config.categories import indicators, label_outputs, outputs_of_labels
from fastlstm.config.closed_days import ClosedDays
from fastlstm.config.columns import ColumnRules, DerivedTarget
from fastlstm.config.file_formats import FormatName
from fastlstm.config.known_future import ahead_columns, shifted, shifted_columns
from fastlstm.config.locations import SourceLocation, database_setting_problems
from fastlstm.config.time_formats import check_time_format, check_time_zone
from fastlstm.redaction import redacted

RESERVED_PREFIX = "__"

# Most categories of a column that the network reads as they are; more are embedded.
FEW_CATEGORIES = 8


class DataConfig(StrictSettings):
    """The source of the rows and the roles of its columns."""

    path: SourceLocation = Field(
        description="Source of the rows: a CSV (also .gz, .bz2, .zst, .lz4) or Parquet file, a folder "
        "of them, also in Hive partitions ('year=2024/', which may hold a column), or "
        "'package:NAME/FILE' for a file inside an installed Python package. Relative paths start "
        "at the config file's folder. The pipeline also reads s3://bucket/key-or-prefix and "
        "databases: a SQLAlchemy URL without password, or 'env:NAME' or 'block:secret/NAME' that "
        "hold one."
    )
    query: str | None = Field(
        None, description="SQL query whose result is the table; only for a database."
    )
    format: FormatName = Field(
        "auto", description="File format. 'auto': by the ending of the file name."
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="Column delimiter of CSV files."
    )
    encoding: str = Field("utf-8", description="Encoding of CSV files, e.g. 'latin-1' or 'cp1252'.")
    decimal: Literal[".", ","] = Field(
        ".", description="Decimal mark of numbers that are text, as in all CSV files."
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        None,
        description="Mark between groups of three digits of such numbers; ' ' is any kind of space.",
    )
    na_values: list[str] = Field(
        default_factory=list,
        description="Cells of columns of numbers that count as missing, beside the empty one, 'NA', "
        "'N/A', 'NaN', 'nan', 'null', 'NULL' and 'None'.",
    )
    time: str = Field(description="Time stamp column.")
    time_format: str | None = Field(
        None,
        description="How times are written: a strftime format ('%d/%m/%Y'; '%Y' for years; '%G-W%V' for "
        "ISO weeks, which begin on Monday), or 'epoch_s', 'epoch_ms', 'epoch_us' or 'epoch_ns' for "
        "numbers since 1970 (UTC). Numbers need one. Default: ISO 8601, or time stamps.",
    )
    time_zone: str = Field(
        "UTC",
        description="IANA time zone of time stamps without an offset, and of days, weeks and months; "
        "stored times are UTC. A day whose midnight a clock change skips begins with its first time; of "
        "two midnights the first counts.",
    )
    series: str | None = Field(
        None, description="Series id column of a panel. Default: all rows are one series."
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
    features: list[str] = Field(min_length=1, description="Feature columns.")
    calendar: Literal["auto"] | list[CalendarKind] = Field(
        "auto",
        description="Parts of the time in time_zone, known of every row to forecast, a sine and a "
        "cosine each. 'auto': hour, weekday, day_of_year, month or quarter, where frequency is set, "
        "rows are shorter, train rows last for three of its periods (two years for day_of_year) and "
        "the look-back for less than seven; none for a classifier that names its layers. []: none.",
    )
    holidays: Holidays | None = Field(
        None,
        description="Public holidays, known of every row to forecast: whether a day is one, and how "
        "near it is to the last and to the next within 3 days. Needs rows of a day or less.",
    )
    known_future: list[str] = Field(
        default_factory=list,
        description="Known future covariates (a promotion, a planned price, another forecast): columns "
        "known for every row to forecast. They are added to features, and the decoder reads them as "
        "what holds at the very row it forecasts. To forecast, append future rows that hold these and "
        "static columns alone.",
    )
    known_ahead: dict[str, int] = Field(
        default_factory=dict,
        description="Covariates known only some rows ahead, each with the number of rows, less than "
        "steps_ahead. The value that many rows later is added to features as '<column>+<rows>'. A "
        "column with steps_ahead rows is one of known_future.",
    )
    static: list[str] = Field(
        default_factory=list,
        description="Static covariates (a height, a capacity): columns with one value per series. "
        "They are added to features, and the network reads them once per window.",
    )
    embedded_series: Literal["all"] | list[str] = Field(
        default_factory=list,
        description="Series ids for which the network learns an embedding. They are added to "
        "features as '<series column>=<id>', 1 in the rows of that series and 0 elsewhere. Other "
        "series are forecast without one. 'all': every series of the train rows.",
    )
    targets: list[str] = Field(
        min_length=1, description="Target columns, or names of derived targets."
    )
    derived_targets: dict[str, DerivedTarget] = Field(
        default_factory=dict, description="Targets computed from other columns, by name."
    )
    target_lookahead: int = Field(
        0, ge=0,
        description="Label horizon of target columns computed elsewhere: rows after its own that a "
        "label depends on (5 for 'within the next 6 rows'). Derived targets set theirs.",
    )  # fmt: skip
    categories: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Categories of each column of dtype 'category', in order; a row of another one has "
        "none of them. Default: those of the train rows, by name, of features the 100 most frequent.",
    )
    columns: dict[str, ColumnRules] = Field(
        default_factory=dict,
        description="Validation rules by column; other columns have the defaults.",
    )
    clip_forecasts: bool = Field(
        True,
        description="Whether forecasts and prediction intervals keep to their target's minimum and "
        "maximum in columns. A target whose out_of_range is 'warning' has none, for its values may lie "
        "beyond them.",
    )
    round_forecasts: bool = Field(
        False,
        description="Whether forecasts of targets whose dtype in columns is 'integer' are rounded to "
        "whole numbers, and the ends of their prediction intervals outwards.",
    )
    short_series: Literal["error", "skip"] = Field(
        "error",
        description="Treatment of a series shorter than one window. 'error': the run "
        "stops. 'skip': the series is left out.",
    )

    @classmethod
    def of_run(cls, stored: Mapping[str, Any]) -> DataConfig:
        """The settings that a run keeps.

        Forecasts of a run whose settings do not mention limits have none. A password in its URL, which
        settings refuse, is hidden: the run opens, and its rows are read from elsewhere.
        """
        path = stored.get("path")
        shown = {"path": redacted(path)} if isinstance(path, str) else {}
        return cls.model_validate({"clip_forecasts": False, **stored, **shown})

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
        if value is None:
            return None
        check_frequency(value)
        return value

    @model_validator(mode="after")
    def _marks_differ(self) -> DataConfig:
        marks = {"delimiter": self.delimiter, "decimal": self.decimal, "thousands": self.thousands}
        names = list(marks)
        for number, name in enumerate(names):
            for other in names[number + 1 :]:
                # A quoted cell may hold the delimiter: '"1,234.5"' in a file with commas.
                if marks[name] == marks[other] and (name, other) != ("delimiter", "thousands"):
                    raise ValueError(
                        f"{other}: {marks[other]!r} is the {name} too; give another {name} or {other}"
                    )
        return self

    @model_validator(mode="after")
    def _columns_agree(self) -> DataConfig:
        # Without a frequency the time of a later row is unknown: the calendar is that of the row.
        of_time = self.calendar_columns if self.frequency is None else []
        of_bins = {n: d.classes for n, d in self.derived_targets.items() if d.bins is not None}
        self.categories = {**self.categories, **of_bins}
        computed = [
            *of_time, *self.known_future, *ahead_columns(self.known_ahead), *self.static,
            *self.series_columns,
        ]  # fmt: skip
        features, computed = (self._with_indicators(names) for names in (self.features, computed))
        self.features = [*features, *(n for n in computed if n not in features)]
        self.targets = [
            output
            for name in self.targets
            for output in (
                label_outputs(name, self.categories[name]) if name in self.categories else [name]
            )
        ]
        problems = [
            *database_setting_problems(
                self.path, "query", self.query, "the SQL whose result is the table"
            ),
            *self._list_problems(),
            *self._target_problems(),
            *self._covariate_problems(),
            *self._name_problems(),
            *self._category_problems(),
        ]
        if self.round_forecasts and not self.rounded_targets:
            problems.append(
                "round_forecasts: no target has dtype 'integer' in columns; declare it, or remove "
                "round_forecasts"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _with_indicators(self, names: list[str]) -> list[str]:
        """Names with a column of known categories replaced by its indicators, of later rows too."""
        later = shifted_columns(names, [*self.known_future, *self.known_ahead])
        found: list[str] = []
        for name in names:
            column, rows = later.get(name, (name, 0))
            if column in self.categories and column not in self.derived_targets:
                of_row = indicators(column, self.categories[column])
                found += list(shifted(of_row, [rows])) if rows else of_row
            else:
                found.append(name)
        return found

    def _list_problems(self) -> list[str]:
        """Names that are listed twice."""
        problems = []
        for key in (
            "features", "targets", "calendar", "known_future", "static", "embedded_series",
        ):  # fmt: skip
            given = getattr(self, key)
            names = [] if isinstance(given, str) else list(given)
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated and repeated[0] in self.indicator_columns and key == "features":
                column, category = self.indicator_columns[repeated[0]]
                problems.append(
                    f"features: {repeated[0]!r} is what category {category!r} of {column!r} becomes, "
                    "and another feature too; rename one of their columns"
                )
            elif repeated:
                problems.append(f"{key}: {repeated[0]!r} is listed twice; list it once")
        return problems

    def _target_problems(self) -> list[str]:
        """Targets and the columns they derive from against the other columns."""
        not_targets = {
            **dict.fromkeys(self.calendar_columns, "a calendar feature"),
            **dict.fromkeys(self.ahead_columns, "a later row's value"),
            **dict.fromkeys(self.known_ahead, "in known_ahead, so it needs no forecast"),
            **dict.fromkeys(self.known_future, "in known_future, so it needs no forecast"),
            **dict.fromkeys(self.series_columns, "computed by embedded_series"),
            **dict.fromkeys(self.static, "static, so it needs no forecast"),
        }
        sources = {derived.column for derived in self.derived_targets.values()}
        problems = [
            f"targets: {name!r} is {what}; remove it there"
            for name, what in not_targets.items()
            if name in self.target_columns or name in sources
        ]
        for name in self.derived_targets:
            if name not in self.target_columns:
                problems.append(f"derived_targets: {name!r} is not in targets; add or remove it")
            if name in self.features:
                problems.append(
                    f"features: {name!r} is a derived target, which depends on future rows; remove "
                    "it from features"
                )
        return problems

    def _covariate_problems(self) -> list[str]:
        """Known future covariates and embedded series."""
        problems = []
        for name, rows in self.known_ahead.items():
            if name not in self.read_features:
                problems.append(f"known_ahead: {name!r} is not in features; add it there")
            if rows < 1:
                problems.append(f"known_ahead: {name!r} has {rows} rows; give 1 or more")
            if name in self.known_future:
                problems.append(f"known_ahead: {name!r} is in known_future too; remove one")
        problems += [
            f"known_future: {name!r} is in static too, which is known anyway; remove it"
            for name in self.known_future
            if name in self.static
        ]
        day = 86_400
        if self.holidays and (not self.frequency or not 0 < row_seconds(self.frequency) <= day):
            problems.append(
                f"holidays: needs rows of a day or less, frequency is {self.frequency!r}; set it, or "
                "remove holidays"
            )
        if self.closed_days is not None and self.frequency not in ("B", "C"):
            problems.append(
                f"closed_days: frequency is {self.frequency!r}; set it to 'B' or 'C', or remove "
                "closed_days"
            )
        if self.embedded_series and self.series is None:
            problems.append("embedded_series: needs series, the series id column; set it")
        return problems

    def _category_problems(self) -> list[str]:
        """Columns of dtype 'category' and their categories against the other settings."""
        problems = [
            f"categories: {name!r} is no column of dtype 'category'; set data.columns.{name}.dtype, or "
            "remove it"
            for name in self.categories
            if self.rules(name).dtype != "category" and name not in self.derived_targets
        ]
        for name, found in self.categories.items():
            if len(set(found)) != len(found) or not found:
                problems.append(f"categories: {name!r} has {found}; list each category once")
        problems += [
            f"features: {name!r} is what class {label!r} of target {column!r} becomes; rename one of "
            "these columns"
            for name, (column, label) in self.label_outputs.items()
            if name in self.features and name != column
        ]
        problems += [
            f"derived_targets: {name!r} derives from {derived.column!r}, a category; give a number"
            for name, derived in self.derived_targets.items()
            if self.rules(derived.column).dtype == "category"
        ]
        return problems

    def _name_problems(self) -> list[str]:
        """Reserved names, roles of the time and series columns, and rules of unknown columns."""
        problems = [
            f"column {name!r}: names that begin with {RESERVED_PREFIX!r} are reserved; rename it"
            for name in self.source_columns + self.targets
            if name.startswith(RESERVED_PREFIX)
        ]
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
        return problems

    @property
    def calendar_kinds(self) -> list[CalendarKind]:
        """Kinds of the calendar; none before 'auto' is resolved."""
        return [] if self.calendar == "auto" else self.calendar

    @property
    def calendar_columns(self) -> list[str]:
        """Columns that follow from the time of a row: of the calendar and of holidays."""
        return calendar_columns(self.calendar_kinds, self.holidays)

    def with_future(self, rows: list[int], steps_ahead: int) -> tuple[DataConfig, dict[str, int]]:
        """Settings whose features hold what is known of every row to forecast.

        Args:
            rows: by how many rows columns are shifted; see ``fastlstm.config.known_future.shifts``.
            steps_ahead: rows to forecast.

        Returns:
            The settings, and these features by name with their number of rows.
        """
        known = [name for name, ahead in self.known_ahead.items() if ahead == steps_ahead]
        of_time = self.calendar_columns if self.frequency else []
        columns = [*self._with_indicators([*self.known_future, *known]), *of_time]
        before = self._later(columns)
        kept = [name for name in self.features if name not in before]
        future = shifted(columns, rows)
        return self.model_copy(update={"features": [*kept, *future]}), future

    @property
    def ahead_sources(self) -> dict[str, tuple[str, int]]:
        """Features that hold a later row's value by name: their column, and how many rows later."""
        known = self._with_indicators([*self.known_future, *self.known_ahead])
        return self._later([*known, *self.calendar_columns])

    def _later(self, columns: list[str]) -> dict[str, tuple[str, int]]:
        """Features that hold some of the columns later; 'p=5+3' may be an indicator instead."""
        own = self.indicator_columns
        later = shifted_columns(self.features, {*columns})
        return {name: found for name, found in later.items() if name not in own}

    @property
    def ahead_columns(self) -> dict[str, int]:
        """Features that hold a later row's value by name, and how many rows later."""
        return {name: rows for name, (_, rows) in self.ahead_sources.items()}

    def read_ahead(self, feature: str) -> str:
        """The column as named in the source, a later row's value of which a feature holds."""
        column, _ = self.ahead_sources[feature]
        return self.indicator_columns.get(column, (column, ""))[0]

    @property
    def known_columns(self) -> list[str]:
        """Columns that rows to forecast may hold, the others being empty there."""
        return [*self.known_future, *self.known_ahead, *self.static]

    @property
    def has_only_known_features(self) -> bool:
        """Whether every feature is known of rows to forecast, so that targets alone tell what has
        happened."""
        return {*self.read_features} <= {*self.known_columns}

    @property
    def series_columns(self) -> list[str]:
        """Features of ``embedded_series``, in its order; none before 'all' is resolved."""
        return indicators(str(self.series), self.embedded_labels)

    @property
    def embedded_labels(self) -> list[str]:
        """Series ids of ``embedded_series``; none before 'all' is resolved."""
        return [] if self.embedded_series == "all" else self.embedded_series

    @property
    def static_features(self) -> list[str]:
        """Features with one value per series."""
        return [*self._with_indicators(self.static), *self.series_columns]

    @property
    def indicator_columns(self) -> dict[str, tuple[str, str]]:
        """Column and category of each indicator that is a feature, by its name."""
        found = {
            name: (column, category)
            for column, categories in self.categories.items()
            if column not in self.derived_targets
            for name, category in zip(indicators(column, categories), categories, strict=True)
        }
        return {name: found[name] for name in self.features if name in found}

    @property
    def embedded_groups(self) -> list[list[str]]:
        """Indicators of each column with many categories that is not static."""
        groups: dict[str, list[str]] = {}
        for name, (column, _) in self.indicator_columns.items():
            groups.setdefault(column, []).append(name)
        many = [c for c, names in groups.items() if len(names) > FEW_CATEGORIES]
        return [groups[column] for column in many if column not in self.static]

    @property
    def label_columns(self) -> dict[str, list[str]]:
        """Classes of each label column among the targets whose classes are known."""
        return {
            column: classes
            for column, classes in self.categories.items()
            if label_outputs(column, classes)[0] in self.targets
        }

    @property
    def label_outputs(self) -> dict[str, tuple[str, str]]:
        """Column and class of each output of ``label_columns``, by its name."""
        return outputs_of_labels(self.label_columns)

    @property
    def target_columns(self) -> list[str]:
        """Target columns as named in the source or in ``derived_targets``, each once."""
        outputs = self.label_outputs
        return list(dict.fromkeys(outputs[n][0] if n in outputs else n for n in self.targets))

    @property
    def scaled_alike(self) -> list[str]:
        """Features that mean the same in every series, so that all series share their scale."""
        of_time = self.calendar_columns
        later = [name for name, (column, _) in self.ahead_sources.items() if column in of_time]
        return [*of_time, *later, *self.static_features]

    @property
    def undeclared_labels(self) -> list[str]:
        """Plain target columns without a declared type."""
        return [
            name for name in self.target_columns
            if name not in self.derived_targets
            and (name not in self.columns or "dtype" not in self.columns[name].model_fields_set)
        ]  # fmt: skip

    def with_dtypes(self, columns: list[str], dtype: str) -> DataConfig:
        """The settings with a type of some columns."""
        if not columns:
            return self
        changed = {name: self.rules(name).model_copy(update={"dtype": dtype}) for name in columns}
        return self.model_copy(update={"columns": {**self.columns, **changed}})

    @property
    def read_features(self) -> list[str]:
        """Columns that features are read from, without those computed from others, the time or the
        series."""
        computed = {*self.calendar_columns, *self.ahead_columns, *self.series_columns}
        of_category = self.indicator_columns
        read = [
            of_category[name][0] if name in of_category else name
            for name in self.features
            if name not in computed
        ]
        return list(dict.fromkeys(read))

    @property
    def value_columns(self) -> list[str]:
        """Columns read as numbers, each once: features, then targets or their sources."""
        plain = [t for t in self.target_columns if t not in self.derived_targets]
        sources = [d.column for d in self.derived_targets.values()]
        return list(dict.fromkeys([*self.read_features, *plain, *sources]))

    @property
    def source_columns(self) -> list[str]:
        """Every column read from the source."""
        return [self.time, *([self.series] if self.series else []), *self.value_columns]

    @property
    def lookahead(self) -> int:
        """Label horizon: rows after its own that a target's value depends on."""
        derived = max((d.horizon for d in self.derived_targets.values()), default=1) - 1
        return max(derived, self.target_lookahead)

    @property
    def forecast_limits(self) -> dict[str, list[float | None]]:
        """Lowest and highest forecast of each target that has limits; none without clip_forecasts.

        Limits are those of the column that the target is or derives from, None on the side where there
        is none.
        """
        if not self.clip_forecasts:
            return {}
        limits = {}
        for target in self.targets:
            derived = self.derived_targets.get(target)
            if derived is not None and derived.is_label:
                continue
            rules = self.rules(target if derived is None else derived.column)
            rows = derived.horizon if derived is not None and derived.operation == "sum" else 1
            if any(end is not None for end in rules.limits):
                limits[target] = [None if end is None else rows * end for end in rules.limits]
        return limits

    @property
    def rounded_targets(self) -> list[str]:
        """Targets whose forecasts are rounded to whole numbers; none without round_forecasts."""
        if not self.round_forecasts:
            return []
        found = []
        for target in self.targets:
            derived = self.derived_targets.get(target)
            is_whole = derived is None or derived.operation in ("max", "min", "sum")
            column = target if derived is None else derived.column
            if is_whole and self.rules(column).dtype == "integer":
                found.append(target)
        return found

    def rules(self, column: str) -> ColumnRules:
        """The rules of a column, or the default rules."""
        return self.columns.get(column, ColumnRules())
