"""Backtest: the same settings trained and judged again and again, the origin rolling through time.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.10 (time series
cross-validation). Each fold has its own scalers, validation and training, all from rows before its test
period; test periods follow each other without overlap.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts import write_json
from fastlstm.config import BacktestConfig, RetrainConfig
from fastlstm.disk import writing_to
from fastlstm.errors import DataError
from fastlstm.evaluation import PREDICTIONS_FILE, TargetTable, evaluate
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.inference import load_network
from fastlstm.loading import SERIES, TIME, read_table, write_table
from fastlstm.report import NAMES
from fastlstm.row_windows import RowWindows
from fastlstm.scaling import (
    X_SCALER_FILE,
    Y_SCALER_FILE,
    Scalers,
    fit_scalers,
    label_end,
    later_times,
    microseconds,
    read_scalers,
    write_scalers,
)
from fastlstm.significance import by_origin, diebold_mariano
from fastlstm.split import Cuts
from fastlstm.training import MODEL_FILE, OnEvent, fit
from fastlstm.validation import CLEAN_FILE, SEGMENT

SUMMARY_FILE, TABLE_FILE, FIGURE_FILE = "backtest.json", "backtest.csv", "backtest.png"


@dataclass(frozen=True)
class Fold:
    """The rows of one fold; times in microseconds since 1970 (UTC), each end exclusive.

    Attributes:
        number: from 1.
        start: first train row.
        validation: first validation row.
        known: end of what is learned from; from here to ``test`` is the gap.
        test: first test row.
        end: end of the test period.
    """

    number: int
    start: int
    validation: int
    known: int
    test: int
    end: int


@dataclass(frozen=True)
class Rows:
    """A checked table, sorted by series and time.

    Attributes:
        frame: ``__series``, ``__time``, ``__segment``.
        x: features, unscaled.
        y: targets, unscaled.
        sample_weight: weight of each row, or None.
        time_unit: ``'row'`` where the times are row numbers.
    """

    frame: pd.DataFrame
    x: pd.DataFrame
    y: pd.DataFrame
    sample_weight: np.ndarray | None = None
    time_unit: str = "us"


@dataclass(frozen=True)
class Judged:
    """One fold, trained or with the network before it, and scored.

    Attributes:
        fold: its rows.
        metrics: as of ``fastlstm.evaluation.evaluate``.
        predictions: likewise.
        trained_at: number of the fold whose training made the network.
        epochs: epochs of that training.
    """

    fold: Fold
    metrics: dict[str, Any]
    predictions: pd.DataFrame
    trained_at: int
    epochs: int


def plan_folds(
    times: np.ndarray, hyperparameters: Hyperparameters, config: BacktestConfig
) -> list[Fold]:
    """The folds of a table.

    Args:
        times: time of each row in microseconds since 1970 (UTC), ``(n,)``, any order.
        hyperparameters: train and validation rates, whose ratio divides what a fold learns from.
        config: the backtest's settings.

    Raises:
        DataError: too few distinct times.
    """
    distinct = np.unique(times)
    count = len(distinct)
    first = count - round(count * config.test_size_rate)
    bounds = np.linspace(first, count, config.folds + 1).round().astype(int)
    train = hyperparameters.train_size_rate
    share = train / (train + hyperparameters.validation_size_rate)
    at = [*distinct.tolist(), *(distinct[-1:] + 1).tolist()]
    folds = []
    for number, (test, end) in enumerate(pairwise(bounds.tolist()), start=1):
        start = 0 if config.window == "expanding" else test - first
        known = test - config.gap
        validation = start + int((known - start) * share)
        if not start < validation < known or end == test:
            raise DataError(
                f"backtest.folds: {count} distinct times are too few for fold {number} of "
                f"{config.folds} with test_size_rate {config.test_size_rate} and gap {config.gap}; "
                "lower folds or gap, or give more rows"
            )
        folds.append(
            Fold(
                number,
                start=at[start],
                validation=at[validation],
                known=at[known],
                test=at[test],
                end=at[end],
            )
        )
    return folds


def groups(folds: list[Fold], refit_every: int) -> list[list[Fold]]:
    """The folds by the training they share."""
    return [folds[i : i + refit_every] for i in range(0, len(folds), refit_every)]


def _windows(rows: Rows, fold: Fold, scalers: Scalers, settings: RetrainConfig) -> RowWindows:
    data, hp = settings.data, settings.hyperparameters
    times = microseconds(rows.frame[TIME])
    chosen = np.flatnonzero((times >= fold.start) & (times < fold.end))
    return RowWindows(
        rows.frame.iloc[chosen].reset_index(drop=True),
        scalers.features(rows.x.iloc[chosen]),
        scalers.targets(rows.y.iloc[chosen], data.targets),
        features=data.features,
        targets=data.targets,
        timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead,
        cuts=Cuts(fold.validation, fold.test),
        lookahead=data.lookahead,
        usable=_clear_of_gap(times[chosen], rows.frame[SEGMENT].to_numpy()[chosen], fold, settings),
        sample_weight=None if rows.sample_weight is None else rows.sample_weight[chosen],
        time_unit=rows.time_unit,
    )


def _clear_of_gap(
    times: np.ndarray, segment: np.ndarray, fold: Fold, settings: RetrainConfig
) -> np.ndarray:
    """Which origins have no target row in the gap: those are neither learned from nor scored."""
    in_gap = (times >= fold.known) & (times < fold.test)
    touched = np.zeros(len(times), bool)
    for ahead in range(settings.hyperparameters.steps_ahead + settings.data.lookahead):
        here = len(times) - ahead
        touched[:here] |= in_gap[ahead:] & (segment[ahead:] == segment[:here])
    return ~touched


def judge_group(
    rows: Rows,
    folds: list[Fold],
    settings: RetrainConfig,
    on_event: OnEvent = lambda _: None,
    *,
    before: tuple[Any, Scalers] | None = None,
    strategy: Any = None,
    loss: Any = None,
    verbose: str | int = 0,
) -> tuple[list[Judged], tuple[Any, Scalers]]:
    """Train on the first of some folds and score all of them.

    Args:
        rows: the table.
        folds: folds that share one training.
        settings: network, training, and how it is judged.
        on_event: told of progress; see ``fastlstm.training.fit``.
        before: network and scalers of the group before it, to begin from; None begins anew.
        strategy: a ``tf.distribute.Strategy`` to train under.
        loss: a Keras loss object in place of the named one.
        verbose: Keras' own progress output.

    Returns:
        The folds judged, and with its scalers the network that another group may begin from.

    Raises:
        DataError: a split of a fold holds no window.
    """
    first, hp = folds[0], settings.hyperparameters
    # Nobody looks at what each fold's network looks at.
    judging = settings.evaluation.model_copy(update={"explain_windows": 0})
    settings = settings.model_copy(update={"evaluation": judging})
    if before is None:
        model, scalers = None, _scalers(rows, first, settings)
    else:
        model, scalers = before
    table = TargetTable.of(rows.frame, rows.y)
    windows = _windows(rows, first, scalers, settings)
    trained = fit(windows, hp, on_event, model=model, strategy=strategy, loss=loss, verbose=verbose)
    judged = []
    for fold in folds:
        if fold is not first:
            windows = _windows(rows, fold, scalers, settings)
        found = evaluate(trained.model, windows, scalers, table, settings, judged=trained.judged)
        judged.append(
            Judged(fold, found.metrics, found.predictions, first.number, len(trained.history))
        )
    # The next group's validation may hold rows of this one's, which a refit has learned from.
    return judged, (trained.judged, scalers)


def run_backtest(
    rows: Rows, settings: RetrainConfig, strategy: Any = None, loss: Any = None,
    verbose: str | int = 0,
) -> Backtest:  # fmt: skip
    """All folds one after the other in this process; arguments as of ``judge_group``."""
    times = microseconds(rows.frame[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    judged: list[Judged] = []
    before = None
    for group in groups(folds, settings.backtest.refit_every):
        made, network = judge_group(
            rows, group, settings, before=before, strategy=strategy, loss=loss, verbose=verbose
        )
        judged += made
        before = network if settings.backtest.warm_start else None
    return summarise(judged, settings, rows.time_unit)


def _scalers(rows: Rows, fold: Fold, settings: RetrainConfig) -> Scalers:
    times = microseconds(rows.frame[TIME])
    known = label_end(times, rows.frame[SEGMENT].to_numpy(), settings.data.lookahead)
    mine = times >= fold.start
    later = later_times(times, rows.frame[SEGMENT].to_numpy(), settings.data.ahead_columns)
    return fit_scalers(
        rows.x[mine], rows.y[mine], times[mine], known[mine], Cuts(fold.validation, fold.test),
        settings.hyperparameters, {name: at[mine] for name, at in later.items()},
    )  # fmt: skip


def _told(moment: int, time_unit: str) -> str:
    if time_unit == "row":
        return str(moment)
    return f"{pd.Timestamp(moment, unit='us'):%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Backtest:
    """What a backtest found.

    Attributes:
        table: one row per fold and a last one over all: what was learned from and tested on, the primary
            metric of the network and of each baseline.
        significance: by baseline, and by step ahead in it, whether the network is better beyond chance:
            Diebold-Mariano (see ``fastlstm.significance``) over all folds' origins.
        by_step: mean absolute error (for labels the Brier score) of each forecast by step ahead.
        by_series: the same by series.
        primary: name of the primary metric.
        better: 'lower' or 'higher'.
        predictions: one line per fold, window, step and target.
    """

    table: pd.DataFrame
    significance: dict[str, Any]
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    primary: str
    better: str
    predictions: pd.DataFrame

    def plot(self) -> Any:
        """One figure: the metric by fold, and the error by step ahead, beside the baselines."""
        from fastlstm import plots

        return plots.backtest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """All but the predictions, as JSON-like values."""
        return {
            "primary": self.primary,
            "better": self.better,
            "folds": _records(self.table),
            "significance": self.significance,
            "by_step": _records(self.by_step),
            "by_series": _records(self.by_series),
        }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def summarise(judged: list[Judged], settings: RetrainConfig, time_unit: str = "us") -> Backtest:
    """Put the folds together.

    Args:
        judged: every fold, in order.
        settings: those of the backtest.
        time_unit: ``'row'`` where times are row numbers.
    """
    primary = judged[0].metrics["primary"]
    names = list(judged[0].metrics["test"])
    lines = []
    for part in judged:
        fold, test = part.fold, part.metrics["test"]
        lines.append(
            {
                "fold": str(fold.number),
                "learned_from": _told(fold.start, time_unit),
                "learned_to": _told(fold.known, time_unit),
                "test_from": _told(fold.test, time_unit),
                "test_to": _told(fold.end, time_unit),
                "trained_at_fold": part.trained_at,
                "epochs": part.epochs,
                "windows": part.metrics["windows"],
                **{name: test[name][primary["name"]] for name in names},
            }
        )
    table = pd.DataFrame(lines)
    weights = table["windows"].to_numpy(float)
    whole: dict[str, Any] = {"fold": "all", "windows": int(weights.sum())}
    for name in names:
        values = table[name].astype(float)
        known = values.notna().to_numpy()
        if known.any():
            whole[name] = float(np.average(values[known], weights=weights[known]))
    table = pd.concat([table, pd.DataFrame([whole])], ignore_index=True)
    table[["trained_at_fold", "epochs"]] = table[["trained_at_fold", "epochs"]].astype("Int64")
    predictions = pd.concat(
        [part.predictions.assign(fold=np.int32(part.fold.number)) for part in judged],
        ignore_index=True,
    )
    regressor = settings.hyperparameters.is_regressor
    losses = _losses(predictions, names, regressor)
    return Backtest(
        table=table,
        significance={
            name: _significance(predictions, losses, name, settings.hyperparameters.steps_ahead)
            for name in names
            if name != "model"
        },
        by_step=_grouped(losses, predictions, "step"),
        by_series=_grouped(losses, predictions, "series"),
        primary=primary["name"],
        better=primary["better"],
        predictions=predictions,
    )


def _losses(predictions: pd.DataFrame, names: list[str], regressor: bool) -> pd.DataFrame:
    """Loss of each forecast for each line: absolute error, or squared for probabilities."""
    columns = {}
    for name in names:
        error = predictions["prediction" if name == "model" else name] - predictions["truth"]
        columns[name] = error.abs() if regressor else error**2
    return pd.DataFrame(columns)


def _grouped(losses: pd.DataFrame, predictions: pd.DataFrame, key: str) -> pd.DataFrame:
    """Mean losses by step or series, for each target: units differ between targets."""
    means = losses.groupby([predictions["target"], predictions[key]], sort=True).mean()
    return means.reset_index()


def _significance(
    predictions: pd.DataFrame, losses: pd.DataFrame, baseline: str, steps: int
) -> dict[str, Any]:
    gain = losses[baseline] - losses["model"]
    # Targets have units of their own: each counts by the baseline's mean error.
    of_target = losses[baseline].groupby(predictions["target"]).transform("mean")
    gain = gain / of_target.where(of_target > 0)
    known = gain.notna().to_numpy()
    frame = predictions.loc[known, ["origin", "step"]].assign(gain=gain[known])

    def compared(part: pd.DataFrame, horizon: int) -> dict[str, Any]:
        gains = by_origin(part["origin"].to_numpy(), part["gain"].to_numpy())
        found = diebold_mariano(gains, horizon)
        return {**asdict(found), "better": found.is_better()}

    return {
        "overall": compared(frame, steps),
        "by_step": [
            {"step": step, **compared(frame[frame["step"] == step], step)}
            for step in range(1, steps + 1)
        ],
    }


def significance_lines(summary: dict[str, Any]) -> list[str]:
    """For people: whether the network beats each baseline beyond chance, as a Markdown list.

    Args:
        summary: ``Backtest.to_dict()``.
    """
    lines = []
    for name, found in summary["significance"].items():
        whole = found["overall"]
        if whole["p_value"] is None:
            lines.append(f"- {NAMES[name]}: {whole['origins']:,} origins are too few to tell")
            continue
        told = [row for row in found["by_step"] if row["p_value"] is not None]
        better = sum(row["better"] for row in told)
        lines.append(
            f"- {NAMES[name]}: {'better' if whole['better'] else 'not better'} beyond chance "
            f"(p = {whole['p_value']:.2g}, {whole['origins']:,} origins); singly at {better} of "
            f"{len(told)} steps"
        )
    return lines


def write_backtest(folder: Path, found: Backtest) -> dict[str, Any]:
    """Write figure, table, summary and predictions into a folder; return what a manifest tells."""
    from fastlstm.plots import write

    found.table.to_csv(folder / TABLE_FILE, index=False)
    write_json(folder / SUMMARY_FILE, found.to_dict())
    write_table(found.predictions, folder / PREDICTIONS_FILE)
    write(found.plot(), folder / FIGURE_FILE)
    whole = found.table.iloc[-1]
    return {
        "windows": int(whole["windows"]),
        "folds": len(found.table) - 1,
        "primary": {"name": found.primary, "value": float(whole["model"]), "better": found.better},
        "significance": {n: part["overall"] for n, part in found.significance.items()},
    }


def clean_rows(clean: Path, settings: RetrainConfig) -> Rows:
    """The rows of a clean table."""
    data = settings.data
    frame = read_table(
        clean / CLEAN_FILE,
        list(dict.fromkeys([SERIES, TIME, SEGMENT, *data.features, *data.targets])),
    )
    return Rows(frame[[SERIES, TIME, SEGMENT]], frame[data.features], frame[data.targets])


def count_groups(clean: Path, settings: RetrainConfig) -> int:
    """How many trainings the folds of a clean table need."""
    times = microseconds(read_table(clean / CLEAN_FILE, [TIME])[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    return len(groups(folds, settings.backtest.refit_every))


def judge_into(
    folder: str,
    clean: str,
    config: dict[str, Any],
    part: int,
    before: str | None,
    on_event: OnEvent,
) -> dict[str, Any]:
    """Train and judge one group of folds, and write what was found into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own. ``part`` is the group's number
    from 0; ``before`` the folder of the group to begin from, or None.
    """
    settings = RetrainConfig.model_validate(config)
    rows = clean_rows(Path(clean), settings)
    times = microseconds(rows.frame[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    group = groups(folds, settings.backtest.refit_every)[part]
    earlier = None
    if before is not None:
        place = Path(before)
        scalers = read_scalers(place / X_SCALER_FILE, place / Y_SCALER_FILE)
        earlier = (load_network(place / MODEL_FILE), scalers)
    judged, (model, scalers) = judge_group(rows, group, settings, on_event, before=earlier)
    target = Path(folder)
    with writing_to(target):
        model.save(target / MODEL_FILE)
        write_scalers(scalers, target / X_SCALER_FILE, target / Y_SCALER_FILE)
        for found in judged:
            number = found.fold.number
            write_table(found.predictions, target / f"{number:04d}.parquet")
            about = {name: getattr(found, name) for name in ("metrics", "trained_at", "epochs")}
            write_json(target / f"{number:04d}.json", {**about, "fold": asdict(found.fold)})
    return {
        "folds": [found.fold.number for found in judged],
        "windows": sum(found.metrics["windows"] for found in judged),
        "epochs": judged[0].epochs,
    }


def combine_into(folder: Path, parts: list[Path], settings: RetrainConfig) -> dict[str, Any]:
    """Put together what ``judge_into`` wrote for each group, and write it; see ``write_backtest``."""
    judged = [found for part in parts for found in _read_judged(part)]
    return write_backtest(folder, summarise(judged, settings))


def _read_judged(folder: Path) -> list[Judged]:
    found = []
    for file in sorted(folder.glob("[0-9]*.json")):
        about = json.loads(file.read_text(encoding="utf-8"))
        found.append(
            Judged(
                Fold(**about["fold"]),
                about["metrics"],
                read_table(file.with_suffix(".parquet")),
                about["trained_at"],
                about["epochs"],
            )
        )
    return found
