"""Log loss and accuracy of live forecasts of labels, by class, beside those on test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    class_probabilities,
    label_columns,
    log_loss,
)
from fastlstm.forecasting.forecaster import Forecaster

# Scores are summed by these; a class is the true one.
_BY = ["column", "class", "step"]
_SUMS = ["log_loss", "accuracy", "count"]


@dataclass(frozen=True)
class LabelScores:
    """Scores of the live forecasts of a label column, or of those of its rows that have one class.

    Attributes:
        column: the label column.
        label: the true class; None: all.
        forecasts: number of forecasts with an actual value.
        log_loss: mean of the live ones.
        expected_log_loss: the same on test, of the same steps in the proportions in which they occur
            live; None where test has no such row.
        accuracy: share whose likeliest class is the true one; of one class that is its recall.
        expected_accuracy: the same on test.
    """

    column: str
    label: str | None
    forecasts: int
    log_loss: float
    expected_log_loss: float | None
    accuracy: float
    expected_accuracy: float | None


def live_labels(
    forecasters: Sequence[Forecaster], forecasts: pd.DataFrame, actuals: pd.DataFrame
) -> list[LabelScores]:
    """Scores of each label column: of all rows, then of each class by name.

    Forecasts of runs with other classes, whose outputs the actual values do not have, do not count.

    Args:
        forecasters: those that made the forecasts.
        forecasts: columns ``run_id, series, after, time, step, target, prediction``.
        actuals: columns ``series, time, target, actual``.
    """
    live, test = [], []
    known = forecasts.dropna(subset=["time"]).merge(actuals, on=["series", "time", "target"])
    for forecaster in forecasters:
        if forecaster.run.hyperparameters.is_regressor:
            continue
        targets = forecaster.run.data.targets
        own = known[known["run_id"] == forecaster.id]
        by_target = own.pivot_table(
            index=["series", "after", "step"], columns="target", values=["actual", "prediction"]
        )
        names = [(part, target) for part in ("actual", "prediction") for target in targets]
        if own.empty or not {*names} <= {*by_target}:
            continue
        complete = by_target[names].dropna()
        truth, outputs = np.split(complete.to_numpy(np.float64), 2, axis=1)
        columns = label_columns(forecaster.run.hyperparameters, targets)
        steps = complete.index.get_level_values("step").to_numpy()
        live.append(_sums(truth, outputs, steps, columns).assign(run_id=forecaster.id))
        parts = [_sums(*rows, columns) for rows in _on_test(forecaster, len(targets))]
        of_test = pd.concat(parts).groupby(_BY)[_SUMS].sum()
        test.append(of_test.reset_index().assign(run_id=forecaster.id))
    if not live:
        return []
    return _scores(pd.concat(live, ignore_index=True), pd.concat(test, ignore_index=True))


def _on_test(
    forecaster: Forecaster, outputs: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Labels and forecasts ``(n, outputs)`` and steps ``(n,)`` of a run's test windows, in blocks."""
    left: pd.DataFrame | None = None
    for block in forecaster.test_predictions():
        rows = block[["step", "truth", "prediction"]]
        if left is not None:
            rows = pd.concat([left, rows], ignore_index=True)
        # The outputs of a window's step lie next to each other, but a block may end among them.
        whole = len(rows) - len(rows) % outputs
        left, rows = rows.iloc[whole:], rows.iloc[:whole]
        truth, forecast = (
            rows[name].to_numpy(np.float64).reshape(-1, outputs) for name in ("truth", "prediction")
        )
        defined = ~np.isnan(forecast).any(axis=1)
        yield truth[defined], forecast[defined], rows["step"].to_numpy()[::outputs][defined]


def _sums(
    truth: np.ndarray, outputs: np.ndarray, steps: np.ndarray, columns: Sequence[LabelColumn]
) -> pd.DataFrame:
    """Sums of scores by label column, true class and step.

    Args:
        truth: labels ``(n, n_targets)``.
        outputs: forecast probabilities, same shape.
        steps: step of each row, ``(n,)``.
        columns: the label columns.
    """
    parts = []
    for column in columns:
        number = class_numbers(truth, column)
        probability = class_probabilities(outputs, column)
        rows = pd.DataFrame({
            "column": column.name,
            "class": np.asarray(column.classes, dtype=object)[number],
            "step": steps,
            "log_loss": log_loss(probability, number),
            "accuracy": (probability.argmax(axis=1) == number).astype(np.float64),
            "count": np.ones(len(number)),
        })  # fmt: skip
        parts.append(rows.groupby(_BY)[_SUMS].sum().reset_index())
    return pd.concat(parts, ignore_index=True)


def _scores(live: pd.DataFrame, test: pd.DataFrame) -> list[LabelScores]:
    """Scores from sums by run, label column, class and step."""
    found = []
    for name, of_column in live.groupby("column", sort=False):
        on_test = test[test["column"] == name]
        found.append(_score(str(name), None, of_column, on_test))
        for label, of_class in of_column.groupby("class", sort=True):
            on_test_too = on_test[on_test["class"] == label]
            found.append(_score(str(name), str(label), of_class, on_test_too))
    return found


def _score(name: str, label: str | None, live: pd.DataFrame, test: pd.DataFrame) -> LabelScores:
    """Scores of some rows, and of those on test with the same runs and steps."""
    by = ["run_id", "step"]
    of_live, of_test = (rows.groupby(by)[_SUMS].sum() for rows in (live, test))
    both = of_live.join(of_test.add_suffix("_test"), how="inner")
    weight = both["count"].sum()

    def expected(score: str) -> float | None:
        if not weight:
            return None
        means = both[f"{score}_test"] / both["count_test"]
        return float((means * both["count"]).sum() / weight)

    total = of_live.sum()
    return LabelScores(
        name,
        label,
        int(total["count"]),
        float(total["log_loss"] / total["count"]),
        expected("log_loss"),
        float(total["accuracy"] / total["count"]),
        expected("accuracy"),
    )
