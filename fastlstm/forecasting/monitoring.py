"""Live error of forecasts, live coverage of their intervals, and drift of the inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FormatName
from fastlstm.data.checked_shards import Cutting, checked_shards, merged_report
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.evaluation.pointwise import SCALE_COLUMN, PointwiseLoss, loss_of
from fastlstm.forecasting.drift import population_stability_index
from fastlstm.forecasting.forecaster import Forecaster
from fastlstm.forecasting.live_labels import LabelScores, live_labels
from fastlstm.reporting.text import title


@dataclass(frozen=True)
class LiveError:
    """Errors of forecasts whose actual values are known.

    Attributes:
        name: of the primary metric; ``'Brier score'`` for labels.
        live: the metric of the forecasts; of scaled errors the mean over series.
        expected: the same of the same steps and targets (with scaled errors, of the same series) on the
            run's test windows, in the proportions in which they occur live, so that a forecast of which
            only the first steps are known is compared with these steps.
        forecasts: number of forecasts with an actual value, without series whose error has no scale.
    """

    name: str
    live: float
    expected: float
    forecasts: int

    @property
    def ratio(self) -> float:
        """Live over expected error; above 1 is worse than on test."""
        return self.live / self.expected if self.expected > 0 else float("inf")


@dataclass(frozen=True)
class Measurements:
    """What monitoring measured of a model.

    Attributes:
        error: errors of its forecasts; None without actual values.
        coverage: by level the share of actual values inside the intervals, and how many there are.
        psi: population stability index of each feature.
        input_rows: number of rows that the index is computed from.
        labels: scores of a classifier's forecasts by label column and class.
    """

    error: LiveError | None
    coverage: dict[float, tuple[float, int]]
    psi: dict[str, float]
    input_rows: int
    labels: list[LabelScores] = field(default_factory=list)


def measure(
    forecasters: list[Forecaster],
    forecasts: pd.DataFrame,
    intervals: pd.DataFrame,
    inputs: pd.DataFrame,
    actuals: pd.DataFrame | None,
) -> Measurements:
    """All measurements of a model.

    Args:
        forecasters: those that made the forecasts.
        forecasts: see ``live_error``.
        intervals: see ``live_coverage``.
        inputs: see ``input_drift``.
        actuals: see ``actual_values``; None where there are none.
    """
    psi, input_rows = input_drift(newest_forecaster(forecasters, forecasts), inputs)
    if actuals is None:
        return Measurements(None, {}, psi, input_rows)
    error = live_error(forecasters, forecasts, actuals)
    coverage = live_coverage(intervals, forecasts, actuals)
    labels = live_labels(forecasters, forecasts, actuals)
    return Measurements(error, coverage, psi, input_rows, labels)


def newest_forecaster(forecasters: list[Forecaster], forecasts: pd.DataFrame) -> Forecaster:
    """The one that made the newest forecast, by columns ``run_id, after``."""
    newest = forecasts.groupby("run_id")["after"].max()
    return max(forecasters, key=lambda forecaster: newest[forecaster.id])


def actual_values(
    data: DataConfig,
    path: str,
    file_format: FormatName = "auto",
    *,
    labels: bool,
    forecasts: pd.DataFrame | None = None,
    cutting: Cutting | None = None,
) -> pd.DataFrame:
    """The true values of targets: columns ``series, time, target, actual``.

    Args:
        data: the run's settings of data.
        path: files with the target columns, or those the targets derive from.
        file_format: their format.
        labels: whether plain targets must be 0 or 1.
        forecasts: columns ``series, time``: the values to keep; None: all.
        cutting: when the rows are cut into shards, of which one at a time is in memory; None: never.

    Raises:
        DataError: the rows fail the checks of training rows.
    """
    needed = [
        name
        for name in data.value_columns
        if name in data.target_columns or name in {d.column for d in data.derived_targets.values()}
    ]
    source = data.model_copy(update={"path": path, "format": file_format, "query": None})
    wanted = None
    if forecasts is not None:
        wanted = forecasts[["series", "time"]].dropna().drop_duplicates()
        wanted = wanted.rename(columns={"series": SERIES, "time": TIME})
    parts, reports = [], []
    for checked in checked_shards(source, needed, cutting or Cutting(), labels=labels):
        reports.append(checked.report)
        if not checked.report.errors:
            wide = checked.clean[[SERIES, TIME, *data.targets]]
            if wanted is not None:
                wide = wide.merge(wanted, on=[SERIES, TIME])
            parts.append(wide)
    merged_report(reports, "actuals")
    wide = pd.concat(parts, ignore_index=True)
    long = wide.melt([SERIES, TIME], var_name="target", value_name="actual").dropna()
    return long.rename(columns={SERIES: "series", TIME: "time"})


def live_error(
    forecasters: list[Forecaster], forecasts: pd.DataFrame, actuals: pd.DataFrame
) -> LiveError:
    """Compare the error of forecasts with that of the same forecasters on their runs' test windows.

    The metric is the primary one of the newest run. Errors are scaled as on its test windows, those of
    other runs too.

    Args:
        forecasters: those that made the forecasts.
        forecasts: columns ``run_id`` (the forecaster's id), ``series, after, time, step, target,
            prediction``.
        actuals: see ``actual_values``.
    """
    newest = newest_forecaster(forecasters, forecasts)
    columns = newest.run.predictions.names
    loss = loss_of(newest.run.manifest["primary"]["name"], columns)
    scales = _scales(newest) if loss.scaled else None
    known = forecasts.dropna(subset=["time"]).merge(actuals, on=["series", "time", "target"])
    expected = pd.concat([_loss_on_test(one, loss, scales) for one in forecasters])
    alike = ["step", "target", "series"] if loss.scaled else ["step", "target"]
    known = known.merge(expected, on=["run_id", *alike])
    if scales is not None:
        known = known.merge(scales, on=["series", "target"])
    if known.empty:
        return LiveError(title(loss.metric), float("nan"), float("nan"), 0)
    live = _losses(known, "actual", loss)
    return LiveError(
        title(loss.metric),
        loss.over_all(live, known["series"]),
        loss.over_all(known["expected"], known["series"]),
        len(known),
    )


def _scales(forecaster: Forecaster) -> pd.DataFrame:
    """What errors are divided by, where it is defined: columns ``series, target, scale``."""
    parts = [
        test[["series", "target", SCALE_COLUMN]].dropna().drop_duplicates(["series", "target"])
        for test in forecaster.test_predictions()
    ]
    return pd.concat(parts, ignore_index=True).drop_duplicates(["series", "target"])


def _losses(rows: pd.DataFrame, truth: str, loss: PointwiseLoss) -> pd.Series:
    """Loss of each forecast against the column ``truth``."""
    prediction, true = (rows[name].astype(np.float64) for name in ("prediction", truth))
    return loss.of(prediction, true, rows[SCALE_COLUMN] if loss.scaled else None)


def _loss_on_test(
    forecaster: Forecaster, loss: PointwiseLoss, scales: pd.DataFrame | None
) -> pd.DataFrame:
    """Mean loss of a forecaster on its run's test windows: ``run_id, step, target, expected``.

    Args:
        forecaster: the forecaster.
        loss: which loss.
        scales: see ``_scales``; with them the means are by series too, in a column ``series``.
    """
    by = ["step", "target"] if scales is None else ["step", "target", "series"]
    parts = []
    for test in forecaster.test_predictions():
        if scales is not None:
            unscaled = test.drop(columns=SCALE_COLUMN, errors="ignore")
            test = unscaled.merge(scales, on=["series", "target"])
        losses = test.assign(expected=_losses(test, "truth", loss)).groupby(by)["expected"]
        parts.append(losses.agg(["sum", "count"]))
    total = pd.concat(parts).groupby(level=by).sum()
    total = total[total["count"] > 0]
    expected = (total["sum"] / total["count"]).rename("expected").reset_index()
    return expected.assign(run_id=forecaster.id)


def live_coverage(
    intervals: pd.DataFrame, forecasts: pd.DataFrame, actuals: pd.DataFrame
) -> dict[float, tuple[float, int]]:
    """Share of actual values inside the prediction intervals, and how many there are, by level.

    Args:
        intervals: columns ``run_id, series, after, step, target, level, lower, upper``.
        forecasts: columns ``run_id, series, after, step, target, time``.
        actuals: see ``actual_values``.
    """
    if intervals.empty:
        return {}
    key = ["run_id", "series", "after", "step", "target"]
    times = forecasts.dropna(subset=["time"])[[*key, "time"]]
    known = intervals.merge(times, on=key).merge(actuals, on=["series", "time", "target"])
    known["inside"] = known["actual"].between(known["lower"], known["upper"])
    coverage = {}
    for level in np.unique(known["level"].to_numpy(np.float64)):
        inside = known.loc[known["level"] == level, "inside"]
        coverage[float(level)] = float(inside.mean()), len(inside)
    return coverage


def input_drift(forecaster: Forecaster, inputs: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Population stability index of each feature, and the number of rows it is computed from.

    Scorings that overlap in time have rows in common; of those only the newest counts.

    Args:
        forecaster: the one the inputs were scored with.
        inputs: columns ``run_id, first, through, feature, counts``, see ``input_rows``.
    """
    scored = inputs[inputs["run_id"] == forecaster.id] if len(inputs) else inputs
    index, rows = {}, 0
    for feature, summary in (forecaster.run.inputs or {}).items():
        of_feature = scored[scored["feature"] == feature] if len(scored) else scored
        counts = _counts_without_overlap(of_feature, len(summary["counts"]))
        if counts.sum():
            index[feature] = population_stability_index(summary["counts"], counts.tolist())
            rows = max(rows, int(counts.sum()))
    return index, rows


def _counts_without_overlap(scorings: pd.DataFrame, bins: int) -> np.ndarray:
    """Rows of one feature in each bin, from scorings that do not overlap, the newest first."""
    counts = np.zeros(bins, int)
    if scorings.empty:
        return counts
    earliest = None
    for scoring in scorings.sort_values("through", ascending=False).to_dict("records"):
        if earliest is None or scoring["through"] < earliest:
            counts += np.asarray(json.loads(scoring["counts"]))
            earliest = scoring["first"]
    return counts


def input_rows(run_id: str, scored: dict[str, Any]) -> pd.DataFrame:
    """The summary of one scoring's inputs as a table, one line per feature.

    Args:
        run_id: id of the forecaster.
        scored: the result of ``fastlstm.steps.forecast.forecast_latest_into``.
    """
    return pd.DataFrame(
        [
            {
                "run_id": run_id,
                "first": pd.Timestamp(scored["first"]).as_unit("us"),
                "through": pd.Timestamp(scored["through"]).as_unit("us"),
                "feature": feature,
                "counts": json.dumps(summary["counts"]),
                **{key: summary[key] for key in ("mean", "std", "minimum", "maximum")},
            }
            for feature, summary in (scored["inputs"] or {}).items()
        ]
    )
