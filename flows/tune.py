"""The flow ``tune``: a search for hyperparameters, scored on the validation rows."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.outcomes import DAY, final_state, flow_settings
from tasks.begin_search import begin_search
from tasks.best_trial import best_trial
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.load import load, with_resolved_columns
from tasks.references import TuneOutcome
from tasks.settings import PipelineConfig
from tasks.trial import trial
from tasks.validate import validate


@flow(**flow_settings("tune", 7 * DAY))
def tune(config: PipelineConfig) -> Any:
    """Search the declared ranges for the hyperparameters with the best validation score.

    The test rows are never used; nothing is stored as a run or promoted. A search that was
    interrupted continues with its next trial.

    Args:
        config: All settings; those of ``tune`` define the search.

    Returns:
        A completed state with the best settings; its result is a ``TuneOutcome``.
    """
    return final_state(config, _steps, only_one_of=("tune", config.model_name))


def _steps(config: PipelineConfig) -> TuneOutcome:
    config.require_one_model("tune")
    source = check_source(config, full=True)
    table = verified(load, config, source)
    config = with_resolved_columns(config, table)
    clean = verified(validate, config, table)
    study = begin_search(config, clean)
    for _ in range(study.left):
        trial(config, clean, study)
    return best_trial(config, study)
