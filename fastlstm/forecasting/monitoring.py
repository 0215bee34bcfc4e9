"""How forecasts and their intervals turned out, and whether inputs have drifted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FormatName
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.tables import read_table
from fastlstm.data.validation import validate
from fastlstm.errors import DataError
from fastlstm.forecasting.drift import population_stability_index
from fastlstm.runs.saved_run import SavedRun


@dataclass(frozen=True)
class LiveError:
    """Errors of forecasts whose actual values are known.

    Attributes:
        name: ``'MAE'`` for quantities, ``'Brier score'`` for labels.
        live: mean error of the forecasts.
        promised: mean error of the same steps and targets on the run's test windows, in the
            proportions in which they occur live; a forecast of which only the first steps are known
            yet is not compared with all of them.
        forecasts: forecasts with an actual value.
    """

    name: str
    live: float
    promised: float
    forecasts: int

    @property
    def ratio(self) -> float:
        """Live over promised error; above 1 is worse than promised."""
        return self.live / self.promised if self.promised > 0 else float("inf")


def actual_values(
    data: DataConfig,
    path: str,
    file_format: FormatName = "auto",
    *,
    labels: bool,
) -> pd.DataFrame:
    """What became of the targets: columns ``series, time, target, actual``.

    Args:
        data: as the run was trained with.
        path: files with the target columns, or those the targets derive from.
        file_format: their format.
        labels: whether plain targets must be 0 or 1.

    Raises:
        DataError: the rows fail the checks the training's rows had to pass.
    """
    needed = [
        name
        for name in data.value_columns
        if name in data.targets or name in {d.column for d in data.derived_targets.values()}
    ]
    asked = data.model_copy(update={"path": path, "format": file_format, "query": None})
    loaded = load(asked, require=needed)
    clean, report = validate(loaded.frame, asked, labels=labels, values=needed)
    if not report.passed:
        lines = "\n".join(finding.line() for finding in report.errors)
        raise DataError(f"actuals: {len(report.errors)} checks failed:\n{lines}")
    wide = clean[[SERIES, TIME, *data.targets]]
    long = wide.melt([SERIES, TIME], var_name="target", value_name="actual").dropna()
    return long.rename(columns={SERIES: "series", TIME: "time"})


def live_error(runs: list[SavedRun], forecasts: pd.DataFrame, actuals: pd.DataFrame) -> LiveError:
    """Compare forecasts with what came, and with the test of the run each was made by.

    Args:
        runs: the runs that made them.
        forecasts: columns ``run_id, series, time, step, target, prediction``.
        actuals: as ``actual_values`` gives them.
    """
    known = forecasts.dropna(subset=["time"]).merge(actuals, on=["series", "time", "target"])
    regressor = runs[0].hyperparameters.is_regressor
    name = "MAE" if regressor else "Brier score"

    def errors(prediction: pd.Series, truth: pd.Series) -> np.ndarray:
        difference = (prediction - truth).to_numpy(np.float64)
        return np.abs(difference) if regressor else difference**2

    promised = []
    for run in runs:
        test = read_table(run.path("predictions"))
        test["error"] = errors(test["prediction"], test["truth"])
        means = test.groupby(["step", "target"])["error"].mean().rename("promised").reset_index()
        promised.append(means.assign(run_id=run.run_id))
    known = known.merge(pd.concat(promised), on=["run_id", "step", "target"])
    if known.empty:
        return LiveError(name, float("nan"), float("nan"), 0)
    live = errors(known["prediction"], known["actual"]).mean()
    return LiveError(name, float(live), float(known["promised"].mean()), len(known))


def live_coverage(
    intervals: pd.DataFrame, forecasts: pd.DataFrame, actuals: pd.DataFrame
) -> dict[float, tuple[float, int]]:
    """Share of actual values inside the prediction intervals, and how many there are, by level.

    Args:
        intervals: columns ``run_id, series, after, step, target, level, lower, upper``.
        forecasts: columns ``run_id, series, after, step, target, time``.
        actuals: as ``actual_values`` gives them.
    """
    if intervals.empty:
        return {}
    which = ["run_id", "series", "after", "step", "target"]
    moments = forecasts.dropna(subset=["time"])[[*which, "time"]]
    known = intervals.merge(moments, on=which).merge(actuals, on=["series", "time", "target"])
    known["inside"] = known["actual"].between(known["lower"], known["upper"])
    found = {}
    for level in np.unique(known["level"].to_numpy(np.float64)):
        inside = known.loc[known["level"] == level, "inside"]
        found[float(level)] = float(inside.mean()), len(inside)
    return found


def input_drift(run: SavedRun, inputs: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Population stability index of each feature, and how many input rows it rests on.

    Scorings that overlap in time have rows in common; of those only the newest counts.

    Args:
        run: the run the inputs were scored with.
        inputs: columns ``run_id, first, through, feature, counts``, as scorings kept them.
    """
    expected = run.inputs or {}
    mine = inputs[inputs["run_id"] == run.run_id] if len(inputs) else inputs
    out, rows = {}, 0
    for feature, about in expected.items():
        total = np.zeros(len(about["counts"]), int)
        limit = None
        kept: list[dict[Any, Any]] = []
        if len(mine):
            of_feature = mine[mine["feature"] == feature]
            kept = of_feature.sort_values("through", ascending=False).to_dict("records")
        for scoring in kept:
            if limit is None or scoring["through"] < limit:
                total += np.asarray(json.loads(scoring["counts"]))
                limit = scoring["first"]
        if total.sum():
            out[feature] = population_stability_index(about["counts"], total.tolist())
            rows = max(rows, int(total.sum()))
    return out, rows


def input_rows(run_id: str, scored: dict[str, Any]) -> pd.DataFrame:
    """The summary of one scoring's inputs as a table, one line per feature.

    Args:
        run_id: the run that scored.
        scored: what ``fastlstm.steps.forecast.forecast_latest_into`` returned.
    """
    return pd.DataFrame(
        [
            {
                "run_id": run_id,
                "first": pd.Timestamp(scored["first"]).as_unit("us"),
                "through": pd.Timestamp(scored["through"]).as_unit("us"),
                "feature": feature,
                "counts": json.dumps(about["counts"]),
                **{key: about[key] for key in ("mean", "std", "minimum", "maximum")},
            }
            for feature, about in (scored["inputs"] or {}).items()
        ]
    )
