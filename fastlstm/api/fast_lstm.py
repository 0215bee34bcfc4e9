"""The class ``fastLSTM`` for notebooks: each method a few lines over the library's modules."""

from __future__ import annotations

import hashlib
import html
import inspect
import io
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.api.reports import classification_text, regression_table
from fastlstm.api.row_table import RowSettings, RowTable, row_table
from fastlstm.artifacts.file_names import CHECKS_FILE, INPUTS_FILE, X_SCALER_FILE, Y_SCALER_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.data import ahead_columns
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_loss
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.findings import ValidationReport
from fastlstm.data.input_summary import reference
from fastlstm.data.scaling import ScaledArray, Scalers, fit_scalers, write_scalers
from fastlstm.data.split import Cuts, cut_times
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.evaluation.evaluate import evaluate, write_evaluation
from fastlstm.evaluation.importance import (
    gradient_importance,
    permutation_importance,
    scaled_error,
)
from fastlstm.evaluation.intervals import (
    MEDIAN_PAIR,
    HalfWidths,
    Pair,
    base_interval,
    quantile_pair,
)
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.experiments.backtest import Rows, run_backtest
from fastlstm.experiments.backtest_summary import Backtest
from fastlstm.network.build import build_network
from fastlstm.network.compiling import compile_network
from fastlstm.network.inference import predict_each, predict_point
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import MEMBER
from fastlstm.registry.opening import local_run, open_store
from fastlstm.reporting.classification_figures import precision_recall
from fastlstm.reporting.text import number, title
from fastlstm.reporting.training_figures import learning_curve
from fastlstm.runs.csv_export import read_export
from fastlstm.runs.legacy import open_legacy
from fastlstm.runs.saved_run import SavedRun
from fastlstm.runs.writing import Parts, build_run
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import input_windows, output_names

# The documented keywords, in the order users know them; defaults come from Hyperparameters.
_KEYWORDS = {
    "scaler": "scaler_type", "model_relative_width": "", "model_dropout": "", "LSTM_type": "",
    "learning_rate": "", "activation": "", "last_layer_activation": "", "loss": "",
    "metric": "metrics", "check_point_metric": "checkpoint_monitor_metric",
    "metric_mode": "checkpoint_mode", "early_stop_condittion": "early_stop_monitor_metric",
    "early_stop_patience": "", "batch_size": "", "timesteps": "", "scale_target": "scale_targets",
    "steps_ahead": "", "class_weight": "", "save_best_only": "", "save_X_Y_data": "",
    "train_size_rate": "", "validation_size_rate": "", "shuffle": "", "seed": "",
    "lstm_implementation": "", "learning_rate_schedule": "", "model_name": "",
}  # fmt: skip


class fastLSTM:
    """Build, train, evaluate, save and reload an LSTM for classification or regression.

    Rows are split by time into train, validation and test; scalers are fitted on train rows;
    windows never mix series; validation chooses the epoch; test is scored once, at the end of a
    training, beside baselines that cost nothing. The window with origin row ``t`` sees rows
    ``t - timesteps .. t - 1`` and forecasts rows ``t .. t + steps_ahead - 1``.

    Args:
        X_data: features, rows in order of time within each series: DataFrame, Series or array
            ``(n, n_features)``. Optional, so that ``fastLSTM().load_all(...)`` works.
        Y_data: targets of the same rows, ``(n, n_targets)`` or ``(n,)``; labels are 0 and 1.
        series: group label of each row, ``(n,)``: windows never mix series.
        time: time of each row, ``(n,)``. Without it a DatetimeIndex of ``X_data`` serves, else the
            rows' numbers.
        sample_weight: weight of each row in the loss, ``(n,)``.
        frequency: distance between rows as a pandas offset ('1h'); then windows never cross a hole in
            time, and the last season stands beside the last value as a baseline. Needs times.
        target_lookahead: rows after its own that a target's value depends on, e.g. 5 for 'within the
            next 6 rows'; windows then keep such rows within their split, and baselines use only
            targets that were known. Such targets may be missing where those rows are.
        known_ahead: features known before they happen (a holiday, a planned price), and how many rows
            ahead, ``steps_ahead`` at most: ``{'holiday': 24}`` adds the feature ``'holiday+24'``, its
            value so many rows later. To forecast, append rows to the table that hold these alone.
        data_storage_path: folder of the runs, or ``s3://bucket/prefix``; each run goes to
            ``<model_name>/<run id>/`` below it.
        distribution_strategy: a ``tf.distribute.Strategy`` to train under.
        **hyperparameters: any of ``fastlstm.config.hyperparameters.Hyperparameters``, under its name
            there or under fastLSTM 1.0's. ``loss`` may be a Keras loss object.

    Attributes:
        model: the Keras network, once built or loaded.
        X_train: features of the train rows, unscaled; likewise ``Y_train``, ``X_validation``,
            ``Y_validation``, ``X_test`` and ``Y_test``.
        X_train_s: the same as the network sees them, a float32 array; likewise ``Y_train_s``,
            ``X_validation_s``, ``Y_validation_s``, ``X_test_s`` and ``Y_test_s``.
        X_scaler: the fitted scaler of the features.
        Y_scaler: the fitted scaler of the targets; None unless targets are scaled.
        loss_df: training history, one row per epoch.
        hyperparameters: the settings, and after a training those saved with it.
        model_summary: Keras' summary of the network, as text.
        metrics: test metrics of the last training.
        run_folder: folder of the last saved or loaded run.

    Raises:
        ConfigError: a setting is unknown or refused.
        DataError: the rows cannot be used.
    """

    def __init__(
        self,
        X_data: Any = None,
        Y_data: Any = None,
        *,
        series: Any = None,
        time: Any = None,
        sample_weight: Any = None,
        frequency: str | None = None,
        target_lookahead: int = 0,
        known_ahead: dict[str, int] | None = None,
        data_storage_path: str | Path = ".",
        distribution_strategy: Any = None,
        **hyperparameters: Any,
    ) -> None:
        self._loss: Any = None
        self._hp = self._checked(hyperparameters)
        self.X_data, self.Y_data = X_data, Y_data
        self._series, self._time, self._sample_weight = series, time, sample_weight
        self._frequency = frequency
        self._time_zone = "UTC"
        if target_lookahead < 0:
            raise ConfigError(f"target_lookahead: {target_lookahead} given; it cannot be negative")
        self._lookahead = target_lookahead
        self._season: int | None = None
        for name, rows_later in (known_ahead or {}).items():
            if rows_later < 1:
                raise ConfigError(f"known_ahead: {name!r} has {rows_later} rows; give 1 or more")
        self._known_ahead = dict(known_ahead or {})
        self.data_storage_path = data_storage_path
        self.distribution_strategy = distribution_strategy
        self.model: Any = None
        self.model_summary = ""
        self.loss_df = pd.DataFrame()
        self.hyperparameters: dict[str, Any] = self._hp.model_dump()
        self.metrics: dict[str, Any] = {}
        self.run_folder: Path | None = None
        self._rows: RowTable | None = None
        self._cuts: Cuts | None = None
        self._scalers: Scalers | None = None
        self._radii: dict[Pair, HalfWidths] | None = None
        self._trained = False
        self._features: list[str] = []
        self._targets: list[str] = []
        if (X_data is None) != (Y_data is None):
            raise ConfigError("X_data, Y_data: give both, or neither to load a run")
        if X_data is not None:
            self.split_and_scale()

    def _checked(self, given: dict[str, Any]) -> Hyperparameters:
        given = dict(given)
        if "loss" in given and not isinstance(given["loss"], str):
            self._loss = given.pop("loss")
            name = getattr(self._loss, "__name__", type(self._loss).__name__)
            try:
                given["loss"] = canonical_loss(name)
            except ValueError:
                pass  # a loss of the caller's own: the network's file is saved without it
        try:
            return Hyperparameters.model_validate(given)
        except ValidationError as error:
            raise ConfigError(describe(error, RetrainConfig, "hyperparameters")) from None

    # Data

    def split_and_scale(self) -> None:
        """Split the rows by time and scale them; call it after changing ``X_data`` and ``Y_data``.

        Scalers are fitted on the train rows; where the network is trained or loaded, the scalers it
        was trained with are kept, for its inputs would lose their meaning otherwise.

        Raises:
            DataError: the rows cannot be used: lengths differ, values are missing or infinite,
                time runs backwards, or too few rows.
        """
        rows = row_table(
            self.X_data,
            self.Y_data,
            RowSettings(
                self._series, self._time, self._sample_weight, self._frequency, self._time_zone,
                self._lookahead, self._known_ahead,
            ),
            labels=not self._hp.is_regressor,
        )  # fmt: skip
        if self._trained:
            absent = [n for n in self._features if n not in rows.x] + [
                n for n in self._targets if n not in rows.y
            ]
            if absent:
                raise DataError(
                    f"column {absent[0]!r} is absent; the network has features {self._features} "
                    f"and targets {self._targets}"
                )
        else:
            self._features = [str(name) for name in rows.x]
            self._targets = [str(name) for name in rows.y]
        self._rows = rows
        hp = self._hp
        times = microseconds(rows.frame[TIME])
        cuts = self._cuts = cut_times(times, hp.train_size_rate, hp.validation_size_rate)
        x, y = rows.x[self._features], rows.y[self._targets]
        if not self._trained or self._scalers is None:
            segment = rows.frame[SEGMENT].to_numpy()
            known = label_end(times, segment, self._lookahead)
            later = later_times(times, segment, self._ahead)
            self._scalers = fit_scalers(x, y, times, known, cuts, hp, later)
        self.X_scaler, self.Y_scaler = self._scalers.x, self._scalers.y
        self._x_scaled = self._scalers.features(x)
        self._y_scaled = self._scalers.targets(y, self._targets)
        part = np.digitize(times, [cuts.validation, cuts.test])
        for code, name in enumerate(("train", "validation", "test")):
            mine = part == code
            # Rows as the user gave them: in their order, with their index.
            back = np.sort(rows.given_row[mine])
            setattr(self, f"X_{name}", rows.given_x.iloc[back][self._features])
            setattr(self, f"Y_{name}", rows.given_y.iloc[back][self._targets])
            order = np.flatnonzero(mine)[np.argsort(rows.given_row[mine])]
            setattr(self, f"X_{name}_s", self._x_scaled[order].view(ScaledArray))
            setattr(self, f"Y_{name}_s", self._y_scaled[order])

    @property
    def _ahead(self) -> dict[str, int]:
        """The features that hold a later row's value, and how many rows later."""
        return ahead_columns(self._known_ahead)

    def _windows(self) -> RowWindows:
        if self._rows is None or self._cuts is None:
            raise ConfigError("X_data, Y_data: none given; set both and call split_and_scale()")
        return RowWindows(
            self._rows.frame,
            self._x_scaled,
            self._y_scaled,
            features=self._features,
            targets=self._targets,
            timesteps=self._hp.timesteps,
            steps_ahead=self._hp.steps_ahead,
            cuts=self._cuts,
            lookahead=self._lookahead,
            sample_weight=self._rows.weight,
            time_unit=self._rows.time_unit,
        )

    def create_sequences(self, data: Any, window_size: int) -> list[Any]:
        """Every run of ``window_size`` consecutive rows of a table, as nested lists.

        Args:
            data: DataFrame, Series or array of ``n`` rows.
            window_size: rows in a sequence.

        Returns:
            ``n - window_size + 1`` sequences.
        """
        values = np.asarray(data)
        return [values[i : i + window_size].tolist() for i in range(len(values) - window_size + 1)]

    def prepare_input_sample(
        self, X: Any, current_datetime_idx: int, apply_scaler: bool = True
    ) -> np.ndarray:
        """The window whose last input row is row ``current_datetime_idx``.

        Args:
            X: a DataFrame with the feature columns in any order, or an array ``(n, n_features)``.
            current_datetime_idx: number of the last input row.
            apply_scaler: scale it.

        Returns:
            ``(1, timesteps, n_features)``; a scaled one knows that it is, see ``model_predict``.

        Raises:
            DataError: too few rows before it, or a column is absent.
        """
        last, length = current_datetime_idx, self._hp.timesteps
        rows = self._feature_rows(X)
        if not length - 1 <= last < len(rows):
            raise DataError(
                f"current_datetime_idx: {last} given, {len(rows)} rows and timesteps {length} allow "
                f"{length - 1} to {len(rows) - 1}"
            )
        window = rows[last - length + 1 : last + 1][None]
        return self._scaled(window).view(ScaledArray) if apply_scaler else window

    # Network

    def network_structure_set_compile(self, timesteps: int | None = None) -> Any:
        """Build and compile the network, with fresh weights; print its summary.

        Args:
            timesteps: input rows, in place of the present setting.

        Returns:
            The Keras network.

        Raises:
            ConfigError: no data to tell the number of features and targets.
        """
        if self._rows is None:
            raise ConfigError("X_data, Y_data: none given; the network's size comes from them")
        if timesteps is not None:
            self._change(timesteps=timesteps)
        self._radii = None
        if self._trained:
            self._trained = False
            self.split_and_scale()
        self._need_targets()
        self._build()
        self._summarise()
        print(self.model_summary)
        return self.model

    def _build(self) -> None:
        import_keras().utils.set_random_seed(self._hp.seed)
        strategy = self.distribution_strategy
        with strategy.scope() if strategy is not None else nullcontext():
            self.model = build_network(
                self._hp, self._features, self._targets, self._windows().count("train")
            )
            compile_network(self.model, self._hp, 1, self._loss)

    def _need_targets(self) -> None:
        """Refuse what only the number of targets tells, as the pipeline's config does."""
        try:
            self._config()
        except ValidationError as error:
            raise ConfigError(describe(error, RetrainConfig)) from None

    def _change(self, **changes: Any) -> None:
        self._hp = self._checked({**self._hp.model_dump(), **changes})
        self.hyperparameters = {**self.hyperparameters, **self._hp.model_dump()}

    def _summarise(self) -> None:
        text = io.StringIO()
        self.model.summary(print_fn=lambda line, **_: text.write(line + "\n"))
        self.model_summary = text.getvalue()

    def network_training(
        self,
        epochs: int,
        batch_size: int | None = None,
        timesteps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        verbose: str | int = "auto",
    ) -> pd.DataFrame:
        """Train, keep the best epoch, score it on test, and save the whole run.

        Called again, it goes on from the present weights with a fresh optimizer, and saves another
        run. Ctrl-C after a finished epoch keeps the best epoch so far and saves a whole run.

        Args:
            epochs: most passes over the train windows.
            batch_size: windows per gradient step, in place of the present setting.
            timesteps: must be what the built network has; without one it is built so.
            callbacks: more Keras callbacks.
            verbose: Keras' own progress output.

        Returns:
            The history, one row per epoch (also ``loss_df``).

        Raises:
            ConfigError: no data, or ``timesteps`` differs from the network's; nothing is written.
            DataError: a split holds no window.
            TrainingError: the loss is not finite.
        """
        if timesteps is not None and self.model is not None:
            built = self.model.input_shape[1]
            if timesteps != built:
                raise ConfigError(
                    f"timesteps: {timesteps} given, the network was built with {built}; call "
                    f"network_structure_set_compile(timesteps={timesteps}) first"
                )
        changes: dict[str, Any] = {"epochs": epochs}
        changes |= {"batch_size": batch_size} if batch_size is not None else {}
        changes |= {"timesteps": timesteps} if timesteps is not None else {}
        self._change(**changes)
        windows = self._windows()
        self._need_targets()
        trained = fit(
            windows,
            self._hp,
            model=self.model,
            loss=self._loss,
            callbacks=callbacks or (),
            strategy=self.distribution_strategy,
            verbose=verbose,
        )
        self.model, self.loss_df, self._trained = trained.model, trained.history, True
        self._summarise()
        self._save(windows, trained)
        return self.loss_df

    def _config(self) -> RetrainConfig:
        rows = self._rows
        time_name = rows.time_name if rows else "time"
        series = rows.series_name if rows else None
        return RetrainConfig.model_validate(
            {
                "data": {
                    "path": "memory",
                    "time": time_name,
                    "series": series,
                    "frequency": self._frequency,
                    "time_zone": self._time_zone,
                    "features": self._features,
                    "targets": self._targets,
                    "target_lookahead": self._lookahead,
                    "known_ahead": self._known_ahead,
                },
                "evaluation": {"season_length": self._season},
                "hyperparameters": self._hp.model_dump(),
            }
        )

    def _save(self, windows: RowWindows, trained: Any) -> None:
        rows, scalers, config = self._rows, self._scalers, self._config()
        assert rows is not None and scalers is not None  # noqa: S101 (windows came from them)
        table = TargetTable.of(rows.frame, rows.y[self._targets])
        evaluated = evaluate(trained.model, windows, scalers, table, config, judged=trained.judged)
        content = hashlib.sha256(self._x_scaled.tobytes() + self._y_scaled.tobytes()).hexdigest()
        checks = ValidationReport(len(rows.frame), len(rows.frame), 5, [], [], {}, {}, {}, {})
        moment = datetime.now(UTC)
        with tempfile.TemporaryDirectory(prefix="fastlstm-") as temporary:
            folder = Path(temporary)
            stock = type(self._loss).__module__.startswith("keras.")
            if self._loss is None:
                stock = self._hp.has_stock_loss
            # An ensemble is trained by another loss than that of its output.
            stock = stock and self._hp.ensemble_size == 1
            write_network(folder, trained, compiled=stock)
            write_evaluation(folder, evaluated)
            write_scalers(scalers, folder / X_SCALER_FILE, folder / Y_SCALER_FILE)
            write_json(folder / CHECKS_FILE, checks.to_dict())
            train = table.times < windows.manifest["cuts"]["validation"]
            write_json(folder / INPUTS_FILE, reference(rows.x[self._features], train))
            made_from = fingerprint(content, self._hp.model_dump(), code_version(), str(moment))

            def build(target: Path, run_id: str) -> dict[str, Any]:
                parts = Parts(folder, folder, folder, folder)
                tables = rows.with_index(self._features, self._targets)
                return build_run(target, run_id, parts, config, made_from, content, tables)

            store = open_store(self.data_storage_path)
            entry = store.add_run(self._hp.model_name, moment, build)
        self.run_folder = store.run_folder(self._hp.model_name, entry.run_id)
        run = SavedRun(self.run_folder)
        self._radii = evaluated.half_widths
        self.hyperparameters, self.metrics = run.settings, evaluated.metrics

    # Loading

    def load_all(
        self,
        hyperparameters_file_name: str | Path | None = None,
        file_path_name: str | Path | None = None,
    ) -> fastLSTM:
        """Open a saved run: network, scalers, history, settings, and data where it was saved.

        Runs of fastLSTM 1.0 open too. A folder may have been moved since.

        Args:
            hyperparameters_file_name: the run's hyperparameter JSON, or the URL of a run,
                ``s3://bucket/prefix/<model name>/<run id>``.
            file_path_name: its folder, where the first argument is a bare file name.

        Raises:
            StoreError: the run is not whole, or holds what it must not.
        """
        if hyperparameters_file_name is None:
            raise ConfigError("hyperparameters_file_name: name a run's hyperparameter JSON")
        if "://" in str(hyperparameters_file_name):
            (file,) = local_run(str(hyperparameters_file_name)).glob("* - HYPERPARAMETERS OF *")
        else:
            file = Path(file_path_name or "") / hyperparameters_file_name
        if not file.is_file():
            raise StoreError(f"{file}: does not exist; give a run's hyperparameter JSON")
        self._rows = self._time = self._series = self._sample_weight = None
        self.X_data = self.Y_data = None
        self._frequency, self._lookahead, self._season, self._loss = None, 0, None, None
        self._known_ahead = {}
        if (file.parent / "manifest.json").exists():
            self._open_run(SavedRun(file.parent))
        else:
            self._open_legacy(file)
        self.X_scaler, self.Y_scaler = self._scalers.x, self._scalers.y  # type: ignore[union-attr]
        self.run_folder = file.parent
        self._trained = True
        self._summarise()
        if self.X_data is not None:
            self.split_and_scale()
        return self

    def _open_run(self, run: SavedRun) -> None:
        self._hp, self._scalers, self.model = run.hyperparameters, run.scalers, run.network
        self._features, self._targets = run.data.features, run.data.targets
        self._frequency, self._time_zone = run.data.frequency, run.data.time_zone
        self._lookahead, self.hyperparameters = run.data.lookahead, run.settings
        self._known_ahead = run.data.known_ahead
        self._season = run.settings.get("evaluation", {}).get("season_length")
        self._radii = run.half_widths
        self.loss_df, self.metrics = run.history, run.metrics
        if run.path("x_data").exists() and run.path("y_data").exists():
            x, y = read_export(run.path("x_data")), read_export(run.path("y_data"))
            # The first columns are the index: time, and series where there are several.
            time = x.iloc[:, 0]
            self._time = (
                None if pd.api.types.is_integer_dtype(time) else pd.to_datetime(time, utc=True)
            )
            self._series = (
                x.iloc[:, 1].astype(str).rename(run.data.series) if run.data.series else None
            )
            first = 2 if run.data.series else 1
            self.X_data, self.Y_data = x.iloc[:, first:], y.iloc[:, first:]
            self.X_data.columns, self.Y_data.columns = self._features, self._targets
            index = pd.Index(time if self._time is None else self._time, name=x.columns[0])
            self.X_data.index = self.Y_data.index = index

    def _open_legacy(self, file: Path) -> None:
        run = open_legacy(file)
        self._hp, self._scalers, self.model = run.hyperparameters, run.scalers, run.network
        self._features, self._targets = run.features, run.targets
        self.hyperparameters, self.loss_df, self.metrics = run.settings, run.history, {}
        self._radii = None
        if run.tables is not None:
            self.X_data, self.Y_data = run.tables

    def load_training_history(self, file_path_name: str | Path | None = None) -> pd.DataFrame:
        """Read a training history into ``loss_df``.

        Args:
            file_path_name: a history CSV; without it that of the last saved or loaded run.

        Raises:
            StoreError: the file does not exist.
        """
        if file_path_name is None:
            if self.run_folder is None:
                raise ConfigError("file_path_name: no run was saved or loaded; name a history CSV")
            found = sorted(self.run_folder.glob("* - TRAINING HISTORY OF LSTM MODEL - *.csv"))
            if not found:
                raise StoreError(f"{self.run_folder}: holds no training history")
            file_path_name = found[0]
        if not Path(file_path_name).is_file():
            raise StoreError(f"{file_path_name}: does not exist")
        self.loss_df = pd.read_csv(file_path_name)
        return self.loss_df

    # Backtest

    def backtest(
        self,
        folds: int = 5,
        *,
        test_size_rate: float = 0.3,
        window: str = "expanding",
        gap: int = 0,
        refit_every: int = 1,
        warm_start: bool = False,
        verbose: str | int = 0,
    ) -> Backtest:
        """Train and judge these settings anew on test periods that follow each other in time.

        The present network stays as it is, and nothing is saved.

        Args:
            folds: test periods.
            test_size_rate: share of the time span, the last, that they divide evenly.
            window: a fold learns from all rows before its test period ('expanding'), or from as many
                as the first fold has ('sliding').
            gap: rows just before a test period that nothing is learned from.
            refit_every: train anew at every so many folds.
            warm_start: begin each training after the first from the weights of the one before.
            verbose: Keras' own progress output.

        Returns:
            Folds, steps and series beside the baselines, and whether the network is better beyond
            chance; ``plot()`` draws it.

        Raises:
            ConfigError: no data, or a setting is refused.
            DataError: the rows are too few for so many folds.
        """
        rows = self._rows
        if rows is None:
            raise ConfigError("X_data, Y_data: none given; set both and call split_and_scale()")
        given = {
            "folds": folds, "test_size_rate": test_size_rate, "window": window, "gap": gap,
            "refit_every": refit_every, "warm_start": warm_start,
        }  # fmt: skip
        try:
            chosen = BacktestConfig.model_validate(given)
            settings = self._config().model_copy(update={"backtest": chosen})
        except ValidationError as error:
            raise ConfigError(describe(error, RetrainConfig)) from None
        table = Rows(
            rows.frame, rows.x[self._features], rows.y[self._targets], rows.weight, rows.time_unit
        )
        return run_backtest(
            table, settings, strategy=self.distribution_strategy, loss=self._loss, verbose=verbose
        )

    # Forecasts

    def output_column_names(self) -> list[str]:
        """Names of the outputs: ``<target>``, or ``<target>_step_<k>`` with several steps."""
        return output_names(self._targets, self._hp.steps_ahead)

    def _feature_rows(self, data: Any) -> np.ndarray:
        names = self._features
        if isinstance(data, pd.Series):
            data = data.to_frame(names[0] if data.name is None else str(data.name))
        if isinstance(data, pd.DataFrame):
            data = self._with_known_ahead(data)
            absent = [n for n in names if n not in data]
            if absent:
                raise DataError(f"column {absent[0]!r} is absent; the network needs {names}")
            of_features: np.ndarray = data[names].to_numpy(np.float64)
            return of_features
        rows = np.asarray(data, dtype=np.float64)
        return rows[:, None] if rows.ndim == 1 and len(names) == 1 else rows

    def _with_known_ahead(self, data: pd.DataFrame) -> pd.DataFrame:
        """A series with the features of ``known_ahead``, less rows at its end that hold these alone."""
        unmade = {
            made: data[name].shift(-rows)
            for made, (name, rows) in zip(self._ahead, self._known_ahead.items(), strict=True)
            if name in data and made not in data
        }
        if not unmade:
            return data
        others = {*self._known_ahead, *self._ahead}
        happened = [n for n in self._features if n not in others and n in data]
        seen = np.flatnonzero(data[happened].notna().any(axis=1))
        end = int(seen[-1]) + 1 if len(seen) else len(data)
        return data.assign(**unmade).iloc[:end]

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        if self._scalers is None:
            raise ConfigError("no scaler yet; give X_data and Y_data, or open a run with load_all")
        flat = pd.DataFrame(x.reshape(-1, x.shape[-1]), columns=self._features)
        return self._scalers.features(flat).reshape(x.shape)

    def model_predict(
        self, data: Any, apply_scaler: bool = True, descale_result: bool = True
    ) -> np.ndarray:
        """Forecast from one window, many, or every window of a table.

        Args:
            data: a DataFrame with the feature columns in any order, one series in order of time
                (one forecast per possible origin, the last for the time after the last row); one
                window ``(timesteps, n_features)``; or windows ``(n, timesteps, n_features)``.
            apply_scaler: scale the inputs; set to False where they are scaled already. What
                ``prepare_input_sample`` scaled, and ``X_train_s`` and its like, are never scaled
                again.
            descale_result: give results in the targets' own units.

        Returns:
            ``(n_windows, n_outputs)``, columns named by ``output_column_names``;
            probabilities for a classifier.

        Raises:
            ConfigError: no network yet.
            DataError: a column is absent, the shape does not fit, or a value is missing.
        """
        scaled = self._inputs(data, apply_scaler)
        outputs = predict_point(self.model, scaled, len(self.output_column_names()))
        return self._descaled(outputs) if descale_result else outputs

    def _inputs(self, data: Any, apply_scaler: bool) -> np.ndarray:
        """Scaled windows ``(n, timesteps, n_features)`` of what ``model_predict`` takes."""
        if self.model is None:
            raise ConfigError("no network yet; train one, or open a run with load_all first")
        length, names = self._hp.timesteps, self._features
        apply_scaler = apply_scaler and not isinstance(data, ScaledArray)
        x = self._feature_rows(data)
        if isinstance(data, pd.DataFrame | pd.Series):
            if len(x) < length:
                raise DataError(f"{len(x)} rows given, one window needs {length}")
            x = input_windows(x, np.arange(length, len(x) + 1), length)
        else:
            x = x[None] if x.ndim == 2 else x
            if x.shape[1:] != (length, len(names)):
                raise DataError(
                    f"windows of shape {x.shape[1:]} given, the network needs "
                    f"{(length, len(names))}: timesteps by {names}"
                )
        missing = [n for n, bad in zip(names, np.isnan(x).any(axis=(0, 1)), strict=True) if bad]
        if missing and all(name in self._ahead for name in missing):
            rows = self._ahead[missing[0]]
            raise DataError(
                f"{missing[0].removesuffix(f'+{rows}')!r} is not known for all of the {rows} rows after "
                "the last; append rows that hold it, with the other columns empty"
            )
        if missing:
            raise DataError(f"column {missing[0]!r} holds missing values; fill or drop them first")
        return self._scaled(x) if apply_scaler else x.astype(np.float32)

    def prediction_intervals(
        self, data: Any, level: float = 0.8, apply_scaler: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds that hold the truth with a probability, by the last training's validation errors.

        Split-conformal, by step and target; see ``fastlstm.evaluation.intervals``. They do not adapt to what came
        since: the flow ``predict`` does that, and the run's test predictions show it.

        Args:
            data: as of ``model_predict``.
            level: the probability, between 0.01 and 0.99, rounded up to half a hundredth.
            apply_scaler: as of ``model_predict``.

        Returns:
            Lower and upper bounds in the targets' units, ``(n_windows, n_outputs)`` each; infinite
            where validation had too few windows for the level.

        Raises:
            ConfigError: a classifier, no trained network, a run stored without intervals, or a level
                out of range.
            DataError: as of ``model_predict``.
        """
        if self._hp.is_regressor and not 0.01 <= level <= 0.99:
            raise ConfigError(f"level: {level} given; choose one between 0.01 and 0.99")
        if self._radii is None:
            raise ConfigError(
                "no intervals: a classifier has probabilities instead"
                if not self._hp.is_regressor
                else "no intervals yet; train the network, or open a run that was stored with them"
            )
        scaled = self._inputs(data, apply_scaler)
        assert self._scalers is not None  # noqa: S101 (a network has its scalers)
        shape = (len(scaled), self._hp.steps_ahead, len(self._targets), -1)
        each = predict_each(self.model, scaled, len(self.output_column_names())).reshape(shape)
        pair = quantile_pair(level, self._hp.quantiles)
        if pair not in self._radii:  # of quantiles that no level of the evaluation asked for
            pair = MEDIAN_PAIR
        low, high = base_interval(self._scalers.unscale_each(each), pair, self._hp.quantiles)
        radius = self._radii[pair].at(level)
        return (low - radius).reshape(len(scaled), -1), (high + radius).reshape(len(scaled), -1)

    def _descaled(self, outputs: np.ndarray) -> np.ndarray:
        assert self._scalers is not None  # noqa: S101 (a network has its scalers)
        shape = (len(outputs), self._hp.steps_ahead, len(self._targets))
        return self._scalers.unscale_targets(outputs.reshape(shape)).reshape(len(outputs), -1)

    def _test_outputs(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Truth and forecast of the present test windows, one column per output."""
        if self.model is None:
            raise ConfigError("no network yet; train one, or open a run with load_all first")
        windows, rows = self._windows(), self._rows
        assert rows is not None  # noqa: S101 (the windows came from it)
        test = windows.read("test")
        # The caller's own index, so that forecasts stand beside Y_test.
        index = rows.given_x.index[rows.given_row[windows.origin_rows("test")]]
        if rows.series_name is not None:
            index = pd.MultiIndex.from_arrays(
                [test.series, index], names=[rows.series_name, index.name or rows.time_name]
            )
        names = self.output_column_names()
        truth = self._descaled(test.y.reshape(len(test.y), -1))
        forecast = self._descaled(predict_point(self.model, test.x, len(names)))
        return pd.DataFrame(truth, index, names), pd.DataFrame(forecast, index, names)

    def network_predictions_evaluation(
        self, min_probability: float = 0.5, output_dict: bool = False
    ) -> Any:
        """Judge the network on the present test windows and print the report.

        Args:
            min_probability: a classifier's outputs above it count as class 1.
            output_dict: give data instead of text.

        Returns:
            The report's text; with ``output_dict`` the predictions (one row per test window, one
            column per output) and the report as a dict: scikit-learn's for a classifier's only
            output, that dict by output name for several, errors by output for a regressor.
        """
        truth, forecast = self._test_outputs()
        if self._hp.is_regressor:
            text, report = regression_table(truth, forecast)
        else:
            forecast = (forecast > min_probability).astype(int)
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
            ax: where to draw; without it on a new figure.

        Returns:
            Columns ``Cutoff``, ``Precision``, ``Recall``.

        Raises:
            ConfigError: the network is a regressor.
        """
        if self._hp.is_regressor:
            raise ConfigError("LSTM_type: a regressor has no precision and recall")
        if not 0 <= n_points <= 99:
            raise ConfigError(f"n_points: {n_points} given; the first cutoff is n_points / 100")
        truth, forecast = self._test_outputs()
        actual, probability = truth.iloc[:, 0].to_numpy() == 1, forecast.iloc[:, 0].to_numpy()
        rows = []
        for cutoff in np.arange(n_points, 100) / 100:
            chosen = probability > cutoff
            hits = int((chosen & actual).sum())
            rows.append((cutoff, hits / max(chosen.sum(), 1), hits / max(actual.sum(), 1)))
        table = pd.DataFrame(rows, columns=["Cutoff", "Precision", "Recall"])
        if plot:
            curve = [{"threshold": c, "precision": p, "recall": r} for c, p, r in rows]
            precision_recall(curve, None, float(actual.mean()), ax=ax or self._new_axes())
        return table

    def plot_training_history(self, metric: str | None = None, ax: Any = None) -> Any:
        """Draw one logged quantity on train and validation windows by epoch.

        Args:
            metric: which; without it the first metric of a classifier, the loss of a regressor.
            ax: where to draw; without it on a new figure.

        Returns:
            The Axes.

        Raises:
            ConfigError: nothing was trained or loaded, or the quantity was not logged.
        """
        name = metric or ("loss" if self._hp.is_regressor else self._hp.metrics[0])
        if name not in self.loss_df or f"val_{name}" not in self.loss_df:
            logged = [str(c) for c in self.loss_df if f"val_{c}" in self.loss_df]
            raise ConfigError(
                f"metric: {name!r} is not in the history; it has {', '.join(logged) or 'nothing'}"
            )
        history = self.loss_df.assign(epoch=range(1, len(self.loss_df) + 1))
        return learning_curve(history, name, ax=ax or self._new_axes())

    @staticmethod
    def _new_axes() -> Any:
        # pyplot, so that a notebook shows the figure at the end of the cell by itself.
        import matplotlib.pyplot as plt

        return plt.subplots(layout="constrained")[1]

    def gradient_feature_importance(self) -> pd.Series:
        """Share of each feature in the gradients of the outputs over the test windows.

        See ``fastlstm.evaluation.importance.gradient_importance``.
        """
        test = self._windows().read("test", columns=("x",))
        return gradient_importance(self.model, test.x, self._features)

    def permutation_feature_importance(self, n_repeats: int = 5) -> pd.DataFrame:
        """Increase of the test error when a feature is permuted among the test windows.

        The error is the mean absolute difference in scaled units; for probabilities the Brier
        score. See ``fastlstm.evaluation.importance.permutation_importance``.
        """
        test = self._windows().read("test")
        truth = test.y.reshape(len(test.y), -1)

        def score(x: np.ndarray) -> float:
            return scaled_error(self.model, x, truth, self._hp.is_regressor)

        return permutation_importance(score, test.x, self._features, n_repeats, self._hp.seed)

    # What a notebook shows

    def _state(self) -> list[tuple[str, str]]:
        lines = []
        if self._rows is None:
            lines.append(("data", "none"))
        else:
            rows = self._rows
            lines.append((
                "data",
                f"{len(rows.frame):,} rows, {rows.frame[SERIES].nunique()} series; "
                f"{len(self._features)} features, targets {', '.join(self._targets)}",
            ))  # fmt: skip
            for name in ("train", "validation", "test"):
                lines.append((name, rows.span(name, self._cuts)))
        if self.model is None:
            lines.append(("network", "not built"))
        else:
            recurrent = [la for la in self.model.layers if type(la).__name__ == "LSTM"]
            units = [str(la.units) for la in recurrent if MEMBER not in la.name]
            members = f"{self._hp.ensemble_size} x " if self._hp.ensemble_size > 1 else ""
            lines.append((
                "network",
                f"{self._hp.timesteps} rows in, {members}LSTM {' + '.join(units)}, "
                f"{len(self.output_column_names())} outputs, {self.model.count_params():,} weights",
            ))  # fmt: skip
        if not self._trained:
            lines.append(("trained", "no"))
        else:
            lines.append(("trained", f"{len(self.loss_df)} epochs"))
        if self.metrics:
            primary = self.metrics["primary"]
            name = primary["name"]
            beside = ", ".join(
                f"{k.replace('_', ' ')} {number(v[name])}"
                for k, v in self.metrics["test"].items()
                if k != "model"
            )
            told = f"{title(name)} {number(primary['value'])} ({beside})"
            lines.append(("test score", told))
        if self.run_folder is not None:
            lines.append(("run", str(self.run_folder)))
        return lines

    def __repr__(self) -> str:
        lines = [f"fastLSTM {self._hp.model_name!r}, {self._hp.LSTM_type}"]
        return "\n".join(lines + [f"  {key}: {value}" for key, value in self._state()])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{key}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for key, value in self._state()
        )
        name = html.escape(self._hp.model_name)
        return f"<table><caption>fastLSTM {name}, {self._hp.LSTM_type}</caption>{rows}</table>"


def _signature() -> inspect.Signature:
    """The documented keywords with their defaults, for help() and completion in notebooks."""
    plain = Hyperparameters().model_dump()
    plain |= {"metrics": "accuracy", "LSTM_type": "classificator"}
    own = inspect.signature(fastLSTM.__init__).parameters
    known = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=plain[canonical or name])
        for name, canonical in _KEYWORDS.items()
    ]
    first = [own["X_data"], own["Y_data"]]
    rest = [own[n] for n in own if n not in ("self", "X_data", "Y_data", "hyperparameters")]
    return inspect.Signature([*first, *known, *rest, own["hyperparameters"]])


fastLSTM.__signature__ = _signature()  # type: ignore[attr-defined]
