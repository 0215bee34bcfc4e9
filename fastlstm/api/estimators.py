"""scikit-learn estimators over the same network, windows and training as the class and the pipeline.

Rows are in order of time. Row ``t`` is forecast from rows ``t - timesteps .. t - 1``, never from
itself but for the columns that ``known_future`` names, so ``predict`` gives one forecast per row of
``X``. The rows before the first row of ``X`` are unknown; the training mean stands for them, or the last
training rows with ``history='train'``.

Columns of a DataFrame that hold text, categories or booleans among objects are names: each category of
the rows before the held-out ones becomes an indicator, a missing one where there are any, and an unknown
one is none of them, with a warning.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight

from fastlstm.api.windowed_estimator import WindowedEstimator
from fastlstm.config.keras_names import OF_AMOUNTS, OF_LABELS, canonical_loss
from fastlstm.errors import ConfigError, DataError
from fastlstm.windows.origins import target_windows


class LSTMRegressor(RegressorMixin, WindowedEstimator):  # type: ignore[misc]
    """LSTM regressor for rows in order of time.

    Args:
        timesteps: past rows the network sees.
        steps_ahead: future rows it forecasts at once.
        model_relative_width: units of each LSTM layer as a multiple of the number of features.
        model_dropout: dropout rate after each layer.
        activation: activation of the LSTM layers.
        loss: any Keras loss of quantities by name; the default is 'mse', or 'mae' for the 'segment'
            architecture. It is taken of scaled targets.
        learning_rate: Adam's initial step size.
        learning_rate_schedule: how it falls; see ``fastlstm.config.hyperparameters.Hyperparameters``.
        epochs: most passes over the train windows.
        batch_size: windows per gradient step.
        early_stop_patience: epochs without a better validation loss before training stops.
        validation_size_rate: share of the rows, the last ones, held out to choose the epoch.
        scaler_type: scikit-learn scaler of features and targets, fitted on the rows before those.
        class_weight: not for a regressor; leave it None.
        shuffle: shuffle the train windows in every epoch.
        history: the rows before the first in ``predict``: the training 'mean', or the last rows of
            'train' where ``X`` follows them directly, as in ``TimeSeriesSplit``.
        random_state: seed of weights, dropout and shuffling.
        verbose: Keras' own progress output.
        target_columns: names or numbers of the columns of ``X`` that hold the targets of the same rows,
            one for each target, so that the network can use their past values. The settings below
            need it unless stated otherwise; see
            ``fastlstm.config.hyperparameters.Hyperparameters``.
        architecture: 'classic', 'segment', or 'auto', which is 'segment' with ``target_columns`` and at
            least 24 ``timesteps`` unless a setting of the LSTM stack was changed.
        segment_length: rows in a segment.
        segment_units: units of the LSTM over segments.
        segment_dropout: dropout rate before the output layer.
        instance_normalization: 'auto', 'none', 'last' or 'revin'.
        channel_independent: whether one network is shared by the targets.
        seasonal_residual: rows in the season whose naive forecast the network corrects.
        naive_unless_better: whether naive forecasts take part in the forecast; the held-out rows
            choose how much of it is the network's, none where it is no better.
        linear_component: whether the forecast is a weighted mean of the LSTM and ridge regression on
            the same windows.
        ensemble_size: networks trained together whose forecasts are averaged; needs no
            ``target_columns``.
        ema_momentum: decay of the moving averages of the weights, which then are evaluated and kept;
            needs no ``target_columns``.
        refit: whether the network is retrained on all rows once the held-out rows have chosen the
            epoch; needs no ``target_columns``.
        minimum: least value of the target, or of each one; forecasts are none below it, and rows below
            it are refused.
        maximum: likewise the greatest value.
        round_forecasts: whether forecasts are rounded to whole numbers.
        known_future: names or numbers of the columns of ``X`` that are known before their row, like a
            planned price or the day of the week: the forecast of row ``t`` also sees theirs in row
            ``t``; ``steps_ahead`` must be 1.

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
        X, y = self._checked_rows(X, y, multi_output=True, y_numeric=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        _require_loss_of_scaled(self.loss)
        self._require_range(y.reshape(len(y), -1))
        hp = self._hyperparameters(
            {"LSTM_type": "regressor", "scale_targets": True, "class_weight": self.class_weight}
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
        if self.round_forecasts:
            forecast = np.rint(forecast)
        forecast = np.clip(forecast, *self._range(forecast.shape[-1]))
        flat = forecast.reshape(len(outputs), -1)
        return np.asarray(flat[:, 0] if self._flat and steps == 1 else flat)

    def _range(self, targets: int) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest value of each target, ``(n_targets,)`` each.

        Raises:
            ConfigError: as many values as targets are needed, or a minimum is above its maximum.
        """
        ends = []
        for name, unset in (("minimum", -np.inf), ("maximum", np.inf)):
            given = getattr(self, name)
            end = np.asarray(unset if given is None else given, np.float64)
            if end.shape not in ((), (targets,)) or np.isnan(end).any():
                raise ConfigError(
                    f"{name}: {given!r} given for {targets} targets; give a number, or one for each"
                )
            ends.append(np.broadcast_to(end, (targets,)))
        if (ends[0] > ends[1]).any():
            raise ConfigError(
                f"minimum: {self.minimum!r} is above maximum {self.maximum!r}; swap or correct them"
            )
        return ends[0], ends[1]

    def _require_range(self, y: np.ndarray) -> None:
        """Refuse targets ``(n, n_targets)`` beyond their range.

        Raises:
            ConfigError: see ``_range``.
            DataError: names the first row.
        """
        low, high = self._range(y.shape[1])
        outside = (y < low) | (y > high)
        if outside.any():
            row, target = (int(found[0]) for found in np.nonzero(outside))
            raise DataError(
                f"y: {int(outside.sum())} values outside [{low[target]}, {high[target]}], first in row "
                f"{row}: {float(y[row, target])!r}; correct them, or minimum and maximum"
            )

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
        # scikit-learn's checks shuffle rows, after which the past does not predict the present.
        tags.regressor_tags.poor_score = True
        return tags


def _require_loss_of_scaled(loss: str | None) -> None:
    """Refuse a loss that means nothing of scaled targets, with what scikit-learn has for it.

    Raises:
        ConfigError: the loss is one.
    """
    if loss is None:
        return
    if canonical_loss(loss) in OF_AMOUNTS:
        raise ConfigError(
            f"loss: {loss!r} compares amounts, and the targets are scaled; use 'poisson', "
            "'negative_binomial' or 'tweedie', or wrap the estimator with loss 'mse' in "
            "sklearn.compose.TransformedTargetRegressor(..., func=numpy.log1p, "
            "inverse_func=numpy.expm1)"
        )
    if canonical_loss(loss) in OF_LABELS:
        raise ConfigError(
            f"loss: {loss!r} is for labels, shares or directions; a regressor takes e.g. 'mae' or 'mse'"
        )


class LSTMClassifier(ClassifierMixin, WindowedEstimator):  # type: ignore[misc]
    """LSTM classifier for rows in order of time; for its parameters see ``LSTMRegressor``.

    ``class_weight`` is 'balanced' or a weight per class. ``steps_ahead`` must be 1. ``loss`` is binary
    cross-entropy for two classes and categorical cross-entropy for more. Of ``target_columns`` and the
    parameters after it, only ``ensemble_size``, ``ema_momentum``, ``refit`` and ``known_future`` apply
    to a classifier.

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
        X, y = self._checked_rows(X, y)
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
        task = self._task(self._weights_by_code())
        labels = np.eye(count)[codes] if count > 2 else codes[:, None].astype(np.float64)
        if self.target_columns is not None:
            raise ConfigError("target_columns: is for quantities; remove it for a classifier")
        if self.minimum is not None or self.maximum is not None or self.round_forecasts:
            raise ConfigError(
                "minimum, maximum, round_forecasts: are for quantities; remove them for a classifier"
            )
        if self.steps_ahead != 1:
            raise ConfigError(f"steps_ahead: {self.steps_ahead} given; a classifier forecasts 1")
        self._fit_network(X, labels, self._hyperparameters(task), weight)
        return self

    def _weights_by_code(self) -> Any:
        """``class_weight`` with the number of each class in place of its label."""
        weights = self.class_weight
        if not isinstance(weights, dict):
            return weights
        absent = [label for label in self.classes_ if label not in weights]
        if absent:
            raise ConfigError(f"class_weight: class {absent[0]} has none; give one for each")
        return {code: float(weights[label]) for code, label in enumerate(self.classes_)}

    def _task(self, class_weight: Any) -> dict[str, Any]:
        """Hyperparameters of a classifier; two classes have one output, more have one each."""
        task: dict[str, Any] = {
            "LSTM_type": "classifier",
            "class_weight": class_weight,
            "checkpoint_monitor_metric": "val_loss",
            "checkpoint_mode": "min",
            "early_stop_monitor_metric": "val_loss",
            "early_stop_mode": "min",
        }
        if len(self.classes_) > 2:
            task["last_layer_activation"] = "softmax"
            if self.loss is None:
                task["loss"] = "categorical_crossentropy"
        return task

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
        # See LSTMRegressor.
        tags.classifier_tags.poor_score = True
        return tags
