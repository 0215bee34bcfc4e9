"""Worker processes of this machine that serve calls at the same time, as many as memory allows."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from typing import Any

from fastlstm.errors import WorkerKilledError
from fastlstm.steps.worker_client import EndedBeforeError, WorkerProcess

# A process that trains a small network takes 0.7 GB; the rest is for its rows.
_BYTES_OF_WORKER = 2_000_000_000
# Variables by which the libraries of a worker choose their number of threads.
_THREADS = (
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
)  # fmt: skip


def default_workers() -> int:
    """One worker for each core of this machine, and at most one for each 2 GB of its memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, memory // _BYTES_OF_WORKER))


class WorkerPool:
    """Processes that are started when they are needed, and serve one call each at a time.

    Args:
        size: most processes at a time; further calls wait.
        threads: number of threads that each computes with.
    """

    def __init__(self, size: int, threads: int) -> None:
        self.size = size
        self._variables = dict.fromkeys(_THREADS, str(threads))
        self._free: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    def call(
        self,
        function: str,
        arguments: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
        time_limit: float | None = None,
        *,
        prepare: str | None = None,
    ) -> Any:
        """Call ``module:function`` in a free process; see ``fastlstm.steps.worker.call``.

        A call whose process the system killed runs once more.

        Args:
            function: e.g. ``'fastlstm.steps.train:train_into'``.
            arguments: keyword arguments.
            on_event: called in the calling thread.
            time_limit: seconds after which the call is ended.
            prepare: ``module:function`` without arguments that imports what the call needs; the call
                then runs in a fork of a process that did no more, whose results are those of a new
                process. None: in the process itself.

        Raises:
            FastLSTMError: the same class and text that the function raised.
            TrainingError: any other error, a process killed twice, or the time limit.
        """
        request = (function, arguments, on_event, time_limit)
        try:
            return self._call(request, prepare)
        except WorkerKilledError:
            return self._call(request, prepare)

    def _call(self, request: tuple[Any, ...], prepare: str | None) -> Any:
        process = self._free.get()
        try:
            if process is not None and prepare is not None and process.has_served:
                process.end()  # a fork would find what its calls left
                process = None
            if process is not None:
                if prepare is not None:
                    process.prepare(prepare)
                try:
                    return process.run(*request, forked=prepare is not None)
                except EndedBeforeError:  # idle for too long; nothing was begun
                    process.end()
                    process = None
            process = WorkerProcess(self._variables)
            if prepare is not None:
                process.prepare(prepare)
            return process.run(*request, forked=prepare is not None)
        except BaseException:
            if process is not None and not process.is_alive():
                process.end()
                process = None
            raise
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End the processes that serve no call."""
        for _ in range(self.size):
            try:
                process = self._free.get_nowait()
            except queue.Empty:
                return
            if process is not None:
                process.end()
