"""What the scikit-learn estimators share: windows, scaling, training and forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import (
    check_array,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from fastlstm.api.containers import rows_of_one_series
from fastlstm.api.estimator_columns import NamedColumns
from fastlstm.api.row_table import RowSettings, RowTable, row_table
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
from fastlstm.windows.origins import input_windows

# The test split of a network over rows in memory begins here, so it is empty: scikit-learn's own
# splitters hold test rows back.
_NEVER = 2**62

# Parameters that are hyperparameters under the same name.
_INTEGERS = ("timesteps", "steps_ahead", "epochs", "batch_size", "early_stop_patience")
_PASSED_ON = (
    "learning_rate", "learning_rate_schedule", "validation_size_rate", "scaler_type", "architecture",
    "segment_length", "segment_units", "segment_dropout", "instance_normalization",
    "channel_independent", "seasonal_residual", "naive_unless_better", "linear_component",
    "ensemble_size", "ema_momentum", "refit",
)  # fmt: skip

# Settings of the stack of LSTM layers, with the defaults of the estimators.
_STACK_DEFAULTS = {"model_relative_width": [2], "model_dropout": [0], "activation": "tanh"}

# Scaled targets and the columns of X that hold them differ by rounding alone.
_ROUNDING = 1e-3


class WindowedEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator that forecasts each row from the window of rows before it.

    Attributes:
        model_: the Keras network.
        history_: one row per epoch.
        n_iter_: epochs run.
        n_features_in_: features seen in ``fit``.
        scalers_: scalers fitted on the rows before the held-out ones.
        hyperparameters_: the settings of the network.
        last_rows_: the last rows of ``fit``, unscaled, ``(timesteps, n_features)``.
        scaled_mean_: scaled mean of the rows before the held-out ones, ``(1, n_features)``.
    """

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
        minimum: float | Sequence[float] | None = None,
        maximum: float | Sequence[float] | None = None,
        round_forecasts: bool = False,
        known_future: Sequence[str | int] | None = None,
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
        self.minimum = minimum
        self.maximum = maximum
        self.round_forecasts = round_forecasts
        self.known_future = known_future

    def _hyperparameters(self, task: dict[str, Any]) -> Hyperparameters:
        """The estimator's parameters as hyperparameters.

        The settings of the LSTM stack are left out where they are the defaults and 'auto' gives the
        segment network, because the rule of 'auto' reads any stack setting as a choice of the stack.

        Args:
            task: what the kind of estimator sets.

        Raises:
            ValueError: a parameter is refused.
        """
        if self.history not in ("mean", "train"):
            raise ConfigError(f"history: {self.history!r} given; choose 'mean' or 'train'")
        settings = {
            **{name: int(getattr(self, name)) for name in _INTEGERS},
            **{name: getattr(self, name) for name in _PASSED_ON},
            "train_size_rate": min(0.999, (1 - self.validation_size_rate) * 0.999),
            "shuffle": bool(self.shuffle),
            "seed": self._seed(),
        }
        if self.loss is not None:
            settings["loss"] = self.loss
        settings |= task
        stack = {
            "model_relative_width": list(self.model_relative_width),
            "model_dropout": list(self.model_dropout),
            "activation": self.activation,
        }
        if task["LSTM_type"] == "classifier" and stack == _STACK_DEFAULTS:
            return Hyperparameters.model_validate(settings)
        if self.target_columns is not None and stack == _STACK_DEFAULTS:
            without_stack = Hyperparameters.model_validate(settings)
            if resolve(without_stack, ("y",), ("y",)).kind == "segment":
                return without_stack
        return Hyperparameters.model_validate({**settings, **stack})

    def _seed(self) -> int:
        """``random_state`` as a number; a new one for each fit where it is None or a generator."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _checked_rows(self, X: Any, y: Any, **checks: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``fit`` as numbers, ``(n, n_inputs)``, with indicators in place of names.

        Args:
            X: features.
            y: targets.
            **checks: of scikit-learn's ``check_X_y``.
        """
        X, y = rows_of_one_series(X, "X"), rows_of_one_series(y, "y")
        self._named: NamedColumns | None = None
        if isinstance(X, pd.DataFrame):
            self._named = NamedColumns.of(X, len(X) - self._held_out_count(len(X)))
        if self._named is None:
            X, y = validate_data(self, X, y, dtype=np.float64, **checks)
            return X, y
        numbers, y = validate_data(self, self._named.numbers(X), y, dtype=np.float64, **checks)
        validate_data(self, X, skip_check_array=True)  # columns as they were given
        return numbers, y

    def _numbers_of(self, X: Any) -> np.ndarray:
        """Rows of ``predict`` as numbers; see ``_checked_rows``."""
        X, named = rows_of_one_series(X, "X"), getattr(self, "_named", None)
        if named is None:
            checked: np.ndarray = validate_data(self, X, reset=False, dtype=np.float64)
            return checked
        validate_data(self, X, reset=False, skip_check_array=True)
        rows: np.ndarray = check_array(
            named.numbers(X), dtype=np.float64, estimator=self, input_name="X"
        )
        return rows

    def _held_out_count(self, count: int) -> int:
        """How many of so many rows, the last ones, choose the epoch."""
        return max(1, round(count * self.validation_size_rate))

    def _fit_network(
        self, X: np.ndarray, y: np.ndarray, hp: Hyperparameters, sample_weight: np.ndarray | None
    ) -> None:
        """Scale, train, and keep what ``_outputs`` needs.

        Args:
            X: features, ``(n, n_features)``.
            y: targets, ``(n, n_targets)``.
            hp: settings of the network.
            sample_weight: weight of each row, ``(n,)``.

        Raises:
            DataError: too few rows, or ``target_columns`` do not hold the targets.
        """
        known = self._known_columns()
        of_table = row_table(X, y, RowSettings(sample_weight=sample_weight))
        names = [str(name) for name in of_table.x]
        names += [f"{names[number]}+1" for number in known]
        X = np.hstack([X, _next_rows(X[:, known])])
        rows = replace(of_table, x=pd.DataFrame(X, of_table.x.index, names))
        hp = hp.model_copy(update=self._of_columns(names, len(known)))
        held_out = self._held_out_rows(len(X), hp)
        times = microseconds(rows.frame[TIME])
        cuts = Cuts(int(times[len(X) - held_out]), _NEVER)
        self.scalers_: Scalers = fit_scalers(rows.x, rows.y, times, times, cuts, hp)
        self._names = names
        trained = fit(self._windows(rows, cuts, hp), hp, verbose=self.verbose)
        self.model_ = trained.model
        self.history_ = trained.history
        self.n_iter_ = len(trained.history)
        self.hyperparameters_ = hp
        self.last_rows_ = X[-hp.timesteps :]
        self.scaled_mean_ = self._scaled(X[: len(X) - held_out].mean(axis=0, keepdims=True))

    def _known_columns(self) -> list[int]:
        """Numbers of the columns that are known of the row to forecast, of all indicators of names."""
        if not self.known_future:
            return []
        if self.steps_ahead != 1:
            raise ConfigError(
                f"known_future: steps_ahead is {self.steps_ahead}, and X ends with the row to forecast; "
                "use the class fastLSTM, whose rows to forecast follow the table, or steps_ahead 1"
            )
        found: list[int] = []
        for column in self.known_future:
            number = self._number_of(column, "known_future")
            width, start = 1, number
            if self._named is not None:
                width, start = self._named.widths[number], self._named.starts[number]
            found.extend(range(start, start + width))
        if len(set(found)) < len(found):
            raise ConfigError(f"known_future: {list(self.known_future)} names a column twice")
        return found

    def _of_columns(self, names: list[str], known: int) -> dict[str, Any]:
        """Hyperparameters that name columns; the last ``known`` ones are of the row to forecast."""
        found: dict[str, Any] = {}
        if self._named is not None and self._named.embedded:
            found["embedded_features"] = [
                [names[number] for number in group] for group in self._named.embedded
            ]
        if known:
            found["future_features"] = dict.fromkeys(names[-known:], 1)
        return found

    def _held_out_rows(self, count: int, hp: Hyperparameters) -> int:
        """How many of the last rows choose the epoch."""
        held_out = self._held_out_count(count)
        fewest = hp.timesteps + hp.steps_ahead
        if count - held_out < fewest or held_out < hp.steps_ahead:
            raise DataError(
                f"n_samples={count} is too few: timesteps {hp.timesteps} and steps_ahead "
                f"{hp.steps_ahead} need {fewest} rows to train on and {hp.steps_ahead} to validate on"
            )
        return held_out

    def _windows(self, rows: RowTable, cuts: Cuts, hp: Hyperparameters) -> RowWindows:
        """Windows over the scaled rows; targets have the names of the features that hold them."""
        targets = [str(name) for name in rows.y]
        x, y = self.scalers_.features(rows.x), self.scalers_.targets(rows.y, targets)
        if self.target_columns is not None:
            columns = self._numbers_of_target_columns(len(targets))
            _require_same(x[:, columns], y, list(self.target_columns))
            targets = [self._names[column] for column in columns]
        return RowWindows(
            rows.frame,
            x,
            y,
            features=self._names,
            targets=targets,
            timesteps=hp.timesteps,
            steps_ahead=hp.steps_ahead,
            cuts=cuts,
            sample_weight=rows.weight,
            needed=("train", "validation"),
        )

    def _numbers_of_target_columns(self, n_targets: int) -> list[int]:
        """Numbers of the columns of X that hold the targets."""
        numbers: list[int] = []
        for column in self.target_columns or ():
            number = self._number_of(column, "target_columns")
            if self._named is not None:
                if self._named.columns[number] in self._named.categories:
                    raise ConfigError(
                        f"target_columns: column {column!r} holds names, a target is a quantity; name "
                        "a column of numbers"
                    )
                number = self._named.starts[number]
            numbers.append(number)
        if len(numbers) != n_targets or len(set(numbers)) != n_targets:
            raise ConfigError(
                f"target_columns: {list(self.target_columns or ())} given for {n_targets} targets; "
                "give one column for each"
            )
        return numbers

    def _number_of(self, column: str | int, setting: str) -> int:
        """Number of a column of X, by its name or number."""
        names = list(getattr(self, "feature_names_in_", ()))
        if column not in (names if isinstance(column, str) else range(self.n_features_in_)):
            raise ConfigError(
                f"{setting}: X has no column {column!r}; give names or numbers of its "
                f"{self.n_features_in_} columns{f', {names}' if names else ''}"
            )
        return names.index(column) if isinstance(column, str) else int(column)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return self.scalers_.features(pd.DataFrame(X, columns=self._names))

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs for every row, ``(n, n_outputs)``, in scaled units."""
        check_is_fitted(self)
        X = self._numbers_of(X)
        known, timesteps = self._known_columns(), self.hyperparameters_.timesteps
        scaled = self._scaled(np.hstack([X, _next_rows(X[:, known])]))
        if self.history == "train":
            past = self._scaled(self.last_rows_)
        else:
            past = np.repeat(self.scaled_mean_, timesteps, axis=0)
        rows = np.concatenate([past, scaled])
        if known:  # the row before the first one holds what is known of that
            before = self._scaled(np.hstack([X[:1], X[:1, known]]))
            rows[timesteps - 1, -len(known) :] = before[0, -len(known) :]
        first_rows = np.arange(timesteps, timesteps + len(scaled))
        return predict(self.model_, input_windows(rows, first_rows, timesteps))


def _next_rows(columns: np.ndarray) -> np.ndarray:
    """Each row's next one, ``(n, n_columns)``; the last row, which no forecast asks for, repeated."""
    return np.concatenate([columns[1:], columns[-1:]])


def _require_same(x: np.ndarray, y: np.ndarray, columns: list[str | int]) -> None:
    """Refuse target columns whose scaled values, ``(n, n_targets)``, are not the scaled targets."""
    for number, column in enumerate(columns):
        differs = np.abs(x[:, number] - y[:, number]) > _ROUNDING
        if differs.any():
            raise DataError(
                f"target_columns: column {column!r} of X and target {number} differ in "
                f"{int(differs.sum()):,} rows, first in row {int(np.argmax(differs))}; each row of that "
                "column must hold the target of the same row, in any unit"
            )
