"""The result of a backtest: metrics by fold, step and series, and their significance."""

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
from fastlstm.evaluation.pointwise import SCALE_COLUMN, PointwiseLoss, loss_of
from fastlstm.evaluation.significance import by_origin, diebold_mariano
from fastlstm.experiments.folds import Fold
from fastlstm.reporting.text import forecast_name


@dataclass(frozen=True)
class FoldResult:
    """The result of one fold.

    Attributes:
        fold: its rows.
        metrics: on its test period; see ``fastlstm.evaluation.result.Evaluation``.
        predictions: likewise.
        trained_at: number of the fold that the network was trained on, an earlier one where several
            folds share a training.
        epochs: epochs of that training.
    """

    fold: Fold
    metrics: dict[str, Any]
    predictions: pd.DataFrame
    trained_at: int
    epochs: int


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest.

    Attributes:
        table: one row per fold and a last one over all: the rows it learned from and was tested on, the
            primary metric of the network and of each baseline.
        significance: by baseline, and by step ahead in it, whether the network is significantly better
            (5%): the Diebold-Mariano test (``fastlstm.evaluation.significance``) over all folds'
            origins, of the mean over series of the losses that give the primary metric.
        by_step: the primary metric (for labels the Brier score) of each forecast by target and step
            ahead; of scaled errors the mean over series.
        by_series: the same by target and series.
        primary: name of the primary metric.
        better: 'lower' or 'higher'.
        predictions: one row per fold, window, step and target.
    """

    table: pd.DataFrame
    significance: dict[str, Any]
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    primary: str
    better: str
    predictions: pd.DataFrame

    def plot(self) -> Any:
        """One figure: the primary metric by fold, and the error by step ahead, with the baselines'."""
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
    """The rows of a table, with None for missing values."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def summarise(
    results: list[FoldResult], settings: RetrainConfig, time_unit: str = "us"
) -> Backtest:
    """Combine the results of all folds.

    Args:
        results: every fold, in order.
        settings: those of the backtest.
        time_unit: ``'row'`` where times are row numbers.
    """
    primary = results[0].metrics["primary"]
    names = list(results[0].metrics["test"])
    predictions = pd.concat(
        [result.predictions.assign(fold=np.int32(result.fold.number)) for result in results],
        ignore_index=True,
    )
    loss = loss_of(primary["name"], predictions.columns)
    losses = _losses(predictions, names, loss)
    steps = settings.hyperparameters.steps_ahead
    return Backtest(
        table=_fold_table(
            results,
            names,
            primary["name"],
            time_unit,
            _means_over_series(losses, predictions, loss) if loss.scaled else None,
        ),
        significance={
            name: _significance(predictions, losses, name, steps, loss)
            for name in names
            if name != "model"
        },
        by_step=_metric_by(losses, predictions, "step", loss),
        by_series=_metric_by(losses, predictions, "series", loss),
        primary=primary["name"],
        better=primary["better"],
        predictions=predictions,
    )


def _fold_table(
    results: list[FoldResult], names: list[str], metric: str, time_unit: str,
    over_series: dict[str, float] | None,
) -> pd.DataFrame:  # fmt: skip
    """A row for each fold, and one over all.

    Args:
        results: every fold, in order.
        names: of the forecasts.
        metric: key of the primary metric.
        time_unit: ``'row'`` where times are row numbers.
        over_series: by forecast the metric over all folds; None where it is the mean over folds,
            weighted by windows.
    """
    rows = []
    for result in results:
        fold, test = result.fold, result.metrics["test"]
        rows.append(
            {
                "fold": str(fold.number),
                "learned_from": _written(fold.start, time_unit),
                "learned_to": _written(fold.known, time_unit),
                "test_from": _written(fold.test, time_unit),
                "test_to": _written(fold.end, time_unit),
                "trained_at_fold": result.trained_at,
                "epochs": result.epochs,
                "windows": result.metrics["windows"],
                **{name: test[name][metric] for name in names},
            }
        )
    table = pd.DataFrame(rows)
    weights = table["windows"].to_numpy(float)
    over_all: dict[str, Any] = {"fold": "all", "windows": int(weights.sum())}
    for name in names:
        values = table[name].astype(float)
        known = values.notna().to_numpy()
        if over_series is not None:
            over_all[name] = over_series[name]
        elif known.any():
            over_all[name] = float(np.average(values[known], weights=weights[known]))
    table = pd.concat([table, pd.DataFrame([over_all])], ignore_index=True)
    table[["trained_at_fold", "epochs"]] = table[["trained_at_fold", "epochs"]].astype("Int64")
    return table


def _written(time: int, time_unit: str) -> str:
    """A time for people, or the row number that stands for it."""
    return str(time) if time_unit == "row" else f"{pd.Timestamp(time, unit='us'):%Y-%m-%d %H:%M}"


def _losses(predictions: pd.DataFrame, names: list[str], loss: PointwiseLoss) -> pd.DataFrame:
    """Loss of each forecast in each row; NaN where the forecast or the scale is undefined."""
    truth = predictions["truth"]
    scale = predictions[SCALE_COLUMN] if loss.scaled else None
    columns = {name: "prediction" if name == "model" else name for name in names}
    return pd.DataFrame(
        {name: loss.of(predictions[column], truth, scale) for name, column in columns.items()}
    )


def _means_over_series(
    losses: pd.DataFrame, predictions: pd.DataFrame, loss: PointwiseLoss
) -> dict[str, float]:
    """By forecast the mean over series of the metric of each series in all folds."""
    return {str(name): loss.over_all(losses[name], predictions["series"]) for name in losses}


def _metric_by(
    losses: pd.DataFrame, predictions: pd.DataFrame, key: str, loss: PointwiseLoss
) -> pd.DataFrame:
    """The metric by step or series, target by target since their units may differ."""
    by = ["target", key] if key == "series" or not loss.scaled else ["target", key, "series"]
    metrics = loss.metric_of(losses.groupby([predictions[name] for name in by], sort=True).mean())
    return metrics.groupby(["target", key], sort=True).mean().reset_index()


def _significance(
    predictions: pd.DataFrame, losses: pd.DataFrame, baseline: str, steps: int, loss: PointwiseLoss
) -> dict[str, Any]:
    """Whether the network is significantly better than a baseline, over all steps and at each."""
    gain = losses[baseline] - losses["model"]
    if not loss.scaled:
        # The baseline's mean error makes targets of different units comparable.
        unit = losses[baseline].groupby(predictions["target"]).transform("mean")
        gain = gain / unit.where(unit > 0)
    known = gain.notna().to_numpy()
    gains = predictions.loc[known, ["origin", "step"]].assign(gain=gain[known])
    return {
        "overall": _comparison(gains, steps),
        "by_step": [
            {"step": step, **_comparison(gains[gains["step"] == step], step)}
            for step in range(1, steps + 1)
        ],
    }


def _comparison(gains: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """The Diebold-Mariano test of some gains, by columns ``origin, gain``."""
    by_time = by_origin(gains["origin"].to_numpy(), gains["gain"].to_numpy())
    comparison = diebold_mariano(by_time, horizon)
    facts = {**asdict(comparison), "better": comparison.is_better()}
    # Without an origin there is no difference.
    return facts if comparison.origins else {**facts, "difference": None}


def significance_lines(summary: dict[str, Any]) -> list[str]:
    """For people: whether the network is significantly better than each baseline, as a Markdown list.

    Args:
        summary: ``Backtest.to_dict()``.
    """
    lines = []
    for key, comparisons in summary["significance"].items():
        name, overall = forecast_name(key), comparisons["overall"]
        if overall["p_value"] is None:
            lines.append(f"- {name}: {overall['origins']:,} origins are too few for a test")
            continue
        tested = [row for row in comparisons["by_step"] if row["p_value"] is not None]
        better = sum(row["better"] for row in tested)
        lines.append(
            f"- {name}: the network is {'' if overall['better'] else 'not '}significantly "
            f"better (5%; p = {overall['p_value']:.2g}, {overall['origins']:,} origins), and at "
            f"{better} of {len(tested)} single steps ahead"
        )
    return lines


def write_backtest(folder: Path, backtest: Backtest) -> dict[str, Any]:
    """Write figure, table, summary and predictions; return what the manifest keeps of them."""
    from fastlstm.reporting.figure_style import save_figure

    backtest.table.to_csv(folder / BACKTEST_TABLE_FILE, index=False)
    write_json(folder / BACKTEST_SUMMARY_FILE, backtest.to_dict())
    write_table(backtest.predictions, folder / PREDICTIONS_FILE)
    save_figure(backtest.plot(), folder / BACKTEST_FIGURE_FILE)
    over_all = backtest.table.iloc[-1]
    return {
        "windows": int(over_all["windows"]),
        "folds": len(backtest.table) - 1,
        "primary": {
            "name": backtest.primary,
            "value": None if pd.isna(over_all["model"]) else float(over_all["model"]),
            "better": backtest.better,
        },
        "significance": {
            name: comparisons["overall"] for name, comparisons in backtest.significance.items()
        },
    }
