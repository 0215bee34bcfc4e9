"""What a backtest found: metrics by fold, step and series, and their significance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_names import (
    BACKTEST_FIGURE_FILE,
    BACKTEST_SUMMARY_FILE,
    BACKTEST_TABLE_FILE,
    PREDICTIONS_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.tables import write_table
from fastlstm.evaluation.significance import by_origin, diebold_mariano
from fastlstm.experiments.folds import Fold
from fastlstm.reporting.text import NAMES


@dataclass(frozen=True)
class FoldResult:
    """One fold, trained or with the network before it, and scored.

    Attributes:
        fold: its rows.
        metrics: as of ``fastlstm.evaluation.evaluate.evaluate``.
        predictions: likewise.
        trained_at: number of the fold whose training made the network.
        epochs: epochs of that training.
    """

    fold: Fold
    metrics: dict[str, Any]
    predictions: pd.DataFrame
    trained_at: int
    epochs: int


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
            Diebold-Mariano (see ``fastlstm.evaluation.significance``) over all folds' origins.
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
        from fastlstm.reporting.experiment_figures import backtest_figure

        return backtest_figure(self.to_dict())

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


def summarise(judged: list[FoldResult], settings: RetrainConfig, time_unit: str = "us") -> Backtest:
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
    from fastlstm.reporting.figure_style import save_figure

    found.table.to_csv(folder / BACKTEST_TABLE_FILE, index=False)
    write_json(folder / BACKTEST_SUMMARY_FILE, found.to_dict())
    write_table(found.predictions, folder / PREDICTIONS_FILE)
    save_figure(found.plot(), folder / BACKTEST_FIGURE_FILE)
    whole = found.table.iloc[-1]
    return {
        "windows": int(whole["windows"]),
        "folds": len(found.table) - 1,
        "primary": {"name": found.primary, "value": float(whole["model"]), "better": found.better},
        "significance": {n: part["overall"] for n, part in found.significance.items()},
    }
