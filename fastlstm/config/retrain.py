"""All settings of one retraining, checked against each other."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.base import StrictSettings
from fastlstm.config.calendar import learnable_calendar
from fastlstm.config.categories import label_outputs
from fastlstm.config.class_weights import column_problems, weights_of_columns
from fastlstm.config.columns import OF_FORWARD_FILL
from fastlstm.config.data import DataConfig
from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.config.execution import ExecutionConfig, with_execution
from fastlstm.config.group_names import (
    ALL,
    POOLED,
    POOLED_SERIES,
    is_group_name,
    model_of_group,
)
from fastlstm.config.groups import GroupsConfig, read_overrides
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.known_future import shifts
from fastlstm.config.locations import S3_PREFIX, StoreLocation, WorkLocation
from fastlstm.config.messages import describe
from fastlstm.config.tuning import NOT_SEARCHED, TuneConfig
from fastlstm.errors import ConfigError


class RetrainConfig(StrictSettings):
    """All settings of one retraining."""

    data: DataConfig = Field(description="The table.")
    hyperparameters: Hyperparameters = Field(description="The network and its training.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="Evaluation of the network."
    )
    backtest: BacktestConfig = Field(
        default_factory=BacktestConfig,
        description="Backtest: repeated training and test over time.",
    )
    tune: TuneConfig = Field(
        default_factory=TuneConfig, description="Hyperparameter search of 'fastlstm tune'."
    )
    warm_start: bool = Field(
        False,
        description="Also continue training from the champion's weights, and keep the network with "
        "the better validation score. Needs a champion with the same columns and layers whose "
        "training rows all lie before the new validation cut; otherwise training starts from new "
        "weights alone, and the report gives the reason.",
    )
    incomparable_champion: Literal["keep", "replace"] = Field(
        "keep",
        description="What happens to a champion that cannot be compared with a new run, since a feature "
        "that it needs is no longer in the table, or it forecasts other targets or steps: 'keep' it "
        "until a person promotes a run, or 'replace' it by the first run that beats the baselines.",
    )
    models_by: list[str] = Field(
        default_factory=list,
        description="Columns whose values divide the rows into groups with a model each: own scalers, "
        "champion and history, under '<model_name>/<group>' in the store. Default: one model of all "
        "rows.",
    )
    groups: GroupsConfig = Field(
        default_factory=GroupsConfig, description="Models by group, where 'models_by' is set."
    )
    group: str | None = Field(
        None,
        description="A group such as 'region=north', whose model alone these settings are of; its rows "
        "alone are in data.path. 'models_by' sets it for each group.",
    )
    execution: ExecutionConfig = Field(
        default_factory=ExecutionConfig,
        description="Where folds, shards and the models of groups run.",
    )
    store: StoreLocation = Field(
        "runs",
        description="Store of all runs: a folder, or s3://bucket/prefix. Relative paths start at "
        "the config file's folder.",
    )
    work: WorkLocation = Field(
        ".fastlstm", description="Folder of intermediate files that later runs reuse, or "
        "s3://bucket/prefix: finished steps are then shared by all machines, and copies lie in the "
        "user's cache folder. It may be deleted at any time.",
    )  # fmt: skip
    training_time_limit: float | None = Field(
        None, gt=0, description="Maximum training time in seconds; longer training fails."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, given: Any) -> Any:
        return with_execution(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _workers_see_the_work(self) -> RetrainConfig:
        if self.work.startswith(S3_PREFIX) and self.execution.cluster is not None:
            raise ValueError(
                f"work: {self.work} is copied to a folder of each machine, and the workers of the "
                f"cluster at {self.execution.cluster} read those of this one; give a folder that all "
                "of them share, or remove execution.cluster"
            )
        return self

    @model_validator(mode="after")
    def _sections_agree(self) -> RetrainConfig:
        static = self.data.static_features
        if static and not self.hyperparameters.static_features:
            self.hyperparameters = self.hyperparameters.model_copy(
                update={"static_features": static}
            )
        embedded = self.data.embedded_groups
        if embedded and not self.hyperparameters.embedded_features:
            self.hyperparameters = self.hyperparameters.model_copy(
                update={"embedded_features": embedded}
            )
        self._add_future_features()
        self._add_classes()
        problems = [
            *self._covariate_problems(),
            *self._derived_target_problems(),
            *self._split_problems(),
            *self._class_problems(),
            *self._metric_problems(),
            *self._threshold_problems(),
            *self._range_problems(),
            *self._group_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def data_as_written(self) -> DataConfig:
        """``data`` for a reader that takes a classifier's label columns as they are."""
        undeclared = [] if self.hyperparameters.is_regressor else self.data.undeclared_labels
        return self.data.with_dtypes(undeclared, "category")

    @property
    def _category_targets(self) -> list[str]:
        """Target columns that are declared as categories."""
        columns = self.data.target_columns
        return [name for name in columns if self.data.rules(name).dtype == "category"]

    def _add_future_features(self) -> None:
        """Add the features that hold what is known of the rows to forecast, for the decoder.

        A run whose settings say that it has none (``future_features: {}``) stays as it is.
        """
        hp = self.hyperparameters
        if hp.future_features == {}:
            return
        spans = self.tune.ranges.get("timesteps")
        searched = [
            end for end in (spans.ends if spans else []) if isinstance(end, int) and end > 0
        ]
        shortest = min([hp.timesteps, *searched])
        self.data, future = self.data.with_future(shifts(hp.steps_ahead, shortest), hp.steps_ahead)
        if future != (hp.future_features or {}):
            self.hyperparameters = hp.model_copy(update={"future_features": future or None})

    def _add_classes(self) -> None:
        """Give the network the classes of label columns, where they are known."""
        hp, labels = self.hyperparameters, self.data.label_columns
        # Each label is weighed by its class, so labels 0 and 1 are named then as others are. Undeclared
        # columns may be other labels, whose classes are known once their rows are read.
        unknown = {*self.data.undeclared_labels, *self._category_targets} - {*labels}
        weighs = not unknown and hp.weighs_indicators(len(self.data.targets))
        if hp.is_regressor or not (labels or weighs):
            return
        classes = {name: labels.get(name, ["0", "1"]) for name in self.data.target_columns}
        if classes != hp.classes:
            self.hyperparameters = Hyperparameters.model_validate(
                {**hp.model_dump(), "classes": classes}
            )

    def with_categories(
        self, categories: Mapping[str, list[str]], series: Sequence[str] | None = None
    ) -> Self:
        """The settings with the categories and series of the train rows.

        Args:
            categories: of columns of dtype 'category', and of a classifier's label columns.
            series: of ``data.embedded_series: all``; None where it is not asked for.

        Raises:
            ConfigError: the categories contradict the settings.
        """
        if not categories and series is None:
            return self
        given = self.model_dump()
        data, hp = given["data"], given["hyperparameters"]
        for name in categories:
            missing = self.data.rules(name).model_dump(include={"missing", *OF_FORWARD_FILL})
            of_column = data["columns"].get(name, {})
            # Said, for what a category leaves open is a category of its own.
            given_rules = {"missing": "error", **missing, **of_column}
            data["columns"][name] = {**given_rules, "dtype": "category"}
        data["categories"] = {**data["categories"], **categories}
        if series is not None:
            data["embedded_series"] = list(series)
        if hp["static_features"] == self.data.static_features:
            hp["static_features"] = []
        try:
            return type(self).model_validate(given)
        except ValidationError as error:
            raise ConfigError(describe(error, type(self))) from None

    def with_calendar(self, train_seconds: float) -> Self:
        """The settings with ``data.calendar: auto`` resolved to the kinds that the rows can teach.

        Args:
            train_seconds: time from the first to the last train row.
        """
        if self.data.calendar != "auto":
            return self
        timesteps = self.hyperparameters.timesteps
        data = self.data
        kinds = learnable_calendar(data.frequency, train_seconds, timesteps, data.value_columns)
        if not self.hyperparameters.takes_calendar:
            kinds = []
        data = self.data.model_copy(update={"calendar": kinds})
        changed = self.model_copy(update={"data": data})
        changed._add_future_features()
        return changed

    @property
    def stored_name(self) -> str:
        """Name of the model in the store; with 'models_by' that of the reports on all models."""
        name, group = self.hyperparameters.model_name, ALL if self.models_by else self.group
        return name if group is None else model_of_group(name, group)

    @property
    def family_name(self) -> str:
        """Name of the model, below which the models of groups lie."""
        return self.hyperparameters.model_name

    def require_one_model(self, what: str) -> None:
        """Refuse settings of many models.

        Args:
            what: what works on one model.

        Raises:
            ConfigError: ``models_by`` is set.
        """
        if self.models_by:
            raise ConfigError(
                f"models_by: '{what}' works on one model; remove models_by, or give a config with the "
                "rows of one group in data.path, and the group's name in 'group'"
            )

    def overrides(self) -> dict[str, dict[str, Any]]:
        """The settings of single groups, by the group's name; see ``groups.overrides``.

        Raises:
            ConfigError: the file cannot be used.
        """
        file = self.groups.overrides
        return {} if file is None else read_overrides(Path(file), self.models_by)

    def check_overrides(self) -> None:
        """Refuse settings of single groups that are wrong, before any work.

        Raises:
            ConfigError: one line for each, with the group and the setting.
        """
        problems = []
        for group, changes in self.overrides().items():
            try:
                self.of_group(group, self.data.path, changes)
            except ConfigError as error:
                problems += [f"groups.overrides, {group}: {line}" for line in error.problems]
        if problems:
            raise ConfigError(problems)

    def of_group(self, group: str, path: str, changes: Mapping[str, Any]) -> Self:
        """The settings of one group's model.

        Args:
            group: its name.
            path: file of its rows.
            changes: its own settings, by 'section.key'.

        Raises:
            ConfigError: a changed setting is refused.
        """
        given = self.model_dump(exclude_unset=True)
        for key, value in changes.items():
            section, _, name = key.partition(".")
            given.setdefault(section, {})[name] = value
        given["data"].update(path=path, format="parquet")
        given["data"].pop("query", None)
        if group == POOLED:
            given["data"].update(series=POOLED_SERIES, short_series="skip")
        given.update(group=group, models_by=[])
        try:
            return self.model_validate(given)
        except ValidationError as error:
            raise ConfigError(describe(error, type(self))) from None

    def _group_problems(self) -> list[str]:
        """Settings of models by group."""
        if len(set(self.models_by)) < len(self.models_by):
            return ["models_by: lists a column twice; list each once"]
        if self.group is not None and self.models_by:
            return ["group: models_by divides the rows into all groups; remove one of them"]
        if self.group is not None and (not is_group_name(self.group) or "/" in self.group):
            return [f"group: {self.group!r} names no group; write it like 'region=north'"]
        if self.models_by and self.data.layout == "wide":
            return [
                "models_by: a wide table has no column of groups; give one row a series and time, or "
                "remove models_by"
            ]
        used = [n for n in self.models_by if n in (self.data.time, *self.data.value_columns)]
        if used:
            return [
                f"models_by: {used[0]!r} is the time or a column of numbers; name a column of labels"
            ]
        if self.models_by and self.execution.trains_together:
            return [
                "execution.training_workers, execution.training_gpus: the models of groups train side "
                "by side, each on one worker; remove them, or models_by"
            ]
        if self.models_by and self.groups.small == "pool" and self.data.embedded_series:
            return [
                "models_by: pooled groups cannot have data.embedded_series; set groups.small to 'refuse'"
            ]
        return []

    def _covariate_problems(self) -> list[str]:
        """Known future and static covariates against the network."""
        hp = self.hyperparameters
        problems = [
            f"data.known_ahead: {name!r} has {rows} rows, hyperparameters.steps_ahead is "
            f"{hp.steps_ahead}; give at most {hp.steps_ahead} rows"
            for name, rows in self.data.known_ahead.items()
            if rows > hp.steps_ahead
        ]
        return problems + [
            f"hyperparameters.static_features: lacks {name!r} of data; add it, or remove "
            "static_features, which then takes those of data"
            for name in self.data.static_features
            if name not in hp.static_features
        ]

    def _derived_target_problems(self) -> list[str]:
        """Derived targets against the task."""
        is_regressor = self.hyperparameters.is_regressor
        wrong = [n for n, d in self.data.derived_targets.items() if d.is_label == is_regressor]
        if not wrong:
            return []
        if is_regressor:
            problem = (
                "gives labels, but LSTM_type is 'regressor'; use 'classifier' or another operation"
            )
        else:
            problem = (
                "gives quantities, but LSTM_type is 'classifier'; use bins, 'any_above' or 'any_below', "
                "or a regressor"
            )
        return [f"data.derived_targets.{wrong[0]}: {problem}"]

    def _split_problems(self) -> list[str]:
        """Cuts of each series against the table and the backtest."""
        if self.hyperparameters.split == "at_time":
            return []
        problems = []
        if self.data.series is None:
            problems.append(
                "hyperparameters.split: 'by_series' needs data.series, the series id column; set it, or "
                "use 'at_time'"
            )
        if self.backtest.decides:
            problems.append(
                "backtest.decides: a backtest has test periods at one time for all series, "
                "hyperparameters.split is 'by_series'; use 'at_time', or remove decides"
            )
        return problems

    def _class_problems(self) -> list[str]:
        """Classes of the outputs against softmax and class weights."""
        hp, targets = self.hyperparameters, len(self.data.targets)
        if hp.classes is not None:
            return self._label_problems(hp.classes)
        problems = []
        softmax = hp.last_layer_activation == "softmax"
        if softmax and targets < 2:
            problems.append(
                "hyperparameters.last_layer_activation: softmax over one target is always 1; list "
                "one target column per class, or use 'sigmoid'"
            )
        unknown = column_problems(hp.class_weight, self.data.target_columns)
        problems += [f"hyperparameters.{problem}" for problem in unknown]
        if self._category_targets:
            return problems  # their classes are those of the train rows
        # The classes of one column of no declared type are those of its rows.
        known = softmax or not self.data.undeclared_labels
        if isinstance(hp.class_weight, dict) and known and not unknown:
            classes = set(range(targets if softmax else 2))
            if set(hp.class_weight) != classes:
                given = sorted(map(str, hp.class_weight))
                problems.append(
                    f"hyperparameters.class_weight: has classes {given}, the model has "
                    f"{sorted(classes)}; give one weight per class"
                )
        return problems

    def _label_problems(self, classes: dict[str, list[str]]) -> list[str]:
        """Classes of label columns against the targets and the class weights."""
        hp = self.hyperparameters
        outputs = [
            name for column, found in classes.items() for name in label_outputs(column, found)
        ]
        if outputs != self.data.targets:
            return [
                f"hyperparameters.classes: are of the outputs {outputs}, the targets are "
                f"{self.data.targets}; remove classes, which then follow from the train rows"
            ]
        if hp.class_weight is None:
            return []
        try:
            weights_of_columns(hp.class_weight, classes)
        except ConfigError as error:
            return list(error.problems)
        return []

    def _threshold_problems(self, *, resolved: bool = False) -> list[str]:
        """Names of decision thresholds that are none of the outputs and classes.

        Args:
            resolved: whether the train rows have taught which columns are labels with names.
        """
        given, hp, targets = self.evaluation.thresholds, self.hyperparameters, self.data.targets
        if not given:
            return []
        if hp.is_regressor:
            return ["evaluation.thresholds: are for labels, LSTM_type is 'regressor'; remove them"]
        if hp.classes is None and self.data.undeclared_labels and not resolved:
            return []
        problems = hp.threshold_problems(given, targets)
        return [f"evaluation.{problem}" for problem in problems]

    def with_known_classes(self) -> Self:
        """The settings once train rows have taught which label columns have classes other than 0 and 1.

        Raises:
            ConfigError: thresholds are of unknown classes; the message names the setting.
        """
        hp, known = self.hyperparameters, self
        if hp.weighs_indicators(len(self.data.targets)):
            classes = {name: ["0", "1"] for name in self.data.targets}
            hp = Hyperparameters.model_validate({**hp.model_dump(), "classes": classes})
            known = self.model_copy(update={"hyperparameters": hp})
        if problems := [*known._class_problems(), *known._threshold_problems(resolved=True)]:
            raise ConfigError(problems)
        return known

    def _metric_problems(self) -> list[str]:
        """The primary metric against the task."""
        metric = self.evaluation.primary_metric
        is_regressor = self.hyperparameters.is_regressor
        if metric == "auto" or (metric in ("mae", "rmse", "mase", "rmsse")) == is_regressor:
            return []
        kind, task = ("labels", "regressor") if is_regressor else ("quantities", "classifier")
        return [
            f"evaluation.primary_metric: {metric!r} is for {kind}, LSTM_type is {task!r}; remove it"
        ]

    def _range_problems(self) -> list[str]:
        """The search space: every value to search must be a valid setting."""
        problems = []
        for name, span in self.tune.ranges.items():
            key = f"tune.ranges.{name}"
            if name not in Hyperparameters.model_fields:
                near = difflib.get_close_matches(name, list(Hyperparameters.model_fields), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "remove it"
                problems.append(f"{key}: is no hyperparameter; {hint}")
            elif name in NOT_SEARCHED:
                problems.append(
                    f"{key}: cannot be searched, as trials that differ in it cannot be compared; "
                    "remove it"
                )
            else:
                problems += [
                    f"{key}: {value!r} is refused ({reason}); correct the range"
                    for value in span.ends
                    if (reason := self._refusal(name, value)) is not None
                ]
        return problems

    def _refusal(self, name: str, value: Any) -> str | None:
        """Why the hyperparameters refuse this value of one of them; None where they take it."""
        try:
            Hyperparameters.model_validate({**self.hyperparameters.model_dump(), name: value})
        except ValidationError as error:
            return describe(error, Hyperparameters)[0]
        return None
