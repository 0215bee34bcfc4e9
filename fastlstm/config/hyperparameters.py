"""Every hyperparameter, once: type, range, default and description.

The class ``fastLSTM``, the JSON file of a run, the pipeline's config and the form in the Prefect UI
are all made from ``Hyperparameters``. Importing this module imports neither pandas nor Keras.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fastlstm.config.keras_names import (
    ACTIVATIONS,
    PROBABILITY_LOSSES,
    QUANTILE_LOSS,
    canonical_loss,
    canonical_metric,
)
from fastlstm.config.scalers import ScalerName

# Old name -> well-spelled name. Old names stay valid wherever hyperparameters are read.
ALIASES: dict[str, str] = {
    "scaler": "scaler_type",
    "metric": "metrics",
    "check_point_metric": "checkpoint_monitor_metric",
    "metric_mode": "checkpoint_mode",
    "early_stop_condittion": "early_stop_monitor_metric",
    "early_stop_condition": "early_stop_monitor_metric",
    "scale_target": "scale_targets",
    "lstm_type": "LSTM_type",
}


# Settings of the classic stack alone, with their defaults.
_STACK = {
    "model_relative_width": [1], "model_dropout": [0], "activation": "tanh",
    "last_layer_activation": "linear",
}  # fmt: skip


def _asks_for_a_stack(settings: dict[str, Any]) -> bool:
    return any(settings.get(name, default) != default for name, default in _STACK.items())


def _by_task(schema: dict[str, Any]) -> None:
    """Leave a default that depends on ``LSTM_type`` out of the JSON schema.

    A form made from the schema fills in what it finds there, and would hand a classifier's default
    to a regressor as if the user had set it.
    """
    del schema["default"]


class Hyperparameters(BaseModel):
    """All that decides how a network is built and trained.

    Windows have inputs of shape ``(timesteps, n_features)`` and targets of shape
    ``(steps_ahead, n_targets)``. Names of fastLSTM 1.0 are accepted beside the names below
    (see ``ALIASES``). A regressor's ``loss``, ``metrics``, ``last_layer_activation`` and monitors
    take a regressor's defaults where they were not set (``REGRESSOR_DEFAULTS``); one whose
    ``architecture`` is not 'classic', and that sets nothing of the classic stack, takes the training
    recipe of ``FORECAST_DEFAULTS`` too. What was set is never replaced.

    Raises:
        pydantic.ValidationError: an unknown name, a wrong type, a value out of range or settings
            that contradict each other.
    """

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True)

    model_name: str = Field(
        "LSTM", description="Name of the model; also the folder of its runs in the store."
    )
    LSTM_type: Literal["classifier", "regressor"] = Field(
        "classifier",
        description="What the network forecasts: labels ('classifier', also spelled "
        "'classificator') or quantities ('regressor').",
    )
    timesteps: int = Field(1, ge=1, le=100_000, description="Past rows the network sees.")
    steps_ahead: int = Field(1, ge=1, le=100_000, description="Future rows it forecasts at once.")

    architecture: Literal["auto", "classic", "segment"] = Field(
        "auto",
        description="'classic': a stack of LSTM layers over the rows. 'segment': an LSTM over segments "
        "of rows, for forecasts of columns that are features too (SegRNN, Lin et al. 2023). 'auto': by "
        "task, columns and look-back, as fastlstm.network.architecture.resolve tells.",
    )
    segment_length: int | None = Field(
        None, ge=1, le=100_000,
        description="Rows in a segment of the 'segment' architecture; without it an eighth of the "
        "look-back, 48 at most.",
    )  # fmt: skip
    segment_units: int | None = Field(
        None, ge=1, le=8192,
        description="Units of the 'segment' architecture's LSTM; without it 128, fewer for few windows.",
    )  # fmt: skip
    segment_dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Dropout rate before the 'segment' architecture's output layer.",
    )
    decoding: Literal["parallel", "direct", "recursive"] = Field(
        "parallel",
        description="How the 'segment' architecture forecasts: all segments at once from the last state "
        "by their positions, all steps by one layer, or segment after segment from its own forecasts.",
    )
    instance_normalization: Literal["auto", "none", "last", "revin"] = Field(
        "auto",
        description="Taken off each window's target columns and given back to the forecast: the "
        "window's last value (NLinear, Zeng et al. 2023), or its mean and deviation with a learned "
        "scale (RevIN, Kim et al. 2022). Needs scaled targets that are features.",
    )
    channel_independent: bool | None = Field(
        None,
        description="One network shared by all target columns, each seen with the features that are no "
        "targets, beside a learned embedding of the column (PatchTST, Nie et al. 2023); false: all "
        "jointly. Without it: true for 'segment'.",
    )
    static_features: list[str] = Field(
        default_factory=list,
        description="Features that are the same in every row of a window, as they say what its series "
        "is: read once from the last row by a layer of their own, whose output stands beside each row.",
    )
    seasonal_residual: int | None = Field(
        None, ge=1, le=100_000,
        description="Forecast the difference from the same row of the last season, of so many rows. "
        "Needs scaled targets that are features.",
    )  # fmt: skip
    naive_unless_better: bool | None = Field(
        None,
        description="Where validation does not show beyond chance (5%) that the network is better than "
        "the last value, or with seasonal_residual the last season, the saved network forecasts that. "
        "Where validation is too short to test all steps, the first are tested, and their error must "
        "be a tenth lower. Needs scaled targets that are features. Without it: true for 'segment'.",
    )
    linear_component: bool | None = Field(
        None,
        description="Beside the LSTM stands ridge regression on the same windows, its penalty chosen by "
        "validation, and the forecast is a mean of the two (Bates and Granger 1969): half of each, "
        "unless validation shows other shares to be better by more than 1%. Training judges the LSTM "
        "alone. Without it: true for 'segment' with instance_normalization 'last' and no "
        "quantiles, unless a window has more than 4,096 values.",
    )

    model_relative_width: list[float] = Field(
        [1], min_length=1, max_length=20,
        description="Units of each LSTM layer as a multiple of the number of features.",
    )  # fmt: skip
    model_dropout: list[float] = Field(
        [0], min_length=1, max_length=20,
        description="Dropout rate after each LSTM layer, one for each width.",
    )  # fmt: skip
    activation: Literal[ACTIVATIONS] = Field(  # type: ignore[valid-type]
        "tanh", description="Activation of the LSTM layers."
    )
    last_layer_activation: Literal[ACTIVATIONS] = Field(  # type: ignore[valid-type]
        "sigmoid",
        description="Activation of the output layer; by default 'sigmoid' for a classifier, "
        "'linear' for a regressor.",
        json_schema_extra=_by_task,
    )

    loss: str = Field(
        "binary_crossentropy",
        description="Any Keras loss by name or class name; by default 'binary_crossentropy' for a "
        "classifier, 'mse' for a regressor.",
        json_schema_extra=_by_task,
    )
    metrics: list[str] = Field(
        ["accuracy"],
        description="Metrics logged per epoch; by default 'accuracy' for a classifier, 'mae' for a "
        "regressor.",
        json_schema_extra=_by_task,
    )
    quantiles: list[float] | None = Field(
        None,
        min_length=3,
        max_length=99,
        description="Quantiles a regressor forecasts, an odd number of them, even about 0.5, which is "
        "the forecast itself, e.g. [0.1, 0.5, 0.9]. Its loss is then 'quantile', the pinball loss of "
        "all of them (Koenker and Bassett 1978), and pairs of them give prediction intervals.",
    )
    step_weights: list[float] | None = Field(
        None,
        min_length=1,
        description="Weight of each step ahead in a regressor's loss, one for each; else all alike.",
    )
    loss_scaling: Literal["none", "mase"] = Field(
        "none",
        description="'mase': each series of a panel weighs in a regressor's loss by one over the mean "
        "change of its target from row to row in train (MASE; Hyndman and Koehler 2006), so that large "
        "series do not drown small ones. One target only.",
    )
    epochs: int = Field(100, ge=1, le=1_000_000, description="Most passes over the train windows.")
    batch_size: int | None = Field(
        128, ge=1,
        description="Windows per gradient step. None: 32, or fewer where the columns of so many would "
        "make more than 224 sequences for a network that takes them one by one.",
    )  # fmt: skip
    shuffle: bool = Field(True, description="Shuffle the train windows anew in every epoch.")
    windows_per_epoch: int | None = Field(
        None, ge=1,
        description="Train windows drawn anew for each epoch, where all would take too long, and at "
        "most as many validation windows, evenly spaced, that judge it; needs shuffle. Without it all.",
    )  # fmt: skip
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of weights, dropout and shuffling.")
    lstm_implementation: Literal["auto", "fused", "keras"] = Field(
        "auto",
        description="How LSTM layers are computed on a CPU while training: by fused steps, by Keras' "
        "own loop, or 'auto': fused wherever it is possible. The saved network is the same.",
    )
    ema_momentum: float | None = Field(
        None, gt=0, lt=1,
        description="Validation judges, and the saved file holds, moving averages of the weights over "
        "the gradient steps, each with a share of one minus this (Polyak and Juditsky 1992; Keras' "
        "use_ema): 0.99 is about the last 100 steps. Without it the last weights of an epoch.",
    )  # fmt: skip
    ensemble_size: int = Field(
        1, ge=1, le=100,
        description="Networks trained beside each other from different first weights, whose forecasts "
        "are averaged (Lakshminarayanan et al. 2017); of a classifier the logits are. The saved file "
        "holds all of them, and training takes so many times as long.",
    )  # fmt: skip
    refit: bool = Field(
        False,
        description="Once validation has chosen the epoch, train anew for as many epochs, from the same "
        "first weights, on the train and validation windows, and keep that network, which knows the "
        "latest rows too (Goodfellow et al. 2016, Deep Learning, algorithm 7.2). Thresholds, "
        "calibration and intervals stay those of the first, which validation could judge. Training "
        "takes twice as long.",
    )  # fmt: skip
    class_weight: dict[int, float] | Literal["balanced"] | None = Field(
        None,
        description="Weight of each class in the loss, e.g. {0: 1, 1: 10}, or 'balanced' from the "
        "train windows. One binary output or softmax classes only.",
    )
    calibration: Literal["auto", "platt", "temperature", "none"] = Field(
        "auto",
        description="How validation corrects a classifier's probabilities after training, within the "
        "network's last layer: 'platt' for 'sigmoid' outputs, 'temperature' for 'softmax'; 'auto': the "
        "fitting one, but none where class_weight asks for other odds than the data's, or the loss "
        "is no crossentropy.",
    )

    learning_rate: float = Field(0.0003, gt=0, le=10, description="Adam's initial step size.")
    learning_rate_schedule: Literal["reduce_on_plateau", "constant", "cosine", "exponential"] = (
        Field("reduce_on_plateau", description="How the learning rate falls while training.")
    )
    learning_rate_factor: float = Field(
        0.5, gt=0, lt=1, description="'reduce_on_plateau' multiplies the learning rate by this."
    )
    learning_rate_patience: int = Field(
        5, ge=1, description="Epochs without a better val_loss before 'reduce_on_plateau' acts."
    )
    learning_rate_decay: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="'exponential' multiplies the learning rate by this per epoch.",
    )

    checkpoint_monitor_metric: str = Field(
        "val_accuracy",
        description="Quantity that chooses the saved epoch; by default 'val_accuracy' for a "
        "classifier, 'val_loss' for a regressor.",
        json_schema_extra=_by_task,
    )
    checkpoint_mode: Literal["min", "max"] = Field(
        "max",
        description="Whether the lowest or the highest monitored value is best; by default 'max' for "
        "a classifier, 'min' for a regressor.",
        json_schema_extra=_by_task,
    )
    save_best_only: bool = Field(
        True, description="Keep the best epoch's weights; if false, the last epoch's."
    )
    early_stop_monitor_metric: str = Field(
        "val_accuracy",
        description="Quantity early stopping watches; by default 'val_accuracy' for a classifier, "
        "'val_loss' for a regressor.",
        json_schema_extra=_by_task,
    )
    early_stop_mode: Literal["min", "max"] = Field(
        "max",
        description="Whether the lowest or the highest watched value is best; by default 'max' for a "
        "classifier, 'min' for a regressor.",
        json_schema_extra=_by_task,
    )
    early_stop_patience: int = Field(
        200, ge=1, description="Epochs without improvement before training stops."
    )

    scaler_type: ScalerName = Field(
        "StandardScaler", description="scikit-learn scaler fitted on the train rows."
    )
    scale_targets: bool = Field(False, description="Scale the targets too (regressor only).")
    train_size_rate: float = Field(
        0.7, gt=0, lt=1, description="Share of the time span used for training."
    )
    validation_size_rate: float = Field(
        0.15, gt=0, lt=1, description="Share of the time span after it used for validation; "
        "the rest is test.",
    )  # fmt: skip
    save_X_Y_data: bool = Field(True, description="Store the rows used, as CSV, with the run.")

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        named: dict[str, Any] = {}
        for key, value in given.items():
            name = ALIASES.get(str(key), str(key))
            if name in named:
                raise ValueError(f"{key!r} and another spelling of {name!r} are both set; keep one")
            named[name] = value
        # 1.0 had one mode for checkpoint and early stopping.
        if "metric_mode" in given:
            named.setdefault("early_stop_mode", given["metric_mode"])
        if named.get("LSTM_type") == "classificator":
            named["LSTM_type"] = "classifier"
        if isinstance(named.get("metrics"), str):
            named["metrics"] = [named["metrics"]]
        weights = named.get("class_weight")
        if isinstance(weights, dict):  # JSON has no integer keys
            named["class_weight"] = {
                int(k) if isinstance(k, str) and k.isdecimal() else k: v for k, v in weights.items()
            }
        if named.get("quantiles") is not None:
            named.setdefault("loss", QUANTILE_LOSS)
        if named.get("LSTM_type") == "regressor":
            defaults = REGRESSOR_DEFAULTS
            if named.get("architecture", "auto") != "classic" and not _asks_for_a_stack(named):
                defaults = defaults | FORECAST_DEFAULTS
            for name, value in defaults.items():
                named.setdefault(name, value)
        return named

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, value: str) -> str:
        canonical_loss(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, value: list[str]) -> list[str]:
        for name in value:
            canonical_metric(name)
        if len(set(value)) != len(value):
            raise ValueError(f"a metric is listed twice in {value}; list each once")
        return value

    @field_validator("model_name")
    @classmethod
    def _name_is_one_folder(cls, value: str) -> str:
        if not value.strip() or value.startswith(".") or re.search(r"[/\\\x00-\x1f]", value):
            raise ValueError(
                f"{value!r} cannot name a folder; use letters, digits, spaces, '-' or '_'"
            )
        return value

    @field_validator("model_relative_width")
    @classmethod
    def _widths_positive(cls, value: list[float]) -> list[float]:
        if min(value) <= 0:
            raise ValueError(f"every width must be above 0, found {value}")
        return value

    @field_validator("model_dropout")
    @classmethod
    def _dropout_in_range(cls, value: list[float]) -> list[float]:
        if min(value) < 0 or max(value) >= 1:
            raise ValueError(f"every dropout rate must be in [0, 1), found {value}")
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> Hyperparameters:
        problems = []
        if len(self.model_relative_width) != len(self.model_dropout):
            problems.append(
                f"model_dropout: {len(self.model_dropout)} rates for "
                f"{len(self.model_relative_width)} layers in model_relative_width; give one rate "
                "for each layer"
            )
        if self.train_size_rate + self.validation_size_rate >= 1:
            problems.append(
                f"validation_size_rate: {self.train_size_rate} for training and "
                f"{self.validation_size_rate} for validation leave no test rows; lower one"
            )
        problems += self._architecture_problems()
        softmax = self.last_layer_activation == "softmax"
        loss = canonical_loss(self.loss)
        problems += self._quantile_problems(loss) + self._weight_problems()
        if softmax and self.steps_ahead > 1:
            problems.append(
                f"steps_ahead: softmax gives one distribution, not {self.steps_ahead}; use "
                "steps_ahead 1, or last_layer_activation 'sigmoid'"
            )
        if softmax and loss == "binary_crossentropy":
            problems.append(
                "loss: softmax outputs sum to one, 'binary_crossentropy' judges them singly; use "
                "'categorical_crossentropy'"
            )
        fitting = {"platt": "sigmoid", "temperature": "softmax"}.get(self.calibration)
        if fitting is not None and (self.is_regressor or self.last_layer_activation != fitting):
            problems.append(
                f"calibration: {self.calibration!r} is for a classifier whose last_layer_activation is "
                f"{fitting!r}; remove it"
            )
        if self.LSTM_type == "classifier":
            if self.last_layer_activation not in ("sigmoid", "softmax"):
                problems.append(
                    f"last_layer_activation: a classifier's outputs are probabilities, "
                    f"{self.last_layer_activation!r} gives none; use 'sigmoid' or 'softmax'"
                )
            if loss == "sparse_categorical_crossentropy":
                problems.append(
                    "loss: targets are one column per class, not class numbers; use "
                    "'categorical_crossentropy'"
                )
            if loss == "categorical_crossentropy" and not softmax:
                problems.append(
                    "loss: 'categorical_crossentropy' needs last_layer_activation 'softmax'; use "
                    "'binary_crossentropy' with 'sigmoid'"
                )
            if self.scale_targets:
                problems.append(
                    "scale_targets: labels must stay 0 and 1; set it to false for a classifier"
                )
        else:
            if loss in PROBABILITY_LOSSES:
                problems.append(
                    f"loss: {self.loss!r} is for probabilities; a regressor takes e.g. 'mse' or "
                    "'mae'"
                )
            if softmax:
                problems.append(
                    "last_layer_activation: a regressor's outputs are quantities; use 'linear'"
                )
            if self.class_weight is not None:
                problems.append("class_weight: a regressor has no classes; remove it")
            classy = [
                m for m in self.metrics
                if canonical_metric(m) in ("accuracy", "auc", "precision", "recall", "f1_score")
            ]  # fmt: skip
            if classy:
                problems.append(f"metrics: {classy[0]!r} needs classes; a regressor takes 'mae'")
        if isinstance(self.class_weight, dict) and any(w <= 0 for w in self.class_weight.values()):
            problems.append("class_weight: every weight must be above 0")
        logged = ["loss", *self.metrics]
        known = logged + [f"val_{name}" for name in logged]
        for key in ("checkpoint_monitor_metric", "early_stop_monitor_metric"):
            if getattr(self, key) not in known:
                problems.append(
                    f"{key}: {getattr(self, key)!r} is not logged; choose one of {', '.join(known)}"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _architecture_problems(self) -> list[str]:
        problems = []
        if self.windows_per_epoch is not None and not self.shuffle:
            problems.append(
                "windows_per_epoch: windows are drawn by shuffling; set shuffle to true, or remove it"
            )
        if self.architecture == "segment" and not self.is_regressor:
            problems.append(
                "architecture: 'segment' forecasts quantities; a classifier takes 'classic'"
            )
        about_columns = [
            name
            for name, wanted in (
                ("instance_normalization", self.instance_normalization in ("last", "revin")),
                ("seasonal_residual", self.seasonal_residual is not None),
                ("naive_unless_better", bool(self.naive_unless_better)),
            )
            if wanted
        ]
        for name in about_columns:
            if not self.is_regressor:
                problems.append(f"{name}: is for quantities; remove it for a classifier")
            elif not self.scale_targets:
                problems.append(
                    f"{name}: inputs are scaled, so the targets must be too; set scale_targets to true"
                )
            elif self.last_layer_activation != "linear":
                problems.append(
                    f"{name}: is added to the outputs, so last_layer_activation must be 'linear', "
                    f"found {self.last_layer_activation!r}"
                )
        problems += self._linear_problems()
        if self.seasonal_residual is not None and self.seasonal_residual > self.timesteps:
            problems.append(
                f"seasonal_residual: {self.seasonal_residual} rows do not fit in timesteps "
                f"{self.timesteps}; raise timesteps"
            )
        if self.segment_length is not None and self.segment_length > self.timesteps:
            problems.append(
                f"segment_length: {self.segment_length} rows do not fit in timesteps "
                f"{self.timesteps}; lower it"
            )
        return problems

    def _linear_problems(self) -> list[str]:
        if not self.linear_component:
            return []
        why = None
        if not self.is_regressor:
            why = "is for quantities; remove it for a classifier"
        elif self.last_layer_activation != "linear":
            why = (
                "is averaged with the outputs, so last_layer_activation must be 'linear', found "
                f"{self.last_layer_activation!r}"
            )
        elif self.quantiles is not None:
            why = "has no quantiles; remove it, or quantiles"
        elif self.instance_normalization == "revin":
            why = (
                "is solved after training, so what is taken off a window may not be learned in it; set "
                "instance_normalization to 'last'"
            )
        return [] if why is None else [f"linear_component: {why}"]

    @property
    def may_be_segment(self) -> bool:
        """Whether no setting asks for the classic stack: 'auto' may then take the other."""
        return self.is_regressor and not _asks_for_a_stack(self.model_dump())

    def _quantile_problems(self, loss: str) -> list[str]:
        chosen = self.quantiles
        if chosen is None:
            if loss == QUANTILE_LOSS:
                return ["loss: 'quantile' needs quantiles; set them, e.g. [0.1, 0.5, 0.9]"]
            return []
        problems = []
        even = all(abs(a + b - 1) < 1e-9 for a, b in zip(chosen, reversed(chosen), strict=True))
        if sorted(set(chosen)) != chosen or chosen[0] <= 0 or not even or 0.5 not in chosen:
            problems.append(
                f"quantiles: {chosen} are not rising between 0 and 1 and even about 0.5; give e.g. "
                "[0.1, 0.5, 0.9]"
            )
        if not self.is_regressor:
            problems.append("quantiles: a classifier has probabilities; remove them")
        elif loss != QUANTILE_LOSS:
            problems.append(
                f"loss: {self.loss!r} is set beside quantiles, whose loss is 'quantile'; remove one"
            )
        return problems

    def _weight_problems(self) -> list[str]:
        weights = self.step_weights
        if self.loss_scaling != "none" and not self.is_regressor:
            return [f"loss_scaling: {self.loss_scaling!r} is for a regressor; use 'none'"]
        if weights is None:
            return []
        if not self.is_regressor:
            return ["step_weights: are for a regressor; remove them"]
        if len(weights) != self.steps_ahead:
            return [
                f"step_weights: {len(weights)} given for steps_ahead {self.steps_ahead}; give one for "
                "each step"
            ]
        if min(weights) < 0 or max(weights) <= 0:
            return ["step_weights: none may be below 0, and one must be above; correct them"]
        return []

    @property
    def has_stock_loss(self) -> bool:
        """Whether Keras has the loss itself, so that a saved network can name it."""
        return self.quantiles is None and self.step_weights is None

    @property
    def outputs_each(self) -> int:
        """Outputs for each step and target: one, or one for each quantile."""
        return 1 if self.quantiles is None else len(self.quantiles)

    @property
    def calibration_method(self) -> Literal["platt", "temperature"] | None:
        """How probabilities are corrected, or None; see ``calibration``."""
        if self.calibration == "none" or self.is_regressor:
            return None
        if self.calibration == "auto":
            # A weighted or another loss means its own kind of number, which must not be undone.
            plain = ("binary_crossentropy", "categorical_crossentropy")
            if self.class_weight is not None or canonical_loss(self.loss) not in plain:
                return None
            return "temperature" if self.last_layer_activation == "softmax" else "platt"
        return self.calibration

    @property
    def is_regressor(self) -> bool:
        """Whether the targets are quantities rather than labels."""
        return self.LSTM_type == "regressor"


REGRESSOR_DEFAULTS: dict[str, Any] = {
    "loss": "mse",
    "metrics": ["mae"],
    "last_layer_activation": "linear",
    "checkpoint_monitor_metric": "val_loss",
    "checkpoint_mode": "min",
    "early_stop_monitor_metric": "val_loss",
    "early_stop_mode": "min",
}


# Beside them for a regressor that is not asked to be the classic stack.
FORECAST_DEFAULTS: dict[str, Any] = {
    "scale_targets": True,
    "loss": "mae",
    "epochs": 30,
    "batch_size": None,
    "learning_rate": 0.002,
    "learning_rate_patience": 1,
    "early_stop_patience": 4,
}
