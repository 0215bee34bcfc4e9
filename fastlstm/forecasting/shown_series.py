"""Which series of many a picture of forecasts shows: the worst on test, and a few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastlstm.runs.saved_run import SavedRun

_WORST, _SHOWN = 2, 4


def shown_series(run: SavedRun, labels: Sequence[str]) -> list[str]:
    """At most four of the series: first the two with the largest errors on test, then the first ones.

    Args:
        run: the run that forecasts.
        labels: of the series that are forecast.
    """
    metrics = run.metrics
    scores, primary = metrics.get("by_series", {}), metrics["primary"]["name"]
    errors = {
        label: error
        for label in labels
        if (error := scores.get(label, {}).get("model", {}).get(primary)) is not None
    }
    worst = sorted(errors, key=lambda label: -errors[label] if np.isfinite(errors[label]) else 0.0)
    return list(dict.fromkeys([*worst[:_WORST], *labels]))[:_SHOWN]
