"""The process that ``fastlstm.steps.worker`` starts: it serves one call after another.

``python -m fastlstm.steps.worker_process DESCRIPTOR`` reads requests from stdin and writes messages to
an inherited pipe; see ``fastlstm.steps.worker_messages``. The descriptor is the number of that pipe.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import sys
import threading

from fastlstm.artifacts.mapping import function_of
from fastlstm.steps.forks import serve_by_fork
from fastlstm.steps.worker_messages import Messages, answer

# A process without a request for this long ends, and returns its memory.
_IDLE_SECONDS = 120.0


def _read_requests(requests: queue.Queue[str]) -> None:
    """Queue each line of stdin; end the process when the caller is gone.

    The caller holds the other end of stdin open, and its end, even by kill -9, closes it.
    """
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)


def serve(descriptor: int) -> None:
    """Serve requests until none comes for two minutes or the caller ends.

    Args:
        descriptor: file descriptor of the pipe that messages are written to.
    """
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        messages = Messages(stream)
        while True:
            try:
                request = json.loads(requests.get(timeout=_IDLE_SECONDS))
            except queue.Empty:
                break
            if "prepare" in request:
                with contextlib.suppress(Exception):  # the next call reports what is wrong
                    function_of(request["prepare"])()
            elif request.get("forked"):
                # A collection in a fork would copy the memory of all that was imported.
                gc.collect()
                gc.freeze()
                messages.send({"ended": serve_by_fork(request, messages)})
            else:
                answer(request, messages)
    # TensorFlow's own clean-up at exit takes seconds and has nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
