"""Forecasts of a naive baseline beyond the last row of each series, and their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.data.column_names import SEGMENT
from fastlstm.data.forecast_limits import limited
from fastlstm.errors import DataError
from fastlstm.evaluation.baselines import (
    CLASSIFICATION_BASELINES,
    REGRESSION_BASELINES,
    BaselineInputs,
    baseline_forecast,
    season_of,
)
from fastlstm.evaluation.intervals import HalfWidths, calibrate
from fastlstm.evaluation.long_format import long_format
from fastlstm.evaluation.pointwise import SCALE_COLUMN
from fastlstm.forecasting.forecaster import Forecaster
from fastlstm.forecasting.intervals import COLUMNS
from fastlstm.forecasting.latest_windows import LatestWindows
from fastlstm.reporting.text import forecast_name
from fastlstm.runs.saved_run import SavedRun
from fastlstm.windows.origins import output_names

_KEYS = ["series", "target"]
# Test scores that half-widths come from.
_MOST_SCORES = 4_000_000


def forecast_baseline(
    run: SavedRun, windows: LatestWindows, key: str
) -> tuple[LatestWindows, np.ndarray, dict[str, str]]:
    """Forecast what follows the latest window of each series.

    Args:
        run: the run whose targets, horizon and season hold.
        windows: the latest windows, with the target columns.
        key: key of the baseline.

    Returns:
        The windows of the series that the baseline is defined for, their forecasts,
        ``(n, steps_ahead, n_targets)``, and the other series with the reason.

    Raises:
        DataError: the baseline is not defined for the run.
    """
    baselines = (
        REGRESSION_BASELINES if run.hyperparameters.is_regressor else CLASSIFICATION_BASELINES
    )
    given = _baseline_inputs(run, windows)
    known = key in baselines or season_of(key) is not None
    forecasts = baseline_forecast(baselines, key, given) if known else None
    name = forecast_name(key)
    if forecasts is None:
        raise DataError(f"the {name} forecast is not defined for run {run.run_id}; retrain")
    defined = np.asarray(~np.isnan(forecasts).any(axis=(1, 2)))
    season = f" (season of {given.season} rows)" if key == "last_season" else ""
    reason = f"it lacks a past value that the {name} forecast needs{season}"
    skipped = {label: reason for label, ok in zip(windows.series, defined, strict=True) if not ok}
    kept = limited(forecasts[defined], run.data, run.hyperparameters)
    return windows.some(defined, {}), kept, skipped


def _baseline_inputs(run: SavedRun, windows: LatestWindows) -> BaselineInputs:
    """What a baseline may know, with a row of unknown targets after each series' last row.

    A baseline forecasts from the first target row on, which the given rows do not have.
    """
    hp, data = run.hyperparameters, run.data
    start = windows.target_start
    block = windows.rows[SEGMENT].to_numpy()
    targets = windows.rows[data.targets].to_numpy(np.float64)

    def train_share() -> np.ndarray:
        outputs = run.metrics["outputs"]
        shares = [outputs[n]["prior"] for n in output_names(data.targets, hp.steps_ahead)]
        return np.asarray(shares, np.float64).reshape(hp.steps_ahead, len(data.targets))

    return BaselineInputs(
        targets=np.insert(targets, start, np.nan, axis=0),
        block=np.insert(block, start, block[start - 1]),
        target_start=start + np.arange(len(start)),
        steps_ahead=hp.steps_ahead,
        season=run.metrics.get("season_length"),
        lookahead=data.lookahead,
        timesteps=hp.timesteps,
        train_share=train_share,
    )


class BaselineIntervals:
    """Split-conformal bounds of a baseline's forecasts, at the levels the run was evaluated with.

    The nonconformity scores are the baseline's absolute errors on the run's test windows, from which a
    baseline learns nothing and which are the newest ones known. In a panel they are divided by the
    scale of their series, so that all series share the same half-widths in units of their scale; a
    series without a scale has no bounds. Of more scores than memory should hold, those of windows at
    even distances are used.

    Args:
        forecaster: the baseline.
    """

    def __init__(self, forecaster: Forecaster) -> None:
        self._run = forecaster.run
        is_regressor = self._run.hyperparameters.is_regressor
        self._levels = self._run.evaluation.interval_levels if is_regressor else []
        if self._levels:
            self._half_widths, self._scales = self._calibrated(forecaster)

    def _calibrated(self, forecaster: Forecaster) -> tuple[HalfWidths, pd.DataFrame]:
        """Half-widths, and what errors are divided by, a row for each series and a column a target."""
        hp, targets = self._run.hyperparameters, self._run.data.targets
        values = hp.steps_ahead * len(targets)
        windows = self._run.predictions.rows // values
        distance, passed = max(1, -(-windows * values // _MOST_SCORES)), 0
        scores, scales = [], []
        for block in forecaster.test_predictions():
            if SCALE_COLUMN not in block:
                block = block.assign(**{SCALE_COLUMN: 1.0})
            of_block = (block["prediction"] - block["truth"]).abs() / block[SCALE_COLUMN]
            rows = np.arange(passed, passed + len(block))
            scores.append(of_block.to_numpy(np.float64)[rows // values % distance == 0])
            scales.append(block[["series", "target", SCALE_COLUMN]].drop_duplicates(_KEYS))
            passed += len(block)
        half_widths = calibrate(
            np.concatenate(scores).reshape(-1, hp.steps_ahead, len(targets)), targets
        )
        by_series = pd.concat(scales).groupby(_KEYS)[SCALE_COLUMN].first()
        return half_widths, by_series.unstack("target")

    def bounds(self, windows: LatestWindows, forecasts: np.ndarray) -> pd.DataFrame:
        """Bounds of forecasts.

        Args:
            windows: the latest windows.
            forecasts: ``(n, steps_ahead, n_targets)``.

        Returns:
            As ``fastlstm.forecasting.intervals.latest_intervals``; ``learned_from`` is 0.
        """
        run = self._run
        if not self._levels:
            return pd.DataFrame(columns=COLUMNS)
        found = self._scales.reindex(index=windows.series, columns=run.data.targets)
        scales, tables = found.to_numpy(np.float64)[:, None, :], []
        for level in self._levels:
            half_width = self._half_widths.at(level) * scales
            columns = {
                "series": windows.series,
                "after": windows.after,
                "level": np.full(len(forecasts), level),
                "lower": limited(
                    forecasts - half_width, run.data, run.hyperparameters, kind="lower"
                ),
                "upper": limited(
                    forecasts + half_width, run.data, run.hyperparameters, kind="upper"
                ),
                "learned_from": np.zeros(len(forecasts), np.int32),
            }
            tables.append(long_format(columns, forecasts.shape[1], run.data.targets)[COLUMNS])
        return pd.concat(tables, ignore_index=True).dropna(subset=["lower"]).reset_index(drop=True)
