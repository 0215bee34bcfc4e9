"""Which series of many a picture of forecasts shows: the worst on test, and a few."""

from __future__ import annotations

from collections.abc import Sequence

from fastlstm.runs.saved_run import SavedRun
from fastlstm.runs.series_ranking import worst_first

_WORST, _SHOWN = 2, 4


def shown_series(run: SavedRun, labels: Sequence[str]) -> list[str]:
    """At most four of the series: first the two that were worst on test, then the first ones.

    Args:
        run: the run that forecasts.
        labels: of the series that are forecast.
    """
    known = {*labels}
    worst = [label for label in worst_first(run.metrics) if label in known]
    return list(dict.fromkeys([*worst[:_WORST], *labels]))[:_SHOWN]
