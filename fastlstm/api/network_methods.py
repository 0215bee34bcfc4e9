"""What users do with a built, trained or opened network: forecast, evaluate, draw, display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.api.inputs import NetworkInputs
from fastlstm.api.known_columns import described_data
from fastlstm.api.outputs import NetworkOutputs, require_intervals
from fastlstm.api.prepared_rows import PreparedRows
from fastlstm.api.reports import (
    PROBABILITY,
    StateLines,
    classification_text,
    data_lines,
    decided_labels,
    label_table,
    label_text,
    logged_quantity,
    network_line,
    precision_recall_table,
    regression_table,
    score_lines,
    state_html,
    state_text,
)
from fastlstm.api.row_table import RowSettings
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.scaling import Scalers
from fastlstm.errors import ConfigError
from fastlstm.evaluation.importance import gradient_importance, permutation_importance, scaled_error
from fastlstm.evaluation.intervals import HalfWidths, Pair
from fastlstm.reporting.classification_figures import precision_recall
from fastlstm.reporting.training_figures import learning_curve, logged_unit
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import output_names


class NetworkMethods:
    """The state of a ``fastLSTM`` and the methods that read it.

    Args:
        hyperparameters: the settings.
        row_settings: what describes the rows.
    """

    def __init__(self, hyperparameters: Hyperparameters, row_settings: RowSettings) -> None:
        self._hp = hyperparameters
        self._row_settings = row_settings
        self.model: Any = None
        self.model_summary = ""
        self.loss_df = pd.DataFrame()
        self.hyperparameters: dict[str, Any] = hyperparameters.model_dump()
        self.metrics: dict[str, Any] = {}
        self.run_folder: Path | None = None
        self._rows: PreparedRows | None = None
        self._scalers: Scalers | None = None
        self._half_widths: dict[Pair, HalfWidths] | None = None
        self._trained = False
        self._features: list[str] = []
        self._targets: list[str] = []

    def _require_rows(self) -> PreparedRows:
        if self._rows is None:
            raise ConfigError("X_data, Y_data: none given; set both and call split_and_scale()")
        return self._rows

    def _windows(self) -> RowWindows:
        return self._require_rows().windows(self._hp)

    @property
    def _series_column(self) -> str | None:
        """Name of the series column of the rows that the network was trained on."""
        if self._rows is not None:
            return self._rows.table.series_name
        data = self.hyperparameters.get("data")
        return data.get("series") if isinstance(data, dict) else None

    @property
    def _inputs(self) -> NetworkInputs:
        table = self._rows.table if self._rows else None
        return NetworkInputs(
            self._features,
            self._hp.timesteps,
            described_data(self._row_settings, self._features, self._targets, table),
            self._scalers,
            self._series_column,
            self._hp.static_features,
        )

    # Forecasts

    def prepare_input_sample(
        self, X: Any, current_datetime_idx: int, apply_scaler: bool = True, series: Any = None
    ) -> np.ndarray:
        """The window whose last input row is row ``current_datetime_idx``.

        Args:
            X: a DataFrame with the feature columns in any order, or an array ``(n, n_features)``.
            current_datetime_idx: number of the last input row.
            apply_scaler: whether to scale it.
            series: its series; see ``model_predict``.

        Returns:
            ``(1, timesteps, n_features)``; ``model_predict`` does not scale a scaled one again.

        Raises:
            DataError: too few rows before it, or a column is absent.
        """
        return self._inputs.sample(X, current_datetime_idx, scale=apply_scaler, series=series)

    def output_column_names(self) -> list[str]:
        """Names of the outputs: ``<target>``, or ``<target>_step_<k>`` with several steps."""
        return output_names(self._targets, self._hp.steps_ahead)

    def _outputs(self) -> NetworkOutputs:
        if self.model is None or self._scalers is None:
            raise ConfigError("no network yet; train one, or open a run with load_all first")
        stored = self.hyperparameters.get("data")
        data = DataConfig.of_run(stored) if isinstance(stored, dict) else None
        # Before a training the settings are of no run, or of an opened one with other targets.
        limited = data is not None and data.targets == self._targets
        return NetworkOutputs(
            self.model, self._scalers, self._hp, self._targets, data if limited else None
        )

    def model_predict(
        self, data: Any, apply_scaler: bool = True, descale_result: bool = True,
        series: Any = None,
    ) -> np.ndarray:  # fmt: skip
        """Forecast from one window, several, or every window of a table.

        Args:
            data: a DataFrame with the feature columns in any order, one series in order of time (one
                forecast per possible window, the last for the time after the last row); one window
                ``(timesteps, n_features)``; or windows ``(n, timesteps, n_features)``.
            apply_scaler: whether to scale the inputs; False where they are scaled already. What
                ``prepare_input_sample`` scaled, and ``X_train_s`` and its like, are never scaled again.
            descale_result: whether to give results in the targets' own units.
            series: for a network of a panel, whose series have scales of their own: the label of the
                series, or of each window's, ``(n_windows,)``. Without it the table's series column
                tells; else each window is a new series, scaled by its own rows.

        Returns:
            ``(n_windows, n_outputs)``, columns named by ``output_column_names``; probabilities for a
            classifier.

        Raises:
            ConfigError: no network yet.
            DataError: a column is absent, the shape does not fit, or a value is missing.
        """
        outputs = self._outputs()
        windows = self._inputs.windows(data, scale=apply_scaler, series=series)
        return outputs.forecast(windows, unscale=descale_result)

    def model_predict_labels(
        self, data: Any, apply_scaler: bool = True, series: Any = None,
        thresholds: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """The likeliest class of each label column, and its probability.

        Args:
            data: see ``model_predict``.
            apply_scaler: see ``model_predict``.
            series: see ``model_predict``.
            thresholds: probability from which the second of two classes is chosen, by name of the
                output, target or class; None: those of the run's settings, 0.5 where there are none.

        Returns:
            A row for each window; for each label column and step ahead ``<column>`` (with several steps
            ``<column>_step_<k>``), the class, and ``<column> probability``.

        Raises:
            ConfigError: a regressor, no network yet, or thresholds of unknown names.
            DataError: see ``model_predict``.
        """
        if self._hp.is_regressor:
            raise ConfigError("LSTM_type: a regressor forecasts no classes; use model_predict")
        if thresholds is None:
            thresholds = self._thresholds
        if problems := self._hp.threshold_problems(thresholds, self._targets):
            raise ConfigError(problems)
        forecast = self.model_predict(data, apply_scaler, series=series)
        return label_table(forecast, self._hp, self._targets, thresholds=thresholds)

    @property
    def _thresholds(self) -> Mapping[str, float]:
        """Decision thresholds in the settings of the run."""
        of_run = self.hyperparameters.get("evaluation")
        found: Mapping[str, float] = (
            of_run.get("thresholds", {}) if isinstance(of_run, dict) else {}
        )
        return found

    def prediction_intervals(
        self, data: Any, level: float = 0.8, apply_scaler: bool = True, series: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prediction intervals from the validation errors of the last training.

        Split-conformal, by step and target; see ``fastlstm.evaluation.intervals``. They do not adapt
        to errors seen since; the flow ``predict`` does that, and so do a run's test predictions.

        Args:
            data: see ``model_predict``.
            level: nominal coverage, between 0.01 and 0.99, rounded up to a multiple of 0.005.
            apply_scaler: see ``model_predict``.
            series: see ``model_predict``.

        Returns:
            Lower and upper bounds in the targets' units, ``(n_windows, n_outputs)`` each. In a
            panel they are as wide as the errors of the window's series. Where validation had too few
            windows for the level they are wider, as the report says.

        Raises:
            ConfigError: a classifier, no trained network, a run stored without intervals, or a level
                out of range.
            DataError: see ``model_predict``.
        """
        half_widths = require_intervals(self._hp, level, self._half_widths)
        windows = self._inputs.windows(data, scale=apply_scaler, series=series)
        return self._outputs().intervals(windows, level, half_widths)

    # Evaluation

    def _test_outputs(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._outputs().test_forecasts(self._require_rows())

    def network_predictions_evaluation(
        self, min_probability: float | None = None, output_dict: bool = False
    ) -> Any:
        """Score the network on the present test windows and print the report.

        Args:
            min_probability: a classifier's outputs above it count as class 1; the default is 0.5. The
                outputs of ``softmax`` are one choice among classes: each row is given the most probable
                one, and no cut-off applies.
            output_dict: give data instead of text.

        Returns:
            The report's text; with ``output_dict`` the predictions (one row per test window, one
            column per output) and the report as a dict: scikit-learn's for a classifier's only
            output, that dict by output name for several, errors by output for a regressor. Of label
            columns with named classes the predictions are those of ``model_predict_labels``, and the
            report is of these classes.
        """
        if self._hp.classes is not None and min_probability is None:
            truth, forecast = (
                label_table(part.to_numpy(), self._hp, self._targets, part.index, thresholds)
                for part, thresholds in zip(
                    self._test_outputs(), ({}, self._thresholds), strict=True
                )
            )
            columns = [name for name in forecast if not str(name).endswith(PROBABILITY)]
            text, report = label_text(truth[columns], forecast[columns])
            print(text)
            return (forecast, report) if output_dict else text
        if min_probability is not None and self._hp.last_layer_activation == "softmax":
            raise ConfigError(
                f"min_probability: {min_probability:g} given, but softmax outputs have no cut-off: "
                "each row is given its most probable class; leave it out"
            )
        truth, forecast = self._test_outputs()
        if self._hp.is_regressor:
            text, report = regression_table(truth, forecast)
        else:
            forecast = decided_labels(
                forecast, 0.5 if min_probability is None else min_probability,
                exclusive=self._hp.last_layer_activation == "softmax",
            )  # fmt: skip
            text, report = classification_text(truth.astype(int), forecast)
        print(text)
        return (forecast, report) if output_dict else text

    def binary_precision_recall_vs_scoring(
        self, n_points: int = 15, plot: bool = True, ax: Any = None
    ) -> pd.DataFrame:
        """Precision and recall of class 1 of the first output, by cutoff, on the test windows.

        Args:
            n_points: the first cutoff in hundredths; the last is 0.99.
            plot: draw both against the cutoff.
            ax: Axes to draw on; the default is a new figure.

        Returns:
            Columns ``Cutoff``, ``Precision``, ``Recall``.

        Raises:
            ConfigError: the network is a regressor.
        """
        if self._hp.is_regressor:
            raise ConfigError("LSTM_type: a regressor has no precision and recall")
        truth, forecast = self._test_outputs()
        actual = truth.iloc[:, 0].to_numpy() == 1
        table = precision_recall_table(actual, forecast.iloc[:, 0].to_numpy(), n_points)
        if plot:
            curve = [
                {"threshold": cutoff, "precision": precision, "recall": recall}
                for cutoff, precision, recall in table.itertuples(index=False)
            ]
            precision_recall(curve, None, float(actual.mean()), ax=ax or _new_axes())
        return table

    def plot_training_history(self, metric: str | None = None, ax: Any = None) -> Any:
        """Draw one logged quantity on train and validation windows by epoch.

        Args:
            metric: its name; the default is a classifier's first metric, a regressor's loss.
            ax: Axes to draw on; the default is a new figure.

        Returns:
            The Axes.

        Raises:
            ConfigError: nothing was trained or loaded, or the quantity was not logged.
        """
        name = logged_quantity(self.loss_df, metric, self._hp)
        history = self.loss_df.assign(epoch=range(1, len(self.loss_df) + 1))
        unit = logged_unit(name, self._hp)
        return learning_curve(history, name, unit=unit, ax=ax or _new_axes())

    def gradient_feature_importance(self) -> pd.Series:
        """Share of each feature in the gradients of the outputs over the test windows.

        See ``fastlstm.evaluation.importance.gradient_importance``.
        """
        test = self._windows().read("test", columns=("x",))
        return gradient_importance(self.model, test.x, self._features)

    def permutation_feature_importance(self, n_repeats: int = 5) -> pd.DataFrame:
        """Increase of the test error when a feature is permuted among the test windows.

        The error is the mean absolute error in scaled units; for probabilities the Brier score. See
        ``fastlstm.evaluation.importance.permutation_importance``.
        """
        test = self._windows().read("test")
        truth = test.y.reshape(len(test.y), -1)

        def score(x: np.ndarray) -> float:
            return scaled_error(self.model, x, truth, self._hp.is_regressor)

        return permutation_importance(score, test.x, self._features, n_repeats, self._hp.seed)

    # Display in a notebook

    def _state(self) -> StateLines:
        outputs = len(self.output_column_names())
        epochs = f"{len(self.loss_df)} epochs" if self._trained else "no"
        return [
            *data_lines(self._rows),
            network_line(self.model, self._hp, outputs),
            ("trained", epochs),
            *score_lines(self.metrics),
            *([("run", str(self.run_folder))] if self.run_folder is not None else []),
        ]

    def __repr__(self) -> str:
        heading = f"fastLSTM {self._hp.model_name!r}, {self._hp.LSTM_type}"
        return state_text(heading, self._state())

    def _repr_html_(self) -> str:
        heading = f"fastLSTM {self._hp.model_name}, {self._hp.LSTM_type}"
        return state_html(heading, self._state())


def _new_axes() -> Any:
    # Figures of pyplot are shown by a notebook at the end of the cell.
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]
