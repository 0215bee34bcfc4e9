"""Run functions in a Python process of their own.

TensorFlow's memory grows from training to training in one process, TensorFlow hangs after a fork, and
its results vary beside other threads. A process of its own has none of that, can be stopped at a time
limit, and when the system kills it for lack of memory, the caller survives and reports it. Starting one
costs seconds, most of them TensorFlow's import, so the process of a training also evaluates and compares
its network, and can be started ahead of the training.

Python's ``multiprocessing`` is no alternative: its 'spawn' runs the caller's main script again, so a
script without ``if __name__ == "__main__"`` could not start a training. Requests and results are JSON:
no data or model crosses between the processes.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm import errors
from fastlstm.steps.worker_process import STARTED

_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.ConfigError, errors.DataError, errors.StoreError, errors.TrainingError,
        errors.FastLSTMError,
    )
}  # fmt: skip
# Variables that change how devices, TensorFlow, Keras, threads and Python behave.
_STEERING = (
    "CUDA_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "TF_", "XLA_", "KERAS_", "OMP_", "MKL_", "ONEDNN_",
    "DNNL_", "LD_", "PYTHON", "PATH", "HOME", "TMP", "TEMP",
)  # fmt: skip
_TRAINING_IMPORTS = "fastlstm.steps.train:prepare"
# How much of a dead process' output an error quotes.
_TAIL_BYTES = 2000

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

    The function gets one more argument, ``on_event``; what it sends arrives at the caller's ``on_event``
    while it runs. Its JSON-like return value is returned. The process ends with the caller, however the
    caller ends; until then, or for two idle minutes, it serves the next call.

    Args:
        function: e.g. ``'fastlstm.steps.train:train_into'``.
        arguments: keyword arguments.
        on_event: called in the calling thread.
        time_limit: seconds after which the process is killed.
        fresh: in a process that has served no call, as a training needs it to be repeatable.

    Raises:
        FastLSTMError: the same class and text that the function raised.
        TrainingError: any other error, a killed process, or the time limit.
    """
    idle = _take_idle(fresh=fresh)
    if idle is not None:
        try:
            return _run(idle, function, arguments, on_event, time_limit)
        except _EndedBeforeError:
            pass  # idle for too long, or killed meanwhile; nothing was begun
    return _run(_Process(), function, arguments, on_event, time_limit)


def start_ahead(function: str = _TRAINING_IMPORTS) -> None:
    """Start the process of the next call now, and call ``module:function`` there, without arguments.

    For imports that take long and leave nothing that a ``fresh`` call must not find. Returns at once;
    what fails there shows in the next call. Does nothing where such a process waits already.

    Args:
        function: by default it imports what a training needs.
    """
    process = _take_idle(fresh=True)
    if process is None:
        process = _Process()
        process.prepare(function)
    _keep_idle(process)


def _take_idle(*, fresh: bool) -> _Process | None:
    """The idle process if it may serve such a call, for the caller alone; one that may not is ended."""
    idle = _swap_idle(None)
    if idle is not None and ((fresh and idle.has_served) or not idle.is_current()):
        idle.end()
        return None
    return idle


def _keep_idle(process: _Process) -> None:
    """Let a process wait for the next call, in place of any other."""
    former = _swap_idle(process)
    if former is not None:
        former.end()


def _run(process: _Process, *request: Any) -> Any:
    """Run a call in a process and keep the process for the next call; end it where the call fails."""
    try:
        result = process.run(*request)
    except BaseException:
        process.end()
        raise
    _keep_idle(process)
    return result


def _swap_idle(successor: _Process | None) -> _Process | None:
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


class _EndedBeforeError(Exception):
    """The process ended before it began the call."""


def _environment() -> dict[str, str]:
    """The variables that steer such a process; libraries set others as they are imported."""
    return {name: value for name, value in os.environ.items() if name.startswith(_STEERING)}


class _Process:
    """A Python process that serves one call after another; see ``fastlstm.steps.worker_process``.

    Attributes:
        has_served: whether a call ended in it.
    """

    def __init__(self) -> None:
        self._environment, self._folder = _environment(), Path.cwd()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        reading, writing = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "fastlstm.steps.worker_process", str(writing)],
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
        self.has_served = self._is_prepared = False

    def prepare(self, function: str) -> None:
        """See ``start_ahead``."""
        self._is_prepared = True
        self._send({"prepare": function})

    def is_current(self) -> bool:
        """Whether a new process would have the same environment and folder."""
        return self._environment == _environment() and self._folder == Path.cwd()

    def end(self) -> None:
        """Kill the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._messages.close()
        self._log.close()

    def run(
        self,
        function: str,
        arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        time_limit: float | None,
    ) -> Any:
        """See ``call``.

        Raises:
            _EndedBeforeError: the process had ended, so that nothing was begun.
        """
        log_start = os.fstat(self._log.fileno()).st_size
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(time_limit, stop) if time_limit else None
        try:
            if timer:
                timer.start()
            self._send({"function": function, "arguments": arguments})
            begun, outcome = self._receive(on_event)
        finally:
            if timer:
                timer.cancel()
        if outcome is None:
            raise self._death(
                function, log_start, time_limit if timed_out.is_set() else None, begun
            )
        if "error" in outcome:
            kind = _ERRORS.get(outcome["error"])
            if kind:
                raise kind(outcome["message"])
            raise errors.TrainingError(
                f"{function} failed: {outcome['error']}: {outcome['message']}"
            ) from RuntimeError(outcome["traceback"])
        self.has_served = True
        return outcome["result"]

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _receive(
        self, on_event: Callable[[dict[str, Any]], None]
    ) -> tuple[bool, dict[str, Any] | None]:
        """Pass events on until the call ends: whether it began, and its result or error, if any."""
        begun = False
        for line in self._messages:
            message = json.loads(line)
            if "event" in message:
                on_event(message)
            elif message == STARTED:
                begun = True
            else:
                return begun, message
        return begun, None

    def _death(
        self, function: str, log_start: int, exceeded: float | None, begun: bool
    ) -> Exception:
        """The error that says why the process ended without an answer."""
        code = self._process.wait()
        if exceeded is not None:
            return errors.TrainingError(
                f"stopped after the time limit of {exceeded:g} s; raise training_time_limit, or lower "
                "epochs"
            )
        if not begun and (self.has_served or self._is_prepared):
            return _EndedBeforeError()
        if code == -signal.SIGKILL:
            return errors.TrainingError(
                "the process was killed by the system, most likely for lack of memory; lower "
                "batch_size or timesteps, or use a machine with more memory"
            )
        size = os.fstat(self._log.fileno()).st_size
        first = max(log_start, size - _TAIL_BYTES)
        # Read without moving the position, which the process shares.
        tail = os.pread(self._log.fileno(), size - first, first).decode(errors="replace")
        return errors.TrainingError(f"the process of {function} ended with code {code}: {tail}")
