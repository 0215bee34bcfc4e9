"""scikit-learn estimators over the same network, windows and training as the class and pipeline.

Rows are in order of time. Row ``t`` is forecast from rows ``t - timesteps .. t - 1``, never from
itself, so ``predict`` gives one forecast per row of ``X``; the rows before its first are unknown and
stand at the training mean, or are the last training rows with ``history='train'``.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from fastlstm.api.row_table import RowSettings, row_table
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import TIME
from fastlstm.data.scaling import Scalers, fit_scalers
from fastlstm.data.split import Cuts
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import ConfigError, DataError
from fastlstm.network.architecture import resolve
from fastlstm.network.inference import predict
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import input_windows, target_windows

_NEVER = 2**62


_AS_GIVEN = (
    "architecture", "segment_length", "segment_units", "segment_dropout", "instance_normalization",
    "channel_independent", "seasonal_residual", "naive_unless_better", "linear_component",
    "ensemble_size", "ema_momentum", "refit",
)  # fmt: skip


_STACK = {"model_relative_width": [2], "model_dropout": [0], "activation": "tanh"}


# Scaled targets and the columns of X that hold them differ by rounding alone.
_ROUNDING = 1e-3


class _WindowedEstimator(BaseEstimator):  # type: ignore[misc]
    """Windows, scaling and training that both estimators share."""

    def __init__(
        self,
        timesteps: int = 8,
        steps_ahead: int = 1,
        model_relative_width: tuple[float, ...] = (2,),
        model_dropout: tuple[float, ...] = (0,),
        activation: str = "tanh",
        loss: str | None = None,
        learning_rate: float = 0.003,
        learning_rate_schedule: str = "reduce_on_plateau",
        epochs: int = 20,
        batch_size: int = 64,
        early_stop_patience: int = 5,
        validation_size_rate: float = 0.15,
        scaler_type: str = "StandardScaler",
        class_weight: Any = None,
        shuffle: bool = True,
        history: str = "mean",
        random_state: Any = None,
        verbose: str | int = 0,
        target_columns: Sequence[str | int] | None = None,
        architecture: str = "auto",
        segment_length: int | None = None,
        segment_units: int | None = None,
        segment_dropout: float = 0.2,
        instance_normalization: str = "auto",
        channel_independent: bool | None = None,
        seasonal_residual: int | None = None,
        naive_unless_better: bool | None = None,
        linear_component: bool | None = None,
        ensemble_size: int = 1,
        ema_momentum: float | None = None,
        refit: bool = False,
    ) -> None:
        self.timesteps = timesteps
        self.steps_ahead = steps_ahead
        self.model_relative_width = model_relative_width
        self.model_dropout = model_dropout
        self.activation = activation
        self.loss = loss
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stop_patience = early_stop_patience
        self.validation_size_rate = validation_size_rate
        self.scaler_type = scaler_type
        self.class_weight = class_weight
        self.shuffle = shuffle
        self.history = history
        self.random_state = random_state
        self.verbose = verbose
        self.target_columns = target_columns
        self.architecture = architecture
        self.segment_length = segment_length
        self.segment_units = segment_units
        self.segment_dropout = segment_dropout
        self.instance_normalization = instance_normalization
        self.channel_independent = channel_independent
        self.seasonal_residual = seasonal_residual
        self.naive_unless_better = naive_unless_better
        self.linear_component = linear_component
        self.ensemble_size = ensemble_size
        self.ema_momentum = ema_momentum
        self.refit = refit

    def _hyperparameters(self, **task: Any) -> Hyperparameters:
        seed = self.random_state
        if not isinstance(seed, Integral):
            # None means another network each time, as everywhere in scikit-learn.
            seed = check_random_state(seed).randint(2**31 - 1)
        if self.history not in ("mean", "train"):
            raise ConfigError(f"history: {self.history!r} given; choose 'mean' or 'train'")
        given = {
            "timesteps": int(self.timesteps),
            "steps_ahead": int(self.steps_ahead),
            "learning_rate": self.learning_rate,
            "learning_rate_schedule": self.learning_rate_schedule,
            "epochs": int(self.epochs),
            "batch_size": int(self.batch_size),
            "early_stop_patience": int(self.early_stop_patience),
            "validation_size_rate": self.validation_size_rate,
            "train_size_rate": min(0.999, (1 - self.validation_size_rate) * 0.999),
            "scaler_type": self.scaler_type,
            "shuffle": bool(self.shuffle),
            "seed": int(seed),
            **{name: getattr(self, name) for name in _AS_GIVEN},
            **({"loss": self.loss} if self.loss is not None else {}),
            **task,
        }
        stack = {
            "model_relative_width": list(self.model_relative_width),
            "model_dropout": list(self.model_dropout),
            "activation": self.activation,
        }
        if self.target_columns is not None and stack == _STACK:
            # The rule of 'auto' takes the stack's settings for a wish, and these are none.
            without = Hyperparameters.model_validate(given)
            if resolve(without, ("y",), ("y",)).kind == "segment":
                return without
        return Hyperparameters.model_validate({**given, **stack})

    def _fit_network(
        self, X: np.ndarray, y: np.ndarray, hp: Hyperparameters, sample_weight: np.ndarray | None
    ) -> None:
        rows = row_table(X, y, RowSettings(sample_weight=sample_weight))
        times = microseconds(rows.frame[TIME])
        held_out = max(1, round(len(X) * self.validation_size_rate))
        fewest = hp.timesteps + hp.steps_ahead
        if len(X) - held_out < fewest or held_out < hp.steps_ahead:
            raise DataError(
                f"n_samples={len(X)} is too few: timesteps {hp.timesteps} and steps_ahead "
                f"{hp.steps_ahead} need {fewest} rows to train on and {hp.steps_ahead} to validate on"
            )
        # No test split: scikit-learn's own splitters hold test rows back.
        cuts = Cuts(int(times[len(X) - held_out]), _NEVER)
        self.scalers_: Scalers = fit_scalers(rows.x, rows.y, times, times, cuts, hp)
        self._names, targets = ([str(name) for name in table] for table in (rows.x, rows.y))
        x, scaled = self.scalers_.features(rows.x), self.scalers_.targets(rows.y, targets)
        if self.target_columns is not None:
            own = self._own_columns(len(targets))
            _require_same(x[:, own], scaled, list(self.target_columns))
            # Targets are known among the features by their names.
            targets = [self._names[column] for column in own]
        windows = RowWindows(
            rows.frame,
            x,
            scaled,
            features=self._names,
            targets=targets,
            timesteps=hp.timesteps,
            steps_ahead=hp.steps_ahead,
            cuts=cuts,
            sample_weight=rows.weight,
            needed=("train", "validation"),
        )
        trained = fit(windows, hp, verbose=self.verbose)
        self.model_ = trained.model
        self.history_ = trained.history
        self.n_iter_ = len(trained.history)
        self.hyperparameters_ = hp
        self.last_rows_ = X[-hp.timesteps :]
        known = X[: len(X) - held_out].mean(axis=0, keepdims=True)
        self.scaled_mean_ = self.scalers_.features(pd.DataFrame(known, columns=self._names))

    def _own_columns(self, count: int) -> list[int]:
        """Numbers of the columns of X that hold the targets."""
        named = list(getattr(self, "feature_names_in_", ()))
        own: list[int] = []
        for column in self.target_columns or ():
            known = named if isinstance(column, str) else range(self.n_features_in_)
            if column not in known:
                raise ConfigError(
                    f"target_columns: X has no column {column!r}; give names or numbers of its "
                    f"{self.n_features_in_} columns{f', {named}' if named else ''}"
                )
            own.append(named.index(column) if isinstance(column, str) else int(column))
        if len(own) != count or len(set(own)) != count:
            raise ConfigError(
                f"target_columns: {list(self.target_columns or ())} given for {count} targets; give one "
                "column for each"
            )
        return own

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs for every row, ``(n, n_outputs)``, in scaled units."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        length = self.hyperparameters_.timesteps
        scaled = self.scalers_.features(pd.DataFrame(X, columns=self._names))
        if self.history == "train":
            before = self.scalers_.features(pd.DataFrame(self.last_rows_, columns=self._names))
        else:
            before = np.repeat(self.scaled_mean_, length, axis=0)
        rows = np.concatenate([before[-length:], scaled])
        origins = np.arange(length, length + len(scaled))
        return predict(self.model_, input_windows(rows, origins, length))


def _require_same(x: np.ndarray, y: np.ndarray, columns: list[str | int]) -> None:
    for number, column in enumerate(columns):
        other = np.abs(x[:, number] - y[:, number]) > _ROUNDING
        if other.any():
            raise DataError(
                f"target_columns: column {column!r} of X and target {number} differ in "
                f"{int(other.sum()):,} rows, first in row {int(np.argmax(other))}; each row of that "
                "column must hold the target of the same row, in any unit"
            )


class LSTMRegressor(RegressorMixin, _WindowedEstimator):  # type: ignore[misc]
    """LSTM regressor for rows in order of time.

    Args:
        timesteps: past rows the network sees.
        steps_ahead: future rows it forecasts at once.
        model_relative_width: units of each LSTM layer as a multiple of the number of features.
        model_dropout: dropout rate after each layer.
        activation: activation of the LSTM layers.
        loss: any Keras loss by name; without it 'mse', or 'mae' for the 'segment' architecture.
        learning_rate: Adam's initial step size.
        learning_rate_schedule: how it falls; see ``fastlstm.config.hyperparameters.Hyperparameters``.
        epochs: most passes over the train windows.
        batch_size: windows per gradient step.
        early_stop_patience: epochs without a better validation loss before training stops.
        validation_size_rate: share of the rows, the last ones, held back to choose the epoch.
        scaler_type: scikit-learn scaler of features and targets, fitted on the rows before those.
        class_weight: not for a regressor; leave it None.
        shuffle: shuffle the train windows in every epoch.
        history: what stands before the first row in ``predict``: the training 'mean', or the last
            rows of 'train' where ``X`` follows them directly, as in ``TimeSeriesSplit``.
        random_state: seed of weights, dropout and shuffling.
        verbose: Keras' own progress output.
        target_columns: names or numbers of the columns of ``X`` that hold the targets of the same rows,
            one for each target, so that the network may start from their past values. Needed for the
            settings below, which are explained in ``fastlstm.config.hyperparameters.Hyperparameters``.
        architecture: 'classic', 'segment', or 'auto', which is 'segment' with ``target_columns`` and at
            least 24 ``timesteps`` unless a setting of the classic stack was changed.
        segment_length: rows in a segment.
        segment_units: units of the LSTM over segments.
        segment_dropout: dropout rate before the output layer.
        instance_normalization: 'auto', 'none', 'last' or 'revin'.
        channel_independent: whether one network is shared by the targets.
        seasonal_residual: rows in the season that forecasts are a difference from.
        naive_unless_better: whether the network must prove itself on the rows held back.
        linear_component: whether ridge regression on the same windows stands beside the LSTM, the
            forecast being a mean of the two.
        ensemble_size: networks trained beside each other whose forecasts are averaged; needs no
            ``target_columns``.
        ema_momentum: share of the past in moving averages of the weights, which then are what is
            judged and kept; needs no ``target_columns``.
        refit: whether, once the rows held back have chosen the epoch, the network is trained anew on
            all rows; needs no ``target_columns``.

    Attributes:
        model_: the Keras network.
        history_: one row per epoch.
        n_iter_: epochs run.
        n_features_in_: features seen in ``fit``.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows in order of time.

        Args:
            X: features, ``(n, n_features)``.
            y: targets, ``(n,)`` or ``(n, n_targets)``.
            sample_weight: weight of each row, ``(n,)``.

        Raises:
            ValueError: rows or settings that cannot be used.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        hp = self._hyperparameters(
            LSTM_type="regressor", scale_targets=True, class_weight=self.class_weight
        )
        self._flat = y.ndim == 1
        self._fit_network(X, y.reshape(len(y), -1), hp, weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Forecast every row from the rows before it.

        Returns:
            ``(n,)``; with several targets or steps ``(n, steps_ahead * n_targets)``, step-major,
            the first step being the row itself.
        """
        outputs = self._outputs(X)
        steps = self.hyperparameters_.steps_ahead
        forecast = self.scalers_.unscale_targets(outputs.reshape(len(outputs), steps, -1))
        flat = forecast.reshape(len(outputs), -1)
        return np.asarray(flat[:, 0] if self._flat and steps == 1 else flat)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the forecasts; with several steps over the rows whose steps all lie in ``y``."""
        steps = self.steps_ahead
        if steps == 1:
            return float(super().score(X, y, sample_weight))
        truth = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        rows = np.arange(len(truth) - steps + 1)
        windows = target_windows(truth, rows, steps).reshape(len(rows), -1)
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        return float(r2_score(windows, self.predict(X)[rows], sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # checks use shuffled rows: no past tells the present
        return tags


class LSTMClassifier(ClassifierMixin, _WindowedEstimator):  # type: ignore[misc]
    """LSTM classifier for rows in order of time; parameters as of ``LSTMRegressor``.

    ``class_weight`` is 'balanced' or a weight per class; ``steps_ahead`` must be 1; ``loss`` is
    binary cross-entropy for two classes and categorical cross-entropy for more. ``target_columns`` and
    what follows it, but ``ensemble_size``, ``ema_momentum`` and ``refit``, are for quantities and stay
    as they are.

    Attributes:
        classes_: the labels, sorted.
        model_: the Keras network.
        history_: one row per epoch.
        n_iter_: epochs run.
        n_features_in_: features seen in ``fit``.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows in order of time.

        Args:
            X: features, ``(n, n_features)``.
            y: labels of any kind, ``(n,)``.
            sample_weight: weight of each row, ``(n,)``.

        Raises:
            ValueError: rows or settings that cannot be used, or fewer than two classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            raise DataError("y: several labels per row given; fit one classifier for each")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        count = len(self.classes_)
        if count < 2:
            raise DataError(
                f"y: a classifier needs at least two classes, the data has {count} class"
            )
        class_weight = self.class_weight
        if isinstance(class_weight, dict):
            absent = [c for c in self.classes_ if c not in class_weight]
            if absent:
                raise ConfigError(f"class_weight: class {absent[0]} has none; give one for each")
            class_weight = {i: float(class_weight[c]) for i, c in enumerate(self.classes_)}
        task: dict[str, Any] = {
            "LSTM_type": "classifier",
            "class_weight": class_weight,
            "checkpoint_monitor_metric": "val_loss",
            "checkpoint_mode": "min",
            "early_stop_monitor_metric": "val_loss",
            "early_stop_mode": "min",
        }
        labels = codes[:, None].astype(np.float64)
        if count > 2:
            task |= {"last_layer_activation": "softmax"}
            task |= {} if self.loss is not None else {"loss": "categorical_crossentropy"}
            labels = np.eye(count)[codes]
        if self.target_columns is not None:
            raise ConfigError("target_columns: is for quantities; remove it for a classifier")
        if self.steps_ahead != 1:
            raise ConfigError(f"steps_ahead: {self.steps_ahead} given; a classifier forecasts 1")
        self._fit_network(X, labels, self._hyperparameters(**task), weight)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class for every row, ``(n, n_classes)``."""
        outputs = self._outputs(X).astype(np.float64)
        if len(self.classes_) == 2:
            return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
        return np.asarray(outputs / outputs.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of every row, ``(n,)``."""
        probability = self.predict_proba(X)
        labels: np.ndarray = np.asarray(self.classes_)
        return np.asarray(labels[probability.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # as for the regressor
        return tags
