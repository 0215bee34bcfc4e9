"""Open a stored run without trusting it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from fastlstm.artifacts.bounded_reading import read_bytes, read_object
from fastlstm.artifacts.folders import MANIFEST, verify
from fastlstm.artifacts.shapes import require_shape
from fastlstm.config.data import DataConfig
from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.config.hyperparameters import STORED, Hyperparameters
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SERIES
from fastlstm.data.forecast_limits import limited
from fastlstm.data.scaling import Scalers, read_scalers
from fastlstm.data.stored_tables import StoredTable
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError, StoreError
from fastlstm.evaluation.intervals import HalfWidths, Pair, quantile_pair, read_half_widths
from fastlstm.evaluation.labels import label_columns, likeliest_labels
from fastlstm.evaluation.predictions import stored_predictions
from fastlstm.network.inference import load_network, point_of, windows_at_once
from fastlstm.network.serving import ServingNetwork
from fastlstm.registry.run_manifest import require_run_manifest
from fastlstm.runs.file_names import file_name
from fastlstm.runs.history import read_history
from fastlstm.runs.stored_shapes import INPUTS, METRICS
from fastlstm.runs.versions import naming_versions, refuse_unknown_settings
from fastlstm.windows.origins import input_windows

# Names in the file of hyperparameters.
_KNOWN = {
    *Hyperparameters.model_fields, "data", "evaluation", "feature_names", "target_names",
    "model_training_datetime", "model_file_name", "scaler_file_name", "y_scaler_file_name",
    "training_history_file_name", "X_data_df_file_name", "Y_data_df_file_name",
}  # fmt: skip


@dataclass(frozen=True)
class ScaledRows:
    """Rows as a run's network takes them.

    Attributes:
        features: scaled, float32 ``(n, n_features)``.
        series: label of each row's series, ``(n,)``.
        scalers: the run's, with scales of the series that were new to it.
    """

    features: np.ndarray
    series: np.ndarray
    scalers: Scalers


class SavedRun:
    """A stored run, opened for reading.

    Everything is checked against the manifest first; file names in its JSON may not leave the
    folder, scalers are read without unpickling, and the network with ``safe_mode``.

    Args:
        folder: the run's folder.

    Raises:
        StoreError: the run is not whole, or contains something it must not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._model_kind = "model"
        self.manifest = verify(self.folder)
        require_run_manifest(self.manifest, str(self.folder / MANIFEST))
        self.run_id, self.model_name = (
            str(self.manifest.get(key)) for key in ("run_id", "model_name")
        )
        model, _, group = self.model_name.partition("/")
        for name in (self.run_id, model, *([group] if group else [])):
            if Path(name).name != name or name.startswith("."):
                raise StoreError(f"{self.folder}: its manifest's name {name!r} leaves the folder")
        file = self.path("hyperparameters")
        try:
            self.settings: dict[str, Any] = read_object(file)
            refuse_unknown_settings(self.manifest, self.settings, _KNOWN, file)
            given = {k: v for k, v in self.settings.items() if k in Hyperparameters.model_fields}
            # Settings that name no architecture or scope are of runs with these.
            given.setdefault("architecture", "classic")
            # One whose settings do not mention features of the rows to forecast has none.
            given.setdefault("future_features", {})
            given.setdefault("scaler_scope", "table")
            self.hyperparameters = Hyperparameters.model_validate(given, context=STORED)
            self.data = DataConfig.of_run(self.settings["data"])
            self.evaluation = EvaluationConfig.model_validate(self.settings.get("evaluation", {}))
        except ValidationError as error:
            raise StoreError(f"{file}: {describe(error, RetrainConfig)[0]}") from None
        except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
            raise StoreError(f"{file}: is no hyperparameter file ({error})") from None

    def path(self, kind: str) -> Path:
        """A file of the run by kind; it may not exist for optional kinds."""
        return self.folder / file_name(self.run_id, kind, self.model_name.partition("/")[0])

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics as evaluated on test."""
        return _shaped(self.path("metrics"), METRICS)

    @cached_property
    def inputs(self) -> dict[str, Any] | None:
        """Summary of the train rows by feature, for drift; None where the run stores none."""
        file = self.path("inputs")
        return _shaped(file, INPUTS) if file.exists() else None

    @property
    def report(self) -> str:
        """The report as Markdown; bytes that are no text are marked as such."""
        return read_bytes(self.path("report")).decode("utf-8", "replace")

    @property
    def predictions(self) -> StoredTable:
        """The table of test predictions, a row for each window, step and target.

        Raises:
            StoreError: it is missing, or another table.
        """
        steps = self.hyperparameters.steps_ahead
        table = stored_predictions(self.path("predictions"), steps)
        outputs = steps * len(self.data.targets)
        if table.rows % outputs or not table.rows:
            raise StoreError(
                f"{self.path('predictions')}: {table.rows:,} rows are no windows of {outputs:,} outputs"
                "; copy the run again"
            )
        return table

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return read_history(self.path("history"))

    @cached_property
    def scalers(self) -> Scalers:
        """The scalers fitted on the run's train rows, as scikit-learn's."""
        return self._read_scalers(plain=False)

    @cached_property
    def plain_scalers(self) -> Scalers:
        """The same without scikit-learn, as forecasts need them; see ``PlainScaler``."""
        return self._read_scalers(plain=True)

    def _read_scalers(self, *, plain: bool) -> Scalers:
        """The scalers, whose columns must be those of the run."""
        with naming_versions(self.manifest, "fastlstm", "scikit-learn"):
            found = read_scalers(*self._scaler_files, plain=plain)
        expected = [(found.x, self.data.features)]
        if self.hyperparameters.scale_targets:
            expected += [(found.y, self.data.targets)]
        for scaler, columns in expected:
            names = [] if scaler is None else [str(name) for name in scaler.feature_names_in_]
            if sorted(names) != sorted(columns):
                raise StoreError(
                    f"{self.folder}: its scaler is of the columns {names[:5]}, its network of "
                    f"{columns[:5]}; copy the run again"
                )
        return found

    @property
    def _scaler_files(self) -> tuple[Path, Path, Path]:
        """Files of the scalers; a run without JSON of them has them as pickles alone."""
        ending = "_json" if self.path("x_scaler_json").exists() else ""
        return (
            self.path(f"x_scaler{ending}"),
            self.path(f"y_scaler{ending}"),
            self.path("series_scales"),
        )

    @cached_property
    def half_widths(self) -> dict[Pair, HalfWidths] | None:
        """Half-widths of the intervals by their base interval; None where the run has no intervals."""
        file, hp = self.path("intervals"), self.hyperparameters
        if not file.exists():
            return None
        found = read_half_widths(file, self.data.targets, hp.steps_ahead, self.path("spreads"))
        for level in self.evaluation.interval_levels:
            if (pair := quantile_pair(level, hp.quantiles)) not in found:
                raise StoreError(
                    f"{file}: has no half-widths of the quantiles {pair}, on which the interval of "
                    f"{level:g} is based; copy the run again"
                )
        return found

    @property
    def first_test_origin(self) -> int | None:
        """First target row of the test windows, in microseconds since 1970 (UTC); None for row numbers.

        The network has learned from no row at or after it.
        """
        stored = str(self.manifest["cuts"]["first_test_origin"])
        if not stored.endswith("Z"):
            return None
        return int(np.datetime64(stored[:-1], "us").astype(np.int64))

    def first_test_origins(self, series: np.ndarray) -> np.ndarray:
        """First target row of the test windows of some series, ``(n,)``; see ``first_test_origin``.

        Where series are split each by itself, the least number for a series that the run does not know,
        from which it has learned nothing, and the greatest for one that it knows and has not scored.

        Args:
            series: labels, ``(n,)``.
        """
        least, greatest = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        if self.hyperparameters.split == "at_time":
            first = self.first_test_origin
            return np.full(len(series), greatest if first is None else first)
        of_series = self._first_scored
        scales = self.plain_scalers.series
        known = None if scales is None else set(scales.labels.astype(str).tolist())
        return np.array(
            [
                of_series.get(label, greatest if known is None or label in known else least)
                for label in np.asarray(series, str).tolist()
            ],
            np.int64,
        )

    @cached_property
    def _first_scored(self) -> dict[str, int]:
        """First target row of each series' test windows, in microseconds since 1970 (UTC)."""
        parts = [
            block.groupby("series")["origin"].min()
            for block in self.predictions.blocks(["series", "origin"])
        ]
        scored = pd.concat(parts).groupby(level=0).min()
        return dict(zip(scored.index.astype(str), microseconds(scored).tolist(), strict=True))

    @cached_property
    def network(self) -> Any:
        """The Keras model that serves, loaded once."""
        file, (timesteps, features, outputs) = self.path(self._model_kind), self._network_shape
        with naming_versions(self.manifest, "keras"):
            network = load_network(file)
        found, made = network.input_shape, network.output_shape
        if found[1:] != (timesteps, features) or made[-1] != outputs:
            raise StoreError(
                f"{file}: takes {found[1:]} values and gives {made[-1]}, the run's settings say "
                f"{timesteps, features} and {outputs}; copy the run again"
            )
        return network

    @property
    def _network_shape(self) -> tuple[int, int, int]:
        """Time steps, features and outputs of the network."""
        hp, data = self.hyperparameters, self.data
        outputs = hp.steps_ahead * len(data.targets) * hp.outputs_each
        return hp.timesteps, len(data.features), outputs

    @property
    def has_onnx(self) -> bool:
        """Whether the run holds an ONNX model, by which it forecasts without TensorFlow."""
        return self.path("onnx").exists()

    @cached_property
    def serving(self) -> ServingNetwork:
        """The network that serves, by onnxruntime where the run holds its ONNX model."""
        kind = "onnx" if self._model_kind == "model" else "evaluated_onnx"
        return ServingNetwork(self.path(kind), lambda: self.network, self._network_shape)

    @cached_property
    def evaluated(self) -> SavedRun:
        """This run with the network that was scored on test, which has not learned from its windows.

        It is the run itself unless the network that serves has learned from all windows.
        """
        file = self.path("evaluated_model")
        if not file.exists():
            return self
        run = copy(self)
        for name in ("network", "serving"):
            run.__dict__.pop(name, None)
        run._model_kind = "evaluated_model"
        return run

    def by_keras(self) -> SavedRun:
        """This run with forecasts by Keras, which makes those that a run is evaluated by.

        onnxruntime's differ in the last digits, by which a network must not lose to itself.
        """
        run = copy(self)
        run.__dict__["serving"] = ServingNetwork(None, lambda: self.network, self._network_shape)
        return run

    def forecast(self, features: pd.DataFrame, origins: np.ndarray) -> np.ndarray:
        """Forecasts in the targets' units for windows of a table.

        Args:
            features: unscaled rows with the feature columns, ``(n, ...)``, any column order.
            origins: number of each window's first target row, ``(n_windows,)``; ``n`` for the row after
                the last. The ``timesteps`` rows before it are the window's inputs.

        Returns:
            ``(n_windows, steps_ahead, n_targets)``; probabilities for a classifier.

        Raises:
            DataError: a feature column is absent, or a window's input has a missing value.
        """
        return point_of(self.forecast_each(features, origins))

    def labels_of(self, forecasts: np.ndarray) -> dict[str, np.ndarray]:
        """``label`` and ``probability`` of forecasts, ``(n, steps_ahead, n_targets)`` each.

        Empty where the run has no label columns; see ``fastlstm.evaluation.labels.likeliest_labels``.
        """
        if self.hyperparameters.classes is None:
            return {}
        columns = label_columns(self.hyperparameters, self.data.targets)
        thresholds = self.settings.get("evaluation", {}).get("thresholds", {})
        return likeliest_labels(forecasts, columns, thresholds)

    def forecast_each(self, features: pd.DataFrame, origins: np.ndarray) -> np.ndarray:
        """Forecasts with their quantiles, ``(n_windows, steps_ahead, n_targets, n_quantiles)``.

        For arguments and errors see ``forecast``. The quantile axis has length 1 where the network
        forecasts no quantiles.
        """
        return self.forecast_scaled(self.scale(features, origins), origins)

    def scale(self, features: pd.DataFrame, origins: np.ndarray) -> ScaledRows:
        """The rows of a table as the network takes them.

        Args:
            features: see ``forecast``; with ``__series`` where the run has scales by series. A series
                without a scale is scaled by its rows before the first origin.
            origins: see ``forecast``.

        Raises:
            DataError: a feature column is absent.
        """
        scalers, count = self.plain_scalers, len(features)
        series = features[SERIES].to_numpy(str) if SERIES in features else np.full(count, "")
        if scalers.series is not None and count:
            known = np.ones(count, bool)
            code, labels = pd.factorize(series)
            first = np.full(len(labels), count)
            np.minimum.at(first, code[origins - 1], origins)
            known = np.arange(count) < first[code]
            scalers = scalers.extended(features, series, known)
        return ScaledRows(scalers.features(features, series), series, scalers)

    def forecast_scaled(self, rows: ScaledRows, origins: np.ndarray) -> np.ndarray:
        """``forecast_each`` for rows that are scaled already; within the limits of the targets.

        Args:
            rows: see ``scale``.
            origins: see ``forecast``.

        Raises:
            DataError: a window's input has a missing value.
        """
        hp, targets = self.hyperparameters, self.data.targets
        size = windows_at_once(
            {
                "timesteps": hp.timesteps,
                "features": self.data.features,
                "steps_ahead": hp.steps_ahead,
                "targets": targets,
            }
        )
        outputs = []
        for start in range(0, len(origins), size):
            x = input_windows(rows.features, origins[start : start + size], hp.timesteps)
            if np.isnan(x).any():
                raise DataError("a window's inputs have missing values; fill or drop them first")
            left = len(origins) - start - len(x)
            outputs.append(self.serving.predict_each(x, hp.steps_ahead * len(targets), left))
        shape = (-1, hp.steps_ahead, len(targets), hp.outputs_each)
        if not outputs:
            return np.zeros((0, *shape[1:]))
        # The row before the first target row is of the same series, and always in the table.
        series = rows.series[np.asarray(origins) - 1]
        each = rows.scalers.unscale_each(np.concatenate(outputs).reshape(shape), series)
        return limited(each, self.data, hp, axis=-2)


def _shaped(file: Path, shape: TypeAdapter[Any]) -> dict[str, Any]:
    """The object in a JSON file, whose values have the types that are read."""
    found = read_object(file)
    require_shape(found, shape, str(file))
    return found
