"""The flow ``retrain``: from a table to a stored run, promoted if it earned it."""

from __future__ import annotations

from typing import Any

import prefect.runtime
from prefect import flow
from prefect.states import Completed

from tasks.caching import verified
from tasks.data import load, look, validate
from tasks.network import evaluate, train
from tasks.references import Outcome
from tasks.reporting import run_name
from tasks.runs import known, promote, save
from tasks.settings import PipelineConfig
from tasks.windows import scale, windows


def _flow_run_name() -> str:
    config: Any = prefect.runtime.flow_run.parameters["config"]
    hyperparameters = (
        config["hyperparameters"] if isinstance(config, dict) else config.hyperparameters
    )
    name = (
        hyperparameters.get("model_name", "LSTM")
        if isinstance(hyperparameters, dict)
        else hyperparameters.model_name
    )
    return run_name("retrain", name)


def _ended(outcome: Outcome) -> Any:
    return Completed(message=outcome.message, data=outcome)


@flow(name="retrain", flow_run_name=_flow_run_name, validate_parameters=True)
def retrain(config: PipelineConfig) -> Any:
    """Load, validate, scale, cut windows, train, evaluate, store, and promote or keep.

    With the same data, settings and code as a finished run it ends at once, saying so. What earlier
    runs finished is used again where its inputs are the same.

    Args:
        config: all settings.

    Returns:
        A completed state that says the outcome; its result is an ``Outcome``.
    """
    source = look(config)
    if source.unchanged_run is not None:
        return _ended(known(config, source))
    table = verified(load, config, source)
    clean = verified(validate, config, table)
    scaled = verified(scale, config, clean)
    dataset = verified(windows, config, scaled)
    network = verified(train, config, dataset)
    evaluation = verified(evaluate, config, network, dataset, scaled, clean)
    run = save(config, source, clean, scaled, network, evaluation)
    return _ended(promote(config, run, clean))
