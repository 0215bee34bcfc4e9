"""A training on several workers of the engine; if one fails, all begin again from the checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any
from uuid import uuid4

from fastlstm.errors import ConfigError, WorkerEndedError, WorkerKilledError, first_line
from fastlstm.steps import worker
from fastlstm.steps.ranks import end_ranks
from tasks.engine import Engine, engine_of
from tasks.notify import notify
from tasks.settings import PipelineConfig
from tasks.work_place import local_work

_TRIES = 4
_MAY_PASS = (WorkerEndedError, WorkerKilledError)
OnEvent = Callable[[dict[str, Any]], None]


def call_training(
    config: PipelineConfig, step: str, function: str, arguments: dict[str, Any], on_event: OnEvent
) -> Any:
    """Train in a process of its own, or in several that share the work.

    Args:
        config: all settings.
        step: name of the step, for its messages.
        function: trains; takes ``rank``, ``ranks`` and ``gpus`` beside its arguments.
        arguments: its keyword arguments; the file ``checkpoint`` is on a disk that all workers see.
        on_event: called with progress.

    Returns:
        What the function returns; of several processes, rank 0's.

    Raises:
        ConfigError: there are fewer workers or GPUs than the settings name.
        FastLSTMError: as the function raised it.
        TrainingError: any other error, a process killed again and again, or the time limit.
    """
    execution, limit = config.execution, config.training_time_limit
    arguments = {**arguments, "gpus": execution.training_gpus}
    if execution.training_workers == 1:
        return worker.call(function, arguments, on_event, limit, fresh=True)
    engine = engine_of(config)
    if engine.slots < execution.training_workers:
        raise ConfigError(
            f"execution.training_workers: is {execution.training_workers}, and the engine has "
            f"{engine.slots} workers; lower it, or set execution.workers"
        )
    begin = time.monotonic()
    for number in range(1, _TRIES + 1):
        left = None if limit is None else max(1.0, limit - (time.monotonic() - begin))
        try:
            return _train_once(config, engine, function, arguments, on_event, left)
        except _MAY_PASS as error:
            if number == _TRIES:
                raise
            notify(
                step,
                f"warning: {first_line(error)}; all workers begin again after the last finished epoch",
            )


def _train_once(
    config: PipelineConfig, engine: Engine, function: str, arguments: dict[str, Any],
    on_event: OnEvent, time_limit: float | None,
) -> Any:  # fmt: skip
    """Train on several workers until rank 0 has finished or one fails; then all end."""
    ranks = config.execution.training_workers
    meeting = local_work(config.work) / "unfinished" / uuid4().hex
    meeting.mkdir(parents=True)

    def call(rank: int) -> Any:
        given = {
            "function": function, "arguments": arguments, "meeting": str(meeting), "rank": rank,
            "ranks": ranks, "cluster": config.execution.cluster,
        }  # fmt: skip
        return engine.call(
            "fastlstm.steps.ranks:run_rank", given, on_event, time_limit,
            prepare="fastlstm.steps.train:prepare",
        )  # fmt: skip

    try:
        with ThreadPoolExecutor(ranks) as threads:
            # In their own copies of the context, for messages go to the flow run in it.
            calls = [threads.submit(copy_context().run, call, rank) for rank in range(ranks)]
            try:
                first = _first_failed(calls)
            finally:
                end_ranks(meeting)
    finally:
        shutil.rmtree(meeting, ignore_errors=True)
    if first is None:
        return calls[0].result()
    # The others lost the rank that failed, or were killed; an error of the training itself says more.
    errors = [first, *(error for call in calls if (error := call.exception()) is not None)]
    raise next((error for error in errors if not isinstance(error, _MAY_PASS)), first)


def _first_failed(calls: list[Future[Any]]) -> BaseException | None:
    """The error of the call that fails first; None where rank 0's ends without one before."""
    pending = set(calls)
    while True:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for call in done:
            if (error := call.exception()) is not None:
                return error
        if calls[0] in done:
            return None
