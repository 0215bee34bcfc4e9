"""The engine that runs parts of a flow at the same time: processes of this machine, Dask or Ray.

Prefect's tasks stay in the process of the flow. What travels to a worker is the name of a function
and JSON-like arguments, so workers need no access to Prefect, and a worker that dies leaves no task
behind that Prefect takes for running.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from fastlstm.artifacts.mapping import Mapper, run_here
from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.steps.worker_pool import WorkerPool, default_workers

# What a process of this machine or of a worker imports before its first fork.
PREPARE = "fastlstm.steps.train:prepare"
_WITHOUT_EVENTS = "fastlstm.steps.worker_messages:without_events"

OnEvent = Callable[[dict[str, Any]], None]


class Engine(Protocol):
    """Where parts of a flow run.

    Attributes:
        slots: number of calls that run at the same time.
    """

    slots: int

    def call(
        self, function: str, arguments: dict[str, Any], on_event: OnEvent | None = None,
        time_limit: float | None = None, *, forked: bool = False,
    ) -> Any:  # fmt: skip
        """Call ``module:function`` on a worker.

        Args:
            function: takes and returns JSON-like values.
            arguments: its keyword arguments.
            on_event: receives the events of a forked call on this machine; None for no events.
            time_limit: seconds after which a forked call is ended.
            forked: in a fork of a process that has imported TensorFlow and never used it, so that
                results are those of a new process; the function then also takes ``on_event``.

        Raises:
            FastLSTMError: as the function raised it, or the cluster cannot be used.
            TrainingError: any other error of a forked call, a killed process, or the time limit.
        """

    def close(self) -> None:
        """End what was started."""


class LocalEngine:
    """Processes of this machine.

    Args:
        execution: the settings.
        prepare: ``module:function`` that imports what forked calls need.
    """

    def __init__(self, execution: ExecutionConfig, prepare: str) -> None:
        self.slots = execution.workers or default_workers()
        self._pool = WorkerPool(self.slots, execution.threads_per_worker, prepare)

    def call(
        self, function: str, arguments: dict[str, Any], on_event: OnEvent | None = None,
        time_limit: float | None = None, *, forked: bool = False,
    ) -> Any:  # fmt: skip
        """See ``Engine``."""
        listener = on_event or (lambda _: None)
        if not forked:
            arguments = {"function": function, "arguments": arguments}
            function = _WITHOUT_EVENTS
        return self._pool.call(function, arguments, listener, time_limit, forked=forked)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


_lock = threading.Lock()
_open: dict[str, Engine] = {}


def engine_of(config: RetrainConfig) -> Engine:
    """The engine that the settings name, started once in this process.

    Raises:
        ConfigError: its package is not installed, its cluster cannot be reached, or a worker has
            other versions of the libraries.
    """
    execution = config.execution
    key = execution.model_dump_json()
    with _lock:
        if key not in _open:
            _open[key] = _start(execution)
        return _open[key]


def _start(execution: ExecutionConfig) -> Engine:
    if execution.engine == "dask":
        from tasks.dask_engine import DaskEngine

        return DaskEngine(execution, PREPARE)
    if execution.engine == "ray":
        from tasks.ray_engine import RayEngine

        return RayEngine(execution, PREPARE)
    return LocalEngine(execution, PREPARE)


@atexit.register
def close_engines() -> None:
    """End every engine of this process."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def engine_map(config: RetrainConfig) -> Mapper:
    """A function that calls ``module:function`` once for each set of arguments, at the same time.

    It returns the results in the order of the arguments, or raises the error of the first of them that
    fails. One set of arguments is run in this process.
    """

    def run(function: str, arguments: Sequence[dict[str, Any]]) -> list[Any]:
        if len(arguments) <= 1:
            return run_here(function, list(arguments))
        engine = engine_of(config)
        with ThreadPoolExecutor(min(engine.slots, len(arguments))) as threads:
            calls = [threads.submit(engine.call, function, given) for given in arguments]
            try:
                return [call.result() for call in calls]
            finally:
                threads.shutdown(cancel_futures=True)

    return run
