"""The pipeline step that scores champion and challenger on the same test windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_hashes import accept_hashes
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.series import rows_by_series
from fastlstm.data.tables import read_table
from fastlstm.evaluation.metrics import mean_classification_scores, regression_scores
from fastlstm.evaluation.target_table import TargetTable, mase_scales
from fastlstm.runs.saved_run import SavedRun

# Score of a forecast (truth, forecast, windows that count), None where the metric is undefined.
Scorer = Callable[[np.ndarray, np.ndarray, np.ndarray], float | None]


def compare(
    challenger: str, champion: str, clean: str, config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None], hashes: list[list[int | str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score champion and challenger on the same test windows, those of the challenger.

    Takes and returns JSON-like values, to run in a process of its own.

    Args:
        challenger: folder of the new run.
        champion: folder of the run in service.
        clean: folder of the clean table.
        config: all settings.
        on_event: unused; a comparison has no events.
        hashes: of the run folders' files, as the caller has computed them (``known_hashes``).

    Returns:
        ``{'comparable': False, 'why': …}``, or ``challenger`` and ``champion`` (value of the
        primary metric), ``windows``, ``by_series`` and ``trained_on_test`` (whether the champion
        was trained on rows of this test period).
    """
    accept_hashes(hashes or [])
    new, old = SavedRun(Path(challenger)), SavedRun(Path(champion))
    frame = read_table(Path(clean) / CLEAN_FILE)
    if why := _why_not_comparable(new, old, frame):
        return {"comparable": False, "why": why}
    table = TargetTable.of(frame, frame[new.data.targets])
    test = _read_test_windows(new, table)
    test = test.some(_have_inputs(test.rows, table, old.hyperparameters.timesteps))
    if not len(test.rows):
        why = "its windows are longer than any contiguous block of rows"
        return {"comparable": False, "why": why}
    forecasts = {"challenger": test.forecast, "champion": old.forecast(frame, test.rows)}
    score = _scorer(new, table, test.rows, RetrainConfig.model_validate(config))

    def scores(windows: np.ndarray) -> dict[str, float | None]:
        return {name: score(test.truth, forecast, windows) for name, forecast in forecasts.items()}

    # A champion whose train rows reach into this test period has an advantage.
    champion_cut = old.manifest["cuts"]["first_test_origin"]
    return {
        "comparable": True,
        "windows": len(test.rows),
        **scores(np.arange(len(test.rows))),
        "by_series": {
            label: scores(windows) for label, windows in rows_by_series(test.series).items()
        },
        "trained_on_test": bool(champion_cut > new.manifest["cuts"]["first_test_origin"]),
    }


def _why_not_comparable(new: SavedRun, old: SavedRun, frame: pd.DataFrame) -> str | None:
    """Why the champion cannot forecast the challenger's test windows; None where it can."""
    same_task = (
        new.data.targets == old.data.targets
        and new.data.derived_targets == old.data.derived_targets
        and new.hyperparameters.steps_ahead == old.hyperparameters.steps_ahead
        and new.hyperparameters.LSTM_type == old.hyperparameters.LSTM_type
    )
    if not same_task:
        return "it forecasts other targets or another horizon"
    absent = [name for name in old.data.features if name not in frame]
    return f"its feature {absent[0]!r} is no longer in the data" if absent else None


@dataclass(frozen=True)
class _TestWindows:
    """Test windows with the challenger's forecasts.

    Attributes:
        rows: first target row of each window, ``(n,)``.
        series: series of each window, ``(n,)``.
        truth: ``(n, steps_ahead, n_targets)``.
        forecast: same shape.
    """

    rows: np.ndarray
    series: np.ndarray
    truth: np.ndarray
    forecast: np.ndarray

    def some(self, chosen: np.ndarray) -> _TestWindows:
        """Those that are ``chosen``, ``(n,)`` of bool."""
        return _TestWindows(
            self.rows[chosen], self.series[chosen], self.truth[chosen], self.forecast[chosen]
        )


def _read_test_windows(run: SavedRun, table: TargetTable) -> _TestWindows:
    """The windows in a run's table of test predictions."""
    predictions = read_table(run.path("predictions"))
    steps, targets = run.hyperparameters.steps_ahead, len(run.data.targets)
    windows = predictions.iloc[:: steps * targets]
    series = windows["series"].to_numpy()
    rows = table.rows_of(series, windows["origin"].dt.tz_convert(None).to_numpy())
    truth, forecast = (
        predictions[name].to_numpy().reshape(-1, steps, targets) for name in ("truth", "prediction")
    )
    return _TestWindows(rows, series, truth, forecast)


def _have_inputs(rows: np.ndarray, table: TargetTable, timesteps: int) -> np.ndarray:
    """Whether so many rows before each window's targets are in its contiguous block, ``(n,)``."""
    first = rows - timesteps
    exists = first >= 0
    in_block: np.ndarray = exists & (table.block[np.where(exists, first, 0)] == table.block[rows])
    return in_block


def _scorer(run: SavedRun, table: TargetTable, rows: np.ndarray, config: RetrainConfig) -> Scorer:
    """The primary metric of a run as a function of some of its windows."""
    metric = run.manifest["primary"]["name"]
    if not run.hyperparameters.is_regressor:

        def classification(
            truth: np.ndarray, forecast: np.ndarray, windows: np.ndarray
        ) -> float | None:
            labels, probability = (a.reshape(len(a), -1)[windows] for a in (truth, forecast))
            return mean_classification_scores(labels, probability)[metric]

        return classification
    scale = np.ones((len(rows), len(run.data.targets)))
    if metric == "mase":
        # The runs' train rows may differ; rows before the challenger's test period scale both.
        cut = pd.Timestamp(run.manifest["cuts"]["first_test_origin"]).value // 1_000
        season = run.metrics["season_length"] or 1
        scale = mase_scales(table, rows, cut, season, run.data.lookahead)

    def regression(truth: np.ndarray, forecast: np.ndarray, windows: np.ndarray) -> float | None:
        return regression_scores(truth[windows], forecast[windows], scale[windows])[metric]

    return regression
