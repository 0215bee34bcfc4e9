"""Who forecasts: the network of a stored run or, where no run serves, one of its naive baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fastlstm.errors import StoreError
from fastlstm.evaluation.baselines import is_baseline
from fastlstm.reporting.text import forecast_name, number, title
from fastlstm.runs.saved_run import SavedRun


@dataclass(frozen=True)
class BestBaseline:
    """The baseline with the best test score of a run.

    Attributes:
        key: its key in stored files.
        metric: key of the run's primary metric.
        score: its value on the test windows; None where it is undefined.
    """

    key: str
    metric: str
    score: float | None

    @property
    def text(self) -> str:
        """Its name and score for people."""
        return f"{forecast_name(self.key)}, {title(self.metric)} {number(self.score)} on test"


def best_baseline(metrics: dict[str, Any]) -> BestBaseline:
    """The baseline with the best primary test metric, of those defined on most test windows.

    Args:
        metrics: of a run, as ``metrics.json`` keeps them.

    Raises:
        StoreError: they have no baseline.
    """
    primary = metrics["primary"]
    baselines = {key: scores for key, scores in metrics["test"].items() if key != "model"}
    if not baselines:
        raise StoreError(
            "the run's metrics hold no baseline that could forecast; retrain the model"
        )
    most = max(scores["windows"] for scores in baselines.values())
    sign = 1 if primary["better"] == "lower" else -1

    def rank(key: str) -> float:
        score = baselines[key][primary["name"]]
        return float("inf") if score is None else sign * score

    key = min((k for k, scores in baselines.items() if scores["windows"] == most), key=rank)
    return BestBaseline(key, primary["name"], baselines[key][primary["name"]])


def forecaster_id(run_id: str, baseline: str | None) -> str:
    """What stored forecasts keep as ``run_id``: the run's id, and the key of the baseline, if any.

    So forecasts of a run's network and of its baselines are different rows of the same tables.
    """
    return run_id if baseline is None else f"{run_id} {baseline}"


def parse_forecaster_id(stored: str) -> tuple[str, str | None]:
    """Run id and key of the baseline of a stored ``run_id``; see ``forecaster_id``."""
    run_id, _, last = stored.rpartition(" ")
    if is_baseline(last):
        return run_id, last
    return stored, None


@dataclass(frozen=True)
class Forecaster:
    """The network of a run, or a baseline that the run was compared with.

    Attributes:
        run: the run.
        baseline: key of the baseline; None for the network.
    """

    run: SavedRun
    baseline: str | None = None

    @property
    def id(self) -> str:
        """See ``forecaster_id``."""
        return forecaster_id(self.run.run_id, self.baseline)

    def test_predictions(self) -> Iterator[pd.DataFrame]:
        """The run's table of test predictions, with those of this forecaster as ``prediction``.

        It comes in blocks of rows, one at a time in memory. Predictions are NaN where a baseline is
        undefined.
        """
        table = self.run.predictions
        if self.baseline is not None and self.baseline not in table.names:
            raise StoreError(
                f"{self.run.path('predictions')}: lacks the {forecast_name(self.baseline)} forecast; "
                "choose another run"
            )
        for block in table.blocks():
            if self.baseline is not None:
                block = block.assign(prediction=block[self.baseline])
            yield block
