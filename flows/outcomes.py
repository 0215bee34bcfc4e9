"""What all flows share: how Prefect keeps their state, and the state that each outcome becomes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from prefect.client.schemas.objects import State

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.concurrency import AlreadyRunning, only_one
from tasks.engine import close_engines
from tasks.late_reports import report_later, tell_late_reports
from tasks.notify import ended, failed, flow_run_name, name_by_outcome, skipped
from tasks.prefect_outages import is_outage, wait_for_server
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig
from tasks.work_place import local_work

HOUR = 3600
DAY = 24 * HOUR

C = TypeVar("C", PipelineConfig, ScoringConfig, MonitorConfig, UpkeepConfig)

# The final state of the last run, until another one begins.
_ended: list[State[Any]] = []


def flow_settings(name: str, timeout_seconds: int) -> dict[str, Any]:
    """Arguments of Prefect's ``flow`` that are the same for every flow.

    Args:
        name: name of the flow.
        timeout_seconds: time after which Prefect ends a run.
    """
    return {
        "name": name,
        "flow_run_name": flow_run_name,
        "timeout_seconds": timeout_seconds,
        # A few hundred bytes; without it, a state read back from a busy server has no result.
        "persist_result": True,
        "result_serializer": "json",
    }


def final_state(
    config: C, steps: Callable[[C], Any], *, only_one_of: tuple[str, str] | None = None
) -> Any:
    """Run the steps of a flow; return the state that says how they ended, and name the run by it.

    Args:
        config: all settings of the flow.
        steps: runs the steps with the settings, their paths absolute; returns an outcome with a
            message.
        only_one_of: names of flow and model, where one run of them may go on at a time.

    Returns:
        A completed state with the outcome; a failed one with an error that a person can correct; the
        state 'Skipped' while another run of the same flow and model goes on.
    """
    _ended.clear()
    work = local_work(config.work).absolute()
    report_later(work)
    tell_late_reports(work)
    state = _state(config, steps, only_one_of)
    _ended[:] = [state]
    if wait_for_server():
        name_by_outcome(state.message)
    return state


def outcome_without_prefect(error: Exception) -> Any:
    """The outcome of this process' last run, of which Prefect's server could not be told.

    Args:
        error: what calling the flow raised.

    Raises:
        FastLSTMError: the run failed with it.
        Exception: ``error``, where it is another one.
    """
    if not (_ended and is_outage(error)):
        raise error
    return _ended[0].result()


def _state(config: C, steps: Callable[[C], Any], only_one_of: tuple[str, str] | None) -> Any:
    """See ``final_state``."""
    try:
        placed = absolute(config, Path.cwd())
        with only_one(*only_one_of) if only_one_of else nullcontext():
            return ended(steps(placed))
    except AlreadyRunning as busy:
        return skipped(busy)
    except FastLSTMError as error:
        return failed(error)
    finally:
        close_engines()
