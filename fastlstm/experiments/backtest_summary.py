"""The result of a backtest: metrics by fold, step and series, and their significance."""

from __future__ import annotations

from collections.abc import Iterator
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
from fastlstm.data.tables import StoredColumns, read_blocks, write_blocks
from fastlstm.evaluation.pointwise import loss_of
from fastlstm.evaluation.significance import diebold_mariano
from fastlstm.experiments.folds import Fold
from fastlstm.experiments.loss_tally import LossTally
from fastlstm.reporting.text import forecast_name


@dataclass(frozen=True)
class FoldResult:
    """The result of one fold.

    Attributes:
        fold: its rows.
        metrics: on its test period; see ``fastlstm.evaluation.result.Evaluation``.
        predictions: likewise, in memory or in a Parquet file.
        trained_at: number of the fold that the network was trained on, an earlier one where several
            folds share a training.
        epochs: epochs of that training.
    """

    fold: Fold
    metrics: dict[str, Any]
    predictions: pd.DataFrame | Path
    trained_at: int
    epochs: int

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the predictions."""
        if isinstance(self.predictions, Path):
            return list(StoredColumns(self.predictions))
        return [str(name) for name in self.predictions]

    def blocks(self) -> Iterator[pd.DataFrame]:
        """The predictions; those in a file a million rows at a time."""
        if isinstance(self.predictions, Path):
            yield from read_blocks(self.predictions)
        else:
            yield self.predictions


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
        folds: the results of the folds, in order.
    """

    table: pd.DataFrame
    significance: dict[str, Any]
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    primary: str
    better: str
    folds: list[FoldResult]

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per fold, window, step and target, in memory."""
        return pd.concat(self.prediction_blocks(), ignore_index=True)

    def prediction_blocks(self) -> Iterator[pd.DataFrame]:
        """``predictions`` in blocks, all with the same columns."""
        yield from _blocks(self.folds)

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
    # Train rows of another fold may show another season, whose naive forecast is a baseline there.
    names = list(dict.fromkeys(name for result in results for name in result.metrics["test"]))
    loss = loss_of(primary["name"], _columns(results))
    tally = LossTally(names, loss)
    for block in _blocks(results):
        tally.add(block)
    steps = settings.hyperparameters.steps_ahead
    return Backtest(
        table=_fold_table(
            results,
            names,
            primary["name"],
            time_unit,
            tally.over_series() if loss.scaled else None,
        ),
        significance={name: _significance(tally, name, steps) for name in names if name != "model"},
        by_step=tally.metric_by("step"),
        by_series=tally.metric_by("series"),
        primary=primary["name"],
        better=primary["better"],
        folds=results,
    )


def _columns(results: list[FoldResult]) -> list[str]:
    """Names of the columns that the predictions of any fold have; another season, another baseline."""
    return list(dict.fromkeys(name for result in results for name in result.columns))


def _blocks(results: list[FoldResult]) -> Iterator[pd.DataFrame]:
    """The predictions of all folds with the number of the fold, block by block."""
    columns = _columns(results)
    for result in results:
        for block in result.blocks():
            yield block.reindex(columns=columns).assign(fold=np.int32(result.fold.number))


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
                **{name: test[name][metric] if name in test else None for name in names},
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


def _significance(tally: LossTally, baseline: str, steps: int) -> dict[str, Any]:
    """Whether the network is significantly better than a baseline, over all steps and at each."""
    return {
        "overall": _comparison(tally.gains(baseline), steps),
        "by_step": [
            {"step": step, **_comparison(tally.gains(baseline, step), step)}
            for step in range(1, steps + 1)
        ],
    }


def _comparison(gains: np.ndarray, horizon: int) -> dict[str, Any]:
    """The Diebold-Mariano test of the gains by origin."""
    comparison = diebold_mariano(gains, horizon)
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
    write_blocks(backtest.prediction_blocks(), folder / PREDICTIONS_FILE)
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
