"""The process that ``fastlstm.steps.worker`` starts: it serves one call after another.

``python -m fastlstm.steps.worker_process DESCRIPTOR`` reads requests from stdin and writes messages to
an inherited pipe, one JSON object a line each. The descriptor is the number of that pipe.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import queue
import sys
import threading
import traceback
from typing import IO, Any

from fastlstm.data.memory import give_back

# A process without a request for this long ends, and returns its memory.
_IDLE_SECONDS = 120.0
# The message that a call has begun.
STARTED = {"started": True}


class _Messages:
    """Messages to the caller; several threads of a call may send them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message as a line of JSON."""
        with self._lock:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()


def _function(name: str) -> Any:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _read_requests(requests: queue.Queue[str]) -> None:
    """Queue each line of stdin; end the process when the caller is gone.

    The caller holds the other end of stdin open, and its end, even by kill -9, closes it.
    """
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)


def _answer(request: dict[str, Any], messages: _Messages) -> None:
    """Run one call and send its result, or its error as class, text and traceback."""
    messages.send(STARTED)
    try:
        result = _function(request["function"])(**request["arguments"], on_event=messages.send)
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
    # A network and its rows lie in cycles of references; the next call needs their memory.
    gc.collect()
    give_back()


def serve(descriptor: int) -> None:
    """Serve requests until none comes for two minutes or the caller ends.

    Args:
        descriptor: file descriptor of the pipe that messages are written to.
    """
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        messages = _Messages(stream)
        while True:
            try:
                request = json.loads(requests.get(timeout=_IDLE_SECONDS))
            except queue.Empty:
                break
            if "prepare" in request:
                with contextlib.suppress(Exception):  # the next call reports what is wrong
                    _function(request["prepare"])()
            else:
                _answer(request, messages)
    # TensorFlow's own clean-up at exit takes seconds and has nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
