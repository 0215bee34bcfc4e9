"""The class ``fastLSTM``: a saved run in a notebook, each method a few lines over a module."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.inference import predict
from fastlstm.runs import SavedRun
from fastlstm.windows import input_windows, output_names


class fastLSTM:
    """A trained LSTM with its scalers and settings.

    Attributes:
        model: the Keras network.
        X_scaler: scaler fitted on the train rows' features.
        Y_scaler: scaler fitted on the train rows' targets, or None.
        loss_df: training history, one row per epoch.
        hyperparameters: the run's settings as saved.
        model_summary: Keras' summary of the network, as text.
    """

    def __init__(self) -> None:
        self._run: SavedRun | None = None
        self.model: Any = None
        self.X_scaler: Any = None
        self.Y_scaler: Any = None
        self.loss_df = pd.DataFrame()
        self.hyperparameters: dict[str, Any] = {}
        self.model_summary = ""

    def load_all(
        self, hyperparameters_file_name: str | Path, file_path_name: str | Path | None = None
    ) -> fastLSTM:
        """Open a saved run: network, scalers, history and settings.

        Args:
            hyperparameters_file_name: the run's hyperparameter JSON.
            file_path_name: its folder, where the first argument is a bare file name.

        Raises:
            StoreError: the run is not whole, or holds what it must not.
        """
        file = Path(file_path_name or "") / hyperparameters_file_name
        if not file.is_file():
            raise StoreError(f"{file}: does not exist; give a run's hyperparameter JSON")
        run = SavedRun(file.parent)
        self._run = run
        self.model = run.network
        self.X_scaler, self.Y_scaler = run.scalers.x, run.scalers.y
        self.loss_df = run.history
        self.hyperparameters = run.settings
        summary = io.StringIO()
        self.model.summary(print_fn=lambda line, **_: summary.write(line + "\n"))
        self.model_summary = summary.getvalue()
        return self

    def output_column_names(self) -> list[str]:
        """Names of the outputs: ``<target>``, or ``<target>_step_<k>`` with several steps."""
        run = self._opened()
        return output_names(run.data.targets, run.hyperparameters.steps_ahead)

    def model_predict(
        self,
        data: pd.DataFrame | np.ndarray,
        apply_scaler: bool = True,
        descale_result: bool = True,
    ) -> np.ndarray:
        """Forecast from one window, many, or every window of a table.

        Args:
            data: a DataFrame with the feature columns in any order, one series in order of time
                (one forecast per possible origin, the last for the time after the last row); one
                window ``(timesteps, n_features)``; or windows ``(n, timesteps, n_features)``.
            apply_scaler: scale the inputs; set to False where they are scaled already.
            descale_result: give results in the targets' own units.

        Returns:
            ``(n_windows, n_outputs)``, columns named by :meth:`output_column_names`.

        Raises:
            DataError: a column is absent, the shape does not fit, or a value is missing.
        """
        run = self._opened()
        hp, names = run.hyperparameters, run.data.features
        if isinstance(data, pd.DataFrame):
            absent = [n for n in names if n not in data]
            if absent:
                raise DataError(f"column {absent[0]!r} is absent; the network needs {names}")
            rows = data[names].to_numpy(np.float64)
            if len(rows) < hp.timesteps:
                raise DataError(f"{len(rows)} rows given, one window needs {hp.timesteps}")
            x = input_windows(rows, np.arange(hp.timesteps, len(rows) + 1), hp.timesteps)
        else:
            x = np.asarray(data, dtype=np.float64)
            x = x[None] if x.ndim == 2 else x
            if x.shape[1:] != (hp.timesteps, len(names)):
                raise DataError(
                    f"windows of shape {x.shape[1:]} given, the network needs "
                    f"{(hp.timesteps, len(names))}: timesteps by {names}"
                )
        if np.isnan(x).any():
            raise DataError("the inputs hold missing values; fill or drop them first")
        if apply_scaler:
            flat = pd.DataFrame(x.reshape(-1, len(names)), columns=names)
            x = run.scalers.features(flat).reshape(x.shape)
        scaled = predict(self.model, x.astype(np.float32))
        if not descale_result:
            return scaled
        shape = (len(scaled), hp.steps_ahead, len(run.data.targets))
        return run.scalers.unscale_targets(scaled.reshape(shape)).reshape(len(scaled), -1)

    def _opened(self) -> SavedRun:
        if self._run is None:
            raise ConfigError("no network yet; open a run with load_all first")
        return self._run
