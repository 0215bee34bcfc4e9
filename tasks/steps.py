"""The task of a pipeline step: name, tags, retries and caching by the table of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE

from tasks.caching import cache_key
from tasks.notify import task_run_name
from tasks.prefect_outages import PipelineStep
from tasks.retries import DELAYS, JITTER, may_heal
from tasks.step_table import STEPS

P = ParamSpec("P")
R = TypeVar("R")


def pipeline_step(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task for a step of the table.

    The output folder of a cached step is used again while its inputs and settings stay the same and
    it is intact. Any other step runs each time: a cached answer could outlive what is stored.

    Args:
        name: name of the step in ``tasks.step_table.STEPS``.
    """
    step = STEPS[name]
    caching: dict[str, Any]
    if step.is_cached:
        caching = {
            "cache_key_fn": cache_key,
            "persist_result": True,
            "result_serializer": "json",
        }
    else:
        caching = {"cache_policy": NO_CACHE, "persist_result": False}
    options: dict[str, Any] = {
        "name": name,
        "task_run_name": task_run_name,
        "tags": ["fastlstm", step.group],
        "retries": step.retries,
        "retry_delay_seconds": DELAYS,
        "retry_jitter_factor": JITTER,
        "retry_condition_fn": may_heal,
        **caching,
    }
    return lambda function: PipelineStep(function, **options)
