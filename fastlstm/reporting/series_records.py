"""What the report's page holds of one series and target: observed values, forecasts, errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.network.naive_forecasters import kind_and_season
from fastlstm.reporting.charts import Chart, Line, packed, packed_times
from fastlstm.reporting.forecast_errors import Columns, ForecastErrors, micros
from fastlstm.reporting.text import forecast_name

# Numbers of all records of a page, some 900 kB of it.
_MOST_NUMBERS = 160_000
_MOST_ROWS, _LEAST_ROWS, _MOST_ORIGINS = 3000, 60, 48
# Share of a record's numbers that are forecasts from single origins.
_OF_ORIGINS = 0.4


@dataclass(frozen=True)
class RecordPlan:
    """Which columns records have, and how long they are.

    Attributes:
        steps_ahead: steps of a forecast.
        baseline: column of the baseline drawn beside the network; empty for none.
        levels: levels of the intervals, the widest first.
        rows: rows of a series, at most.
        origins: forecasts of a series that are shown from their origin on, at most.
    """

    steps_ahead: int
    baseline: str
    levels: Sequence[str]
    rows: int
    origins: int

    @classmethod
    def of(cls, steps_ahead: int, baseline: str, levels: Sequence[str], records: int) -> RecordPlan:
        """A plan by which so many records fit into a page."""
        room = _MOST_NUMBERS / max(records, 1)
        each = steps_ahead * (1 + bool(baseline) + 2 * len(levels))
        origins = int(np.clip(_OF_ORIGINS * room // each, 1, _MOST_ORIGINS))
        columns = 2 + len(_shown_steps(steps_ahead)) * (1 + 2 * len(levels))
        rows = int(np.clip((room - origins * each) // columns, _LEAST_ROWS, _MOST_ROWS))
        return cls(steps_ahead, baseline, levels, rows, origins)

    @classmethod
    def most_records(cls, steps_ahead: int, levels: int) -> int:
        """How many records of the least length fit into a page."""
        least = steps_ahead * (2 + 2 * levels) + _LEAST_ROWS * (4 + 4 * levels)
        return max(1, _MOST_NUMBERS // least)

    @property
    def columns(self) -> list[str]:
        """The columns of forecasts."""
        ends = [f"{end}_{level}" for level in self.levels for end in ("lower", "upper")]
        return ["prediction", *([self.baseline] if self.baseline else []), *ends]


def _shown_steps(steps_ahead: int) -> list[int]:
    """The steps whose forecasts are drawn over time."""
    return sorted({1, steps_ahead})


def series_record(
    rows: pd.DataFrame, observed: tuple[np.ndarray, np.ndarray] | None, plan: RecordPlan
) -> dict[str, Any]:
    """Observed values, forecasts over time and forecasts from single origins of one series and target.

    Args:
        rows: its predictions, in order of origin.
        observed: times in microseconds, rising, and values of all its rows, ``(n,)`` each; None where
            the run stores none.
        plan: columns and lengths.
    """
    micros_of = micros(rows["time"])
    times, first = np.unique(micros_of, return_index=True)
    truth = rows["truth"].to_numpy(np.float64)[first]
    if observed is not None and np.isin(times, observed[0]).all():
        before = observed[0] < times[0]
        wanted = min(max(plan.rows - len(times), 0), int(before.sum()))
        kept = observed[0] >= observed[0][int(before.sum()) - wanted]
        kept &= observed[0] <= times[-1]
        times, truth = observed[0][kept], observed[1][kept]
    tested = int(np.searchsorted(times, micros_of.min()))
    cut = max(0, len(times) - plan.rows)
    times, truth = times[cut:], truth[cut:]
    step = rows["step"].to_numpy(np.int64)
    place = np.searchsorted(times, micros_of)
    place[micros_of < times[0]] = -1
    by_step = {}
    for shown in _shown_steps(plan.steps_ahead):
        of_step = (step == shown) & (place >= 0)
        lines = {}
        for name in plan.columns:
            if name == plan.baseline:
                continue
            line = np.full(len(times), np.nan)
            line[place[of_step]] = rows[name].to_numpy(np.float64)[of_step]
            lines[name] = packed(line)
        by_step[str(shown)] = lines
    return {
        "times": packed_times(times),
        "truth": packed(truth),
        "test": max(0, tested - cut),
        "hidden": max(0, cut - tested),
        "steps": by_step,
        "origins": _origins(rows, place, step, plan),
    }


def _origins(
    rows: pd.DataFrame, place: np.ndarray, step: np.ndarray, plan: RecordPlan
) -> list[dict[str, Any]]:
    """Forecasts from some origins, spread evenly: place of the first target row, and each column."""
    starts = np.flatnonzero(step == 1)
    ends = np.append(starts[1:], len(rows))
    whole = [
        (start, end)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if place[start] >= 0 and (place[start:end] == place[start] + np.arange(end - start)).all()
    ]
    # Some rows before an origin show what its forecast goes on from.
    lead = min(2 * plan.steps_ahead, int(place.max(initial=0)) // 3)
    whole = [pair for pair in whole if place[pair[0]] >= lead] or whole
    if not whole:
        return []
    # From the last one back, so that the newest forecast is among them.
    chosen = np.unique(np.linspace(len(whole) - 1, 0, min(plan.origins, len(whole))).astype(int))
    columns = {name: rows[name].to_numpy(np.float64) for name in plan.columns}
    return [
        {
            "at": int(place[whole[n][0]]),
            "columns": {name: packed(c[whole[n][0] : whole[n][1]]) for name, c in columns.items()},
        }
        for n in chosen
    ]


def error_charts(
    forecasts: Sequence[str], levels: Sequence[str], *, steps_ahead: int, is_probability: bool
) -> list[Chart]:
    """The charts whose values ``error_values`` gives for each record."""
    lines = [
        Line(forecast_name("model" if name == "prediction" else name), _colour(name))
        for name in forecasts
    ]
    error = "Brier score" if is_probability else "mean absolute error"
    charts = [
        Chart("by_time", "errors", f"{error[0].upper()}{error[1:]} by time of the forecast", "", error,
              lines, zero=True),
        Chart("autocorrelation", "residuals", "Autocorrelation of residuals, one step ahead",
              "lag (forecasts)", "autocorrelation",
              [Line("network", "model", "bars"), Line("95% bounds of white noise", "muted", "dotted"),
               Line("", "muted", "dotted")]),
    ]  # fmt: skip
    if steps_ahead > 1:
        charts.insert(
            0,
            Chart("by_step", "errors", f"{error[0].upper()}{error[1:]} by step ahead", "steps ahead",
                  error, lines, zero=True),
        )  # fmt: skip
    if is_probability:
        charts.append(
            Chart("probabilities", "calibration", "Forecast probabilities by observed label",
                  "forecast probability", "share of forecasts",
                  [Line("observed 1", "model", "bars"), Line("observed 0", "train", "bars")], zero=True)
        )  # fmt: skip
    else:
        charts.append(
            Chart("residuals", "residuals", "Distribution of residuals", "observed minus forecast",
                  "share of forecasts", [Line("network", "model", "bars")], zero=True)
        )  # fmt: skip
    if levels:
        shades = ["train", "model", "last_season", "truth"]
        charts.append(
            Chart("coverage", "intervals", "Coverage of prediction intervals by step ahead",
                  "steps ahead", "coverage",
                  [line for n, level in enumerate(levels) for line in (
                      Line(f"{100 * float(level):.4g}% interval", shades[n % len(shades)]),
                      Line("", "muted", "dotted"),
                  )], top=1.02)
        )  # fmt: skip
    return charts


def _colour(forecast: str) -> str:
    """Name of the colour of a forecast's line."""
    if kind_and_season(forecast)[1] is not None:
        return "other_season"
    return {"prediction": "model", "prior": "last_value", "last_class": "last_season"}.get(
        forecast, forecast
    )


def error_values(errors: ForecastErrors, charts: Sequence[Chart]) -> dict[str, Any]:
    """x and each line of the charts, packed, for the forecasts of one record."""
    found: dict[str, Any] = {}
    for chart in charts:
        if chart.key == "by_time":
            times, columns = errors.by_time()
            found[chart.key] = {"times": packed_times(times), "lines": [packed(c) for c in columns]}
            continue
        values: Columns = getattr(errors, chart.key)()
        found[chart.key] = [packed(column) for column in values]
    return found
