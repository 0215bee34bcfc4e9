"""All settings of one retraining, checked against each other."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import Field, ValidationError, model_validator

from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.base import StrictSettings
from fastlstm.config.data import DataConfig
from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.locations import FolderLocation, StoreLocation
from fastlstm.config.messages import describe
from fastlstm.config.tuning import NOT_SEARCHED, TuneConfig


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
    store: StoreLocation = Field(
        "runs",
        description="Folder of all runs, or s3://bucket/prefix. Relative paths start at the config "
        "file's folder.",
    )
    work: FolderLocation = Field(
        ".fastlstm", description="Folder of intermediate files that later runs reuse; may be "
        "deleted at any time.",
    )  # fmt: skip
    training_time_limit: float | None = Field(
        None, gt=0, description="Seconds after which training is stopped as failed."
    )

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
            elif name in NOT_SEARCHED:
                problems.append(f"{key}: trainings that differ in it cannot be compared; remove it")
            else:
                problems += [
                    f"{key}: {value!r} is refused ({describe(error, Hyperparameters)[0]}); correct the range"
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
