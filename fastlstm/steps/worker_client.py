"""The caller's side of a worker process: start it, send it calls, receive their results, end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastlstm import errors
from fastlstm.artifacts.scratch import ScratchFolder
from fastlstm.steps.worker_messages import STARTED, killed_error, result_of, time_limit_error

# Variables that change how devices, TensorFlow, Keras, threads and Python behave.
_STEERING = (
    "CUDA_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "TF_", "XLA_", "KERAS_", "OMP_", "MKL_", "ONEDNN_",
    "DNNL_", "LD_", "PYTHON", "PATH", "HOME", "TMP", "TEMP",
)  # fmt: skip
# How much of a dead process' output an error quotes.
_TAIL_BYTES = 2000


class EndedBeforeError(Exception):
    """The process ended before it began the call."""


def steering_environment() -> dict[str, str]:
    """The variables that steer such a process; libraries set others as they are imported."""
    return {name: value for name, value in os.environ.items() if name.startswith(_STEERING)}


class WorkerProcess:
    """A Python process that serves one call after another; see ``fastlstm.steps.worker_process``.

    Args:
        variables: environment variables beside those of this process.

    Attributes:
        has_served: whether a call ended in it.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._environment, self._folder = steering_environment(), Path.cwd()
        # Libraries leave temporary files in a process that is killed, which is how this one ends.
        self._scratch = ScratchFolder()
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
            env={**os.environ, **(variables or {}), "TMPDIR": str(self._scratch.path)},
            text=True,
        )
        os.close(writing)
        self._messages = os.fdopen(reading, encoding="utf-8")
        self.has_served = False
        self._prepared: set[str] = set()

    def prepare(self, function: str) -> None:
        """Call ``module:function`` without arguments, once; see ``worker.start_ahead``."""
        if function not in self._prepared:
            self._prepared.add(function)
            self._send({"prepare": function})

    @property
    def is_prepared(self) -> bool:
        """Whether it was started ahead, for calls that it then serves by forks."""
        return bool(self._prepared)

    def is_current(self) -> bool:
        """Whether a new process would have the same environment and folder."""
        return self._environment == steering_environment() and self._folder == Path.cwd()

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def end(self) -> None:
        """Kill the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._messages.close()
        self._log.close()
        self._scratch.remove()

    def run(
        self,
        function: str,
        arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        time_limit: float | None,
        *,
        forked: bool = False,
    ) -> Any:
        """Run a call; see ``fastlstm.steps.worker.call``.

        Args:
            function: e.g. ``'fastlstm.steps.train:train_into'``.
            arguments: keyword arguments.
            on_event: called in the calling thread.
            time_limit: seconds after which the process is killed.
            forked: in a fork of the process, which stays as it is.

        Raises:
            EndedBeforeError: the process had ended, so that nothing was begun.
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
            self._send({"function": function, "arguments": arguments, "forked": forked})
            begun, outcome, code = self._receive(on_event, forked)
        finally:
            if timer:
                timer.cancel()
        if outcome is None:
            exceeded = time_limit if timed_out.is_set() else None
            raise self._death(function, log_start, exceeded, begun, code)
        result = result_of(function, outcome)
        self.has_served = self.has_served or not forked
        return result

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 (stdin is a pipe)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _receive(
        self, on_event: Callable[[dict[str, Any]], None], forked: bool
    ) -> tuple[bool, dict[str, Any] | None, int | None]:
        """Pass events on until the call ends.

        Returns:
            Whether it began, its result or error, if any, and the exit code of its fork, if any.
        """
        begun, outcome = False, None
        for line in self._messages:
            message = json.loads(line)
            if "event" in message:
                on_event(message)
            elif message == STARTED:
                begun = True
            elif "ended" in message:
                return begun, outcome, message["ended"]
            else:
                outcome = message
                if not forked:
                    break
        return begun, outcome, None

    def _death(
        self, function: str, log_start: int, exceeded: float | None, begun: bool, fork: int | None
    ) -> Exception:
        """The error that says why the process, or its fork, ended without an answer."""
        code = self._process.wait() if fork is None else fork
        if exceeded is not None:
            return time_limit_error(exceeded)
        if not begun and (self.has_served or self._prepared):
            return EndedBeforeError()
        if code == -signal.SIGKILL:
            return killed_error()
        size = os.fstat(self._log.fileno()).st_size
        first = max(log_start, size - _TAIL_BYTES)
        # Read without moving the position, which the process shares.
        tail = os.pread(self._log.fileno(), size - first, first).decode(errors="replace")
        return errors.WorkerEndedError(f"the process of {function} ended with code {code}: {tail}")
