"""The class ``fastLSTM`` for notebooks: each method is a few lines over the library's modules."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.api.arranged_rows import arrange_rows
from fastlstm.api.column_rules import column_rules
from fastlstm.api.containers import as_pandas
from fastlstm.api.keywords import documented_signature, parse_hyperparameters, split_loss_object
from fastlstm.api.known_columns import (
    checked_setting,
    described_data,
    with_calendar,
    with_future_features,
    with_known_columns,
)
from fastlstm.api.named_columns import GivenRows, rows_by_name
from fastlstm.api.network_methods import NetworkMethods
from fastlstm.api.opening import find_history, open_run
from fastlstm.api.prepared_rows import prepare_rows, run_config
from fastlstm.api.row_categories import with_categories
from fastlstm.api.row_leakage import with_suspected_leaks
from fastlstm.api.row_table import RowSettings, RowTable, row_table
from fastlstm.api.saving import evaluate_and_store
from fastlstm.api.table_arguments import options_as_arguments, table_arguments
from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.calendar import Holidays
from fastlstm.config.categories import indicators, label_outputs
from fastlstm.config.closed_days import ClosedDays
from fastlstm.config.data import DataConfig
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.seasons import seasons_by_error
from fastlstm.errors import ConfigError, FastLSTMError
from fastlstm.experiments.backtest import Rows, run_backtest
from fastlstm.experiments.backtest_summary import Backtest
from fastlstm.inspection.inspect_table import inspect_table
from fastlstm.network.build import build_network
from fastlstm.network.compiling import compile_network
from fastlstm.network.keras_import import import_keras
from fastlstm.reporting.coverage import coverage_lines
from fastlstm.runs.history import read_history
from fastlstm.training.fit import fit


class fastLSTM(NetworkMethods):
    """Build, train, evaluate, save and reload an LSTM for classification or regression.

    Rows are split by time into train, validation and test. Scalers are fitted on train rows, windows
    never mix series, validation chooses the epoch, and test is scored once, at the end of a training,
    together with naive baselines. The window whose first forecast row is ``t`` has rows
    ``t - timesteps .. t - 1`` as inputs and forecasts rows ``t .. t + steps_ahead - 1``.

    Args:
        X_data: features, rows in order of time within each series: DataFrame (also of Polars, Arrow or
            another library with the Arrow interface), structured array, Series or array
            ``(n, n_features)``. Columns of text are categories. Optional, so that
            ``fastLSTM().load_all(...)`` works.
        Y_data: targets of the same rows, ``(n, n_targets)`` or ``(n,)``; labels of a classifier are
            text, booleans or whole numbers, of two classes or more. Or names of columns of ``X_data``,
            which stay features too.
        series: group label of each row, ``(n,)``, text or integers: windows never mix series. Or the
            name of a column of ``X_data``, or of several that name series together. The default is the
            item of an index (item, time).
        time: time of each row, ``(n,)``: time stamps, dates, ISO 8601 text, or what ``time_format``
            says. Or the name of a column of ``X_data``, whose rows then may have any order. The default
            is the DatetimeIndex or PeriodIndex of ``X_data``, or that level of an
            index (item, time); else row numbers.
        sample_weight: weight of each row in the loss, ``(n,)``.
        frequency: distance between rows as a pandas offset ('1h'). Windows then never cross a missing
            row, and the seasonal naive forecast is a baseline too. Needs times.
        target_lookahead: number of rows after its own that a target's value depends on, e.g. 5 for
            'within the next 6 rows'. Windows then keep such rows within their split, and baselines use
            only targets known at the time. Such targets may be missing where those rows are.
        known_future: known future covariates (a promotion, a planned price), columns of ``X_data`` that
            are known for every row to forecast; the network reads them as what holds at that very row.
            To forecast, append rows to the table that hold these and static columns alone.
        known_ahead: covariates that are known only some rows ahead, and how many, less than
            ``steps_ahead``: ``{'price': 6}`` adds the feature ``'price+6'``, its value 6 rows later.
        calendar: parts of the time that the network knows of each row to forecast: of 'minute', 'hour',
            'weekday', 'day', 'day_of_year', 'week', 'month' and 'quarter'. 'auto': those that
            ``frequency`` and the train rows make learnable, if ``X_data`` has a DatetimeIndex; tables
            to forecast from then need one too. ``[]``: none.
        holidays: public holidays that it knows of too: ``{'country': 'DE', 'subdivision': 'BE'}``.
        time_format: how ``time`` is written: a strftime format ('%d/%m/%Y', '%Y' for years), or
            'epoch_s', 'epoch_ms', 'epoch_us' or 'epoch_ns' for numbers since 1970, or 'excel' for days
            as spreadsheets count them.
        time_zone: IANA zone of times without one, in which days and months begin. The default is the
            zone of the times, else UTC.
        closed_days: weekdays without rows of frequency 'B' or 'C': dates, or a mapping with 'market',
            'country', 'subdivision', 'dates' and 'week'.
        columns: type and valid range of columns, as in the pipeline's ``data.columns``: ``{'sold':
            {'dtype': 'integer', 'minimum': 0}}``. A row beyond the range is refused. Numbers of dtype
            'category' are names.
        clip_forecasts: whether forecasts and prediction intervals keep to the minimum and maximum of
            their target in ``columns``.
        round_forecasts: whether forecasts of targets of dtype 'integer' in ``columns`` are rounded, and
            the ends of their prediction intervals outwards.
        snap: length to whose multiples times are rounded ('5min'), for clocks that are not exact.
        keep: which of several rows of one series and time is kept: 'first', 'last' or their 'mean'; by
            default they are refused.
        resample: rows of longer intervals made of those given: ``{'to': '1h', 'sold': 'sum', 'price':
            'last'}``; '*' stands for all other columns.
        absent_rows: what rows hold that a series lacks between its first and last one: 'zero',
            'forward_fill', 'missing', or one of these by column; 'gap' by default: no window crosses
            them.
        max_gap: most rows in a row that ``absent_rows`` adds.
        data_storage_path: folder of the runs, or ``s3://bucket/prefix``; each run goes to
            ``<model_name>/<run id>/`` below it.
        distribution_strategy: a ``tf.distribute.Strategy`` to train under.
        **hyperparameters: any of ``fastlstm.config.hyperparameters.Hyperparameters``, under its name
            there or under that of fastLSTM 1.0. ``loss`` may be a Keras loss object.

    Attributes:
        model: the Keras network, once built or loaded.
        X_train: features of the train rows, unscaled; likewise ``Y_train``, ``X_validation``,
            ``Y_validation``, ``X_test`` and ``Y_test``.
        X_train_s: the same scaled, as the network sees them, a float32 array; likewise ``Y_train_s``,
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
        known_future: Sequence[str] = (),
        calendar: Literal["auto"] | Sequence[str] = "auto",
        holidays: Mapping[str, str] | None = None,
        time_format: str | None = None,
        time_zone: str | None = None,
        closed_days: Mapping[str, Any] | Sequence[Any] | None = None,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        clip_forecasts: bool = True,
        round_forecasts: bool = False,
        snap: str | None = None,
        keep: Literal["error", "first", "last", "mean"] | None = None,
        resample: Mapping[str, Any] | None = None,
        absent_rows: str | Mapping[str, str] | None = None,
        max_gap: int | None = None,
        data_storage_path: str | Path = ".",
        distribution_strategy: Any = None,
        **hyperparameters: Any,
    ) -> None:
        named, self._loss = split_loss_object(hyperparameters)
        if X_data is not None and Y_data is not None:
            rows = rows_by_name(
                GivenRows(X_data, Y_data, series, time), time_format, time_zone, frequency
            )
            X_data, Y_data, series, time = rows.X_data, rows.Y_data, rows.series, rows.time
        settings = RowSettings(
            series,
            time,
            sample_weight,
            frequency,
            time_zone,
            target_lookahead,
            known_ahead or {},
            known_future=known_future,
            calendar=calendar,
            holidays=checked_setting(holidays, Holidays, "holidays"),
            time_format=time_format,
            closed_days=checked_setting(closed_days, ClosedDays, "closed_days"),
            columns=column_rules(columns),
            clip_forecasts=clip_forecasts,
            round_forecasts=round_forecasts,
        )
        hp = parse_hyperparameters(named)
        made = arrange_rows(
            X_data, Y_data, settings,
            {"snap": snap, "keep": keep, "resample": resample, "absent_rows": absent_rows,
             "max_gap": max_gap},
            static=hp.static_features, labels=not hp.is_regressor,
        )  # fmt: skip
        X_data, Y_data = made.X_data, made.Y_data
        super().__init__(hp, made.settings)
        self.X_data, self.Y_data = X_data, Y_data
        self.data_storage_path = data_storage_path
        self.distribution_strategy = distribution_strategy
        if (X_data is None) != (Y_data is None):
            raise ConfigError("X_data, Y_data: give both, or neither to load a run")
        if X_data is not None:
            self.split_and_scale()

    @classmethod
    def from_table(
        cls, path: str | Path, *, target: str | Sequence[str], horizon: int | None = None,
        look_back: int | None = None, time: str | Sequence[str] | None = None,
        time_format: str | None = None, series: str | Sequence[str] | None = None,
        time_zone: str | None = None, data: Mapping[str, Any] | None = None, **arguments: Any,
    ) -> fastLSTM:  # fmt: skip
        """A forecaster of a file that nobody has described.

        Dialect, times, series, frequency and the roles of the columns are found as ``fastlstm init``
        finds them; what is in doubt is warned of.

        Args:
            path: the file, or a folder of files.
            target: column to forecast, or several.
            horizon: rows to forecast; by the frequency where it is not given.
            look_back: rows of past; by the seasons that the frequency allows where it is not given.
            time: time column, or several that are joined, where it is not found.
            time_format: how times are written, where it is not found; see the class.
            series: series column, or several that name series together, where they are not found.
            time_zone: IANA zone of times without an offset.
            data: further settings of the table as in a config, such as ``{"absent_rows": "zero"}``,
                ``resample`` or ``joins``; see ``fastlstm.config.data.DataConfig``.
            **arguments: further arguments of the class.

        Raises:
            ConfigError: there is nothing at the path, or a setting is refused.
            DataError: the table cannot be read, or it is not clear what it holds.
        """
        targets = [target] if isinstance(target, str) else list(target)
        try:
            found = inspect_table(
                str(path), targets=targets, time=time, time_format=time_format, series=series,
                time_zone=time_zone, horizon=horizon, look_back=look_back,
                wide=(data or {}).get("layout") == "wide",
            )  # fmt: skip
        except FastLSTMError as error:
            raise type(error)(options_as_arguments(str(error))) from None
        for doubt in found.doubts:
            warnings.warn(f"in doubt: {options_as_arguments(doubt)}", stacklevel=2)
        return cls(**{**table_arguments(found, data), **arguments})

    # Data

    def split_and_scale(self) -> None:
        """Split the rows by time and scale them; call it after changing ``X_data`` and ``Y_data``.

        Scalers are fitted on the train rows. Where the network is trained or loaded, the scalers it
        was trained with are kept, because its inputs would lose their meaning otherwise.

        Raises:
            DataError: the rows cannot be used: lengths differ, values are missing or infinite,
                time runs backwards, or there are too few rows.
        """
        # A network that learned labels as 0 and 1 takes booleans as such.
        known = self._row_settings.categories
        numbers = [name for name in self._targets if name not in known] if self._trained else []
        table = row_table(
            self.X_data, self.Y_data, self._row_settings, labels=not self._hp.is_regressor,
            as_numbers=numbers,
        )  # fmt: skip
        if not self._trained:
            self._forget_categories({*map(str, table.x), *map(str, table.y)})
            table = with_suspected_leaks(table, self._row_settings)
        table, self._row_settings, self._hp = with_categories(table, self._row_settings, self._hp)
        if self._trained:
            data = described_data(self._row_settings, self._features, self._targets, table)
        else:
            data = self._resolve_columns(table)
        table = with_known_columns(table, data)
        rows = prepare_rows(
            table, self._row_settings, self._hp, self._features, self._targets,
            self._scalers if self._trained else None,
        )  # fmt: skip
        self._rows, self._scalers = rows, rows.scalers
        self.X_scaler, self.Y_scaler = rows.scalers.x, rows.scalers.y
        for name, values in rows.split_tables():
            setattr(self, name, values)

    def _forget_categories(self, names: set[str]) -> None:
        """Let rows that replace others have categories of their own.

        Tables that a run has stored hold numbers in place of these columns, so their categories stay.

        Args:
            names: columns of the rows.
        """
        known = self._row_settings.categories
        kept = {
            column: found
            for column, found in known.items()
            if column not in names
            and names & {*indicators(column, found), *label_outputs(column, found)}
        }
        self._row_settings = replace(self._row_settings, categories=kept)
        if ({*known} - {*kept}) & {*(self._hp.classes or {})}:
            self._hp = self._hp.model_copy(update={"classes": None})

    def _resolve_columns(self, table: RowTable) -> DataConfig:
        """Name the inputs and outputs of a network of these rows, with what is known ahead of them."""
        self._row_settings = with_calendar(self._row_settings, table, self._hp)
        given = [*map(str, table.x)], [*map(str, table.y)]
        data = described_data(self._row_settings, *given, table)
        data, self._hp = with_future_features(data, self._hp)
        self._features, self._targets = data.features, data.targets
        return data

    def create_sequences(self, data: Any, window_size: int) -> list[Any]:
        """Every sequence of ``window_size`` consecutive rows of a table, as nested lists.

        Args:
            data: DataFrame, Series or array of ``n`` rows.
            window_size: rows in a sequence.

        Returns:
            ``n - window_size + 1`` sequences.
        """
        values = np.asarray(as_pandas(data, "data"))
        return [values[i : i + window_size].tolist() for i in range(len(values) - window_size + 1)]

    def _config(self) -> RetrainConfig:
        """The settings as a retraining's, with what only the number of targets can refuse."""
        table = self._rows.table if self._rows else None
        try:
            config = run_config(self._row_settings, self._hp, self._features, self._targets, table)
            return config.with_known_classes()
        except ValidationError as error:
            raise ConfigError(describe(error, RetrainConfig)) from None

    # Network

    def network_structure_set_compile(self, timesteps: int | None = None) -> Any:
        """Build and compile the network, with fresh weights; print its summary.

        Args:
            timesteps: input rows, in place of the present setting.

        Returns:
            The Keras network.

        Raises:
            ConfigError: no data, so the number of features and targets is unknown.
        """
        if self._rows is None:
            raise ConfigError("X_data, Y_data: none given; the network's size comes from them")
        if timesteps is not None:
            self._change_settings(timesteps=timesteps)
        self._half_widths = None
        if self._trained or timesteps is not None:
            self._trained = False
            self.split_and_scale()
        self._config()
        import_keras().utils.set_random_seed(self._hp.seed)
        strategy = self.distribution_strategy
        with strategy.scope() if strategy is not None else nullcontext():
            windows = self._windows()
            self.model = build_network(
                self._hp,
                self._features,
                self._targets,
                windows.count("train"),
                seasons_by_error(windows.manifest),
            )
            compile_network(self.model, self._hp, 1, self._loss)
        self._summarise()
        print(self.model_summary)
        return self.model

    def _change_settings(self, **changes: Any) -> None:
        self._hp = parse_hyperparameters({**self._hp.model_dump(), **changes})
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

        Called again, it continues from the present weights with a fresh optimizer, and saves another
        run. Ctrl-C after a finished epoch keeps the best epoch so far and saves a whole run.

        Args:
            epochs: most passes over the train windows.
            batch_size: windows per gradient step, in place of the present setting.
            timesteps: must be what the built network has; without a network one is built so.
            callbacks: more Keras callbacks.
            verbose: Keras' own progress output.

        Returns:
            The history, one row per epoch (also ``loss_df``).

        Raises:
            ConfigError: no data, or ``timesteps`` differs from the network's; nothing is written.
            DataError: a split holds no window.
            TrainingError: the loss is not finite.
        """
        built = None if self.model is None else self.model.input_shape[1]
        if timesteps is not None and built not in (None, timesteps):
            raise ConfigError(
                f"timesteps: {timesteps} given, the network was built with {built}; call "
                f"network_structure_set_compile(timesteps={timesteps}) first"
            )
        wanted = {"epochs": epochs, "batch_size": batch_size, "timesteps": timesteps}
        self._change_settings(**{k: v for k, v in wanted.items() if v is not None})
        rows, windows, config = self._require_rows(), self._windows(), self._config()
        for line in coverage_lines(windows.manifest, self._hp.split):
            warnings.warn(line, stacklevel=2)
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
        run, found = evaluate_and_store(trained, rows, config, self._loss, self.data_storage_path)
        self.run_folder, self.hyperparameters = run.folder, run.settings
        self.metrics, self._half_widths = found.metrics, found.half_widths
        return self.loss_df

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
        run = open_run(hyperparameters_file_name, file_path_name)
        self._hp, self._loss, self._row_settings = run.hyperparameters, None, run.rows
        self._features, self._targets = run.features, run.targets
        self._scalers, self._half_widths = run.scalers, run.half_widths
        self.X_scaler, self.Y_scaler = run.scalers.x, run.scalers.y
        self.hyperparameters, self.metrics, self.loss_df = run.settings, run.metrics, run.history
        self.model, self.run_folder, self._trained = run.network, run.folder, True
        self.X_data, self.Y_data = run.tables or (None, None)
        self._rows = None
        self._summarise()
        if run.tables is not None:
            self.split_and_scale()
        return self

    def load_training_history(self, file_path_name: str | Path | None = None) -> pd.DataFrame:
        """Read a training history into ``loss_df``.

        Args:
            file_path_name: a history CSV; without it that of the last saved or loaded run.

        Raises:
            ConfigError: no file is named, and no run was saved or loaded.
            StoreError: the file does not exist.
        """
        self.loss_df = read_history(Path(file_path_name or find_history(self.run_folder)))
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
        """Retrain and score these settings on test periods that follow each other in time.

        The present network stays as it is, and nothing is saved.

        Args:
            folds: number of test periods.
            test_size_rate: share of the time span, the last, that they divide evenly.
            window: a fold learns from all rows before its test period ('expanding'), or from as many
                as the first fold has ('sliding').
            gap: rows just before a test period that are left out of training.
            refit_every: retrain at every so many folds.
            warm_start: begin each training after the first from the weights of the one before.
            verbose: Keras' own progress output.

        Returns:
            Scores by fold, step and series with those of the baselines, and whether the network is
            significantly better (5%); ``plot()`` draws it.

        Raises:
            ConfigError: no data, or a setting is refused.
            DataError: the rows are too few for so many folds.
        """
        rows = self._require_rows()
        try:
            chosen = BacktestConfig.model_validate({
                "folds": folds, "test_size_rate": test_size_rate, "window": window, "gap": gap,
                "refit_every": refit_every, "warm_start": warm_start,
            })  # fmt: skip
        except ValidationError as error:
            raise ConfigError(describe(error, RetrainConfig)) from None
        table = rows.table
        x, y = table.x[rows.features], table.y[rows.targets]
        return run_backtest(
            Rows(table.frame, x, y, table.weight, table.time_unit),
            self._config().model_copy(update={"backtest": chosen}),
            strategy=self.distribution_strategy,
            loss=self._loss,
            verbose=verbose,
        )


fastLSTM.__signature__ = documented_signature(fastLSTM.__init__)  # type: ignore[attr-defined]
