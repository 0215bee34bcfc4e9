"""Every hyperparameter, once: type, range, default and description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fastlstm.config.categories import LabelType
from fastlstm.config.class_weights import ClassWeight
from fastlstm.config.keras_names import ACTIVATIONS
from fastlstm.config.model_names import ModelName
from fastlstm.config.scalers import ScalerName


def _by_task(schema: dict[str, Any]) -> None:
    """Leave a default that depends on ``LSTM_type`` out of the JSON schema.

    A form made from the schema fills in every default it finds there and would give a classifier's
    default to a regressor as if the user had set it.
    """
    del schema["default"]


class HyperparameterFields(BaseModel):
    """The fields of ``Hyperparameters``, before they are checked against each other."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True, defer_build=True)

    model_name: ModelName = Field(
        "LSTM",
        description="Name of the model, and of the folder of its runs in the store: at most 150 bytes, "
        "without slashes.",
    )
    LSTM_type: Literal["classifier", "regressor"] = Field(
        "classifier",
        description="Task: 'classifier' (also 'classificator') for labels, 'regressor' for "
        "quantities.",
    )
    timesteps: int = Field(
        1, ge=1, le=100_000, description="Look-back: past rows in the input of a window."
    )
    steps_ahead: int = Field(
        1, ge=1, le=100_000, description="Horizon: future rows forecast at once."
    )

    architecture: Literal["auto", "classic", "segment"] = Field(
        "auto",
        description="Network architecture. 'classic': stacked LSTM layers over the rows. "
        "'segment': an LSTM over segments of rows, for forecasts of targets that are also features "
        "(SegRNN, Lin et al. 2023). 'auto': chosen by task, columns and look-back; see "
        "fastlstm.network.architecture.resolve.",
    )
    segment_length: int | None = Field(
        None, ge=1, le=100_000,
        description="Rows per segment of the 'segment' architecture. Default: an eighth of the "
        "look-back, at most 48.",
    )  # fmt: skip
    segment_units: int | None = Field(
        None, ge=1, le=8192,
        description="LSTM units of the 'segment' architecture. Default: 128, fewer for few windows.",
    )  # fmt: skip
    segment_dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Dropout rate before the output layer of the 'segment' architecture.",
    )
    decoding: Literal["auto", "parallel", "direct", "recursive"] = Field(
        "auto",
        description="How the 'segment' architecture decodes. 'parallel': all segments at once, "
        "from the last state and a position embedding. 'direct': all steps by one dense layer. "
        "'recursive': segment by segment, each from the forecast before. 'auto': 'parallel', or "
        "'direct' with fewer than 5,000 sequences to learn from, which are too few to tell the "
        "segments' positions apart.",
    )
    instance_normalization: Literal["auto", "none", "last", "revin"] = Field(
        "auto",
        description="Normalization of each window's target columns, undone in the forecast. "
        "'last': subtract the last value (NLinear, Zeng et al. 2023). 'revin': standardize, with a "
        "learned scale (RevIN, Kim et al. 2022). Needs scaled targets that are features.",
    )
    channel_independent: bool | None = Field(
        None,
        description="True: one network shared by all target columns; each is forecast from itself, "
        "the features that are no targets and a learned embedding of the column (PatchTST, Nie et "
        "al. 2023). False: all targets jointly. Default: true for 'segment'.",
    )
    static_features: list[str] = Field(
        default_factory=list,
        description="Static covariates: features with one value per series. A layer of their own "
        "reads them from the last row of a window; its output is an input at every row. Default: "
        "data.static and data.embedded_series.",
    )
    embedded_features: list[list[str]] = Field(
        default_factory=list,
        description="Groups of features that indicate the categories of one column each; a layer of "
        "their own embeds them, row by row. Default: columns of dtype 'category' that are not static "
        "and have more than 8 categories.",
    )
    future_features: dict[str, int] | None = Field(
        None,
        description="Known future covariates: features '<column>+<rows>' that hold a column's value so "
        "many rows later, and these numbers of rows. The decoder reads them step by step, as what is "
        "known of the very row it forecasts. Default: those of data.known_future and the calendar.",
    )
    seasonal_residual: int | None = Field(
        None, ge=1, le=100_000,
        description="Season length in rows. The network then forecasts the difference from the "
        "seasonal naive forecast. Needs scaled targets that are features.",
    )  # fmt: skip
    naive_unless_better: bool | None = Field(
        None,
        description="Whether naive forecasts (last value, means, trends, found seasons) "
        "take part in the forecast. Train windows weigh them, the network corrects their mean, and "
        "validation chooses by target and step how much of the forecast is the network's: none "
        "where it is no better. Needs scaled targets that are features. Default: true for "
        "'segment'.",
    )
    linear_component: bool | None = Field(
        None,
        description="Whether a ridge regression, of a classifier a logistic regression, on the same "
        "windows takes part in the forecast (Bates and Granger 1969). Validation chooses the penalty. "
        "LSTM and ridge regression weigh alike unless other weights lower the validation error by more "
        "than 1%; of a classifier validation weighs LSTM, logistic regression and class prior. Epochs "
        "are chosen by the LSTM alone. Default: true for 'segment' with instance_normalization 'last' "
        "and no quantiles, and for a classifier that is not 'classic', at most 4,096 values per window.",
    )

    model_relative_width: list[float] | None = Field(
        [1.0], min_length=1, max_length=20,
        description="Units of each LSTM layer of the 'classic' architecture, as a multiple of the "
        "number of features. None: one layer of 64 units, fewer for few windows. Default: None for a "
        "classifier that is not 'classic'.",
        json_schema_extra=_by_task,
    )  # fmt: skip
    model_dropout: list[float] = Field(
        [0], min_length=1, max_length=20,
        description="Dropout rate after each LSTM layer of the 'classic' architecture, one per "
        "layer. Default: 0.3 for a classifier that is not 'classic', else 0.",
        json_schema_extra=_by_task,
    )  # fmt: skip
    activation: Literal[ACTIVATIONS] = Field(  # type: ignore[valid-type]
        "tanh", description="Activation of the LSTM layers."
    )
    last_layer_activation: Literal[ACTIVATIONS] = Field(  # type: ignore[valid-type]
        "sigmoid",
        description="Activation of the output layer. Default: 'sigmoid' for a classifier, 'linear' "
        "for a regressor. A label column of more than two classes has 'softmax' in place of 'sigmoid'.",
        json_schema_extra=_by_task,
    )

    loss: str = Field(
        "binary_crossentropy",
        description="Keras loss, by function or class name. Default: 'binary_crossentropy' for a "
        "classifier, 'categorical_crossentropy' where a label column has more than two classes; 'mae' "
        "for a regressor, 'mse' with the 'classic' architecture. 'poisson', "
        "'negative_binomial' and 'tweedie' are for counts and amounts: forecasts are means, never "
        "below 0.",
        json_schema_extra=_by_task,
    )
    metrics: list[str] = Field(
        ["accuracy"],
        description="Metrics logged per epoch. Default: 'accuracy' for a classifier, 'mae' for a "
        "regressor.",
        json_schema_extra=_by_task,
    )
    quantiles: list[float] | None = Field(
        None,
        min_length=3,
        max_length=99,
        description="Quantiles a regressor forecasts: an odd number, symmetric about 0.5, which is "
        "the point forecast, e.g. [0.1, 0.5, 0.9]. The loss is then 'quantile', the pinball loss "
        "of all of them (Koenker and Bassett 1978). Pairs of quantiles give prediction intervals.",
    )
    dispersion: float = Field(
        1.0, gt=0, allow_inf_nan=False,
        description="Of loss 'negative_binomial': the variance is m + dispersion * m^2 / s, with the "
        "mean m and the typical size s of the counts, which is what scaling divides them by. At a mean "
        "of that size the variance is so many times the mean greater than that of Poisson counts.",
    )  # fmt: skip
    tweedie_power: float = Field(
        1.5, gt=1, lt=2,
        description="Power of loss 'tweedie': the variance is the mean to this power, 1 as of Poisson "
        "counts, 2 as of gamma amounts.",
    )  # fmt: skip
    step_weights: list[float] | None = Field(
        None,
        min_length=1,
        description="Weight of each step ahead in a regressor's loss, one per step. Default: equal "
        "weights.",
    )
    loss_scaling: Literal["auto", "none", "mase"] = Field(
        "none",
        description="'mase': weight of each series in a regressor's loss is the inverse of its "
        "mean absolute change from season to season (without a season: row to row) in train (MASE; "
        "Hyndman and Koehler 2006), so that every series counts alike. One target only. 'auto': "
        "'mase' for a panel with one target, else 'none'. Default: "
        "'auto' for a regressor that is not 'classic'.",
        json_schema_extra=_by_task,
    )
    epochs: int = Field(
        100, ge=1, le=1_000_000,
        description="Maximum number of epochs. Default: 60 unless 'classic', whose default is 100.",
    )  # fmt: skip
    batch_size: int | None = Field(
        128, ge=1,
        description="Windows per gradient step. None: 32, or fewer if channel_independent would "
        "make more than 224 sequences of them.",
    )  # fmt: skip
    shuffle: bool = Field(True, description="Shuffle the train windows before every epoch.")
    windows_per_epoch: Annotated[int, Field(ge=1)] | Literal["auto"] | None = Field(
        None,
        description="Random train windows drawn for each epoch, and most validation windows, "
        "evenly spaced, that score it. Needs shuffle. None: all windows. 'auto': at least 50 "
        "gradient steps an epoch, for which few windows are drawn several times, and at most "
        "16,384 sequences or 100 steps. Default: 'auto' unless 'classic'.",
        json_schema_extra=_by_task,
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="Random seed of weights, dropout and shuffling."
    )
    lstm_implementation: Literal["auto", "fused", "keras"] = Field(
        "auto",
        description="How LSTM layers are computed on a CPU during training. 'fused': in fused "
        "steps; of layers wider than 128 units a measurement, kept in the user's cache folder, decides "
        "whether batches are halved. 'keras': by Keras. 'auto': fused where possible. The saved network "
        "is the same.",
    )
    ema_momentum: float | None = Field(
        None, gt=0, lt=1,
        description="Momentum of an exponential moving average of the weights, which validation "
        "scores and the saved file holds (Polyak and Juditsky 1992; Keras' use_ema). 0.99 averages "
        "over about the last 100 gradient steps. Default: no average.",
    )  # fmt: skip
    ensemble_size: int | None = Field(
        1, ge=1, le=100,
        description="Networks with different initial weights, trained together, whose forecasts "
        "are averaged (Lakshminarayanan et al. 2017); for a classifier their logits. The saved "
        "file holds all members. Training time grows in proportion. None: 5 with fewer than 2,000 "
        "sequences to learn from, else 1. Default: None unless 'classic'.",
        json_schema_extra=_by_task,
    )  # fmt: skip
    refit: bool | Literal["all"] = Field(
        False,
        description="True: after validation has chosen the epoch, retrain from the same initial weights "
        "for as many epochs on train and validation windows, and save that network (Goodfellow et "
        "al. 2016, Deep Learning, algorithm 7.2). Thresholds, calibration and intervals stay those "
        "of the first network. Training takes twice as long. 'all': once the test windows are "
        "scored, a pipeline retrains so on all windows, and that network serves; the scored one "
        "stays beside it for comparisons. Default: 'all' for a regressor that is not 'classic'.",
        json_schema_extra=_by_task,
    )  # fmt: skip
    classes: dict[str, list[str]] | None = Field(
        None,
        description="Classes of each label column of a classifier, in the order of the outputs. "
        "Default: those of the train rows, or of the bins of a derived target.",
    )
    label_types: dict[str, LabelType] | None = Field(
        None,
        description="What forecasts give the classes of a label column as, by its name: 'text', "
        "'integer' or 'boolean'. Default: by the names of the classes, of which 1 and 2 are integers, "
        "True and False booleans, and 007 is text.",
    )
    class_weight: ClassWeight | None = Field(
        None,
        description="Weight of each class in the loss by its name, e.g. {sun: 1, snow: 10} or "
        "{0: 1, 1: 10}, or 'balanced' for weights from the train windows, of each label column by "
        "itself. Several columns have one weight for classes of one name, or weights by column, e.g. "
        "{sky: {sun: 1, snow: 10}, wet: balanced}; the classes of a column without any weigh alike.",
    )
    calibration: Literal["auto", "platt", "temperature", "none"] = Field(
        "auto",
        description="Calibration of a classifier's probabilities on validation, within the network. "
        "'platt': for 'sigmoid' outputs. 'temperature': for 'softmax', one temperature a label column. "
        "'auto': the one that fits the outputs, none with class_weight or a loss that is no "
        "crossentropy.",
    )

    learning_rate: float = Field(0.0003, gt=0, le=10, description="Initial learning rate of Adam.")
    learning_rate_schedule: Literal["reduce_on_plateau", "constant", "cosine", "exponential"] = (
        Field("reduce_on_plateau", description="Learning rate schedule.")
    )
    learning_rate_factor: float = Field(
        0.5, gt=0, lt=1, description="Factor of 'reduce_on_plateau'."
    )
    learning_rate_patience: int = Field(
        5,
        ge=1,
        description="Epochs without a lower val_loss before 'reduce_on_plateau' reduces the "
        "learning rate.",
    )
    learning_rate_decay: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Factor of 'exponential' per epoch.",
    )

    checkpoint_monitor_metric: str = Field(
        "val_loss",
        description="Metric that chooses the saved epoch. Default: 'val_loss'.",
        json_schema_extra=_by_task,
    )
    checkpoint_mode: Literal["min", "max"] = Field(
        "min",
        description="Whether a lower ('min') or higher ('max') value of that metric is better. "
        "Default: 'min' for losses and errors, else 'max'.",
        json_schema_extra=_by_task,
    )
    save_best_only: bool = Field(
        True, description="Save the weights of the best epoch; false: of the last epoch."
    )
    early_stop_monitor_metric: str = Field(
        "val_loss",
        description="Metric of early stopping. Default: 'val_loss'.",
        json_schema_extra=_by_task,
    )
    early_stop_mode: Literal["min", "max"] = Field(
        "min",
        description="Whether a lower ('min') or higher ('max') value of that metric is better. "
        "Default: 'min' for losses and errors, else 'max'.",
        json_schema_extra=_by_task,
    )
    early_stop_patience: int = Field(
        200, ge=1, description="Epochs without improvement before training stops."
    )

    scaler_type: ScalerName = Field(
        "StandardScaler", description="scikit-learn scaler, fitted on the train rows."
    )
    scaler_scope: Literal["series", "table"] = Field(
        "series",
        description="'series': each series of a panel is scaled by its own train rows, a new one by "
        "the rows it has; static covariates, the calendar and columns of 0 and 1 by the table. "
        "'table': one scale for all series, the default of a classifier that is not 'classic'.",
        json_schema_extra=_by_task,
    )
    scale_targets: bool = Field(
        False,
        description="Scale the targets too (regressor only). Default: true for a regressor that is "
        "not 'classic'.",
    )
    train_size_rate: float = Field(
        0.7, gt=0, lt=1, description="Share of the time span used for training."
    )
    validation_size_rate: float = Field(
        0.15, gt=0, lt=1,
        description="Share of the time span after that used for validation; the rest is test.",
    )  # fmt: skip
    split: Literal["at_time", "by_series"] = Field(
        "at_time",
        description="Where the splits of a panel end. 'at_time': at the same time in all series, so "
        "that nothing that happens to all at once is known too early. 'by_series': in each series "
        "after these shares of its own rows, for series that share no calendar (patients, machines, "
        "competition data).",
    )
    save_X_Y_data: bool = Field(
        True, description="Store the rows of each split with the run, as CSV."
    )

    @property
    def is_regressor(self) -> bool:
        """Whether the targets are quantities rather than labels."""
        return self.LSTM_type == "regressor"
