"""Run functions in a Python process of their own.

TensorFlow grows from training to training in one process, hangs after a fork, and is not
reproducible beside other threads; a process of its own has none of that, can be stopped at a time
limit, and when the system kills it for memory, the caller lives to tell. Starting one costs seconds,
most of them TensorFlow's import, so the process of a training also scores and compares its network, and
can be started ahead of the training.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm import errors
from fastlstm.data.memory import give_back

_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.ConfigError, errors.DataError, errors.StoreError, errors.TrainingError,
        errors.FastLSTMError,
    )
}  # fmt: skip


# A process that nobody asked anything for this long ends, and gives its memory back.
_IDLE_SECONDS = 120.0


# Variables of devices, TensorFlow, Keras, threads, and Python.
_STEERING = (
    "CUDA_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "TF_", "XLA_", "KERAS_", "OMP_", "MKL_", "ONEDNN_",
    "DNNL_", "LD_", "PYTHON", "PATH", "HOME", "TMP", "TEMP",
)  # fmt: skip


_STARTED = {"started": True}


_TRAINING_IMPORTS = "fastlstm.steps.train:prepare"


_lock = threading.Lock()


_idle: _Process | None = None


def call(
    function: str,
    arguments: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    time_limit: float | None = None,
    *,
    fresh: bool = False,
) -> Any:
    """Call ``module:function`` with JSON-like keyword arguments in another process.

    The function gets one more argument, ``on_event``; what it tells arrives at the caller's
    ``on_event`` while it runs. Its JSON-like return value is returned. The process ends with the
    caller, however the caller ends; until then, or for two idle minutes, it serves the next call.

    Args:
        function: e.g. ``'fastlstm.steps.train:train_into'``.
        arguments: keyword arguments.
        on_event: called in the calling thread.
        time_limit: seconds after which the process is killed.
        fresh: in a process that did nothing before, as a training must be to be repeatable.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error, a killed process, or the time limit.
    """
    earlier = _waiting(fresh=fresh)
    if earlier is not None:
        try:
            return _ask(earlier, function, arguments, on_event, time_limit)
        except _EndedBeforeError:
            pass  # idle for too long, or killed meanwhile; nothing was begun
    return _ask(_Process(), function, arguments, on_event, time_limit)


def start_ahead(function: str = _TRAINING_IMPORTS) -> None:
    """Start the process of the next call now, and call ``module:function`` there, with no arguments.

    For what takes long to import and leaves nothing behind that a ``fresh`` call must not find. Returns
    at once; what fails there shows in the next call. Does nothing where such a process waits already.

    Args:
        function: without it what a training imports.
    """
    ahead = _waiting(fresh=True)
    if ahead is None:
        ahead = _Process()
        ahead.prepare(function)
    _keep(ahead)


def _waiting(*, fresh: bool) -> _Process | None:
    """The idle process if it may serve such a call, for the caller alone; one that may not is ended."""
    idle = _take()
    if idle is not None and ((fresh and idle.has_served) or not idle.is_like_us()):
        idle.end()
        return None
    return idle


def _keep(process: _Process) -> None:
    """Let a process wait for the next call, in place of any other."""
    former = _take(process)
    if former is not None:
        former.end()


def _ask(process: _Process, *request: Any) -> Any:
    try:
        result = process.ask(*request)
    except BaseException:
        process.end()
        raise
    _keep(process)
    return result


def _take(successor: _Process | None = None) -> _Process | None:
    """The idle process, if any, with another put in its place."""
    global _idle
    with _lock:
        taken, _idle = _idle, successor
    return taken


@atexit.register
def _end_idle() -> None:
    taken = _take()
    if taken is not None:
        taken.end()


class _EndedBeforeError(Exception):
    """The process ended before it began what it was asked."""


def _environment() -> dict[str, str]:
    """What is set that steers such a process; libraries set other variables as they are imported."""
    return {name: value for name, value in os.environ.items() if name.startswith(_STEERING)}


class _Process:
    """A Python process that serves one call after another."""

    def __init__(self) -> None:
        self._environment, self._folder = _environment(), Path.cwd()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        reading, writing = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "fastlstm.steps.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(writing,),
            # A Ctrl-C reaches the caller, who ends this process in order.
            start_new_session=True,
            text=True,
        )
        os.close(writing)
        self._messages = os.fdopen(reading, encoding="utf-8")
        self.has_served = self._is_ahead = False

    def prepare(self, function: str) -> None:
        """See ``start_ahead``."""
        self._is_ahead = True
        self._tell({"ahead": function})

    def is_like_us(self) -> bool:
        """Whether it would start with the same environment, in the same folder, today."""
        return self._environment == _environment() and self._folder == Path.cwd()

    def end(self) -> None:
        """Kill it, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._messages.close()
        self._log.close()

    def _tell(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def ask(
        self,
        function: str,
        arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        time_limit: float | None,
    ) -> Any:
        """See ``call``.

        Raises:
            _EndedBeforeError: it had ended, so that nothing was begun.
        """
        written = os.fstat(self._log.fileno()).st_size
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(time_limit, stop) if time_limit else None
        outcome: dict[str, Any] = {}
        begun = False
        try:
            if timer:
                timer.start()
            self._tell({"function": function, "arguments": arguments})
            for line in self._messages:
                message = json.loads(line)
                if "event" in message:
                    on_event(message)
                elif message == _STARTED:
                    begun = True
                else:
                    outcome = message
                    break
        finally:
            if timer:
                timer.cancel()
        if "result" in outcome:
            self.has_served = True
            return outcome["result"]
        if "error" in outcome:
            kind = _ERRORS.get(outcome["error"])
            if kind:
                raise kind(outcome["message"])
            raise errors.TrainingError(
                f"{function} failed: {outcome['error']}: {outcome['message']}"
            ) from RuntimeError(outcome["traceback"])
        code = self._process.wait()
        if timed_out.is_set():
            raise errors.TrainingError(
                f"stopped after the time limit of {time_limit:g} s; raise training_time_limit, or "
                "lower epochs"
            )
        if not begun and (self.has_served or self._is_ahead):
            raise _EndedBeforeError
        if code == -signal.SIGKILL:
            raise errors.TrainingError(
                "the process was killed by the system, most likely for lack of memory; lower "
                "batch_size or timesteps, or use a machine with more memory"
            )
        size = os.fstat(self._log.fileno()).st_size
        first = max(written, size - 2000)
        # Read without moving the position, which the process shares.
        tail = os.pread(self._log.fileno(), size - first, first).decode(errors="replace")
        raise errors.TrainingError(f"the process of {function} ended with code {code}: {tail}")


def _found(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def _serve(descriptor: int) -> None:
    requests: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            requests.put(line)
        # The caller holds the other end of stdin open; its end, even by kill -9, closes it.
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    with os.fdopen(descriptor, "w", encoding="utf-8") as messages:
        lock = threading.Lock()

        def tell(message: dict[str, Any]) -> None:
            with lock:
                messages.write(json.dumps(message) + "\n")
                messages.flush()

        while True:
            try:
                request = json.loads(requests.get(timeout=_IDLE_SECONDS))
            except queue.Empty:
                break
            if "ahead" in request:
                with contextlib.suppress(Exception):  # the next call tells what is wrong
                    _found(request["ahead"])()
                continue
            tell(_STARTED)
            try:
                function = _found(request["function"])
                tell({"result": function(**request["arguments"], on_event=tell)})
            except Exception as error:
                tell(
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
    # TensorFlow's own clean-up at exit takes seconds and has nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
