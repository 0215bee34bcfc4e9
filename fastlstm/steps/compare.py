"""The pipeline step that scores champion and challenger on the same test windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_hashes import accept_hashes
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.series import rows_by_series
from fastlstm.data.tables import read_table
from fastlstm.data.time_grid import season_rows
from fastlstm.evaluation.metrics import mean_classification_scores, regression_scores
from fastlstm.evaluation.target_table import TargetTable, mase_scales
from fastlstm.runs.saved_run import SavedRun


def compare(
    challenger: str, champion: str, clean: str, config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None], hashes: list[list[int | str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score champion and challenger on the same test windows, those of the challenger.

    Takes and returns JSON-like values, to run in a process of its own. ``challenger`` and
    ``champion`` are run folders, ``clean`` is the folder of the clean table, ``hashes`` are those of the
    run folders' files that the caller has computed (see ``known_hashes``).

    Returns:
        ``{'comparable': False, 'why': …}``, or ``challenger`` and ``champion`` (value of the
        primary metric), ``windows``, ``by_series`` and ``trained_on_test`` (whether the champion
        had trained on rows of this test period).
    """
    accept_hashes(hashes or [])
    new, old = SavedRun(Path(challenger)), SavedRun(Path(champion))
    frame = read_table(Path(clean) / CLEAN_FILE)
    same = (
        new.data.targets == old.data.targets
        and new.data.derived_targets == old.data.derived_targets
        and new.hyperparameters.steps_ahead == old.hyperparameters.steps_ahead
        and new.hyperparameters.LSTM_type == old.hyperparameters.LSTM_type
    )
    if not same:
        return {"comparable": False, "why": "it forecasts other targets or another horizon"}
    absent = [n for n in old.data.features if n not in frame]
    if absent:
        return {"comparable": False, "why": f"its feature {absent[0]!r} is no longer in the data"}
    targets = new.data.targets
    predictions = read_table(new.path("predictions"))
    steps = new.hyperparameters.steps_ahead
    shape = (-1, steps, len(targets))
    heads = predictions.iloc[:: steps * len(targets)]
    table = TargetTable.of(frame, frame[targets])
    rows = table.rows_of(heads["series"].to_numpy(), heads["origin"].dt.tz_convert(None).to_numpy())
    first = rows - old.hyperparameters.timesteps
    usable = first >= 0
    usable &= table.segment[np.where(usable, first, 0)] == table.segment[rows]
    if not usable.any():
        return {"comparable": False, "why": "its windows are longer than any stretch of the data"}
    truth = predictions["truth"].to_numpy().reshape(shape)[usable]
    forecasts = {
        "challenger": predictions["prediction"].to_numpy().reshape(shape)[usable],
        "champion": old.forecast(frame, rows[usable]),
    }
    series = heads["series"].to_numpy()[usable]
    score = _scorer(new, table, rows[usable], RetrainConfig.model_validate(config))
    everywhere = np.arange(len(truth))
    # A champion of an earlier night whose train rows reach into this test period has an edge.
    cut = old.manifest["cuts"]["first_test_origin"]
    return {
        "comparable": True,
        "windows": int(usable.sum()),
        **{name: score(truth, f, everywhere) for name, f in forecasts.items()},
        "by_series": {
            label: {n: score(truth, f, mine) for n, f in forecasts.items()}
            for label, mine in rows_by_series(series).items()
        },
        "trained_on_test": bool(cut > new.manifest["cuts"]["first_test_origin"]),
    }


def _scorer(
    run: SavedRun, table: TargetTable, rows: np.ndarray, config: RetrainConfig
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], float | None]:
    metric = run.manifest["primary"]["name"]
    if run.hyperparameters.is_regressor:
        scale = np.ones((len(rows), len(run.data.targets)))
        if metric == "mase":
            # The champion's own train rows may be others; both are measured by the same rows.
            cut = pd.Timestamp(run.manifest["cuts"]["first_test_origin"]).value // 1_000
            season = config.evaluation.season_length or season_rows(run.data.frequency) or 1
            scale = mase_scales(table, rows, cut, season, run.data.lookahead)

        def regression(truth: np.ndarray, forecast: np.ndarray, of: np.ndarray) -> float | None:
            return regression_scores(truth[of], forecast[of], scale[of])[metric]

        return regression

    def classification(truth: np.ndarray, forecast: np.ndarray, of: np.ndarray) -> float | None:
        n = len(of)
        return mean_classification_scores(truth[of].reshape(n, -1), forecast[of].reshape(n, -1))[
            metric
        ]

    return classification
