"""Run functions in a Python process of their own.

TensorFlow's memory grows from training to training in one process, TensorFlow hangs after a fork, and
its results vary beside other threads. A process of its own has none of that, can be stopped at a time
limit, and when the system kills it for lack of memory, the caller survives and reports it. Starting one
costs seconds, most of them TensorFlow's import, so it can be started ahead of the training, and then
forks for each call: training, evaluation and refit share one import, and none finds what another left.

Python's ``multiprocessing`` is no alternative: its 'spawn' runs the caller's main script again, so a
script without ``if __name__ == "__main__"`` could not start a training. Requests and results are JSON:
no data or model crosses between the processes.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Any

from fastlstm.steps.forks import call_fork, is_fork, survives_fork
from fastlstm.steps.worker_client import EndedBeforeError, WorkerProcess

_TRAINING_IMPORTS = "fastlstm.steps.train:prepare"

_lock = threading.Lock()
_idle: WorkerProcess | None = None


def call(
    function: str,
    arguments: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    time_limit: float | None = None,
    *,
    fresh: bool = False,
) -> Any:
    """Call ``module:function`` with JSON-like keyword arguments in another process.

    The function gets one more argument, ``on_event``; what it sends arrives at the caller's ``on_event``
    while it runs. Its JSON-like return value is returned. The process ends with the caller, however the
    caller ends; until then, or for two idle minutes, it serves the next call.

    Args:
        function: e.g. ``'fastlstm.steps.train:train_into'``.
        arguments: keyword arguments.
        on_event: called in the calling thread.
        time_limit: seconds after which the process is killed.
        fresh: in a process that has served no call, or a fork of one, as a training needs it to be
            repeatable.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error, a killed process, or the time limit.
    """
    if is_fork():
        return call_fork(function, arguments, on_event, time_limit)
    idle = _take_idle(fresh=fresh)
    if idle is not None:
        try:
            return _run(idle, function, arguments, on_event, time_limit)
        except EndedBeforeError:
            pass  # idle for too long, or killed meanwhile; nothing was begun
    return _run(WorkerProcess(), function, arguments, on_event, time_limit)


def start_ahead(function: str = _TRAINING_IMPORTS) -> None:
    """Start the process of the next calls now, and call ``module:function`` there, without arguments.

    It forks for each call, except where that might cost it its GPU. For imports that take long and
    leave nothing that a ``fresh`` call must not find. Returns at once; what fails there shows in the
    next call. Does nothing where such a process waits already, or where this process is a fork, which
    forks for the next call.

    Args:
        function: by default it imports what a training needs.
    """
    if is_fork():
        return
    process = _take_idle(fresh=True)
    if process is None:
        process = WorkerProcess()
        process.prepare(function)
    _keep_idle(process)


def _take_idle(*, fresh: bool) -> WorkerProcess | None:
    """The idle process if it may serve such a call, for the caller alone; one that may not is ended."""
    idle = _swap_idle(None)
    if idle is not None and ((fresh and idle.has_served) or not idle.is_current()):
        idle.end()
        return None
    return idle


def _keep_idle(process: WorkerProcess) -> None:
    """Let a process wait for the next call, in place of any other."""
    former = _swap_idle(process)
    if former is not None:
        former.end()


def _run(process: WorkerProcess, *request: Any) -> Any:
    """Run a call in a process and keep the process for the next call; end it where the call fails."""
    try:
        result = process.run(*request, forked=process.is_prepared and survives_fork())
    except BaseException:
        process.end()
        raise
    _keep_idle(process)
    return result


def _swap_idle(successor: WorkerProcess | None) -> WorkerProcess | None:
    """Put a process in the place of the idle one, which is returned."""
    global _idle
    with _lock:
        former, _idle = _idle, successor
    return former


@atexit.register
def _end_idle() -> None:
    former = _swap_idle(None)
    if former is not None:
        former.end()
