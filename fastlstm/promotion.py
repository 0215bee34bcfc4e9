"""Whether a challenger becomes champion: only by beating it, and what costs nothing, on test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.classification_metrics import mean_scores
from fastlstm.config import RetrainConfig
from fastlstm.errors import StoreError
from fastlstm.evaluation import TargetTable, mase_scales
from fastlstm.loading import read_table
from fastlstm.regression_metrics import errors
from fastlstm.report import number, title
from fastlstm.runs import SavedRun
from fastlstm.series import rows_by_series
from fastlstm.timegrid import season_rows
from fastlstm.validation import CLEAN_FILE


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and the reason in one sentence."""

    promote: bool
    reason: str


def compare(
    challenger: str, champion: str, clean: str, config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:  # fmt: skip
    """Score champion and challenger on the same test windows, those of the challenger.

    Takes and returns JSON-like values, to run in a process of its own. ``challenger`` and
    ``champion`` are run folders, ``clean`` is the folder of the clean table.

    Returns:
        ``{'comparable': False, 'why': …}``, or ``challenger`` and ``champion`` (value of the
        primary metric), ``windows``, ``by_series`` and ``trained_on_test`` (whether the champion
        had trained on rows of this test period).
    """
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
            return errors(truth[of], forecast[of], scale[of])[metric]

        return regression

    def classification(truth: np.ndarray, forecast: np.ndarray, of: np.ndarray) -> float | None:
        n = len(truth)
        return mean_scores(truth.reshape(n, -1), forecast.reshape(n, -1), of)[metric]

    return classification


def judge(
    manifest: dict[str, Any],
    comparison: dict[str, Any] | None,
    backtest: dict[str, bool] | None = None,
) -> Verdict:
    """Decide by the challenger's manifest and its comparison with the champion, if there is one.

    Args:
        manifest: the challenger's.
        comparison: as of ``compare``.
        backtest: by baseline, whether a backtest of the same settings beats it beyond chance; None
            where no backtest decides.

    Raises:
        StoreError: the manifest tells no primary metric.
    """
    primary = manifest.get("primary")
    if not primary:
        raise StoreError("the run's manifest tells no primary metric")
    name, value, lower = primary["name"], primary["value"], primary["better"] == "lower"
    label = title(name)

    def beats(own: float, other: float) -> bool:
        return own < other if lower else own > other

    if value is None:
        return Verdict(False, f"{label} is undefined on these test windows (one class only?)")
    for baseline, scores in manifest["baselines"].items():
        mine, costless = scores["model"], scores["baseline"]
        if mine is None or costless is None or beats(mine, costless):
            continue
        words = baseline.replace("_", " ")
        return Verdict(
            False,
            f"challenger's {label} {number(mine)} does not beat the {words}, {number(costless)}",
        )
    if backtest is not None and not all(backtest.values()):
        names = " and the ".join(k.replace("_", " ") for k, won in backtest.items() if not won)
        return Verdict(
            False,
            f"{label} {number(value)} on test, but the backtest does not show it to beat the {names} "
            "beyond chance",
        )
    best = [s["baseline"] for s in manifest["baselines"].values() if s["baseline"] is not None]
    if comparison is None:
        against = f"best baseline {number(min(best) if lower else max(best))}" if best else "none"
        return Verdict(True, f"{label} {number(value)} against {against}; first champion")
    if not comparison["comparable"]:
        return Verdict(
            False,
            f"cannot be compared with the champion: {comparison['why']}; promote by hand if wanted",
        )
    mine, other = comparison["challenger"], comparison["champion"]
    told = f"{label} {number(mine)} against champion {number(other)}"
    if comparison["trained_on_test"]:
        told += " (the champion had trained on part of these windows)"
    if mine is not None and other is not None and beats(mine, other):
        return Verdict(True, told)
    pairs = [
        (scores["challenger"], scores["champion"]) for scores in comparison["by_series"].values()
    ]
    known = [(m, o) for m, o in pairs if m is not None and o is not None]
    worse = sum(not beats(m, o) for m, o in known)
    return Verdict(False, f"{told}; challenger not better on {worse} of {len(known)} series")
