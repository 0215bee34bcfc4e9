"""Settings of what the columns of a table are for, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fastlstm.config.arrangement import Arrangement
from fastlstm.config.calendar import CalendarKind, Holidays, calendar_columns
from fastlstm.config.categories import indicators, label_outputs, outputs_of_labels
from fastlstm.config.columns import ColumnRules, DerivedTarget
from fastlstm.config.dialect import Dialect
from fastlstm.config.joins import Join
from fastlstm.config.known_future import shifted, shifted_columns
from fastlstm.config.listed_columns import with_listed_series
from fastlstm.config.row_times import RowTimes
from fastlstm.config.source import SourceTable

RESERVED_PREFIX = "__"

# Stands for all columns where rules are given by column.
ALL_COLUMNS = "*"

# Most categories of a column that the network reads as they are; more are embedded.
FEW_CATEGORIES = 8


class ColumnRoles(Arrangement, RowTimes, Dialect, SourceTable):
    """A table and the roles of its columns."""

    series: str | None = Field(
        None,
        description="Series id column of a panel. A list of columns, such as [store, item], names "
        "series by all of them: 'Rome/milk'. Default: all rows are one series.",
    )
    series_parts: list[str] = Field(
        default_factory=list, description="Columns that name a series together; see series."
    )
    joins: list[Join] = Field(
        default_factory=list,
        description="Tables joined to the rows by series and time. Features, static and known_future "
        "name their columns as they name those of the rows.",
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
        description="Validation rules by column. Those of '*' are the rules of all columns, from which "
        "single ones differ in what they set.",
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

    @model_validator(mode="before")
    @classmethod
    def _joined_series(cls, given: Any) -> Any:
        return with_listed_series(given)

    def with_indicators(self, names: list[str]) -> list[str]:
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

    @property
    def calendar_kinds(self) -> list[CalendarKind]:
        """Kinds of the calendar; none before 'auto' is resolved."""
        return [] if self.calendar == "auto" else self.calendar

    @property
    def calendar_columns(self) -> list[str]:
        """Columns that follow from the time of a row: of the calendar and of holidays."""
        return calendar_columns(self.calendar_kinds, self.holidays)

    def with_future(self, rows: list[int], steps_ahead: int) -> tuple[Self, dict[str, int]]:
        """Settings whose features hold what is known of every row to forecast.

        Args:
            rows: by how many rows columns are shifted; see ``fastlstm.config.known_future.shifts``.
            steps_ahead: rows to forecast.

        Returns:
            The settings, and these features by name with their number of rows.
        """
        known = [name for name, ahead in self.known_ahead.items() if ahead == steps_ahead]
        of_time = self.calendar_columns if self.frequency else []
        columns = [*self.with_indicators([*self.known_future, *known]), *of_time]
        before = self._later(columns)
        kept = [name for name in self.features if name not in before]
        future = shifted(columns, rows)
        return self.model_copy(update={"features": [*kept, *future]}), future

    @property
    def ahead_sources(self) -> dict[str, tuple[str, int]]:
        """Features that hold a later row's value by name: their column, and how many rows later."""
        known = self.with_indicators([*self.known_future, *self.known_ahead])
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
        return [*self.with_indicators(self.static), *self.series_columns]

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

    def with_dtypes(self, columns: list[str], dtype: str) -> Self:
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
    def read_frequency(self) -> str | None:
        """Distance between the rows of the source, as far as it is declared."""
        return self.frequency if self.resample is None and self.snap is None else None

    @property
    def joined_columns(self) -> list[str]:
        """Value columns that joined tables hold."""
        return [name for join in self.joins for name in join.columns]

    def at(self, path: str, joined: Sequence[str] | None = None) -> Self:
        """The settings with the source, and the tables joined to it, where they lie on this machine.

        Args:
            path: a file, or a folder of files.
            joined: the same of each of ``joins``; None: where these say.
        """
        changes: dict[str, Any] = {"path": path, "query": None}
        if joined is not None:
            changes["joins"] = [
                join.model_copy(update={"path": place, "query": None})
                for join, place in zip(self.joins, joined, strict=True)
            ]
        return self.model_copy(update=changes)

    def own_columns(self, values: list[str]) -> list[str]:
        """Those of some value columns that the source itself holds."""
        joined = self.joined_columns
        return [name for name in values if name not in joined]

    @property
    def source_columns(self) -> list[str]:
        """Every column read from the source."""
        return [self.time, *([self.series] if self.series else []), *self.value_columns]

    @property
    def read_columns(self) -> list[str]:
        """Every column whose cells are read: those of the source, and the parts of its times."""
        return [*self.source_columns, *self.time_columns, *self.series_parts, *self.wide_columns]

    @property
    def lookahead(self) -> int:
        """Label horizon: rows after its own that a target's value depends on."""
        derived = max((d.horizon for d in self.derived_targets.values()), default=1) - 1
        return max(derived, self.target_lookahead)

    def lookahead_of(self, target: str) -> int:
        """Rows after its own that the value of one target column depends on."""
        derived = self.derived_targets.get(target)
        return self.target_lookahead if derived is None else derived.horizon - 1

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
        own, common = self.columns.get(column), self.columns.get(ALL_COLUMNS)
        if own is None or common is None:
            return own or common or ColumnRules()
        try:
            return own.over(common)
        except ValueError as error:
            raise ValueError(f"columns.{column}: {error}") from None
