"""Score a trained network on the test windows, once, beside what costs nothing.

Thresholds and prediction intervals come from validation windows; the test windows are read here and
nowhere before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts import write_json
from fastlstm.baselines import last_season, last_value, seasonal_scale
from fastlstm.classification_metrics import choose_threshold, mean_scores, output_report
from fastlstm.config import RetrainConfig
from fastlstm.disk import writing_to
from fastlstm.errors import StoreError
from fastlstm.importance import lag_importance, scaled_error
from fastlstm.inference import load_network, point_of, predict_each, windows_at_once
from fastlstm.interval_scores import Seen, judge_intervals
from fastlstm.intervals import INTERVALS_FILE, Pair, Radii, write_radii
from fastlstm.loading import SERIES, TIME, read_table, write_table
from fastlstm.memory import give_back
from fastlstm.regression_metrics import regression_report
from fastlstm.scaling import (
    X_SCALER_FILE,
    Y_SCALER_FILE,
    Scalers,
    label_end,
    microseconds,
    read_scalers,
)
from fastlstm.series import rows_by_series
from fastlstm.timegrid import season_rows
from fastlstm.training import JUDGED_FILE, MODEL_FILE, WindowSource
from fastlstm.validation import CLEAN_FILE, SEGMENT
from fastlstm.window_store import WindowDataset
from fastlstm.windows import output_names, target_windows

METRICS_FILE, PREDICTIONS_FILE = "metrics.json", "test_predictions.parquet"


@dataclass(frozen=True)
class TargetTable:
    """The rows a network is judged on, as arrays, sorted by series and time.

    Attributes:
        code: number of each row's series in ``labels``, ``(n,)``.
        labels: the series.
        times: microseconds since 1970 (UTC), ``(n,)``.
        segment: number of each row's unbroken stretch, ``(n,)``.
        targets: unscaled targets, float64 ``(n, n_targets)``.
    """

    code: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    segment: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, targets: pd.DataFrame) -> TargetTable:
        """From a table's ``__series``, ``__time`` and ``__segment`` and the targets of its rows."""
        code, labels = pd.factorize(frame[SERIES])
        return cls(
            code,
            np.asarray(labels, dtype=object),
            microseconds(frame[TIME]),
            frame[SEGMENT].to_numpy(),
            targets.to_numpy(np.float64),
        )

    def series(self, rows: np.ndarray) -> np.ndarray:
        """Labels of the rows' series."""
        labels: np.ndarray = self.labels[self.code[rows]]
        return labels

    def block(self, label: str) -> slice:
        """The rows of a series, which lie side by side; empty where there is no such series."""
        number = self._numbers.get(label)
        if number is None:
            return slice(0, 0)
        return slice(*np.searchsorted(self.code, [number, number + 1]).tolist())

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def rows_of(self, series: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Row numbers of (series, origin) pairs.

        Raises:
            StoreError: a pair is not in the table.
        """
        moments = origin.astype("datetime64[us]").astype(np.int64)
        rows = np.empty(len(series), np.int64)
        for label, mine in rows_by_series(series).items():
            block = self.block(label)
            times, wanted = self.times[block], moments[mine]
            at = np.searchsorted(times, wanted)
            if not len(times) or (times[np.minimum(at, len(times) - 1)] != wanted).any():
                raise StoreError(
                    "a window's origin is not in the clean table; delete the work folder"
                )
            rows[mine] = block.start + at
        return rows


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: on test, as JSON-like values.
        predictions: one line per test window, step and target. Their intervals, columns
            ``lower_<level>`` and ``upper_<level>``, are as they would have been given at the time:
            adapted to what was known before each origin.
        radii: of a regressor's intervals, from validation, by the quantiles they are built around; None
            where none are made.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    radii: dict[Pair, Radii] | None = None


def evaluate_into(
    folder: str,
    network: str,
    windows: str,
    scaled: str,
    clean: str,
    config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Write ``metrics.json`` and ``test_predictions.parquet`` into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own. ``network``, ``windows``,
    ``scaled`` and ``clean`` are the folders the earlier steps wrote.
    """
    settings = RetrainConfig.model_validate(config)
    dataset = WindowDataset(Path(windows))
    scalers = read_scalers(Path(scaled) / X_SCALER_FILE, Path(scaled) / Y_SCALER_FILE)
    targets = settings.data.targets
    rows = read_table(Path(clean) / CLEAN_FILE, [SERIES, TIME, SEGMENT, *targets])
    table = TargetTable.of(rows, rows[targets])
    del rows
    give_back()
    model, file = load_network(Path(network) / MODEL_FILE), Path(network) / JUDGED_FILE
    judged = load_network(file) if file.exists() else model
    evaluated = evaluate(model, dataset, scalers, table, settings, judged=judged)
    with writing_to(Path(folder)):
        return write_evaluation(Path(folder), evaluated)


def write_evaluation(folder: Path, evaluated: Evaluation) -> dict[str, Any]:
    """Write the files of an evaluation; return what a manifest tells."""
    write_json(folder / METRICS_FILE, evaluated.metrics)
    write_table(evaluated.predictions, folder / PREDICTIONS_FILE)
    if evaluated.radii is not None:
        write_radii(evaluated.radii, folder / INTERVALS_FILE)
    return {key: evaluated.metrics[key] for key in ("primary", "windows")}


def evaluate(
    model: Any,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
    *,
    judged: Any,
) -> Evaluation:
    """Metrics on the test windows beside the baselines, and the predictions one by one.

    Args:
        model: the Keras network that is scored.
        dataset: the windows; validation is read for thresholds and intervals, test for everything
            else.
        scalers: to give forecasts in the targets' units.
        table: unscaled targets of every row, also those before the test period.
        settings: names, horizon, season, threshold metric, levels of the intervals.
        judged: the network whose outputs for validation windows give thresholds and intervals: one
            that has not learned from them (``fastlstm.training.Trained.judged``).
    """
    score = _regression if settings.hyperparameters.is_regressor else _classification
    found = score(model, judged, dataset, scalers, table, settings)
    if settings.evaluation.explain_windows:
        found.metrics["importance"] = _explained(judged, dataset, settings)
    return found


def _explained(
    model: Any, dataset: WindowSource, settings: RetrainConfig
) -> list[dict[str, str | float]]:
    """What the network looks at, by some validation windows; see ``fastlstm.importance``."""
    hp, wanted = settings.hyperparameters, settings.evaluation.explain_windows
    count = dataset.count("validation")
    chosen = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))
    taken: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    # All of them would be too many to hold.
    for x, y in dataset.batches("validation", windows_at_once(dataset.manifest)):
        mine = chosen[(chosen >= start) & (chosen < start + len(x))] - start
        taken.append((x[mine], y[mine]))
        start += len(x)
    x, y = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    truth = y.reshape(len(y), -1)
    table = lag_importance(
        model, lambda given: scaled_error(model, given, truth, hp.is_regressor), x,
        settings.data.features, hp.seed,
    )  # fmt: skip
    return [{str(key): value for key, value in line.items()} for line in table.to_dict("records")]


def _forecast(
    model: Any, dataset: WindowSource, split: str, scalers: Scalers
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, origin and forecast ``(n, steps, n_targets, n_quantiles)`` in the targets' units."""
    steps, targets = dataset.manifest["steps_ahead"], len(dataset.manifest["targets"])
    batches = dataset.batches(split, windows_at_once(dataset.manifest))
    outputs = [predict_each(model, x, steps * targets) for x, _ in batches]
    flat = np.concatenate(outputs)
    named = dataset.read(split, columns=())
    forecast = scalers.unscale_each(flat.reshape(len(flat), steps, targets, -1))
    return named.series, named.origin, forecast


def _about(dataset: WindowSource, origin: np.ndarray) -> dict[str, Any]:
    def told(moment: np.datetime64) -> str:
        if dataset.manifest.get("time_unit") == "row":
            return f"row {moment.astype('datetime64[us]').astype(np.int64)}"
        return f"{moment}Z"

    return {
        "windows": len(origin),
        "first_origin": told(origin.min()),
        "last_origin": told(origin.max()),
        "cuts": dataset.manifest["cuts"],
        "split_windows": dataset.manifest["windows"],
    }


def _long(
    table: TargetTable,
    rows: np.ndarray,
    targets: list[str],
    steps: int,
    columns: dict[str, np.ndarray],
) -> pd.DataFrame:
    """One line per window, step and target."""
    n, each = len(rows), steps * len(targets)
    step = np.tile(np.repeat(np.arange(steps), len(targets)), n)
    stamp = pd.to_datetime(np.repeat(table.times[rows], each), unit="us", utc=True)
    time = pd.to_datetime(table.times[np.repeat(rows, each) + step], unit="us", utc=True)
    return pd.DataFrame(
        {
            "series": np.repeat(table.series(rows), each),
            "origin": stamp.as_unit("us"),
            "step": (step + 1).astype(np.int32),
            "time": time.as_unit("us"),
            "target": np.tile(np.asarray(targets, dtype=object), n * steps),
            **{name: values.reshape(-1) for name, values in columns.items()},
        }
    )


def mase_scales(
    table: TargetTable, rows: np.ndarray, cut: int, season: int, lookahead: int
) -> np.ndarray:
    """MASE's denominators for the windows at ``rows``, each from its own series before a cut.

    Args:
        table: targets of every row.
        rows: origin rows, ``(n,)``.
        cut: microseconds since 1970 (UTC); a row counts when all its target depends on is earlier.
        season: rows in one season.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        ``(n, n_targets)``.
    """
    before = label_end(table.times, table.segment, lookahead) < cut
    scales = np.empty((len(rows), table.targets.shape[1]))
    for label, mine in rows_by_series(table.series(rows)).items():
        block = table.block(label)
        scales[mine] = seasonal_scale(
            table.targets[block], table.segment[block], before[block], season
        )
    return scales


def _regression(
    model: Any, judged: Any, dataset: WindowSource, scalers: Scalers, table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:  # fmt: skip
    data, hp = settings.data, settings.hyperparameters
    series, origin, each = _forecast(model, dataset, "test", scalers)
    rows = table.rows_of(series, origin)
    truth = target_windows(table.targets, rows, hp.steps_ahead)
    forecast = point_of(each)
    season = settings.evaluation.season_length or season_rows(data.frequency)
    forecasts = {"model": forecast, **_baselines(table, rows, settings)}
    cut = dataset.manifest["cuts"]["validation"]
    scale = mase_scales(table, rows, cut, season or 1, data.lookahead)
    report = regression_report(truth, forecasts, scale, series, data.targets)
    # Targets of different units cannot be averaged; scaled errors can.
    primary = "mae" if len(data.targets) == 1 else "mase"
    metrics = {
        "task": "regressor",
        "primary": {
            "name": primary,
            "value": report["overall"]["model"][primary],
            "better": "lower",
        },
        **_about(dataset, origin),
        "season_length": season,
        "test": report["overall"],
        "by_step": report["by_step"],
        "by_target": report["by_target"],
        "by_series": report["by_series"],
    }
    columns = {"truth": truth, "prediction": forecasts["model"]}
    columns |= {name: forecasts[name] for name in forecasts if name != "model"}
    radii = None
    if settings.evaluation.interval_levels:
        series, origin, seen_each = _forecast(judged, dataset, "validation", scalers)
        seen = table.rows_of(series, origin)
        seen_truth = target_windows(table.targets, seen, hp.steps_ahead)
        told, bounds, radii = judge_intervals(
            Seen(seen_truth, {"model": seen_each, **_baselines(table, seen, settings)}),
            Seen(truth, {**forecasts, "model": each}),
            rows,
            table.series(rows),
            settings,
        )
        metrics["intervals"] = {"validation_windows": len(seen), **told}
        columns |= bounds
    return Evaluation(metrics, _long(table, rows, data.targets, hp.steps_ahead, columns), radii)


def _baselines(
    table: TargetTable, rows: np.ndarray, settings: RetrainConfig
) -> dict[str, np.ndarray]:
    """What costs nothing, ``(n, steps, n_targets)`` each, for windows with these origin rows."""
    steps, lookahead = settings.hyperparameters.steps_ahead, settings.data.lookahead
    arrays = table.targets, table.segment, rows, steps
    found = {"last_value": last_value(*arrays, lookahead)}
    season = settings.evaluation.season_length or season_rows(settings.data.frequency)
    if season:
        found["last_season"] = last_season(*arrays, season, lookahead)
    return found


def _classification(
    model: Any, judged: Any, dataset: WindowSource, scalers: Scalers, table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:  # fmt: skip
    data, hp = settings.data, settings.hyperparameters
    names = output_names(data.targets, hp.steps_ahead)

    def labelled(network: Any, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        series, origin, each = _forecast(network, dataset, split, scalers)
        rows, forecast = table.rows_of(series, origin), point_of(each)
        truth = target_windows(table.targets, rows, hp.steps_ahead)
        return rows, origin, truth.reshape(len(rows), -1), forecast.reshape(len(rows), -1)

    _, _, seen, seen_probability = labelled(judged, "validation")
    rows, origin, truth, probability = labelled(model, "test")
    train = dataset.read("train", columns=("y",)).y
    prior = np.broadcast_to(train.reshape(len(train), -1).mean(axis=0), truth.shape)
    known = last_value(table.targets, table.segment, rows, hp.steps_ahead, data.lookahead)
    forecasts = {
        "model": probability,
        "prior": prior.astype(np.float64),
        "last_class": known.reshape(len(rows), -1),
    }
    softmax = hp.last_layer_activation == "softmax"
    outputs, notes = {}, []
    for i, name in enumerate(names):
        chosen = choose_threshold(
            seen[:, i], seen_probability[:, i], settings.evaluation.threshold_metric
        )
        if chosen is None:
            notes.append(
                f"{name}: validation holds one class only, so no threshold could be chosen there; "
                "0.5 was used"
            )
        threshold = 0.5 if chosen is None else chosen
        outputs[name] = {
            **output_report(truth[:, i], probability[:, i], threshold),
            "threshold_chosen_on": "nothing" if chosen is None else "validation",
            "prior": float(prior[0, i]),
        }
    overall: dict[str, dict[str, Any]] = {}
    for name, forecast in forecasts.items():
        defined = ~np.isnan(forecast).any(axis=1)
        overall[name] = {**mean_scores(truth, forecast, defined), "windows": int(defined.sum())}
        if not defined.all():
            overall[name]["model_on_same_windows"] = mean_scores(truth, probability, defined)
    metrics: dict[str, Any] = {
        "task": "classifier",
        "primary": {
            "name": "average_precision",
            "value": overall["model"]["average_precision"],
            "better": "higher",
        },
        **_about(dataset, origin),
        "test": overall,
        "outputs": outputs,
        "by_series": {
            name: {
                kind: mean_scores(truth, forecast, mine[~np.isnan(forecast[mine]).any(axis=1)])
                for kind, forecast in forecasts.items()
            }
            for name, mine in rows_by_series(table.series(rows)).items()
        },
        "notes": notes,
    }
    if softmax:
        from sklearn.metrics import confusion_matrix

        actual, chosen_class = truth.argmax(axis=1), probability.argmax(axis=1)
        metrics["accuracy"] = float((actual == chosen_class).mean())
        metrics["confusion_matrix"] = confusion_matrix(
            actual, chosen_class, labels=range(len(names))
        ).tolist()
    columns = {"truth": truth, "prediction": probability}
    columns |= {name: forecasts[name] for name in ("prior", "last_class")}
    return Evaluation(metrics, _long(table, rows, data.targets, hp.steps_ahead, columns))
