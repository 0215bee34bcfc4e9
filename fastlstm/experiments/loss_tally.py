"""Sums of the losses of forecasts, from which all of a backtest's results follow.

Predictions are added a block at a time, of one fold and shard after another, so that memory depends on
the number of series, origins and steps, not on the number of predictions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fastlstm.evaluation.pointwise import SCALE_COLUMN, PointwiseLoss

_SERIES, _ORIGIN = ["target", "step", "series"], ["target", "step", "origin"]


class LossTally:
    """Sums and counts of losses by target, step and series, and of gains by target, step and origin.

    Args:
        names: of the forecasts, ``'model'`` and the baselines.
        loss: the loss of single values.
    """

    def __init__(self, names: Sequence[str], loss: PointwiseLoss) -> None:
        self._names, self._loss = list(names), loss
        self._sums: dict[str, pd.DataFrame] = {}

    def add(self, predictions: pd.DataFrame) -> None:
        """Add the losses of some predictions; a loss is undefined where its forecast or scale is.

        Args:
            predictions: see ``fastlstm.evaluation.predictions.prediction_table``.
        """
        losses = self._losses(predictions)
        gains = pd.DataFrame(
            {name: losses[name] - losses["model"] for name in self._names if name != "model"}
        )
        for keys, values in ((_SERIES, losses), (_ORIGIN, gains)):
            groups = values.groupby([predictions[key] for key in keys], observed=True, sort=False)
            for kind, found in (("sum", groups.sum()), ("count", groups.count())):
                before = self._sums.get(name := f"{keys[-1]} {kind}")
                if before is not None:
                    both = pd.concat([before, found])
                    found = both.groupby(level=keys, observed=True, sort=False).sum()
                self._sums[name] = found

    def _losses(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Loss of each forecast in each row."""
        truth = predictions["truth"]
        scale = predictions[SCALE_COLUMN] if self._loss.scaled else None
        columns = {name: "prediction" if name == "model" else name for name in self._names}
        return pd.DataFrame(
            {
                name: self._loss.of(predictions[column], truth, scale)
                for name, column in columns.items()
            }
        )

    def means_by(self, *keys: str) -> pd.DataFrame:
        """Mean loss of each forecast, by some of target, step and series; NaN where none is defined."""
        total, count = (
            self._sums[f"series {kind}"].groupby(level=list(keys), observed=True, sort=True).sum()
            for kind in ("sum", "count")
        )
        means: pd.DataFrame = total / count.where(count > 0)
        return means

    def over_series(self) -> dict[str, float]:
        """By forecast the mean over series of the metric of each series."""
        metrics = self._loss.metric_of(self.means_by("series"))
        return {name: float(metrics[name].mean()) for name in self._names}

    def metric_by(self, key: str) -> pd.DataFrame:
        """The metric by step or series, target by target since their units may differ."""
        by = ["target", key] if key == "series" or not self._loss.scaled else [*_SERIES]
        metrics = self._loss.metric_of(self.means_by(*by))
        return metrics.groupby(level=["target", key], sort=True).mean().reset_index()

    def gains(self, baseline: str, step: int | None = None) -> np.ndarray:
        """Mean gain of the network over a baseline at each origin, in order of time, ``(n_origins,)``.

        Args:
            baseline: its name.
            step: of one step ahead alone; None for all.
        """
        total, count = (self._sums[f"origin {kind}"][baseline] for kind in ("sum", "count"))
        if not self._loss.scaled:
            # The baseline's mean error makes targets of different units comparable.
            unit = self.means_by("target")[baseline]
            unit = unit.where(unit > 0).reindex(total.index.get_level_values("target"))
            total = total / unit.to_numpy()
            count = count.where(np.isfinite(unit.to_numpy()), 0)
        known = count > 0
        if step is not None:
            known &= count.index.get_level_values("step") == step
        by_origin = [v[known].groupby(level="origin", sort=True).sum() for v in (total, count)]
        gains: np.ndarray = (by_origin[0] / by_origin[1]).to_numpy(np.float64)
        return gains
