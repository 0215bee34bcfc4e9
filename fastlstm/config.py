"""The one YAML file of a retraining, read into pydantic models and refused before any work.

Importing this module imports neither pandas nor Keras, so that an unchanged retraining is known
within a second.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fastlstm.errors import ConfigError
from fastlstm.hyperparameters import ALIASES, Hyperparameters

RESERVED_PREFIX = "__"
Model = TypeVar("Model", bound=BaseModel)


class StrictSettings(BaseModel):
    """Settings that refuse unknown keys and never convert a value silently."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)


def is_remote(place: str) -> bool:
    """Whether a place is no file of this machine: a URL, or where a database's URL is kept."""
    return "://" in place or place.startswith(("env:", "block:"))


def is_database(place: str) -> bool:
    """Whether a place is a database rather than files."""
    return is_remote(place) and not place.startswith("s3://")


def without_password(url: str) -> str:
    """A URL that may stand in a config file.

    Raises:
        ValueError: it carries a password, which would be stored with every run.
    """
    _, separator, rest = url.partition("://")
    login, at, _ = rest.partition("/")[0].rpartition("@")
    if separator and at and ":" in login:
        raise ValueError(
            "holds a password, which would be stored in plain text; put the URL into an "
            "environment variable and write 'env:NAME', or into a Prefect Secret block and write "
            "'block:secret/NAME'"
        )
    return url


class ColumnRules(StrictSettings):
    """What one column must hold, and what happens to values that are missing or out of range."""

    dtype: Literal["float", "integer", "boolean"] = Field(
        "float", description="Type the column is read as."
    )
    unit: str = Field("", description="Unit of the values, for figures and reports.")
    minimum: float | None = Field(None, description="Lowest valid value.")
    maximum: float | None = Field(None, description="Highest valid value.")
    out_of_range: Literal["error", "warning", "missing"] = Field(
        "error",
        description="A value out of range stops the run, is only reported, or counts as missing.",
    )
    missing: Literal["error", "drop", "forward_fill"] = Field(
        "error",
        description="A missing value stops the run, drops its row (windows never cross the hole), "
        "or takes the last value before it in the same unbroken stretch of its series.",
    )
    forward_fill_limit: int | None = Field(
        None, ge=1, description="Most rows in a row filled by 'forward_fill'."
    )
    beyond_limit: Literal["error", "drop"] = Field(
        "error", description="What happens to values still missing after 'forward_fill'."
    )
    max_missing_share: float = Field(
        0.1, ge=0, le=1, description="Largest share of missing values that is accepted."
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _no_look_ahead(cls, value: Any) -> Any:
        if value in ("interpolate", "back_fill", "backfill", "bfill", "linear"):
            raise ValueError(
                f"{value!r} is not offered: it fills a row from rows after it, which a forecast "
                "made at that time could not know; use 'forward_fill', 'drop' or 'error'"
            )
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> ColumnRules:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is above maximum {self.maximum}; swap or correct them"
            )
        if self.missing == "forward_fill" and self.forward_fill_limit is None:
            raise ValueError(
                "forward_fill_limit: missing 'forward_fill' needs it; give the most rows that may "
                "be filled in a row"
            )
        if self.missing != "forward_fill":
            for key, unset in (("forward_fill_limit", None), ("beyond_limit", "error")):
                if getattr(self, key) != unset:
                    raise ValueError(
                        f"{key}: has no meaning with missing {self.missing!r}; remove it or set "
                        "missing to 'forward_fill'"
                    )
        return self


class DerivedTarget(StrictSettings):
    """A target computed from the next rows of a column.

    The label of row ``t`` is the operation over rows ``t .. t + horizon - 1`` of one series. A
    window whose label would need a row beyond its split, its series or a hole is not made.
    """

    column: str = Field(description="Column the label is computed from.")
    operation: Literal["any_above", "any_below", "max", "min", "mean", "sum"] = Field(
        description="'any_above' and 'any_below' give 0 or 1 against the threshold; the others a "
        "quantity."
    )
    threshold: float | None = Field(None, description="Threshold of 'any_above' and 'any_below'.")
    horizon: int = Field(1, ge=1, description="Rows looked at, the window's first target row on.")

    @property
    def is_label(self) -> bool:
        """Whether the operation gives 0 or 1."""
        return self.operation.startswith("any_")

    @model_validator(mode="after")
    def _threshold_where_used(self) -> DerivedTarget:
        if self.is_label and self.threshold is None:
            raise ValueError(f"threshold: {self.operation!r} needs one; give a number")
        if not self.is_label and self.threshold is not None:
            raise ValueError(f"threshold: {self.operation!r} uses none; remove it")
        return self


def ahead_columns(known_ahead: Mapping[str, int]) -> dict[str, int]:
    """The features made by ``known_ahead``, in its order, and how many rows later each looks."""
    return {f"{name}+{rows}": rows for name, rows in known_ahead.items()}


class DataConfig(StrictSettings):
    """Where the rows are and what they mean."""

    path: str = Field(
        description="A CSV or Parquet file, a folder of them, or 'package:NAME/FILE' for a file "
        "inside an installed Python package. Relative paths start at the config file's folder. "
        "The pipeline also reads s3://bucket/key-or-prefix, and databases: a SQLAlchemy URL "
        "without password, 'env:NAME' or 'block:secret/NAME' that hold one."
    )
    query: str | None = Field(
        None, description="SQL whose result is the table, where path is a database."
    )
    format: Literal["auto", "csv", "parquet"] = Field(
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

    @field_validator("path")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        return without_password(value)

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
        if is_database(self.path) and self.query is None:
            problems.append("query: path is a database; give the SQL whose result is the table")
        if self.query is not None and not is_database(self.path):
            problems.append("query: path is no database; remove query, or give a SQLAlchemy URL")
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


class EvaluationConfig(StrictSettings):
    """How a trained network is judged."""

    season_length: int | None = Field(
        None, ge=1,
        description="Rows in one season of the last-season baseline; without it by frequency "
        "(24 for hourly, 7 for daily, …).",
    )  # fmt: skip
    threshold_metric: Literal["f1", "balanced_accuracy"] = Field(
        "f1", description="Score whose maximum on validation chooses the decision threshold."
    )
    explain_windows: int = Field(
        256, ge=0, le=100_000,
        description="Validation windows, evenly spaced, that tell how much each feature and stretch of "
        "past rows matters; 0: none.",
    )  # fmt: skip
    interval_levels: list[float] = Field(
        [0.8, 0.95], max_length=10,
        description="Coverage of a regressor's prediction intervals, each between 0.01 and 0.99; an "
        "empty list makes none.",
    )  # fmt: skip
    interval_rate: float = Field(
        0.005, ge=0, le=1,
        description="How fast intervals adapt to the errors of the forecasts before (Gibbs and Candès "
        "2021, whose value it is); 0: validation alone decides.",
    )  # fmt: skip

    @field_validator("interval_levels")
    @classmethod
    def _levels(cls, value: list[float]) -> list[float]:
        for level in value:
            if not 0.01 <= level <= 0.99:
                raise ValueError(f"{level} is no coverage between 0.01 and 0.99; give e.g. 0.8")
        if len(set(value)) < len(value):
            raise ValueError("a level is listed twice; list it once")
        return sorted(value)


class BacktestConfig(StrictSettings):
    """How a backtest rolls its origin through the table."""

    folds: int = Field(5, ge=1, le=1000, description="Test periods, one after the other.")
    test_size_rate: float = Field(
        0.3, gt=0, lt=1,
        description="Share of the time span, the last, that the folds divide evenly among them.",
    )  # fmt: skip
    window: Literal["expanding", "sliding"] = Field(
        "expanding",
        description="What a fold learns from: all rows before its test period, or the last ones, as "
        "many as the first fold has.",
    )
    gap: int = Field(
        0, ge=0,
        description="Rows just before a test period that nothing is learned from, as where labels come "
        "late; forecasts see them as inputs.",
    )  # fmt: skip
    decides: bool = Field(
        False,
        description="Promote only where the backtest shows the settings to beat each baseline beyond "
        "chance (5%); 'retrain' then runs it too.",
    )
    refit_every: int = Field(
        1,
        ge=1,
        description="Train anew at every so many folds; those between use the last network.",
    )
    warm_start: bool = Field(
        False,
        description="Begin each training after the first from the weights of the one before; scalers "
        "are then those of the first. The folds then wait for each other.",
    )
    task_runner: Literal["threads", "dask", "ray"] = Field(
        "threads",
        description="What runs the folds of the flow at the same time: threads of this machine, each "
        "training in a process of its own, or a cluster through prefect-dask or prefect-ray, whose "
        "machines find the table and 'work' at the same paths.",
    )
    cluster: str | None = Field(
        None,
        description="Address of a running Dask or Ray cluster, such as tcp://10.0.0.5:8786 or "
        "ray://10.0.0.5:10001; without it one is started on this machine.",
    )
    parallel: int = Field(
        2, ge=1, le=1024, description="Folds at the same time where 'threads' run them."
    )

    @model_validator(mode="after")
    def _cluster_is_used(self) -> BacktestConfig:
        if self.cluster is not None and self.task_runner == "threads":
            raise ValueError("cluster: 'threads' use none; set task_runner to 'dask' or 'ray'")
        return self


class Range(StrictSettings):
    """Values of one hyperparameter to search: between two ends, or some choices."""

    low: int | float | None = Field(None, description="Lowest value.")
    high: int | float | None = Field(None, description="Highest value.")
    step: int | float | None = Field(
        None, gt=0, description="Distance between values; without it 1 for whole numbers, else any."
    )
    log: bool = Field(False, description="Whether the search is even in the logarithm.")
    choices: list[Any] | None = Field(
        None, min_length=1, max_length=100, description="The values, in place of low and high."
    )

    @model_validator(mode="after")
    def _ends_or_choices(self) -> Range:
        if self.choices is not None:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError("choices: low, high, step and log have no meaning beside it")
            return self
        if self.low is None or self.high is None:
            raise ValueError("low: give low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"low: {self.low} is not below high {self.high}; swap or correct them")
        if self.log and self.step is not None:
            raise ValueError("step: has no meaning with log; remove one of them")
        if self.log and self.low <= 0:
            raise ValueError(f"low: {self.low} has no logarithm; give a value above 0")
        return self

    @property
    def ends(self) -> list[Any]:
        """The values to check a setting by."""
        return list(self.choices) if self.choices is not None else [self.low, self.high]


# What makes two trainings' validation scores incomparable, or has no part in a training.
_NOT_SEARCHED = (
    "model_name", "LSTM_type", "steps_ahead", "loss", "metrics", "scaler_type", "scale_targets",
    "train_size_rate", "validation_size_rate", "checkpoint_monitor_metric", "checkpoint_mode",
    "early_stop_monitor_metric", "early_stop_mode", "save_X_Y_data", "calibration",
    "naive_unless_better", "linear_component", "lstm_implementation",
)  # fmt: skip


class TuneConfig(StrictSettings):
    """How the hyperparameters are searched."""

    ranges: dict[str, Range] = Field(
        default_factory=dict, description="Hyperparameters to search, by name."
    )
    trials: int = Field(20, ge=1, le=100_000, description="Trainings in all, pruned ones included.")
    prune: bool = Field(
        True,
        description="End a training whose validation score is worse than the median of the earlier "
        "ones at the same epoch.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the search.")
    storage: str | None = Field(
        None,
        description="Optuna storage of the trials: a SQLAlchemy URL without password. Without it "
        "a file in the work folder.",
    )

    @field_validator("storage")
    @classmethod
    def _no_secret(cls, value: str | None) -> str | None:
        return value if value is None else without_password(value)


class RetrainConfig(StrictSettings):
    """All settings of one retraining."""

    data: DataConfig = Field(description="The table.")
    hyperparameters: Hyperparameters = Field(description="The network and its training.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="How the network is judged."
    )
    backtest: BacktestConfig = Field(
        default_factory=BacktestConfig, description="How a backtest rolls through the table."
    )
    tune: TuneConfig = Field(
        default_factory=TuneConfig, description="What 'fastlstm tune' searches, and how long."
    )
    warm_start: bool = Field(
        False,
        description="Also train on from the champion's weights, and keep whichever validates better. "
        "Needs a champion with the same columns and layers that learned from nothing after the new "
        "splits' cuts; else training is from new weights alone, and the report says why.",
    )
    store: str = Field(
        "runs",
        description="Folder of all runs, or s3://bucket/prefix. Relative paths start at the config "
        "file's folder.",
    )
    work: str = Field(
        ".fastlstm", description="Folder of intermediate files that later runs reuse; may be "
        "deleted at any time.",
    )  # fmt: skip
    training_time_limit: float | None = Field(
        None, gt=0, description="Seconds after which training is stopped as failed."
    )

    @field_validator("store", "work")
    @classmethod
    def _somewhere(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty; give a folder")
        return without_password(value)

    @field_validator("work")
    @classmethod
    def _a_folder(cls, value: str) -> str:
        if "://" in value:
            raise ValueError(f"{value!r} is a URL; give a folder of this machine")
        return value

    @model_validator(mode="after")
    def _data_and_network_agree(self) -> RetrainConfig:
        problems = []
        data, static = self.data, self.data.static_features
        if static and not self.hyperparameters.static_features:
            self.hyperparameters = self.hyperparameters.model_copy(
                update={"static_features": static}
            )
        hp = self.hyperparameters
        for name, rows in data.known_ahead.items():
            if rows > hp.steps_ahead:
                problems.append(
                    f"data.known_ahead: {name!r} has {rows} rows, hyperparameters.steps_ahead is "
                    f"{hp.steps_ahead}; give as many rows as are forecast, or fewer"
                )
        for name in static:
            if name not in hp.static_features:
                problems.append(
                    f"hyperparameters.static_features: {name!r} of data is not in it; add it, or leave "
                    "static_features out, so that those of data are taken"
                )
        labels = [n for n, d in data.derived_targets.items() if d.is_label]
        quantities = [n for n, d in data.derived_targets.items() if not d.is_label]
        if hp.is_regressor and labels:
            problems.append(
                f"data.derived_targets.{labels[0]}: gives labels, but LSTM_type is 'regressor'; "
                "use 'classificator' or another operation"
            )
        if not hp.is_regressor and quantities:
            problems.append(
                f"data.derived_targets.{quantities[0]}: gives quantities, but LSTM_type is a "
                "classifier; use 'any_above' or 'any_below', or a regressor"
            )
        softmax = hp.last_layer_activation == "softmax"
        if softmax and len(data.targets) < 2:
            problems.append(
                "hyperparameters.last_layer_activation: softmax over one target is always 1; list "
                "one target column per class, or use 'sigmoid'"
            )
        outputs = len(data.targets) * hp.steps_ahead
        if hp.class_weight is not None and outputs > 1 and not softmax:
            problems.append(
                f"hyperparameters.class_weight: {outputs} outputs have no common class; remove it, "
                "or train one model per output"
            )
        if isinstance(hp.class_weight, dict):
            classes = set(range(len(data.targets) if softmax else 2))
            if set(hp.class_weight) != classes:
                problems.append(
                    f"hyperparameters.class_weight: has classes {sorted(hp.class_weight)}, the "
                    f"model has {sorted(classes)}; give a weight for each"
                )
        problems += self._range_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _range_problems(self) -> list[str]:
        problems = []
        plain = self.hyperparameters.model_dump()
        for name, span in self.tune.ranges.items():
            key = f"tune.ranges.{name}"
            if name not in Hyperparameters.model_fields:
                near = difflib.get_close_matches(name, list(Hyperparameters.model_fields), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "remove it"
                problems.append(f"{key}: is no hyperparameter; {hint}")
            elif name in _NOT_SEARCHED:
                problems.append(f"{key}: trainings that differ in it cannot be compared; remove it")
            else:
                problems += [
                    f"{key}: {value!r} is refused ({describe(error)[0]}); correct the range"
                    for value in span.ends
                    if (error := _refusal({**plain, name: value})) is not None
                ]
        return problems


def _refusal(hyperparameters: dict[str, Any]) -> ValidationError | None:
    try:
        Hyperparameters.model_validate(hyperparameters)
    except ValidationError as error:
        return error
    return None


def _sections(model: type[BaseModel]) -> dict[str, set[str]]:
    found = {"the top level": set(model.model_fields)}
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found[name] = set(section.model_fields)
    if "data" in found:
        found["data.columns.<column>"] = set(ColumnRules.model_fields)
    if "hyperparameters" in found:
        found["hyperparameters"] |= set(ALIASES)
    return found


def _unknown_key(location: tuple[str | int, ...], root: str, model: type[BaseModel]) -> str:
    key, section = str(location[-1]), str(location[0]) if len(location) > 1 else root
    sections = _sections(model)
    known = sections.get(section, set()) if len(location) <= 2 else set(ColumnRules.model_fields)
    near = difflib.get_close_matches(key, sorted(known), n=1)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    for other, keys in sections.items():
        if key in keys:
            return f"unknown key here; it belongs under {other}"
    return f"unknown key; remove it or use one of {', '.join(sorted(known))}"


def describe(
    error: ValidationError, root: str = "the top level", model: type[BaseModel] = RetrainConfig
) -> list[str]:
    """One line per problem of a pydantic error: key, what was found, what to do.

    Args:
        error: pydantic's error.
        root: the section the validated settings are, to suggest keys from.
        model: the settings as a whole.
    """
    lines: list[str] = []
    for item in error.errors(include_url=False):
        location = tuple(item["loc"])
        key = ".".join(str(part) for part in location if part != "dict[int,float]")
        kind = item["type"]
        if kind == "value_error":
            prefix = f"{key}: " if key else ""
            # Messages over several settings name their key relative to the section.
            for line in str(item["ctx"]["error"]).split("\n"):
                joined = f"{key}.{line}" if _starts_with_key(line) and key else prefix + line
                lines.append(joined)
        elif kind == "extra_forbidden":
            lines.append(f"{key}: {_unknown_key(location, root, model)}")
        elif kind == "missing":
            lines.append(f"{key}: required, but not given; add it")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{key}: {message}, found {item['input']!r}; correct the value")
    return list(dict.fromkeys(lines))


def _starts_with_key(line: str) -> bool:
    head = line.split(":", 1)[0]
    return head.replace("_", "").replace(".", "").isalnum() and ":" in line


class _UniqueKeyLoader(yaml.SafeLoader):
    """Plain YAML whose duplicate keys are errors rather than silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_config(path: str | Path) -> RetrainConfig:
    """Read and check a config file of the library; see ``read_settings``.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a setting is refused.
    """
    return read_settings(path, RetrainConfig)


def read_settings(path: str | Path, model: type[Model]) -> Model:
    """Read and check a config file.

    Relative paths in it (``data.path``, ``store``, ``work``) are taken from the file's folder and
    returned absolute, so that a run does not depend on where it was started.

    Args:
        path: a YAML file.
        model: the settings it holds.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a setting is refused.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    try:
        given = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader subclass)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "is no YAML"
        raise ConfigError(f"{file}:{where} {what}; correct the file") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{file}: holds no settings; start from one in deployments/")
    return check_settings(given, model, relative_to=file.resolve().parent)


def parse_config(given: dict[str, Any], relative_to: Path | None = None) -> RetrainConfig:
    """Check settings of the library given as a mapping; see ``read_settings``.

    Raises:
        ConfigError: a setting is refused.
    """
    return check_settings(given, RetrainConfig, relative_to)


def check_settings(
    given: dict[str, Any], model: type[Model], relative_to: Path | None = None
) -> Model:
    """Check settings given as a mapping; see ``read_settings``.

    Raises:
        ConfigError: a setting is refused.
    """
    try:
        config = model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(describe(error, model=model)) from None
    return absolute(config, relative_to or Path.cwd())


def absolute(config: Model, base: Path) -> Model:
    """The settings with every relative path taken from ``base``."""

    def placed(place: str) -> str:
        if is_remote(place) or place.startswith("package:"):
            return place
        return str((base / place).resolve())

    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel) and isinstance(getattr(value, "path", None), str):
            changes[name] = value.model_copy(update={"path": placed(value.path)})  # type: ignore[attr-defined]
        elif name in ("store", "work"):
            changes[name] = placed(value)
    return config.model_copy(update=changes)
