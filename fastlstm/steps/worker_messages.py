"""The messages between a worker process and its caller: one JSON object a line.

``{"started": true}`` means that a call has begun, an object with ``event`` is passed on, ``result`` or
``error`` ends the call, and ``ended`` follows where a fork served it.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from typing import IO, Any

from fastlstm import errors
from fastlstm.artifacts.mapping import function_of
from fastlstm.data.memory import release_memory_of_call

# The message that a call has begun.
STARTED = {"started": True}
_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.ConfigError, errors.DataError, errors.StoreError, errors.TrainingError,
        errors.WorkerKilledError, errors.WorkerEndedError, errors.FastLSTMError,
        # These may pass, so the caller tries again.
        ConnectionError, TimeoutError,
    )
}  # fmt: skip


class Messages:
    """Messages to the caller; several threads of a call may send them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message as a line of JSON."""
        with self._lock:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()


def answer(request: dict[str, Any], messages: Messages) -> None:
    """Run one call and send its result, or its error as class, text and traceback."""
    messages.send(STARTED)
    try:
        arguments = request["arguments"]
        result = function_of(request["function"])(**arguments, on_event=messages.send)
        messages.send({"result": result})
    except Exception as error:
        messages.send(
            {
                "error": type(error).__name__,
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
        )
    sys.stdout.flush()
    release_memory_of_call()


def result_of(function: str, outcome: dict[str, Any]) -> Any:
    """The result that a message holds.

    Args:
        function: the function that was called.
        outcome: the message with its result or error.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error.
    """
    if "error" not in outcome:
        return outcome["result"]
    kind = _ERRORS.get(outcome["error"])
    if kind:
        raise kind(outcome["message"])
    raise errors.TrainingError(
        f"{function} failed: {outcome['error']}: {outcome['message']}"
    ) from RuntimeError(outcome["traceback"])


def killed_error() -> errors.WorkerKilledError:
    """The error of a process that the system killed."""
    return errors.WorkerKilledError(
        "the process was killed by the system, most likely for lack of memory; lower "
        "batch_size or timesteps, or use a machine with more memory"
    )


def time_limit_error(seconds: float) -> errors.TrainingError:
    """The error of a call that took longer than it may."""
    return errors.TrainingError(
        f"stopped after the time limit of {seconds:g} s; raise training_time_limit, or lower epochs"
    )


def without_events(function: str, arguments: dict[str, Any], on_event: Any) -> Any:
    """Call ``module:function``, which sends no events, with keyword arguments."""
    return function_of(function)(**arguments)
