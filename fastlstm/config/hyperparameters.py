"""Every hyperparameter, once: type, range, default and description.

The class ``fastLSTM``, the JSON file of a run, the pipeline's config and the form in the Prefect UI
are all made from ``Hyperparameters``. Importing this module imports neither pandas nor Keras.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fastlstm.config.hyperparameter_checks import problems_between
from fastlstm.config.hyperparameter_defaults import changes_classic_stack, with_names_and_defaults
from fastlstm.config.keras_names import ACTIVATIONS, canonical_loss, canonical_metric
from fastlstm.config.scalers import ScalerName


def _by_task(schema: dict[str, Any]) -> None:
    """Leave a default that depends on ``LSTM_type`` out of the JSON schema.

    A form made from the schema fills in every default it finds there and would give a classifier's
    default to a regressor as if the user had set it.
    """
    del schema["default"]


class Hyperparameters(BaseModel):
    """All settings of the network and its training.

    Windows have inputs of shape ``(timesteps, n_features)`` and targets of shape
    ``(steps_ahead, n_targets)``. Names of fastLSTM 1.0 are accepted too. A regressor's ``loss``,
    ``metrics``, ``last_layer_activation`` and monitors have other defaults than a classifier's. A
    regressor whose ``architecture`` is not 'classic', and that changes no setting of the classic
    stack, also has the default training recipe of forecasts (see
    ``fastlstm.config.hyperparameter_defaults``). What is set is never replaced.

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
    def _names_and_defaults(cls, given: Any) -> Any:
        return with_names_and_defaults(given) if isinstance(given, dict) else given

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
        if problems := problems_between(self):
            raise ValueError("\n".join(problems))
        return self

    @property
    def is_regressor(self) -> bool:
        """Whether the targets are quantities rather than labels."""
        return self.LSTM_type == "regressor"

    @property
    def may_be_segment(self) -> bool:
        """Whether 'auto' may take the 'segment' architecture: no setting needs the classic stack."""
        return self.is_regressor and not changes_classic_stack(self.model_dump())

    @property
    def has_stock_loss(self) -> bool:
        """Whether Keras has the loss itself, so that a saved network can name it."""
        return self.quantiles is None and self.step_weights is None

    @property
    def outputs_each(self) -> int:
        """Outputs per step and target: one, or one per quantile."""
        return 1 if self.quantiles is None else len(self.quantiles)

    @property
    def calibration_method(self) -> Literal["platt", "temperature"] | None:
        """How probabilities are calibrated, or None; see ``calibration``."""
        if self.calibration == "none" or self.is_regressor:
            return None
        if self.calibration == "auto":
            # Outputs under a weighted loss are no probabilities of the data on purpose.
            plain = ("binary_crossentropy", "categorical_crossentropy")
            if self.class_weight is not None or canonical_loss(self.loss) not in plain:
                return None
            return "temperature" if self.last_layer_activation == "softmax" else "platt"
        return self.calibration
