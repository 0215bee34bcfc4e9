"""Run a function in a fresh Python process of its own.

TensorFlow grows from training to training in one process, hangs after a fork, and is not
reproducible beside other threads; a process of its own has none of that, can be stopped at a time
limit, and when the system kills it for memory, the caller lives to tell.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from fastlstm import errors

_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.ConfigError, errors.DataError, errors.StoreError, errors.TrainingError,
        errors.FastLSTMError,
    )
}  # fmt: skip


def call(
    function: str,
    arguments: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    time_limit: float | None = None,
) -> Any:
    """Call ``module:function`` with JSON-like keyword arguments in a new process.

    The function gets one more argument, ``on_event``; what it tells arrives at the caller's
    ``on_event`` while it runs. Its JSON-like return value is returned. The process ends with the
    caller, however the caller ends.

    Args:
        function: e.g. ``'fastlstm.training:train_into'``.
        arguments: keyword arguments.
        on_event: called in the calling thread.
        time_limit: seconds after which the process is killed.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error, a killed process, or the time limit.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "fastlstm.isolation", str(writing)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            # A Ctrl-C reaches the caller, who ends this process in order.
            start_new_session=True,
            text=True,
        )
        os.close(writing)
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(time_limit, stop) if time_limit else None
        outcome: dict[str, Any] = {}
        try:
            if timer:
                timer.start()
            assert process.stdin is not None  # noqa: S101 (stdin is a pipe)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(
                    json.dumps({"function": function, "arguments": arguments}) + "\n"
                )
                process.stdin.flush()
            with os.fdopen(reading, encoding="utf-8") as events:
                for line in events:
                    message = json.loads(line)
                    if "event" in message:
                        on_event(message)
                    else:
                        outcome = message
            code = process.wait()
        finally:
            if timer:
                timer.cancel()
            process.kill()
            process.wait()
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        if "result" in outcome:
            return outcome["result"]
        if "error" in outcome:
            kind = _ERRORS.get(outcome["error"])
            if kind:
                raise kind(outcome["message"])
            raise errors.TrainingError(
                f"{function} failed: {outcome['error']}: {outcome['message']}"
            ) from RuntimeError(outcome["traceback"])
        if timed_out.is_set():
            raise errors.TrainingError(
                f"stopped after the time limit of {time_limit:g} s; raise training_time_limit, or "
                "lower epochs"
            )
        if code == -signal.SIGKILL:
            raise errors.TrainingError(
                "the process was killed by the system, most likely for lack of memory; lower "
                "batch_size or timesteps, or use a machine with more memory"
            )
        log.seek(0)
        tail = log.read()[-2000:]
        raise errors.TrainingError(f"the process of {function} ended with code {code}: {tail}")


def _serve(descriptor: int) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8") as events:
        lock = threading.Lock()

        def tell(message: dict[str, Any]) -> None:
            with lock:
                events.write(json.dumps(message) + "\n")
                events.flush()

        request = json.loads(sys.stdin.readline())
        threading.Thread(target=_end_with_caller, daemon=True).start()
        module, _, name = request["function"].partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
            result = function(**request["arguments"], on_event=tell)
            tell({"result": result})
        except Exception as error:
            tell(
                {
                    "error": type(error).__name__,
                    "message": str(error),
                    "traceback": traceback.format_exc(),
                }
            )
    # TensorFlow's own clean-up at exit takes seconds and has nothing left to save.
    sys.stdout.flush()
    os._exit(0)


def _end_with_caller() -> None:
    # The caller holds the other end of stdin open; its end, even by kill -9, closes it.
    while sys.stdin.readline():
        time.sleep(0.1)
    os._exit(1)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
