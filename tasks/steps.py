"""What all steps of a flow have in common: names, tags, retries, and caching where it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from tasks.caching import cache_key
from tasks.notify import task_run_name
from tasks.retries import DELAYS, JITTER, may_heal

P = ParamSpec("P")
R = TypeVar("R")


def _common(name: str, group: str, retries: int) -> dict[str, Any]:
    return {
        "name": name,
        "task_run_name": task_run_name,
        "tags": ["fastlstm", group],
        "retries": retries,
        "retry_delay_seconds": DELAYS,
        "retry_jitter_factor": JITTER,
        "retry_condition_fn": may_heal,
    }


def cached_step(name: str, group: str, retries: int) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task whose output folder is known by content and used again while it is intact.

    Args:
        name: name of the step; part of its cache key.
        group: tag beside 'fastlstm'.
        retries: more tries after a failure that may heal.
    """
    return task(
        **_common(name, group, retries),
        cache_key_fn=cache_key,
        persist_result=True,
        result_serializer="json",
    )


def fresh_step(name: str, group: str, retries: int) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task that asks the store each time: a cached answer could outlive what is stored.

    Args:
        name: name of the step.
        group: tag beside 'fastlstm'.
        retries: more tries after a failure that may heal.
    """
    return task(**_common(name, group, retries), cache_policy=NO_CACHE, persist_result=False)
