"""The flow ``predict``: forecasts with the champion from the newest rows, appended to those before."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.outcomes import HOUR, final_state, flow_settings
from tasks.append import append
from tasks.choose_run import choose_run
from tasks.fetch_rows import fetch_rows
from tasks.forecast import forecast
from tasks.references import GroupScorings, ScoringOutcome
from tasks.score_groups import score_groups
from tasks.settings import ScoringConfig


@flow(**flow_settings("predict", HOUR))
def predict(config: ScoringConfig) -> Any:
    """Forecast the rows after the latest window of each series, and append the forecasts.

    With the model name 'sales/all', the model of each group forecasts its rows.

    Args:
        config: All settings.

    Returns:
        A completed state with the numbers of series scored and skipped; its result is a
        ``ScoringOutcome``, of all groups a ``GroupScorings``. A failed state with what is wrong.
    """
    return final_state(config, _steps, only_one_of=("predict", config.model_name))


def _steps(config: ScoringConfig) -> ScoringOutcome | GroupScorings:
    if config.of_all_groups:
        return score_groups(config, fetch_rows(config))
    run = choose_run(config)
    return append(config, forecast(config, run, fetch_rows(config)))
