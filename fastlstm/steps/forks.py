"""Calls that forks of this process serve: as clean as a new process, without its start.

A process that has imported TensorFlow and never used it forks for each call. The fork finds every
module imported and nothing else: no threads of TensorFlow, no memory of calls before, no state of
random generators. So its results are those of a new process, which takes seconds to import the same.
A fork whose call makes further calls forks again for each, as long as it has not used TensorFlow.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fastlstm import errors
from fastlstm.steps.worker_messages import (
    STARTED,
    Messages,
    answer,
    killed_error,
    result_of,
    time_limit_error,
)

_PR_SET_PDEATHSIG = 1
_GPU_DRIVER = Path("/dev/nvidiactl")
# The process' own id, where it is a fork that serves a call.
_forks: list[int] = []


def is_fork() -> bool:
    """Whether this process is a fork that serves a call."""
    return os.getpid() in _forks


def has_gpu_driver() -> bool:
    """Whether this machine has the driver of a GPU."""
    return _GPU_DRIVER.exists()


def survives_fork() -> bool:
    """Whether what a process has imported works in a fork of it: not for sure beside a GPU's driver, nor
    with the frameworks of macOS."""
    return sys.platform == "linux" and not has_gpu_driver()


def serve_by_fork(request: dict[str, Any], messages: Messages) -> int:
    """Serve a request by a fork of this process, and wait for the end of the fork.

    Returns:
        The exit code of the fork, 0 after an answer; the negative number of the signal that killed it.
    """
    process = os.fork()
    if process == 0:
        _serve(request, messages)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def call_fork(
    function: str,
    arguments: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None],
    time_limit: float | None,
) -> Any:
    """Call ``module:function`` in a fork of this process; see ``fastlstm.steps.worker.call``.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error, a killed process, or the time limit.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            _serve({"function": function, "arguments": arguments}, Messages(stream))
    os.close(writing)
    outcome: dict[str, Any] | None = None
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    timer = threading.Timer(time_limit, stop) if time_limit else None
    try:
        if timer:
            timer.start()
        with os.fdopen(reading, encoding="utf-8") as messages:
            for line in messages:
                message = json.loads(line)
                if "event" in message:
                    on_event(message)
                elif message != STARTED:
                    outcome = message
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if timer:
            timer.cancel()
    if outcome is not None:
        return result_of(function, outcome)
    if timed_out.is_set() and time_limit is not None:
        raise time_limit_error(time_limit)
    if code == -signal.SIGKILL:
        raise killed_error()
    raise errors.WorkerEndedError(f"the process of {function} ended with code {code}")


def _serve(request: dict[str, Any], messages: Messages) -> NoReturn:
    """Serve a request in a new fork, and end it without the clean-up that is its parent's."""
    code = 1
    try:
        end_with_parent()
        _forks.append(os.getpid())
        answer(request, messages)
        code = 0
    finally:
        os._exit(code)


def end_with_parent() -> None:
    """Have the system kill this process when its parent ends, however that ends."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the request
        os._exit(1)
