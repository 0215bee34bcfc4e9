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
from pathlib import Path
from typing import Any, Protocol

from fastlstm.artifacts.mapping import Mapper, run_here
from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.shards import shards_of
from fastlstm.steps.forks import call_fork, has_gpu_driver, is_fork
from fastlstm.steps.worker_pool import WorkerPool, default_workers
from tasks.settings import ScoringConfig

_WITHOUT_EVENTS = "fastlstm.steps.worker_messages:without_events"

OnEvent = Callable[[dict[str, Any]], None]


class Engine(Protocol):
    """Where parts of a flow run."""

    @property
    def slots(self) -> int:
        """Number of calls to have under way at a time."""

    def call(
        self, function: str, arguments: dict[str, Any], on_event: OnEvent | None = None,
        time_limit: float | None = None, *, prepare: str | None = None,
    ) -> Any:  # fmt: skip
        """Call ``module:function`` on a worker.

        Args:
            function: takes and returns JSON-like values.
            arguments: its keyword arguments.
            on_event: receives the events of a call in a fork; None for no events. Ray sends none.
            time_limit: seconds after which a call in a fork is ended.
            prepare: ``module:function`` that imports what the call needs, TensorFlow for example. The
                call then runs in a fork of a process that did no more, so that results are those of a
                new process, and the function also takes ``on_event``. None: in the worker's process.

        Raises:
            FastLSTMError: as the function raised it, or the cluster cannot be used.
            TrainingError: any other error of a call in a fork, a killed process, or the time limit.
        """

    def close(self) -> None:
        """End what was started."""


class LocalEngine:
    """Processes of this machine.

    Args:
        execution: the settings.
    """

    def __init__(self, execution: ExecutionConfig) -> None:
        self.slots = execution.workers or default_workers()
        self._pool = WorkerPool(self.slots, execution.threads_per_worker)

    def call(
        self, function: str, arguments: dict[str, Any], on_event: OnEvent | None = None,
        time_limit: float | None = None, *, prepare: str | None = None,
    ) -> Any:  # fmt: skip
        """See ``Engine``."""
        listener = on_event or (lambda _: None)
        if prepare is None:
            arguments = {"function": function, "arguments": arguments}
            function = _WITHOUT_EVENTS
        if is_fork():  # one model of many, whose own parts run one after the other
            return call_fork(function, arguments, listener, time_limit)
        return self._pool.call(function, arguments, listener, time_limit, prepare=prepare)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


_lock = threading.Lock()
_open: dict[str, Engine] = {}


def engine_of(config: RetrainConfig | ScoringConfig) -> Engine:
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

        return DaskEngine(execution)
    if execution.engine == "ray":
        from tasks.ray_engine import RayEngine

        return RayEngine(execution)
    return LocalEngine(execution)


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


def workers_forecast_shards(config: RetrainConfig, clean: Path) -> bool:
    """Whether the engine's workers compute the outputs of networks for the shards of a table.

    Not where they would share this machine's GPU, nor for one model of many, which has one process.

    Args:
        config: the settings.
        clean: folder of the clean table.
    """
    has_workers = config.execution.engine != "local" or not has_gpu_driver()
    return len(shards_of(clean)) > 1 and has_workers and not is_fork()
